"""Decodes OneRoster's JSON pages into rows, in whatever shapes providers send them (oneroster.md section 8).

A row is first read as the specification shapes it, which is fast. Where it does not fit (a list written as one text, a
reference that is a bare id, a number for a text), it is read once more, each field by what its type needs.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_type_hints

import msgspec

from services.ingest.providers.answers import check_page_rows
from services.ingest.providers.oneroster import wire as shapes
from services.ingest.providers.oneroster.values import Defects, read_list
from services.ingest.providers.oneroster.wire import (
    ClassWire,
    CourseWire,
    EnrollmentWire,
    OrgWire,
    Reference,
    RoleWire,
    SessionWire,
    UserWire,
    Wire,
)
from services.ingest.source import PullFailedError

_ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d")

AnyWire = TypeVar("AnyWire", bound=Wire)
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class DecodedPage(Generic[Row]):
    """One page: its rows, their sourcedIds, the raw bytes of each, and the day of the newest change (YYYY-MM-DD)."""

    rows: Sequence[Row]
    ids: Sequence[str]
    raw_rows: Sequence[msgspec.Raw]
    newest: str


class Collection(Generic[AnyWire, Row]):
    """One of OneRoster's collections: the last part of its path is also the key that its rows are under."""

    def __init__(
        self, name: str, wire: type[AnyWire], as_row: Callable[[AnyWire], Row], *, required: bool = True
    ) -> None:
        self.name = name
        self.required = required
        self._wire = wire
        self._as_row = as_row
        self._decoder = msgspec.json.Decoder(wire)
        types = get_type_hints(wire)
        self._fields = [
            (field.name, field.encode_name, _LENIENT[types[field.name]]) for field in msgspec.structs.fields(wire)
        ]

    def decode(self, body: bytes, where: str, defects: Defects) -> DecodedPage[Row]:
        """Read one page. `where` names the request in errors; fields that had to be read leniently are counted.

        Raises PullFailedError 'not-a-roster' where the body is no JSON object with this collection's key holding an
        array, or a row is no object with a sourcedId: such a page is failed, never empty (section 5).
        """
        raw_rows = self._raw_rows(body, where)
        check_page_rows(len(raw_rows), where)
        rows = []
        ids = []
        newest = ""
        for number, raw in enumerate(raw_rows, start=1):
            row = self._read(raw, where, number, defects)
            if not row.sourced_id:
                raise self._failed(where, f"{self.name!r} whose row {number} has no sourcedId")
            ids.append(row.sourced_id)
            rows.append(self._as_row(row))
            changed = row.date_last_modified
            if changed and changed > newest and _ISO_DAY.match(changed):
                newest = changed[:10]
        return DecodedPage(rows, ids, raw_rows, newest)

    def _raw_rows(self, body: bytes, where: str) -> list[msgspec.Raw]:
        try:
            envelope = _envelope.decode(body)
        except msgspec.ValidationError as error:
            raise self._failed(where, "a bare list or value, not an object") from error
        except _NOT_JSON as error:
            raise self._failed(where, "something that is not JSON") from error
        if self.name not in envelope:
            raise self._failed(where, f"an object without {self.name!r}")
        try:
            return _rows.decode(envelope[self.name])
        except msgspec.ValidationError as error:
            raise self._failed(where, f"{self.name!r} that is not an array") from error

    def _read(self, raw: msgspec.Raw, where: str, number: int, defects: Defects) -> AnyWire:
        try:
            try:
                return self._decoder.decode(raw)
            except msgspec.ValidationError:
                value = msgspec.json.decode(raw)
        except _NOT_JSON as error:
            raise self._failed(where, f"{self.name!r} whose row {number} is not JSON in UTF-8") from error
        if not isinstance(value, dict):
            raise self._failed(where, f"{self.name!r} whose row {number} is not an object")
        fields: dict[str, Any] = {name: read(value.get(key), defects) for name, key, read in self._fields}
        return self._wire(**fields)

    def _failed(self, where: str, what: str) -> PullFailedError:
        return PullFailedError(
            "not-a-roster",
            f"{where} answered with {what}; a OneRoster server answers {{{self.name!r}: […]}}: "
            "check the district's url and API path",
        )


def _lenient_text(value: Any, defects: Defects) -> str:
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case [first, *_]:
            defects["list-unusual"] += 1
            return _lenient_text(first, defects)
        case {"sourcedId": sourced_id}:
            return _lenient_text(sourced_id, defects)
        case _:
            return ""


def _lenient_reference(value: Any, defects: Defects) -> Reference | None:
    sourced_id = _lenient_text(value, defects)
    return Reference(sourced_id) if sourced_id else None


def _items(value: Any, defects: Defects) -> Sequence[Any]:
    match value:
        case list():
            return value
        case None | "":
            return ()
        case str():
            defects["list-unusual"] += 1
            return read_list(value)
        case _:
            defects["list-unusual"] += 1
            return (value,)


def _lenient_references(value: Any, defects: Defects) -> list[Reference]:
    references = (_lenient_reference(item, defects) for item in _items(value, defects))
    return [reference for reference in references if reference is not None]


def _lenient_words(value: Any, defects: Defects) -> list[str]:
    return [word for item in _items(value, defects) if (word := _lenient_text(item, defects))]


def _lenient_roles(value: Any, defects: Defects) -> list[RoleWire]:
    roles = []
    for item in _items(value, defects):
        role, org = (item.get("role"), item.get("org")) if isinstance(item, dict) else (item, None)
        roles.append(RoleWire(_lenient_text(role, defects), _lenient_reference(org, defects)))
    return roles


_LENIENT: dict[object, Callable[[Any, Defects], object]] = {
    str: _lenient_text,
    shapes.Text: _lenient_text,
    shapes.Flag: _lenient_text,
    shapes.Ref: _lenient_reference,
    shapes.Refs: _lenient_references,
    shapes.Words: _lenient_words,
    shapes.Roles: _lenient_roles,
}

_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_envelope = msgspec.json.Decoder(dict[str, msgspec.Raw])
_rows = msgspec.json.Decoder(list[msgspec.Raw])

ORGS = Collection("orgs", OrgWire, shapes.org_row)
SESSIONS = Collection("academicSessions", SessionWire, shapes.session_row)
COURSES = Collection("courses", CourseWire, shapes.course_row, required=False)
USERS = Collection("users", UserWire, shapes.user_row)
CLASSES = Collection("classes", ClassWire, shapes.class_row)
ENROLLMENTS = Collection("enrollments", EnrollmentWire, shapes.enrollment_row)
