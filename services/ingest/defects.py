"""The defects that real districts' data has, each with its code and what Rollcall does about it.

Defects are counted and reported with the sync and never fail it by themselves. Sources: Clever's documentation on
data-model quirks, and what OneRoster producers really send (oneroster.md section 13).
"""

from typing import Literal, TypeAlias, get_args

DefectCode: TypeAlias = Literal[
    "place-of-unknown-person",
    "place-in-unknown-class",
    "place-of-removed-person",
    "place-not-yet-begun",
    "place-already-ended",
    "place-twice",
    "place-school-differs",
    "place-role-unknown",
    "class-without-school",
    "class-without-teacher",
    "class-without-term",
    "class-term-unknown",
    "several-primary-teachers",
    "person-without-role",
    "person-in-two-kinds",
    "person-school-unknown",
    "name-missing",
    "email-missing",
    "email-malformed",
    "email-shared",
    "id-twice",
    "id-twice-differing",
    "date-unreadable",
    "term-dates-reversed",
    "boolean-unreadable",
    "status-unknown",
    "value-unknown",
    "null-written-out",
    "row-too-long",
    "column-missing",
    "names-obfuscated",
    "provider-paused",
    "provider-stale",
]

DEFECTS: dict[DefectCode, str] = {
    "place-of-unknown-person": "a place names a person who is not in the roster; the place is left out",
    "place-in-unknown-class": "a place names a class that is not in the roster; the place is left out",
    "place-of-removed-person": "a place names a person, class or enrollment marked as removed; the place is left out",
    "place-not-yet-begun": "an enrollment begins in the future; the place is left out until then",
    "place-already-ended": "an enrollment has ended; the place is left out",
    "place-twice": "the same person is listed twice in a class; one place is kept",
    "place-school-differs": "an enrollment names another school than its class; the class's school is kept",
    "place-role-unknown": "an enrollment has a role that is neither student nor teacher; the place is left out",
    "class-without-school": "a class names no known school; the class is left out",
    "class-without-teacher": "a class has no teacher; the class is kept",
    "class-without-term": "a class names no term; the class is kept as current",
    "class-term-unknown": "a class names only terms that are not in the roster; the class is kept as current",
    "several-primary-teachers": "a class has several primary teachers; the one with the lowest id is kept as primary",
    "person-without-role": "a person has no role that we know; the person is left out",
    "person-in-two-kinds": "a person is both a student and a teacher; both records are kept",
    "person-school-unknown": "a person names a school that is not in the roster; the reference is left out",
    "name-missing": "a person has no given or family name; what there is is kept",
    "email-missing": "a person has no email; the person is kept",
    "email-malformed": "a person's email is not an address; the person is kept without it",
    "email-shared": "an email is shared by several people; all are kept, none is merged",
    "id-twice": "a record came twice, the same both times; one is kept",
    "id-twice-differing": "two different records came under one id; the one applied before is kept",
    "date-unreadable": "a date cannot be read; it is ignored",
    "term-dates-reversed": "a term ends before it starts; its dates are ignored",
    "boolean-unreadable": "a true-or-false value cannot be read; it is taken as not given",
    "status-unknown": "a record has an unknown status; the one applied before is kept",
    "value-unknown": "a value is not one of those that the specification lists; it is kept as it is",
    "null-written-out": "a field says NULL in letters; it is taken as blank",
    "row-too-long": "a row has more fields than the header; the extra ones are ignored",
    "column-missing": "an optional column is missing; it is taken as blank",
    "names-obfuscated": "names or emails look masked by the provider; nobody can be matched by them",
    "provider-paused": "the provider says that this district's data is paused; what it serves is frozen",
    "provider-stale": "the provider's data has not changed for many nights",
}

if set(DEFECTS) != set(get_args(DefectCode)):  # pragma: no cover - a mistake in this file
    raise AssertionError("every defect code needs its sentence")
