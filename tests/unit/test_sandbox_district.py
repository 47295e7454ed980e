from datetime import date, timedelta

import numpy as np
import pytest

from deploy.sandbox.defects import usual_defects
from deploy.sandbox.district import (
    DISTRICT_ADMIN,
    NONE,
    STAFF,
    TEACHES,
    DistrictDefinition,
    NightKind,
    generate,
)
from deploy.sandbox.nights import play
from deploy.sandbox.roster import Roster
from deploy.sandbox.truth import Truth, records, truth
from schemas.records import Class, Student
from services.districts import ProviderName

ANCHOR = date(2026, 10, 1)


def definition(
    students: int = 1200,
    *script: NightKind,
    provider: ProviderName = "clever",
    seed: int = 7,
    clean: bool = False,
) -> DistrictDefinition:
    return DistrictDefinition(
        district="elm",
        name="Elm",
        provider=provider,
        students=students,
        seed=seed,
        anchor=ANCHOR,
        script=script or ("first",),
        defects=() if clean else usual_defects(provider),
    )


def night(number: int, *script: NightKind, provider: ProviderName = "clever") -> Truth:
    return truth(definition(1200, *script, provider=provider), number, ANCHOR)


def test_the_same_definition_gives_the_same_district_and_another_seed_another_one() -> None:
    first, again, other = (truth(definition(seed=seed), 1, ANCHOR).digest for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_twenty_thousand_students_have_five_thousand_current_classes_and_six_to_seven_places_each() -> None:
    district = generate(definition(20_000))
    current = int(district.current_classes().sum())
    places = int((district.students.slots[:, :7] != NONE).sum())
    assert 4900 <= current <= 5100
    assert 6 <= places / 20_000 <= 7
    assert 1150 <= int((district.teachers.roles & TEACHES != 0).sum()) <= 1350


def test_a_million_students_take_less_than_a_hundred_bytes_each() -> None:
    district = generate(definition(1_000_000))
    tables = (district.students, district.teachers, district.classes)
    held = sum(getattr(table, name).nbytes for table in tables for name in table.__dataclass_fields__)
    assert len(district.students) == 1_000_000
    assert held < 100_000_000


def test_a_district_has_shared_students_people_with_several_roles_and_people_without_a_class() -> None:
    district = generate(definition())
    roles = district.teachers.roles
    assert (district.students.second_school != NONE).any()
    assert TEACHES | STAFF | DISTRICT_ADMIN in roles
    assert STAFF in roles
    assert (district.students.slots == NONE).all(axis=1).any()


def test_classes_of_past_and_coming_terms_are_in_the_district_and_not_in_the_truth() -> None:
    district = generate(definition())
    assert (~district.current_classes()).any()
    covering = [term for term in district.terms if term.first <= ANCHOR <= term.last]
    assert 0 < len(covering) < len(district.terms)
    assert truth(definition(clean=True), 1, ANCHOR).totals["classes"] == int(district.current_classes().sum())


def test_no_class_is_expected_once_all_terms_are_over() -> None:
    assert truth(definition(clean=True), 1, ANCHOR + timedelta(days=1000)).totals["classes"] == 0


def test_every_place_of_the_truth_points_at_a_person_of_the_truth() -> None:
    for provider in ("clever", "classlink", "oneroster-csv"):
        found = list(records(Roster(play(definition(provider=provider), 1)), ANCHOR))
        students = {record.id for record in found if isinstance(record, Student)}
        classes = [record for record in found if isinstance(record, Class)]
        assert classes
        assert all(set(record.students) <= students for record in classes)


def test_an_ordinary_night_changes_something_of_every_kind_of_people_and_stays_far_below_half() -> None:
    counts = night(2, "first", "ordinary").counts
    students = counts["students"]
    assert min(students.created, students.updated, students.removed) >= 1
    for kind in ("teachers", "students", "classes", "places"):
        of_kind = counts[kind]
        assert 0 < of_kind.created + of_kind.updated + of_kind.removed < 0.3 * of_kind.existing


def test_an_unchanged_night_changes_nothing_although_it_has_defects() -> None:
    for provider in ("clever", "classlink"):
        told = night(2, "first", "unchanged", provider=provider)
        assert told.marks
        assert all(count.created == count.updated == count.removed == 0 for count in told.counts.values())


def test_a_mass_night_changes_sixty_percent_of_the_classes_and_no_person() -> None:
    counts = night(2, "first", "mass").counts
    assert counts["classes"].updated / counts["classes"].existing == pytest.approx(0.6, abs=0.02)
    assert counts["students"].updated == counts["students"].created == counts["students"].removed == 0


def test_a_rollover_replaces_the_classes_of_the_term_and_keeps_the_people() -> None:
    counts = night(2, "first", "rollover").counts
    assert counts["classes"].created > 0.8 * counts["classes"].existing
    assert counts["classes"].removed > 0.8 * counts["classes"].existing
    assert counts["students"].removed == counts["teachers"].removed == 0


def test_a_renumbered_district_has_the_same_students_under_new_ids() -> None:
    before, after = (
        {
            record.id: record
            for record in records(Roster(play(definition(1200, "first", "renumbered"), at)), ANCHOR)
            if isinstance(record, Student)
        }
        for at in (1, 2)
    )
    assert not before.keys() & after.keys()
    assert {(student.email, student.number) for student in before.values()} == {
        (student.email, student.number) for student in after.values()
    }


def test_an_emptied_school_loses_all_its_students_and_no_other_school_loses_one() -> None:
    districts = [play(definition(1200, "first", "emptied-school"), at) for at in (1, 2)]
    before, after = (np.bincount(district.students.school, minlength=4) for district in districts)
    assert before[3] > 0
    assert after.tolist() == [*before[:3].tolist(), 0]


def test_a_night_is_the_same_whether_played_through_or_gone_on_from_an_earlier_one() -> None:
    script: tuple[NightKind, ...] = ("first", "ordinary", "mass", "rollover")
    whole = definition(600, *script)
    went_on = play(whole, 6, play(whole, 3))
    assert went_on.next_serial == play(whole, 6).next_serial
    assert np.array_equal(went_on.students.slots, play(whole, 6).students.slots)


def test_clean_data_has_no_marks() -> None:
    assert truth(definition(clean=True), 1, ANCHOR).marks == {}
