"""Decodes OneRoster's JSON pages into rows, in whatever shapes providers send them (oneroster.md section 8).

A page is first read whole, as the specification shapes its rows, which is fast. Where one of them does not fit (a list
written as one text, a reference that is a bare id, a number for a text), each is read by itself, and those that do not
fit once more, each field by what its type needs.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, get_type_hints

import msgspec

from services.ingest.providers.oneroster import wire as shapes
from services.ingest.providers.oneroster.rows import (
    ClassRow,
    CourseRow,
    EnrollmentColumns,
    OrgRow,
    SessionRow,
    UserRows,
)
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
from services.ingest.providers.page_rows import check_page_rows
from services.ingest.source import PullFailedError

_AFTER = re.compile(rb"\]\s*\}\s*\Z")
_ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d")

_AT_ONCE_BYTES = 8 * 1024 * 1024
"""Pages above this are cut into rows first: of the shortest rows there are, a larger one could hold too many."""

AnyWire = TypeVar("AnyWire", bound=Wire)
Rows = TypeVar("Rows")
Row = TypeVar("Row")


class DecodedPage(msgspec.Struct, Generic[Rows], array_like=True, frozen=True, gc=False):
    """One page: its rows, their sourcedIds, where what is in its array begins and ends, the day of the newest change.

    A page of rows that had to be read one by one has `odd_rows` in place of the bytes from `begin` to `end`. The day is
    YYYY-MM-DD.
    """

    rows: Rows
    ids: list[str]
    begin: int
    end: int
    newest: str
    odd_rows: bytes | None = None

    def raw(self, body: bytes) -> bytes | memoryview:
        """Give what stood in the array of the page."""
        return memoryview(body)[self.begin : self.end] if self.odd_rows is None else self.odd_rows


class Collection(Generic[AnyWire, Rows]):
    """One of OneRoster's collections: the last part of its path is also the key that its rows are under."""

    def __init__(
        self,
        name: str,
        wire: type[AnyWire],
        as_rows: Callable[[Sequence[AnyWire]], Rows],
        rows: type[Rows],
        *,
        required: bool = True,
    ) -> None:
        self.name = name
        self.required = required
        self._wire = wire
        self._as_rows = as_rows
        self._before = re.compile(rb'\s*\{\s*"%s"\s*:\s*(?=\[)' % name.encode())
        self._decoder = msgspec.json.Decoder(wire)
        self._page_decoder = msgspec.json.Decoder(list[wire])  # type: ignore[valid-type]
        types = get_type_hints(wire)
        self.pages: msgspec.msgpack.Decoder[DecodedPage[Rows] | None] = msgspec.msgpack.Decoder(
            DecodedPage[rows] | None  # type: ignore[valid-type]
        )
        self._fields = [
            (field.name, field.encode_name, _LENIENT[types[field.name]]) for field in msgspec.structs.fields(wire)
        ]

    def decode(self, body: bytes, where: str, defects: Defects) -> DecodedPage[Rows]:
        """Read one page. `where` names the request in errors; fields that had to be read leniently are counted.

        Raises PullFailedError 'not-a-roster' where the body is no JSON object with this collection's key holding an
        array, or a row is no object with a sourcedId: such a page is failed, never empty (section 5).
        """
        page = self.decode_at_once(body) or self.decode_one_by_one(body, where, defects)
        self.check(page, where)
        return page

    def check(self, page: DecodedPage[Rows], where: str) -> None:
        """Raise PullFailedError where a page that was read at once, or one by one, is not to be taken."""
        check_page_rows(len(page.ids), where)
        if not all(page.ids):
            raise self._failed(where, f"{self.name!r} whose row {page.ids.index('') + 1} has no sourcedId")

    def decode_at_once(self, body: bytes) -> DecodedPage[Rows] | None:
        """Read a page that holds nothing but rows as the specification shapes them; of any other give None."""
        begin, end = self._before.match(body), _AFTER.search(body, max(0, len(body) - 64))
        if len(body) > _AT_ONCE_BYTES or begin is None or end is None:
            return None
        try:
            wires = self._page_decoder.decode(memoryview(body)[begin.end() : end.start() + 1])
        except _NOT_JSON:
            return None
        return self._page(wires, begin.end() + 1, end.start())

    def _page(self, wires: Sequence[AnyWire], begin: int, end: int, odd_rows: bytes | None = None) -> DecodedPage[Rows]:
        ids = [wire.sourced_id for wire in wires]
        changed = {wire.date_last_modified or "" for wire in wires}
        newest = next((day[:10] for day in sorted(changed, reverse=True) if _ISO_DAY.match(day)), "")
        return DecodedPage(self._as_rows(wires), ids, begin, end, newest, odd_rows)

    def decode_one_by_one(self, body: bytes, where: str, defects: Defects) -> DecodedPage[Rows]:
        """Read a page of which some rows are not as the specification shapes them; the promise is `decode`'s."""
        try:
            envelope = _envelope.decode(body)
        except msgspec.ValidationError as error:
            raise self._failed(where, "a bare list or value, not an object") from error
        except _NOT_JSON as error:
            raise self._failed(where, "something that is not JSON") from error
        if self.name not in envelope:
            raise self._failed(where, f"an object without {self.name!r}")
        try:
            raw_rows = _rows.decode(envelope[self.name])
        except msgspec.ValidationError as error:
            raise self._failed(where, f"{self.name!r} that is not an array") from error
        check_page_rows(len(raw_rows), where)
        wires = [self._read(raw, where, number, defects) for number, raw in enumerate(raw_rows, start=1)]
        return self._page(wires, 0, 0, b",".join(raw_rows))

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


def _rows_of(as_row: Callable[[AnyWire], Row]) -> Callable[[Sequence[AnyWire]], list[Row]]:
    return lambda wires: list(map(as_row, wires))


ORGS = Collection("orgs", OrgWire, _rows_of(shapes.org_row), list[OrgRow])
SESSIONS = Collection("academicSessions", SessionWire, _rows_of(shapes.session_row), list[SessionRow])
COURSES = Collection("courses", CourseWire, _rows_of(shapes.course_row), list[CourseRow], required=False)
USERS = Collection("users", UserWire, shapes.user_rows, UserRows)
CLASSES = Collection("classes", ClassWire, _rows_of(shapes.class_row), list[ClassRow])
ENROLLMENTS = Collection("enrollments", EnrollmentWire, shapes.enrollment_columns, EnrollmentColumns)

_COLLECTIONS: dict[str, Collection[Any, Any]] = {
    each.name: each for each in (ORGS, SESSIONS, COURSES, USERS, CLASSES, ENROLLMENTS)
}


def decode_at_once(collection: str, body: bytes) -> DecodedPage[Any] | None:
    """Read a page of a collection as `Collection.decode_at_once` does."""
    return _COLLECTIONS[collection].decode_at_once(body)
