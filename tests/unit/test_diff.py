"""What a snapshot changes, and the id of a change set."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.records import Class, Student
from services.apply.state_digest import StateDigest
from services.diff.change_set_id import ChangeSetId
from services.diff.comparison import KindComparison, PlaceCounts
from services.diff.meaning import Meaning

ids = st.text(min_size=1, max_size=6)
digests = st.binary(min_size=16, max_size=16)
rosters = st.dictionaries(ids, digests, max_size=30)
people = st.lists(st.sampled_from([f"p{n}" for n in range(12)]), unique=True, max_size=8)


def _compare(applied: dict[str, bytes], snapshot: dict[str, bytes]) -> dict[str, bytes]:
    """Apply what the comparison says to `applied`, and give the outcome."""
    comparison = KindComparison(dict(applied))
    result = dict(applied)
    for id_, digest in snapshot.items():
        if comparison.operation(id_, digest) is not None:
            result[id_] = digest
    for id_, _ in comparison.removed():
        del result[id_]
    return result


@given(applied=rosters, snapshot=rosters)
def test_applying_what_the_comparison_says_gives_exactly_the_snapshot(
    applied: dict[str, bytes], snapshot: dict[str, bytes]
) -> None:
    assert _compare(applied, snapshot) == snapshot


@given(applied=rosters, snapshot=rosters)
def test_the_counts_are_those_of_the_ids_that_came_changed_and_left(
    applied: dict[str, bytes], snapshot: dict[str, bytes]
) -> None:
    comparison = KindComparison(dict(applied))
    for id_, digest in snapshot.items():
        comparison.operation(id_, digest)
    both = applied.keys() & snapshot.keys()
    assert comparison.created == len(snapshot.keys() - applied.keys())
    assert comparison.updated == sum(1 for id_ in both if applied[id_] != snapshot[id_])
    assert [id_ for id_, _ in comparison.removed()] == sorted(applied.keys() - snapshot.keys())


@given(applied=rosters, kept=st.lists(ids, max_size=5))
def test_what_is_kept_is_neither_removed_nor_made(applied: dict[str, bytes], kept: list[str]) -> None:
    comparison = KindComparison(dict(applied))
    unknown = comparison.keep(set(kept))
    assert unknown == set(kept) - applied.keys()
    assert {id_ for id_, _ in comparison.removed()} == applied.keys() - set(kept)


changes = st.lists(
    st.tuples(st.sampled_from(["created", "updated"]), st.just("students"), ids, st.none(), digests.map(bytes.hex)),
    unique_by=lambda change: change[2],
    max_size=12,
)


@given(changes=changes, data=st.data())
def test_a_change_sets_id_does_not_depend_on_the_order_of_its_changes(
    changes: list[tuple[str, str, str, str | None, str | None]], data: st.DataObject
) -> None:
    def made(in_order: list[tuple[str, str, str, str | None, str | None]]) -> str:
        id_ = ChangeSetId("springfield", 7)
        for change in in_order:
            id_.add(*change)
        return id_.id()

    assert made(changes) == made(data.draw(st.permutations(changes)))


@given(changes=changes.filter(bool))
def test_a_change_sets_id_depends_on_every_change_the_version_and_the_district(
    changes: list[tuple[str, str, str, str | None, str | None]],
) -> None:
    def made(district: str, version: int, some: list[tuple[str, str, str, str | None, str | None]]) -> str:
        id_ = ChangeSetId(district, version)
        for change in some:
            id_.add(*change)
        return id_.id()

    others = {made("a", 2, changes), made("b", 1, changes), made("a", 1, changes[1:])}
    assert made("a", 1, changes) not in others


def _student(id_: str, school: str, email: str | None = None, number: str | None = None) -> Student:
    return Student(id_, email, "Sam", "Lee", "Sam Lee", (school,), number)


def test_a_school_that_loses_all_its_students_is_seen_whether_they_leave_or_move() -> None:
    meaning = Meaning(lambda: {"lincoln": 2, "adams": 5})
    meaning.look_at("students", _student("p1", "lincoln"), None)
    meaning.look_at("students", _student("p2", "lincoln"), _student("p2", "adams"))
    assert [(one.school, one.students) for one in meaning.emptied_schools()] == [("lincoln", 2)]


def test_a_school_whose_students_are_replaced_is_not_emptied() -> None:
    meaning = Meaning(lambda: {"lincoln": 1})
    meaning.look_at("students", _student("p1", "lincoln"), None)
    meaning.look_at("students", None, _student("p2", "lincoln"))
    assert meaning.emptied_schools() == ()


@given(people=st.lists(st.integers(0, 40), unique=True, max_size=20), data=st.data())
def test_those_who_leave_and_come_with_the_same_email_or_number_are_renumbered(
    people: list[int], data: st.DataObject
) -> None:
    changes: list[tuple[Student | None, Student | None]] = []
    for person in people:
        email, number = (f"P{person}@x.example", None) if person % 2 else (None, str(person))
        changes.append((_student(f"old-{person}", "s", email, number), None))
        changes.append((None, _student(f"new-{person}", "s", email and email.lower(), number)))
    changes.append((_student("left", "s", "left@x.example"), None))
    changes.append((None, _student("came", "s")))
    meaning = Meaning(lambda: {})
    for before, after in data.draw(st.permutations(changes)):
        meaning.look_at("students", before, after)
    assert meaning.renumbered() == ({"students": len(people)} if people else {})


def test_the_content_of_a_change_set_does_not_depend_on_the_base_version() -> None:
    first, second = ChangeSetId("a", 1), ChangeSetId("a", 2)
    for id_ in (first, second):
        id_.add("removed", "students", "p1", "0" * 32, None)
    assert first.content() == second.content()
    assert first.id() != second.id()


def _class(teachers: list[str], students: list[str]) -> Class:
    return Class("c", "Math", "s", tuple(teachers), tuple(sorted(students)))


@given(before=st.tuples(people, people), after=st.tuples(people, people))
def test_places_are_counted_as_the_rows_that_would_change(
    before: tuple[list[str], list[str]], after: tuple[list[str], list[str]]
) -> None:
    counts = PlaceCounts()
    counts.count(_class(*before), _class(*after))
    existing = len(before[0]) + len(before[1])
    assert existing + counts.created - counts.removed == len(after[0]) + len(after[1])
    new_students = set(after[1]) - set(before[1])
    new_teachers = set(after[0]) - set(before[0])
    assert counts.created == len(new_students) + len(new_teachers)


def test_a_new_primary_teacher_updates_both_places() -> None:
    counts = PlaceCounts()
    counts.count(_class(["t1", "t2"], ["p1"]), _class(["t2", "t1"], ["p1"]))
    assert (counts.created, counts.updated, counts.removed) == (0, 2, 0)


@given(before=rosters, after=rosters, data=st.data())
def test_the_state_digest_follows_the_changes_whatever_their_order(
    before: dict[str, bytes], after: dict[str, bytes], data: st.DataObject
) -> None:
    def of(state: dict[str, bytes]) -> StateDigest:
        digest = StateDigest()
        for value in state.values():
            digest.replace(None, value)
        return digest

    change = StateDigest()
    for id_ in data.draw(st.permutations(sorted(before.keys() | after.keys()))):
        change.replace(before.get(id_), after.get(id_))
    assert StateDigest(of(before).value()).plus(change).value() == of(after).value()
