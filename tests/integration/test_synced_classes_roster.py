"""The roster and the accounts are kept from every role that is not to write them, the owner of the tables included."""

from typing import get_args
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from schemas.records import KINDS
from services.activation.classes.reading import classes_of
from services.database.connect import Role, connect
from tests.classroom import DISTRICT, Classroom
from tests.rosters import add_account

WRITING = tuple(
    sql.SQL(statement).format(sql.Identifier(table))
    for table in KINDS
    for statement in (
        "INSERT INTO {} DEFAULT VALUES",
        "UPDATE {} SET district = district",
        "DELETE FROM {}",
        "TRUNCATE {}",
    )
    if (table, statement) != ("places", "TRUNCATE {}")  # a view
)
RIGHTS = b"""
    SELECT c.oid::regclass::text, p.right FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p("right")
    WHERE relkind IN ('r', 'v', 'm', 'p', 'f') AND nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
        AND has_table_privilege('rollcall_product', c.oid, p.right)
"""


@pytest.fixture
def room(database: str) -> Classroom:
    return Classroom(database)


def test_no_role_but_apply_writes_a_row_of_the_roster(room: Classroom) -> None:
    before = room.roster()
    for role in set(get_args(Role)) - {"rollcall_apply"}:
        with connect(room.database, role) as connection:
            for statement in WRITING:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
    assert room.roster() == before


def test_neither_the_tables_owner_nor_a_superuser_writes_a_row_of_the_roster(room: Classroom) -> None:
    before = room.roster()
    with psycopg.connect(room.database) as connection:
        owner = sql.Identifier(f"owner_{uuid4().hex}")
        connection.execute(sql.SQL("CREATE ROLE {}").format(owner))
        for table in KINDS:
            connection.execute(sql.SQL("ALTER TABLE {} OWNER TO {}").format(sql.Identifier(table), owner))
        for who in (sql.SQL("RESET ROLE"), sql.SQL("SET ROLE {}").format(owner)):
            connection.execute(who)
            for statement in WRITING:
                with pytest.raises(psycopg.DatabaseError) as refusal, connection.transaction():
                    connection.execute(statement)
                assert refusal.value.sqlstate == "RC100", statement
                assert "rollcall sync" in (refusal.value.diag.message_hint or "")
        connection.rollback()  # and with it the owner
    assert room.roster() == before


def test_no_trigger_brings_a_student_into_a_class_on_the_side(room: Classroom) -> None:
    with psycopg.connect(room.database) as connection:
        connection.execute(
            """CREATE FUNCTION sneak() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                   INSERT INTO places (district, class, part, person) VALUES ('springfield', 'math/5', 'student', 'p9');
                   RETURN NULL; END $$;
               CREATE TRIGGER sneak AFTER INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION sneak()"""
        )
        with pytest.raises(psycopg.DatabaseError) as refusal:
            connection.execute("INSERT INTO accounts DEFAULT VALUES")
    assert refusal.value.sqlstate == "RC100"


def test_the_roster_is_kept_once_a_statement_not_once_a_row(room: Classroom) -> None:
    kept = room.rows("SELECT tgrelid::regclass::text, tgtype & 1 FROM pg_trigger WHERE tgname = 'keep_roster'")
    assert sorted(kept) == sorted((table, 0) for table in KINDS)


def test_a_districts_removal_takes_its_roster_along_and_no_account(room: Classroom) -> None:
    with connect(room.database, "rollcall_operator") as connection:
        connection.execute("DELETE FROM districts WHERE district = %s", (DISTRICT,))
    assert room.roster() == [[], [], [], [], []]
    with room.product() as connection:
        assert [one.class_id for one in classes_of(connection, room.teacher)] == [room.club]


def test_no_role_of_rostering_makes_an_account_or_changes_one(database: str) -> None:
    account = add_account(database)
    for role in set(get_args(Role)) - {"rollcall_operator", "rollcall_sign_in"}:
        with connect(database, role) as connection:
            for statement in (
                "INSERT INTO accounts DEFAULT VALUES",
                f"INSERT INTO account_emails (account_id, email) VALUES ('{account}', 'dana@springfield.example')",
                "DELETE FROM accounts",
                "UPDATE accounts SET display_name = 'Zed'",
                f"INSERT INTO personal_classes (teacher, name) VALUES ('{account}', 'Mine')",
                "DELETE FROM account_work",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement.encode())


def test_the_products_role_has_no_right_outside_its_schema_and_none_to_change_the_rules(room: Classroom) -> None:
    with psycopg.connect(room.database) as connection:
        rights = connection.execute(RIGHTS).fetchall()
    seen = {"accounts", "classes", "class_students", "class_teachers", "may", "rules", "work"}
    assert {table for table, right in rights if right == "SELECT"} == {f"product.{view}" for view in seen}
    assert {(table, right) for table, right in rights if right != "SELECT"} == {
        ("product.classes", "DELETE"),
        ("product.class_students", "DELETE"),
        ("product.class_teachers", "DELETE"),
    }  # and of what it inserts and updates, columns
    with room.product() as connection:
        for statement in (b"UPDATE product.classes SET label = ''", b"UPDATE product.rules SET refusal = ''"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
