"""Matching does not depend on order, on the cut into nights, or on repetition; held against an oracle written here."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from uuid import UUID, uuid5

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.activation.linking import LinkError, link_person
from services.activation.matching import PersonKey, Rostered, match_again
from tests.matching import Matching, nights
from tests.outbox import COLUMNS, events

EMAILS = ("a@x.example", "b@x.example", "c@x.example")
ACCOUNTS = tuple(uuid5(UUID(int=0), str(number)) for number in range(4))
PEOPLE = tuple(
    PersonKey(district, kind, id_)
    for district in ("springfield", "riverside")
    for id_, kind in (("p1", "students"), ("p2", "students"), ("p3", "teachers"), ("p1", "teachers"))
)
"""p1 may be a teacher and a student in one."""

Settled = dict[PersonKey, tuple[str, UUID | None, str, frozenset[UUID]]]


@dataclass(frozen=True)
class World:
    """Who is rostered with which email, which accounts have which, and which come with somebody's id."""

    people: Mapping[PersonKey, str | None]
    accounts: Mapping[UUID, frozenset[str]]
    imports: Mapping[tuple[str, str], UUID]


def expected(world: World) -> Settled:
    """The rule, person by person, from what is there and nothing else."""
    return {key: _expected(world, key) for key in world.people}


def _expected(world: World, key: PersonKey) -> tuple[str, UUID | None, str, frozenset[UUID]]:
    me = (key.district, key.id)
    mine = [other for other in world.people if (other.district, other.id) == me]
    emails = {world.people[row] for row in mine} - {None}
    mail = frozenset(account for account, has in world.accounts.items() if has & emails)
    known = world.imports.get(me)
    sharers = [row for row, email in world.people.items() if email in emails and (row.district, row.id) != me and email]
    neighbours = {(row.district, row.id) for row in world.people if row.district == key.district} - {me}
    if known is not None:
        if any(world.imports.get(neighbour) == known for neighbour in neighbours):
            return "conflict", None, "account-taken", mail | {known}
        if mail and known not in mail:
            return "conflict", None, "email-and-id-differ", mail | {known}
        return "activated", known, "imported", frozenset()
    if not mail:
        return "required", None, "no-account", frozenset()
    reason = _why_not(world, key, mine, mail, sharers, neighbours)
    if reason is not None:
        return "conflict", None, reason, mail
    return "activated", next(iter(mail)), "same-email", frozenset()


def _why_not(
    world: World,
    key: PersonKey,
    mine: Sequence[PersonKey],
    mail: frozenset[UUID],
    sharers: Sequence[PersonKey],
    neighbours: set[tuple[str, str]],
) -> str | None:
    if len(mail) > 1:
        return "several-accounts"
    if any(len(mine) > 1 or row.kind != key.kind for row in sharers):
        return "student-and-teacher"
    if any(row.district == key.district for row in sharers):
        return "shared-email"
    [account] = mail
    pointing = {(row.district, row.id) for row, email in world.people.items() if email in world.accounts[account]} | {
        me for me, imported in world.imports.items() if imported == account
    }
    return "account-taken" if pointing & neighbours else None


worlds = st.builds(
    World,
    people=st.dictionaries(st.sampled_from(PEOPLE), st.sampled_from([*EMAILS, None]), min_size=1),
    accounts=st.dictionaries(st.sampled_from(ACCOUNTS), st.frozensets(st.sampled_from(EMAILS), max_size=2), min_size=1),
    imports=st.just({}),
).flatmap(
    lambda world: st.dictionaries(
        st.sampled_from(sorted({(key.district, key.id) for key in world.people})),
        st.sampled_from(sorted(world.accounts)),
        max_size=2,
    ).map(lambda imports: World(world.people, world.accounts, imports))
)


@pytest.fixture(scope="module")
def matching(shared_database: str) -> Iterator[Matching]:
    with closing(Matching(shared_database)) as matching:
        yield matching


def _begin(matching: Matching) -> None:
    matching.forget_everything()
    matching.add_district("springfield")
    matching.add_district("riverside", "classlink", "2284")


def _make(matching: Matching, account: UUID, emails: frozenset[str]) -> None:
    matching.query("INSERT INTO accounts (account_id) VALUES (%s)", account)
    for email in emails:
        matching.query("INSERT INTO account_emails (account_id, email) VALUES (%s, %s)", account, email)


def _import(matching: Matching, person: tuple[str, str], account: UUID) -> None:
    matching.query(
        "INSERT INTO identities (provider, tenant, subject, account_id, proof)"
        " SELECT provider, tenant, %s, %s, 'import' FROM district_tenants WHERE district = %s"
        " ON CONFLICT (provider, tenant, subject) DO UPDATE SET account_id = excluded.account_id, proof = 'import',"
        " district = NULL",
        person[1],
        account,
        person[0],
    )


def _settled(matching: Matching) -> Settled:
    return {
        PersonKey(*key): (state, account, reason, frozenset(candidates))
        for key, (state, account, reason, candidates) in matching.everybody().items()
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(world=worlds, data=st.data())
def test_whatever_the_order_and_the_cut_into_nights_everybody_ends_as_the_rule_says(
    matching: Matching, world: World, data: st.DataObject
) -> None:
    _begin(matching)
    updates = [Rostered(key, 1, False, email, given="G", family="F") for key, email in world.people.items()]
    turns = nights(data.draw(st.permutations(updates)), data.draw(st.lists(st.integers(1, 4), max_size=3)))
    steps = data.draw(
        st.permutations([*(("night", turn) for turn in turns), *(("account", account) for account in world.accounts)])
    )
    imports_after = data.draw(st.integers(0, len(world.imports)))
    for what, which in steps:
        if what == "night":
            matching.night(*which)  # type: ignore[misc]
        else:
            _make(matching, which, world.accounts[which])  # type: ignore[arg-type, index]
            if data.draw(st.booleans()):
                matching.accounts_changed()
    for number, (person, account) in enumerate(world.imports.items()):
        if number == imports_after:
            matching.accounts_changed()
        _import(matching, person, account)
    matching.accounts_changed()
    matching.night(*updates)
    assert _settled(matching) == expected(world)


Facts = list[tuple[object, ...]]


def _outcome(matching: Matching) -> tuple[Settled, Facts, Facts]:
    """Give how everybody is settled, what is remembered of ids, and what was told."""
    remembered = matching.query(
        "SELECT provider, tenant, subject, account_id, proof, district, kind, number, birth_date, name_key"
        " FROM identities ORDER BY 1, 2, 3"
    )
    fields = ("state", "reason", "account_id", "text", "candidates")
    told = [
        (event.entity, event.type, *(str(event.data[field]) for field in fields))
        for event in events(matching.query(f"DELETE FROM outbox RETURNING {COLUMNS}"))
    ]
    return _settled(matching), remembered, [*sorted(told)]


ANN, BOB, ANN_TEACHES = (
    PersonKey("springfield", *who) for who in (("students", "p1"), ("students", "p2"), ("teachers", "p1"))
)
A, B = EMAILS[:2]
ONE, TWO = ACCOUNTS[:2]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(world=worlds, there_before=st.sets(st.sampled_from(PEOPLE)))
@example(World({ANN: A, BOB: A}, {ONE: frozenset({A})}, {}), set())
@example(World({ANN: A, BOB: A}, {ONE: frozenset({A})}, {}), {BOB})
@example(World({ANN: A, ANN_TEACHES: B}, {ONE: frozenset({A})}, {}), set())
@example(World({ANN: A, ANN_TEACHES: B}, {ONE: frozenset({A})}, {}), {ANN_TEACHES})
@example(World({ANN: A}, {ONE: frozenset({A}), TWO: frozenset({A})}, {}), set())
@example(World({ANN: A}, {ONE: frozenset({A}), TWO: frozenset()}, {("springfield", "p1"): TWO}), set())
@example(World({ANN: A, BOB: None}, {ONE: frozenset({A})}, {("springfield", "p2"): ONE}), set())
@example(World({ANN: A, BOB: B}, {ONE: frozenset({A, B})}, {}), set())
def test_whoever_is_new_ends_as_whoever_had_left_and_comes_back(
    matching: Matching, world: World, there_before: set[PersonKey]
) -> None:
    """New people who meet nobody are written at once; whoever was rostered before is always examined."""
    outcomes = []
    for left in (set(), world.people.keys() - there_before):
        _begin(matching)
        for account, emails in world.accounts.items():
            _make(matching, account, emails)
        for person, account in world.imports.items():
            _import(matching, person, account)
        matching.night(*(Rostered(key, 1, True) for key in left))
        first, last = (
            [
                Rostered(key, 2, False, email, number="7", birth_date="2012-03-04", given="G", family=key.id)
                for key, email in world.people.items()
                if (key in there_before) is before
            ]
            for before in (True, False)
        )
        matching.night(*first)
        matching.night(*last)
        outcomes.append(_outcome(matching))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] == expected(world)


# ---------------------------------------------------------------- a year of everything

steps = st.one_of(
    st.tuples(st.just("rostered"), st.sampled_from(PEOPLE), st.sampled_from([*EMAILS, None]), st.sampled_from("12")),
    st.tuples(st.just("gone"), st.sampled_from(PEOPLE)),
    st.tuples(st.just("email"), st.sampled_from(ACCOUNTS), st.sampled_from(EMAILS)),
    st.tuples(st.just("no email"), st.sampled_from(ACCOUNTS), st.sampled_from(EMAILS)),
    st.tuples(st.just("import"), st.sampled_from(PEOPLE), st.sampled_from(ACCOUNTS)),
    st.tuples(st.just("sign-in"), st.sampled_from(PEOPLE), st.sampled_from(ACCOUNTS)),
    st.tuples(st.just("reviewer"), st.sampled_from(PEOPLE), st.sampled_from(ACCOUNTS)),
)


def _take(matching: Matching, step: tuple[object, ...]) -> None:
    match step:
        case ("rostered", PersonKey() as who, str() | None as email, str() as number):
            district, kind, id_ = who
            matching.night(matching.rostered(id_, email, district=district, kind=kind, number=number))
        case ("gone", PersonKey() as who):
            matching.night(matching.gone(who.id, district=who.district, kind=who.kind))
        case ("email", UUID() as account, str() as email):
            matching.query(
                "INSERT INTO account_emails (account_id, email) VALUES (%s, %s) ON CONFLICT DO NOTHING", account, email
            )
        case ("no email", UUID() as account, str() as email):
            matching.query("DELETE FROM account_emails WHERE account_id = %s AND email = %s", account, email)
        case ("import", PersonKey() as who, UUID() as account):
            _import(matching, (who.district, who.id), account)
        case ("sign-in" | "reviewer" as proof, PersonKey() as who, UUID() as account):
            with suppress(LinkError):  # a refusal is as good: then nothing has changed
                link_person(matching.sign_in, who, account, proof)
    matching.accounts_changed()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(steps, min_size=4, max_size=14))
def test_whatever_happens_nobody_has_two_accounts_no_account_two_people_and_nobody_is_left_as_they_were(
    matching: Matching, steps: list[tuple[object, ...]]
) -> None:
    _begin(matching)
    for account in ACCOUNTS:
        _make(matching, account, frozenset())
    for step in steps:
        _take(matching, step)
        held: dict[tuple[str, UUID], set[str]] = {}
        for key, (_, account_id, _, _) in _settled(matching).items():
            if account_id is not None:
                held.setdefault((key.district, account_id), set()).add(key.id)
        assert all(len(ids) == 1 for ids in held.values())
        people = matching.query("SELECT count(DISTINCT account_id) FROM activations GROUP BY district, id")
        assert all(count <= 1 for (count,) in people)
    before = _settled(matching)
    matching.told()
    match_again(matching.activation, people=list(before))
    assert _settled(matching) == before, "somebody whom a step concerned was not looked at"
    assert matching.told() == []
