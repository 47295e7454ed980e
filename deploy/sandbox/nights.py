"""Plays a district's nights: what happens between one night and the next, the same way each time it is asked for."""

from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from deploy.sandbox.district import (
    CURRENT_SLOTS,
    NONE,
    Classes,
    DistrictDefinition,
    NightKind,
    SandboxDistrict,
    Students,
    Term,
    enroll,
    generate,
    timetable,
)
from deploy.sandbox.names import FAMILY

Table = TypeVar("Table", Students, Classes)


def kind_of(definition: DistrictDefinition, night: int) -> NightKind:
    """Tell what kind of night this one is: the script's word for it, or ordinary beyond the script."""
    return definition.script[night - 1] if night <= len(definition.script) else "ordinary"


def play(definition: DistrictDefinition, night: int, since: SandboxDistrict | None = None) -> SandboxDistrict:
    """Give the district as it is on this night (from 1), going on from an earlier night where one is given."""
    if night < 1:
        raise ValueError(f"nights count from 1; {night} is none")
    district = since if since is not None and since.night <= night else generate(definition)
    while district.night < night:
        district = _next_night(district)
    return district


def _next_night(district: SandboxDistrict) -> SandboxDistrict:
    night = district.night + 1
    rng = np.random.default_rng([district.definition.seed, night])
    district = replace(district, night=night)
    match kind_of(district.definition, night):
        case "ordinary":
            return _ordinary(rng, district)
        case "mass":
            return _mass(rng, district)
        case "rollover":
            return _rollover(rng, district)
        case "renumbered":
            return _renumbered(district)
        case "emptied-school":
            return _emptied_school(district)
        case "first" | "unchanged":
            return district


@dataclass(slots=True)
class _Budget:
    """How many classes an ordinary night may still touch: a fifth of them, so that it stays an ordinary one."""

    left: int

    def of(self, wanted: float, classes_each: int) -> int:
        """Give how many of something may happen (at least one is wanted), and take its classes off."""
        count = min(max(1, round(wanted)), self.left // classes_each)
        self.left -= count * classes_each
        return count


def _ordinary(rng: np.random.Generator, district: SandboxDistrict) -> SandboxDistrict:
    """About one student in a hundred leaves, joins, moves or is renamed; a few classes open, close or change hands.

    A district of fewer than some 500 students has too few classes for all of that: there only some of it happens.
    """
    count = len(district.students)
    budget = _Budget(max(2, int(district.current_classes().sum()) // 5))
    moving = budget.of(count * 0.003, 2)
    teachers_renamed = budget.of(len(district.teachers) * 0.002, 4)
    leaving = budget.of(count * 0.0015, CURRENT_SLOTS)
    joining = budget.of(count * 0.0015, CURRENT_SLOTS)
    changing_school = budget.of(count * 0.0005, 2 * CURRENT_SLOTS)
    opened = budget.of(len(district.classes) * 0.001, 2)
    closed = budget.of(len(district.classes) * 0.001, 1)
    renamed = max(1, round(count * 0.0035))

    district = _rename_teachers(rng, district, teachers_renamed)
    district = _close_classes(rng, district, closed)
    district = _open_classes(rng, district, opened)
    picked = rng.permutation(count)[: renamed + moving + changing_school + leaving]
    renames, moves, changes, leaves = np.split(picked, np.cumsum([renamed, moving, changing_school]))
    students = district.students
    family = students.family.copy()
    family[renames] = (family[renames] + rng.integers(1, len(FAMILY), len(renames))) % len(FAMILY)
    district = replace(district, students=replace(students, family=family))
    district = _move_between_classes(rng, district, moves)
    district = _move_between_schools(rng, district, changes)
    district = _keep(district, np.delete(np.arange(count), leaves))
    return enroll(rng, district, rng.integers(0, district.schools, joining, dtype=np.int32))


def _rename_teachers(rng: np.random.Generator, district: SandboxDistrict, count: int) -> SandboxDistrict:
    rows = rng.permutation(len(district.teachers))[:count]
    family = district.teachers.family.copy()
    family[rows] = (family[rows] + rng.integers(1, len(FAMILY), len(rows))) % len(FAMILY)
    return replace(district, teachers=replace(district.teachers, family=family))


def _close_classes(rng: np.random.Generator, district: SandboxDistrict, count: int) -> SandboxDistrict:
    closing = rng.permutation(np.flatnonzero(district.current_classes()))[:count]
    gone = district.classes.serial[closing]
    slots = district.students.slots.copy()
    slots[np.isin(slots, gone)] = NONE
    kept = np.delete(np.arange(len(district.classes)), closing)
    classes = Classes(*(getattr(district.classes, column.name)[kept] for column in fields(Classes)))
    return replace(district, classes=classes, students=replace(district.students, slots=slots))


def _open_classes(rng: np.random.Generator, district: SandboxDistrict, count: int) -> SandboxDistrict:
    """Split classes: each new one is like another one and takes over every second of its students."""
    like = rng.permutation(np.flatnonzero(district.current_classes()))[:count]
    serial = np.arange(district.next_serial, district.next_serial + len(like), dtype=np.int32)
    added = replace(_rows(district.classes, like), serial=serial)
    slots = district.students.slots.copy()
    for donor, new in zip(district.classes.serial[like], serial, strict=True):
        student, slot = np.nonzero(slots == donor)
        slots[student[::2], slot[::2]] = new
    columns = (
        np.concatenate([getattr(district.classes, column.name), getattr(added, column.name)])
        for column in fields(Classes)
    )
    return replace(
        district,
        classes=Classes(*columns),
        students=replace(district.students, slots=slots),
        next_serial=district.next_serial + len(like),
    )


def _move_between_classes(
    rng: np.random.Generator, district: SandboxDistrict, rows: npt.NDArray[np.int64]
) -> SandboxDistrict:
    """Move each of these students from one class to another of the same school that they are not in."""
    slots = district.students.slots.copy()
    current = district.current_classes()
    for row in rows:
        there = district.classes.serial[current & (district.classes.school == district.students.school[row])]
        choices = np.setdiff1d(there, slots[row])
        if len(choices):
            slots[row, int(rng.integers(0, 5))] = rng.choice(choices)
    return replace(district, students=replace(district.students, slots=slots))


def _move_between_schools(
    rng: np.random.Generator, district: SandboxDistrict, rows: npt.NDArray[np.int64]
) -> SandboxDistrict:
    students = district.students
    school, second, slots = students.school.copy(), students.second_school.copy(), students.slots.copy()
    school[rows] = (school[rows] + 1 + rng.integers(0, district.schools - 1, len(rows))) % district.schools
    second[rows] = NONE
    students = replace(students, school=school, second_school=second)
    slots[rows] = timetable(rng, district, _rows(students, rows))
    return replace(district, students=replace(students, slots=slots))


def _mass(rng: np.random.Generator, district: SandboxDistrict) -> SandboxDistrict:
    """Hand the rosters of 60% of the current classes round: each of them gets another one's students.

    A student is never handed into a class twice, for the classes only change places.
    """
    serials = rng.permutation(district.classes.serial[district.current_classes()])
    chosen = serials[: max(2, len(serials) * 6 // 10)]
    becomes = np.arange(district.next_serial, dtype=np.int32)
    becomes[chosen] = np.roll(chosen, 1)
    slots = district.students.slots
    slots = np.where(slots == NONE, NONE, becomes[slots]).astype(np.int32)
    return replace(district, students=replace(district.students, slots=slots))


def _rollover(rng: np.random.Generator, district: SandboxDistrict) -> SandboxDistrict:
    """End the current term a week before the anchor and begin the next: all of its classes anew, under new ids."""
    anchor = district.definition.anchor
    serial = district.next_serial
    ended = tuple(
        replace(term, last=anchor - timedelta(days=8)) if term.serial == district.current_serial else term
        for term in district.terms
    )
    begun = Term(
        serial, f"Semester 1, from night {district.night}", anchor - timedelta(days=7), anchor + timedelta(240)
    )
    old = _rows(district.classes, np.flatnonzero(district.classes.term == district.current_serial))
    new = replace(
        old,
        serial=np.arange(serial + 1, serial + 1 + len(old), dtype=np.int32),
        term=np.full(len(old), serial, dtype=np.int32),
    )
    columns = (
        np.concatenate([getattr(district.classes, column.name), getattr(new, column.name)])
        for column in fields(Classes)
    )
    district = replace(
        district,
        terms=(*ended, begun),
        classes=Classes(*columns),
        current_serial=serial,
        next_serial=serial + 1 + len(old),
    )
    slots = timetable(rng, district, district.students)
    return replace(district, students=replace(district.students, slots=slots))


def _renumbered(district: SandboxDistrict) -> SandboxDistrict:
    """Give every student a new id; numbers, emails and everything else stay."""
    serial = np.arange(district.next_serial, district.next_serial + len(district.students), dtype=np.int32)
    return replace(
        district,
        students=replace(district.students, serial=serial),
        next_serial=district.next_serial + len(district.students),
    )


def _emptied_school(district: SandboxDistrict) -> SandboxDistrict:
    """Take every student out of the last school that still has some; the school and its classes stay."""
    students = district.students
    emptied = int(students.school.max())
    theirs = district.classes.serial[district.classes.school == emptied]
    slots = np.where(np.isin(students.slots, theirs), NONE, students.slots).astype(np.int32)
    second = np.where(students.second_school == emptied, NONE, students.second_school).astype(np.int32)
    district = replace(district, students=replace(students, slots=slots, second_school=second))
    return _keep(district, np.flatnonzero(students.school != emptied))


def _keep(district: SandboxDistrict, rows: npt.NDArray[np.int64]) -> SandboxDistrict:
    return replace(district, students=_rows(district.students, rows))


def _rows(table: Table, rows: npt.NDArray[np.int64]) -> Table:
    return type(table)(*(getattr(table, column.name)[rows] for column in fields(table)))
