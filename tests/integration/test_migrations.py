"""The migrations and the written-down schema are one: tables, constraints, indexes, functions, triggers and rights."""

from importlib.resources import files

import psycopg
import pytest

from services.database import migrate as migrating
from services.database.migrate import MigrationError, migrate, migrations
from tests.stack import new_database

_OURS = "NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"

_CATALOG = {
    "columns": f"""
        SELECT table_name, table_schema, column_name, data_type, is_nullable, column_default, is_identity,
            generation_expression
        FROM information_schema.columns WHERE table_schema {_OURS}""",
    "constraints": f"""
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(c.oid)
        FROM pg_constraint c JOIN pg_namespace n ON n.oid = connamespace WHERE nspname {_OURS}""",
    "indexes": f"SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname {_OURS}",
    "views": f"SELECT viewname, schemaname, definition FROM pg_views WHERE schemaname {_OURS}",
    "functions": f"""
        SELECT proname, proacl::text, pg_get_functiondef(p.oid)
        FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname {_OURS}""",
    "triggers": """
        SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal""",
    "policies": "SELECT tablename, policyname, cmd, roles::text, qual, with_check FROM pg_policies",
    "rights": f"""
        SELECT table_name, table_schema, grantee, privilege_type FROM information_schema.role_table_grants
        WHERE table_schema {_OURS} AND grantee LIKE 'rollcall%'""",
    "rights on columns": f"""
        SELECT table_name, table_schema, column_name, grantee, privilege_type
        FROM information_schema.role_column_grants WHERE table_schema {_OURS} AND grantee LIKE 'rollcall%'""",
}


def _catalog(address: str) -> dict[str, set[tuple[object, ...]]]:
    with psycopg.connect(address) as connection:
        return {
            what: {row for row in connection.execute(query.encode()).fetchall() if row[0] != "migrations"}
            for what, query in _CATALOG.items()
        }


def test_the_migrations_make_exactly_the_schema_that_is_written_down(postgres: str) -> None:
    with new_database(postgres) as migrated, new_database(postgres) as written:
        migrate(migrated)
        schema = files("services.database").joinpath("schema.sql").read_text(encoding="utf-8")
        with psycopg.connect(written) as connection:
            connection.execute(schema.encode())
        made, told = _catalog(migrated), _catalog(written)
        for what in _CATALOG:
            assert made[what] == told[what], what
        assert made["rights"]


def test_migrating_twice_does_nothing_the_second_time(postgres: str) -> None:
    with new_database(postgres) as address:
        assert migrate(address) == [migration.name for migration in migrations()]
        assert migrate(address) == []


def test_a_database_newer_than_the_code_is_refused(postgres: str) -> None:
    with new_database(postgres) as address:
        migrate(address)
        with psycopg.connect(address) as connection:
            connection.execute("INSERT INTO migrations (number, name) VALUES (9999, '9999_pre_from_the_future.sql')")
        with pytest.raises(MigrationError, match="9999_pre_from_the_future"):
            migrate(address)


def test_a_migration_that_fails_leaves_nothing_of_itself(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = migrating.Migration(1, "0001_pre_broken.sql", "CREATE TABLE half (id int); SELECT 1 / 0;")
    monkeypatch.setattr(migrating, "migrations", lambda: [broken])
    with new_database(postgres) as address:
        with pytest.raises(psycopg.errors.DivisionByZero):
            migrate(address)
        with psycopg.connect(address) as connection:
            assert connection.execute("SELECT to_regclass('half')").fetchone() == (None,)
