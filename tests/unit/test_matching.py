"""What activation reads of updates, and the sentences it explains itself with."""

import re
from importlib.resources import files

import pytest

from schemas.cloudevents import UnreadableMessageError
from schemas.events import RosterUpdate
from schemas.records import Record, School, Student, Teacher, digest_of, encode_record
from schemas.topics import UPDATES
from services.activation.matching import PersonKey, Rostered
from services.activation.reasons import REASONS
from services.activation.updates import read_person
from services.messages import Message

SAM = Student("p1", "Sam@school.example", "Sam", "Lee", "Sam Lee", ("s1",), number="77", birth_date="2012-03-04")


def _message(record: Record, kind: str, op: str = "created") -> Message:
    update = RosterUpdate.model_validate(
        {
            "district": "springfield",
            "roster_version": 3,
            "position": 1,
            "op": op,
            "kind": kind,
            "id": record.id,
            "digest": digest_of(encode_record(record)),
            "record": None if op == "removed" else record,
        }
    )
    header = ("ce_type", f"dev.rollcall.{record.type}.{op}.v1".encode())
    return Message(UPDATES, 0, 0, None, update.model_dump_json().encode(), [header])


def _raw(value: bytes, kind: str = "dev.rollcall.student.created.v1") -> Message:
    return Message(UPDATES, 0, 0, None, value, [("ce_type", kind.encode())])


def test_an_update_of_a_person_is_read_with_the_facts_that_matching_goes_by() -> None:
    expected = Rostered(
        PersonKey("springfield", "students", "p1"), 3, False, "Sam@school.example", "77", "2012-03-04", "Sam", "Lee"
    )
    assert read_person(_message(SAM, "students")) == expected


def test_a_removed_teacher_is_read_as_gone() -> None:
    teacher = Teacher("t1", None, "Ada", "Hand", "Ada Hand")
    gone = read_person(_message(teacher, "teachers", "removed"))
    assert gone == Rostered(PersonKey("springfield", "teachers", "t1"), 3, True)


def test_an_update_that_is_not_about_a_person_is_passed_over() -> None:
    assert read_person(_message(School("s1", "Lincoln"), "schools")) is None


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{}",
        b"[1]",
        b'{"district":"springfield","roster_version":1,"position":1,"op":"Sam","kind":"students","id":"p1"}',
        b'{"district":"springfield","roster_version":1,"position":1,"op":"created","kind":"schools","id":"Sam"}',
        b'{"district":"springfield","roster_version":"x","position":1,"op":"created","kind":"students","id":"p1"}',
        b'{"district":"springfield","roster_version":1,"position":1,"op":"created","kind":"students","id":"p1","rec',
    ],
)
def test_an_update_that_cannot_be_read_is_refused_without_telling_what_was_in_it(value: bytes) -> None:
    with pytest.raises(UnreadableMessageError) as refused:
        read_person(_raw(value))
    assert "Sam" not in str(refused.value)


def test_an_update_of_an_unknown_type_is_refused() -> None:
    message = _message(SAM, "students")
    with pytest.raises(UnreadableMessageError):
        read_person(_raw(message.value or b"", "dev.rollcall.student.renamed.v1"))


def test_every_rule_that_can_decide_has_its_sentence() -> None:
    rules = files("services.activation").joinpath("matching.sql").read_text(encoding="utf-8")
    codes = set(re.findall(r"(?:THEN|ELSE) '([a-z]+-[a-z-]+|reviewer|imported)'", rules))
    assert codes - {"left-roster"} <= set(REASONS)
    assert set(REASONS) == codes
