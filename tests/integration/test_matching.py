"""Whose account a rostered person has (DESIGN, "Whose account" and "Leaving"), on a real PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from uuid import uuid4

import psycopg
import pytest

from services.activation.matching import PersonKey, Rostered, match_again
from tests.matching import Matching
from tests.outbox import COLUMNS, events
from tests.pipeline import until


@pytest.fixture(scope="module")
def one_database(shared_database: str) -> Iterator[Matching]:
    with closing(Matching(shared_database)) as matching:
        yield matching


@pytest.fixture
def matching(one_database: Matching) -> Matching:
    one_database.forget_everything()
    one_database.add_district("springfield")
    return one_database


# ---------------------------------------------------------------- found


def test_an_account_with_the_rostered_email_is_activated_by_itself(matching: Matching) -> None:
    ann = matching.account("ann@school.example")
    matching.night(matching.rostered("ann", "ann@school.example"))
    assert matching.state("ann") == ("activated", ann)


@pytest.mark.parametrize("rostered", ["ANN@School.Example", "  ann@school.example "])
def test_emails_compare_without_case_and_surrounding_space(matching: Matching, rostered: str) -> None:
    ann = matching.account(" Ann@school.Example ")
    matching.night(matching.rostered("ann", rostered))
    assert matching.state("ann") == ("activated", ann)


def test_emails_compare_by_nothing_cleverer(matching: Matching) -> None:
    matching.account("ann.lee@gmail.com")
    matching.night(matching.rostered("a", "annlee@gmail.com"), matching.rostered("b", "ann.lee+school@gmail.com"))
    assert [matching.why("a"), matching.why("b")] == [("required", "no-account")] * 2


def test_any_of_an_accounts_emails_finds_it(matching: Matching) -> None:
    ann = matching.account("ann@home.example", "ann@school.example")
    matching.night(matching.rostered("ann", "ann@school.example"))
    assert matching.state("ann") == ("activated", ann)


def test_an_account_that_is_known_by_the_persons_id_is_activated_without_any_email(matching: Matching) -> None:
    ann = matching.account("ann@home.example")
    _import(matching, "clever", "", "ann", ann)
    matching.night(matching.rostered("ann", None))
    assert matching.state("ann") == ("activated", ann)


def test_the_same_account_found_by_id_and_by_email_is_activated(matching: Matching) -> None:
    ann = matching.account("ann@school.example")
    _import(matching, "clever", "", "ann", ann)
    matching.night(matching.rostered("ann", "ann@school.example"))
    assert matching.state("ann") == ("activated", ann)


def test_ids_compare_byte_for_byte_and_within_their_tenant(matching: Matching) -> None:
    matching.add_district("riverside", "classlink", "2284")
    ann, bob = matching.account(), matching.account()
    _import(matching, "clever", "", "Ann", ann)
    _import(matching, "classlink", "99", "bob", bob)
    matching.night(matching.rostered("ann", None), matching.rostered("bob", None, district="riverside"))
    assert matching.state("ann") == ("required", None)
    assert matching.state("bob", "riverside") == ("required", None)


def test_without_a_match_the_person_is_asked_and_no_account_is_made(matching: Matching) -> None:
    matching.night(matching.rostered("ann", "ann@school.example"), matching.rostered("bob", None))
    assert matching.why("ann") == ("required", "no-account")
    assert matching.why("bob") == ("required", "no-account")
    assert matching.query("SELECT count(*) FROM accounts") == [(0,)]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO accounts DEFAULT VALUES",
        "UPDATE accounts SET created_at = now()",
        "INSERT INTO account_emails (account_id, email) SELECT account_id, 'x@y.example' FROM accounts",
    ],
)
def test_the_role_that_matches_cannot_make_or_change_an_account(matching: Matching, statement: str) -> None:
    matching.account("ann@school.example")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        matching.activation.execute(statement.encode())


# ---------------------------------------------------------------- conflicts, never guessed


def test_an_email_that_points_to_one_account_and_an_id_to_another_is_a_conflict(matching: Matching) -> None:
    by_id, by_email = matching.account(), matching.account("ann@school.example")
    _import(matching, "clever", "", "ann", by_id)
    matching.night(matching.rostered("ann", "ann@school.example"))
    assert matching.why("ann") == ("conflict", "email-and-id-differ")
    assert matching.told()[-1].candidates == {by_id, by_email}


def test_an_email_shared_by_several_rostered_people_is_a_conflict_for_each(matching: Matching) -> None:
    account = matching.account("twins@school.example")
    matching.night(matching.rostered("a", "twins@school.example"), matching.rostered("b", "Twins@school.example"))
    assert [matching.why("a"), matching.why("b")] == [("conflict", "shared-email")] * 2
    assert {told.candidates for told in matching.told()} == {frozenset({account})}


def test_a_shared_email_without_an_account_leaves_nothing_to_guess_and_each_is_asked(matching: Matching) -> None:
    matching.night(matching.rostered("a", "twins@school.example"), matching.rostered("b", "twins@school.example"))
    assert [matching.why("a"), matching.why("b")] == [("required", "no-account")] * 2


def test_whoever_was_matched_by_email_first_does_not_win_when_somebody_shares_it_later(matching: Matching) -> None:
    matching.account("twins@school.example")
    matching.night(matching.rostered("a", "twins@school.example"))
    matching.night(matching.rostered("b", "twins@school.example"))
    assert [matching.why("a"), matching.why("b")] == [("conflict", "shared-email")] * 2


def test_an_email_shared_by_several_accounts_is_a_conflict(matching: Matching) -> None:
    accounts = {matching.account("ann@school.example"), matching.account("ANN@school.example")}
    matching.night(matching.rostered("ann", "ann@school.example"))
    assert matching.why("ann") == ("conflict", "several-accounts")
    assert matching.told()[-1].candidates == accounts


@pytest.mark.parametrize("district", ["springfield", "riverside"])
def test_a_student_and_a_teacher_with_one_email_are_a_conflict_even_in_two_districts(
    matching: Matching, district: str
) -> None:
    matching.add_district("riverside")
    matching.account("lee@school.example")
    matching.night(matching.rostered("student", "lee@school.example"))
    matching.night(matching.rostered("teacher", "lee@school.example", kind="teachers", district=district))
    assert matching.why("student") == ("conflict", "student-and-teacher")
    assert matching.why("teacher", district) == ("conflict", "student-and-teacher")


def test_two_emails_of_one_account_that_belong_to_two_people_are_a_conflict_for_both(matching: Matching) -> None:
    matching.account("ann@school.example", "bob@school.example")
    matching.night(matching.rostered("ann", "ann@school.example"))
    matching.night(matching.rostered("bob", "bob@school.example"))
    assert [matching.why("ann"), matching.why("bob")] == [("conflict", "account-taken")] * 2


def test_an_account_that_is_another_persons_by_id_is_a_conflict_and_stays_with_them(matching: Matching) -> None:
    account = matching.account("lee@school.example")
    _import(matching, "clever", "", "ann", account)
    matching.night(matching.rostered("ann", None), matching.rostered("bob", "lee@school.example"))
    assert matching.state("ann") == ("activated", account)
    assert matching.why("bob") == ("conflict", "account-taken")


def test_one_account_known_by_the_ids_of_two_people_of_a_district_is_a_conflict_for_both(matching: Matching) -> None:
    account = matching.account()
    _import(matching, "clever", "", "ann", account)
    _import(matching, "clever", "", "bob", account)
    matching.night(matching.rostered("ann", None), matching.rostered("bob", None))
    assert [matching.why("ann"), matching.why("bob")] == [("conflict", "account-taken")] * 2


def test_an_email_given_to_somebody_new_after_its_person_left_is_a_conflict(matching: Matching) -> None:
    matching.account("lee@school.example")
    matching.night(matching.rostered("old", "lee@school.example", number="1"))
    matching.night(matching.gone("old"))
    matching.night(matching.rostered("new", "lee@school.example", number="2"))
    assert matching.why("new") == ("conflict", "recycled-email")


def test_an_email_given_to_somebody_new_in_the_very_night_its_person_leaves_is_a_conflict_in_any_order(
    matching: Matching,
) -> None:
    matching.account("lee@school.example")
    matching.night(matching.rostered("old", "lee@school.example", birth_date="2010-01-01"))
    matching.night(matching.rostered("new", "lee@school.example", birth_date="2012-02-02"))
    matching.night(matching.gone("old"))
    assert matching.why("new") == ("conflict", "recycled-email")


def test_when_the_other_person_leaves_whoever_is_left_is_matched_again(matching: Matching) -> None:
    account = matching.account("twins@school.example")
    matching.night(matching.rostered("a", "twins@school.example"), matching.rostered("b", "twins@school.example"))
    matching.night(matching.gone("a"))
    assert matching.state("b") == ("activated", account)


def test_when_the_other_person_gets_an_email_of_their_own_both_are_matched_again(matching: Matching) -> None:
    shared, own = matching.account("twins@school.example"), matching.account("b@school.example")
    matching.night(matching.rostered("a", "twins@school.example"), matching.rostered("b", "twins@school.example"))
    matching.night(matching.rostered("b", "b@school.example"))
    assert matching.state("a") == ("activated", shared)
    assert matching.state("b") == ("activated", own)


# ---------------------------------------------------------------- one person, several places


def test_a_person_who_teaches_and_learns_under_one_id_is_one_person_with_one_account(matching: Matching) -> None:
    account = matching.account("lee@school.example")
    matching.night(
        matching.rostered("lee", "lee@school.example", birth_date="2001-01-01"),
        matching.rostered("lee", "lee@school.example", kind="teachers"),
    )
    assert matching.state("lee") == ("activated", account)
    matching.night(matching.gone("lee"))
    assert matching.query("SELECT kind FROM activations WHERE state = 'activated'") == [("teachers",)]


def test_two_districts_can_roster_the_same_teacher(matching: Matching) -> None:
    matching.add_district("riverside", "classlink", "2284")
    account = matching.account("hand@school.example")
    matching.night(
        matching.rostered("t1", "hand@school.example", kind="teachers"),
        matching.rostered("T-1", "hand@school.example", kind="teachers", district="riverside"),
    )
    assert matching.state("t1") == ("activated", account)
    assert matching.state("T-1", "riverside") == ("activated", account)


# ---------------------------------------------------------------- what changes, and who leaves


def test_a_new_email_keeps_the_link(matching: Matching) -> None:
    account = matching.account("ann@school.example")
    matching.night(matching.rostered("ann", "ann@school.example"))
    matching.night(matching.rostered("ann", "ann.lee@school.example"))
    assert matching.state("ann") == ("activated", account)
    matching.night(matching.rostered("ann", None))
    assert matching.state("ann") == ("activated", account)


def test_a_new_email_of_somebody_elses_account_is_a_conflict(matching: Matching) -> None:
    before, other = matching.account("ann@school.example"), matching.account("lee@school.example")
    matching.night(matching.rostered("ann", "ann@school.example"))
    matching.told()
    matching.night(matching.rostered("ann", "lee@school.example"))
    assert matching.why("ann") == ("conflict", "email-and-id-differ")
    assert matching.told()[-1].candidates == {before, other}


def test_whoever_gets_the_former_email_of_somebody_who_kept_the_account_is_a_conflict(matching: Matching) -> None:
    account = matching.account("ann@school.example")
    matching.night(matching.rostered("ann", "ann@school.example"))
    matching.night(matching.rostered("ann", "ann.lee@school.example"))
    matching.night(matching.rostered("new", "ann@school.example"))
    assert matching.state("ann") == ("activated", account)
    assert matching.why("new") == ("conflict", "account-taken")


def test_who_leaves_loses_the_link_and_never_the_account_and_finds_it_again_on_return(matching: Matching) -> None:
    account = matching.account("ann@school.example")
    matching.night(matching.rostered("ann", "ann@school.example"))
    matching.night(matching.gone("ann"))
    assert matching.state("ann") == ("deactivated", None)
    assert matching.query("SELECT account_id FROM accounts") == [(account,)]
    matching.night(matching.rostered("ann", "a.new.one@school.example"))
    assert matching.state("ann") == ("activated", account)
    assert [told.state for told in matching.told()] == ["activated", "deactivated", "activated"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"number": "77"}, {"number": "77", "name": "Another Name"}),
        ({"birth_date": "2010-01-01"}, {"birth_date": "2010-01-01", "number": "78"}),
        ({"name": "Ann Lee"}, {"name": "ann lee", "number": "79"}),
    ],
)
def test_away_and_back_under_a_new_id_finds_the_same_account(
    matching: Matching, before: dict[str, str], after: dict[str, str]
) -> None:
    account = matching.account("ann@school.example")
    matching.night(matching.rostered("old", "ann@school.example", **before))
    matching.night(matching.gone("old"))
    matching.night(matching.rostered("new", "ann@school.example", **after))
    assert matching.state("new") == ("activated", account)
    assert matching.query("SELECT subject FROM identities") == [("new",)]


def test_a_district_that_moves_from_clever_to_classlink_ends_with_no_doubled_person(matching: Matching) -> None:
    accounts = [matching.account(f"p{n}@school.example") for n in range(5)]
    matching.night(*(matching.rostered(f"c{n}", f"p{n}@school.example", number=str(n)) for n in range(5)))
    matching.query("UPDATE districts SET provider = 'classlink', tenant_id = '2284'")
    moved = [matching.rostered(f"L{n}", f"p{n}@school.example", number=str(n)) for n in range(5)]
    matching.night(*moved[:3], *(matching.gone(f"c{n}") for n in (0, 3, 4)))
    matching.night(*moved[3:], *(matching.gone(f"c{n}") for n in (1, 2)))
    assert [matching.state(f"L{n}") for n in range(5)] == [("activated", account) for account in accounts]
    assert matching.query("SELECT count(*) FROM accounts") == [(5,)]
    assert matching.query("SELECT provider, count(*) FROM identities GROUP BY provider") == [("classlink", 5)]


def test_renumbered_people_are_told_of_no_conflict_while_the_removals_are_on_their_way(matching: Matching) -> None:
    account = matching.account("ann@school.example")
    matching.night(matching.rostered("old", "ann@school.example", number="1"))
    _apply(matching, "new", version=2)
    matching.told()
    matching.night(matching.rostered("new", "ann@school.example", number="1"))
    matching.night(matching.gone("old"))
    assert matching.state("new") == ("activated", account)
    assert sorted((told.person, told.state) for told in matching.told()) == [
        ("new", "activated"),
        ("old", "deactivated"),
    ]


# ---------------------------------------------------------------- as accounts change


def test_an_account_made_after_the_night_is_found(matching: Matching) -> None:
    matching.night(matching.rostered("ann", "ann@school.example"))
    account = matching.account("Ann@school.example")
    matching.accounts_changed()
    assert matching.state("ann") == ("activated", account)


def test_a_second_account_with_the_email_puts_the_person_in_conflict_and_its_end_settles_it(
    matching: Matching,
) -> None:
    first = matching.account("ann@school.example")
    matching.night(matching.rostered("ann", "ann@school.example"))
    second = matching.account("ann@school.example")
    matching.accounts_changed()
    assert matching.why("ann") == ("conflict", "several-accounts")
    matching.query("UPDATE account_emails SET email = 'other@school.example' WHERE account_id = %s", second)
    matching.accounts_changed()
    assert matching.state("ann") == ("activated", first)
    matching.query("DELETE FROM accounts WHERE account_id = %s", second)
    matching.accounts_changed()
    assert matching.state("ann") == ("activated", first)


def test_an_id_that_comes_with_an_account_later_is_found(matching: Matching) -> None:
    matching.night(matching.rostered("ann", None))
    account = matching.account()
    _import(matching, "clever", "", "ann", account)
    matching.accounts_changed()
    assert matching.state("ann") == ("activated", account)


def test_an_account_that_gets_the_email_of_another_person_puts_both_in_conflict(matching: Matching) -> None:
    account = matching.account("ann@school.example")
    matching.night(matching.rostered("ann", "ann@school.example"), matching.rostered("bob", "bob@school.example"))
    matching.query("INSERT INTO account_emails (account_id, email) VALUES (%s, 'bob@school.example')", account)
    matching.accounts_changed()
    assert [matching.why("ann"), matching.why("bob")] == [("conflict", "account-taken")] * 2


def test_whoever_changed_an_account_can_have_the_effect_at_once(matching: Matching) -> None:
    matching.night(matching.rostered("ann", "ann@school.example"))
    account = matching.account("ann@school.example")
    match_again(matching.sign_in, emails=["Ann@school.example"])
    assert matching.state("ann") == ("activated", account)


def test_what_matching_writes_itself_is_not_matched_again(matching: Matching) -> None:
    matching.account("ann@school.example")
    matching.accounts_changed()
    matching.night(matching.rostered("ann", "ann@school.example"))
    assert matching.query("SELECT count(*) FROM account_changes") == [(0,)]


# ---------------------------------------------------------------- each once in effect


def test_an_update_delivered_twice_or_late_is_told_once(matching: Matching) -> None:
    matching.account("ann@school.example")
    late = matching.rostered("ann", "ann@school.example")
    newest = matching.rostered("ann", "ann.lee@school.example")
    for update in (newest, newest, late):
        matching.night(update)
    assert [told.state for told in matching.told()] == ["required"]


def test_every_event_about_a_person_has_an_id_of_its_own(matching: Matching) -> None:
    matching.account("ann@school.example")
    matching.night(matching.rostered("ann", "ann@school.example"))
    for _ in range(3):
        second = matching.account("ann@school.example")
        matching.accounts_changed()
        matching.query("DELETE FROM accounts WHERE account_id = %s", second)
        matching.accounts_changed()
    told = events(matching.query(f"SELECT {COLUMNS} FROM outbox"))
    assert [event.data["state"] for event in told] == ["activated", *["conflict", "activated"] * 3]
    assert len({event.id for event in told}) == 7


# ---------------------------------------------------------------- what the database refuses


def test_the_database_refuses_an_account_for_two_people_of_one_district_whatever_their_roles(
    matching: Matching,
) -> None:
    account = matching.account("ann@school.example")
    matching.night(matching.rostered("ann", "ann@school.example"))
    for kind in ("students", "teachers"):
        with pytest.raises(psycopg.errors.UniqueViolation):
            matching.query(
                "INSERT INTO activations (district, kind, id, state, account_id, roster_version)"
                " VALUES ('springfield', %s, 'bob', 'activated', %s, 1)",
                kind,
                account,
            )
    with pytest.raises(psycopg.errors.UniqueViolation):
        matching.query(
            "INSERT INTO identities (provider, tenant, subject, account_id, proof, district)"
            " VALUES ('clever', '', 'bob', %s, 'email', 'springfield')",
            account,
        )


def test_the_database_refuses_a_person_with_two_accounts(matching: Matching) -> None:
    matching.account("ann@school.example")
    matching.night(matching.rostered("ann", "ann@school.example"))
    other = matching.account()
    with pytest.raises(psycopg.errors.UniqueViolation):
        matching.query(
            "INSERT INTO activations (district, kind, id, state, account_id, roster_version)"
            " VALUES ('springfield', 'teachers', 'ann', 'activated', %s, 1)",
            other,
        )
    with pytest.raises(psycopg.errors.UniqueViolation):
        _import(matching, "clever", "", "ann", other)


def test_the_database_refuses_what_points_to_an_account_that_is_not_there(matching: Matching) -> None:
    nobodys = uuid4()
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        _import(matching, "clever", "", "ann", nobodys)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        matching.query(
            "INSERT INTO activations (district, kind, id, state, account_id, roster_version)"
            " VALUES ('springfield', 'students', 'ann', 'activated', %s, 1)",
            nobodys,
        )


def test_a_link_by_email_that_matching_did_not_write_must_point_to_an_account_that_is_there(matching: Matching) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        matching.query(
            "INSERT INTO identities (provider, tenant, subject, account_id, proof)"
            " VALUES ('clever', '', 'ann', %s, 'email')",
            uuid4(),
        )


def test_a_person_matched_by_email_that_matching_did_not_write_must_have_an_account_that_is_there(
    matching: Matching,
) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        matching.query(
            "INSERT INTO activations (district, kind, id, state, account_id, reason, roster_version)"
            " VALUES ('springfield', 'students', 'ann', 'activated', %s, 'same-email', 1)",
            uuid4(),
        )


def test_an_account_that_has_no_email_may_be_a_rostered_persons(matching: Matching) -> None:
    account = matching.account()
    _import(matching, "clever", "", "ann", account)
    matching.night(matching.rostered("ann", "ann@school.example"))
    assert matching.state("ann") == ("activated", account)


def test_an_account_that_a_rostered_person_has_stays_and_keeps_its_id(matching: Matching) -> None:
    account = matching.account("ann@school.example")
    matching.night(matching.rostered("ann", "ann@school.example"))
    for statement in (
        "DELETE FROM accounts WHERE account_id = %s",
        "UPDATE accounts SET account_id = gen_random_uuid() WHERE account_id = %s",
    ):
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            matching.query(statement, account)
    assert matching.state("ann") == ("activated", account)


def test_what_is_known_of_an_id_goes_with_the_account(matching: Matching) -> None:
    account = matching.account("ann@school.example")
    matching.night(matching.rostered("ann", "ann@school.example"))
    matching.night(matching.gone("ann"))
    matching.query("DELETE FROM accounts WHERE account_id = %s", account)
    assert matching.query("SELECT subject FROM identities") == []


def test_an_account_does_not_go_while_somebody_is_matched_to_it(matching: Matching) -> None:
    account = matching.account("ann@school.example")
    with ThreadPoolExecutor(1) as pool:
        with matching.activation.transaction():
            matching.night(matching.rostered("ann", "ann@school.example"))
            deleting = pool.submit(matching.query, "DELETE FROM accounts WHERE account_id = %s", account)
            _await_waiting(matching)
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            deleting.result(timeout=60)
    assert matching.state("ann") == ("activated", account)


def test_an_id_does_not_come_with_an_account_that_is_just_going(matching: Matching) -> None:
    account = matching.account()
    with ThreadPoolExecutor(1) as pool, psycopg.connect(matching.database) as deleting:
        deleting.execute("DELETE FROM accounts WHERE account_id = %s", (account,))
        importing = pool.submit(_import, matching, "clever", "", "ann", account)
        _await_waiting(matching)
        deleting.commit()
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            importing.result(timeout=60)


def _await_waiting(matching: Matching) -> None:
    """Return once a statement in the test's database waits for another's lock."""
    with psycopg.connect(matching.database, autocommit=True) as looking:
        until(
            "a statement that waits for a lock",
            lambda: looking.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).fetchone(),
        )


def test_people_of_a_removed_district_are_not_matched_and_its_removals_let_them_go(matching: Matching) -> None:
    matching.account("ann@school.example")
    matching.night(matching.rostered("ann", "ann@school.example"))
    matching.query("DELETE FROM districts")
    matching.night(matching.rostered("bob", "bob@school.example"))
    matching.night(matching.gone("ann"))
    assert matching.query("SELECT id, state FROM activations") == [("ann", "deactivated")]


def test_an_email_that_two_thousand_people_share_is_no_burden(matching: Matching) -> None:
    matching.night(
        *(
            Rostered(PersonKey("springfield", "students", str(uuid4())), 1, False, "none@school.example")
            for _ in range(2000)
        )
    )
    assert matching.query("SELECT DISTINCT reason FROM activations") == [("no-account",)]


def _import(matching: Matching, provider: str, tenant: str, subject: str, account: object) -> None:
    matching.query(
        "INSERT INTO identities (provider, tenant, subject, account_id, proof) VALUES (%s, %s, %s, %s, 'import')",
        provider,
        tenant,
        subject,
        account,
    )


def _apply(matching: Matching, student: str, version: int) -> None:
    """Have this student, and nobody else, in the roster at this version, as apply would."""
    with matching.everything.transaction():
        matching.query("SET LOCAL ROLE rollcall_apply")
        matching.query(
            "INSERT INTO students (district, id, given, family, display_name, schools, digest, roster_version)"
            " VALUES ('springfield', %s, 'Ann', 'Lee', 'Ann Lee', '{}', decode(repeat('00', 16), 'hex'), %s)",
            student,
            version,
        )
        matching.query("UPDATE rosters SET roster_version = %s", version)
