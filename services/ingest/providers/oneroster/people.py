"""Turns OneRoster's users into teachers and students (oneroster.md sections 8, 9 and 13).

Of each user little more than the id stays in memory. The records wait compressed until the last user has come, because
an id that comes once more with other values takes the first record back.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import starmap
from typing import Generic, Literal, TypeAlias, TypeVar

import cramjam
import msgspec
import numpy as np

from schemas.records import Record, Student, Teacher
from services.ingest.providers.oneroster.id_order import AscendingIds
from services.ingest.providers.oneroster.id_positions import IdPositions
from services.ingest.providers.oneroster.id_texts import IdTexts
from services.ingest.providers.oneroster.masked_names import MaskedNames
from services.ingest.providers.oneroster.places import Indexes
from services.ingest.providers.oneroster.rows import UserRow
from services.ingest.providers.oneroster.schools import Schools
from services.ingest.providers.oneroster.values import (
    Defects,
    first_text,
    read_boolean,
    read_date,
    read_email,
    read_role,
    read_status,
    read_text,
)
from services.ingest.source import RecordPage

PersonKind: TypeAlias = Literal["teachers", "students"]

TEACHER, STUDENT, REMOVED, KEPT = 1, 2, 4, 8
"""What is known of a user, as bits: the kinds that it is in, marked as removed, not to be relied on."""

_BITS: dict[PersonKind, int] = {"teachers": TEACHER, "students": STUDENT}


_TeacherFields: TypeAlias = tuple[str, str | None, str, str, str, tuple[str, ...], str | None]
_StudentFields: TypeAlias = tuple[str, str | None, str, str, str, tuple[str, ...], str | None, str | None, str | None]
"""What records are made of, in the order of their fields. Records themselves take several times as long to make."""

Fields = TypeVar("Fields", _TeacherFields, _StudentFields)


class _Shelf(Generic[Fields]):
    """Records of one kind by their fields, compressed by the page."""

    def __init__(
        self,
        kind: PersonKind,
        record: Callable[..., Record],
        decoder: msgspec.msgpack.Decoder[list[Fields]],
        page_records: int,
    ) -> None:
        self.kind = kind
        self._record = record
        self._page_records = page_records
        self._open: list[Fields] = []
        self._closed: list[bytes] = []
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[list[Fields]] = decoder

    def add(self, fields: Fields) -> None:
        self._open.append(fields)
        if len(self._open) == self._page_records:
            self._closed.append(bytes(cramjam.zstd.compress(self._encoder.encode(self._open), 1)))
            self._open = []

    def pages(self) -> Iterator[list[Record]]:
        for page in self._closed:
            yield list(starmap(self._record, self._decoder.decode(bytes(cramjam.zstd.decompress(page)))))
        if self._open:
            yield list(starmap(self._record, self._open))


class People:
    """The users of one pull, by index: `ids` are their sourcedIds, `states` what is known of them."""

    def __init__(self, schools: Schools, defects: Defects, page_records: int) -> None:
        self._schools = schools
        self._defects = defects
        self._masked = MaskedNames()
        self._page_records = page_records
        self.ids = IdTexts()
        self.states = bytearray()
        self._order = AscendingIds()
        self._index = IdPositions()
        self._row_hashes = array("q")
        self._email_hashes = array("q")
        self._teachers = _Shelf("teachers", Teacher, msgspec.msgpack.Decoder(list[_TeacherFields]), page_records)
        self._students = _Shelf("students", Student, msgspec.msgpack.Decoder(list[_StudentFields]), page_records)

    def find(self, sourced_id: str) -> int | None:
        """Give the index of a user in `ids` and `states`, or None where it is not in the pull."""
        index = int(self._index.find([sourced_id])[0])
        return None if index < 0 else index

    def find_all(self, sourced_ids: Sequence[str]) -> Indexes:
        """Give for each user what `find` gives, -1 for None."""
        return self._index.find(sourced_ids)

    def state_of(self, indexes: Indexes) -> Indexes:
        """Give the states of users; that of the index -1 means nothing."""
        states = np.frombuffer(self.states or b"\0", dtype=np.uint8)
        return states[indexes].astype(np.int64)

    def settle(self) -> None:
        """Count what only shows once all users have come, and prepare for finding them. Call it after the last one."""
        self._index.settle()
        emails = np.sort(np.array(self._email_hashes, dtype=np.int64))
        if shared := int(np.count_nonzero(emails[1:] == emails[:-1])):
            self._defects["email-shared"] += shared
        if masked := self._masked.suspected():
            self._defects["names-obfuscated"] += masked
        # What was needed for counting only goes before the enrollments come.
        self._row_hashes, self._email_hashes, self._masked = array("q"), array("q"), MaskedNames()

    def add(self, rows: Sequence[UserRow]) -> None:
        """Take users."""
        ids = [row.sourced_id for row in rows]
        if self._order.goes_on(ids):
            self._index.add(ids)
            for row in rows:
                self._add_new(row)
            return
        earlier = self._index.find(ids).tolist()
        new: dict[str, int] = {}
        for row, before in zip(rows, earlier, strict=True):
            index = before if before >= 0 else new.get(row.sourced_id, -1)
            if index >= 0:
                self._add_again(index, row)
            else:
                new[row.sourced_id] = len(self.ids)
                self._add_new(row)
        self._index.add(list(new))

    def _add_new(self, row: UserRow) -> None:
        self.ids.append(row.sourced_id)
        self._row_hashes.append(hash(row))
        self.states.append(self._state(row))

    def _add_again(self, index: int, row: UserRow) -> None:
        if self._row_hashes[index] == hash(row):
            self._defects["id-twice"] += 1
            return
        self._defects["id-twice-differing"] += 1
        self.states[index] |= KEPT | self._kinds(row)

    def _state(self, row: UserRow) -> int:
        kinds = self._kinds(row)
        if not kinds:
            if all(read_role(held.role) is None for held in row.roles):
                self._defects["person-without-role"] += 1
            return 0
        match read_status(row.status, self._defects):
            case "removed":
                return kinds | REMOVED
            case "unknown":
                return kinds | KEPT
            case "active":
                self._shelve(row, kinds)
                return kinds

    @staticmethod
    def _kinds(row: UserRow) -> int:
        kinds = 0
        for held in row.roles:
            match read_role(held.role):
                case "teacher":
                    kinds |= TEACHER
                case "student":
                    kinds |= STUDENT
        return kinds

    def _shelve(self, row: UserRow, kinds: int) -> None:
        defects = self._defects
        # A login that is switched off is no departure (section 9), so the value is read only to count what is odd.
        read_boolean(row.enabled, defects)
        given, family = read_text(row.given_name, defects), read_text(row.family_name, defects)
        if not (given and family):
            defects["name-missing"] += 1
        shown_given = read_text(row.preferred_given_name, defects) or given
        shown_family = read_text(row.preferred_family_name, defects) or family
        display_name = f"{shown_given} {shown_family}".strip()
        number = read_text(row.identifier, defects) or None
        email = read_email(row.email, defects)
        if email is not None:
            self._email_hashes.append(hash(email.casefold()))
        if kinds == TEACHER | STUDENT:
            defects["person-in-two-kinds"] += 1
        if kinds & TEACHER:
            schools = self._schools_of(row, "teacher")
            self._teachers.add((row.sourced_id, email, given, family, display_name, schools, number))
        if kinds & STUDENT:
            self._masked.add(given, family)
            grade = first_text(row.grades, defects)
            born = read_date(row.birth_date, defects) if row.birth_date else None
            birth_date = None if born is None else born.isoformat()
            schools = self._schools_of(row, "student")
            self._students.add((row.sourced_id, email, given, family, display_name, schools, number, grade, birth_date))

    def _schools_of(self, row: UserRow, role: str) -> tuple[str, ...]:
        if len(row.roles) == 1 and (org_id := row.roles[0].org_id) in self._schools.ids:
            return (org_id,)  # nearly everybody
        named = {held.org_id for held in row.roles if held.org_id and read_role(held.role) == role}
        for org_id in named:
            if org_id not in self._schools:
                self._defects["person-school-unknown"] += 1
        # A school that is kept stays in the roster as it was, so a reference to it stays too.
        return tuple(sorted(org_id for org_id in named if org_id in self._schools.ids or org_id in self._schools.kept))

    def pages(self) -> Iterator[RecordPage]:
        """Give all teachers, then all students, and the ids of each that are kept."""
        yield from self._pages_of(self._teachers)
        yield from self._pages_of(self._students)

    def _pages_of(self, shelf: _Shelf[_TeacherFields] | _Shelf[_StudentFields]) -> Iterator[RecordPage]:
        of_kind = KEPT | _BITS[shelf.kind]
        states = np.frombuffer(self.states, dtype=np.uint8)
        kept = sorted(self.ids.at(np.flatnonzero(states & of_kind == of_kind)))
        left_out = frozenset(kept)
        for records in shelf.pages():
            if remaining := [record for record in records if record.id not in left_out] if left_out else records:
                yield RecordPage(shelf.kind, records=remaining)
        for start in range(0, len(kept), self._page_records):
            yield RecordPage(shelf.kind, kept=kept[start : start + self._page_records])
