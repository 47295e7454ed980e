"""The lines of a file of accounts: read one by one, each either an account or what is wrong with it (pure)."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")

COLUMNS = ("emails", "display_name", "clever_ids", "classlink_ids", "teaches", "learns_in", "work")
SEPARATOR = ";"

_LONGEST = 500
_LONGEST_NAME = 200  # of a class, as in the database


@dataclass(frozen=True, slots=True)
class Identity:
    """What a provider calls the person an account belongs to; Clever's ids know no tenant."""

    provider: str
    tenant: str
    subject: str

    def __str__(self) -> str:
        return (
            f"{self.provider} id {self.tenant}:{self.subject}" if self.tenant else f"{self.provider} id {self.subject}"
        )


@dataclass(frozen=True, slots=True)
class Seat:
    """A place in the personal class of that name of the account with that email."""

    teacher_email: str
    class_name: str


@dataclass(frozen=True, slots=True)
class AccountLine:
    """An account to be made; `line` is where its row ends in the file, counted from 1.

    `teaches` are the names of its personal classes, `work` the titles of what it has done.
    """

    line: int
    emails: tuple[str, ...]
    display_name: str | None
    identities: tuple[Identity, ...]
    teaches: tuple[str, ...] = ()
    learns_in: tuple[Seat, ...] = ()
    work: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be an account: what is wrong and what to do, without what the line says of anybody."""

    line: int
    text: str


class BadValueError(ValueError):
    """A value cannot be what it stands for; the text says why and what to do."""


def clever_identity(typed: str) -> Identity:
    """Read a Clever id. Raises BadValueError."""
    return Identity("clever", "", _exact_id(typed))


def classlink_identity(typed: str) -> Identity:
    """Read TENANT:SOURCEDID, parted at the first colon. Raises BadValueError."""
    tenant, colon, sourced_id = typed.partition(":")
    if not colon or not tenant or not sourced_id:
        raise BadValueError("a ClassLink id is TENANT:SOURCEDID, as in 2284:a1b2; write both parts")
    return Identity("classlink", _exact_id(tenant), _exact_id(sourced_id))


def _exact_id(typed: str) -> str:
    if not typed or typed != typed.strip() or not typed.isprintable():
        raise BadValueError(
            "an id is empty, or begins or ends with a space, or holds a control character; ids compare byte for byte, "
            "so write it exactly as the provider does"
        )
    return _short(typed)


def _short(value: str) -> str:
    if len(value) > _LONGEST:
        raise BadValueError(f"a value is longer than {_LONGEST} characters; no email, id or name is")
    return value


def email_of(typed: str) -> str:
    """Read an email, without the space around it. Raises BadValueError."""
    email = typed.strip()
    if not EMAIL.fullmatch(email) or not email.isprintable():
        raise BadValueError("an email is not one (somebody@a.domain); correct it, and part several with ';'")
    return _short(email)


def _seat(typed: str) -> Seat:
    """Read TEACHER_EMAIL:CLASS, parted at the first colon. Raises BadValueError."""
    email, colon, name = typed.partition(":")
    if not colon:
        raise BadValueError("a class to learn in is TEACHER_EMAIL:CLASS, as in kim@x.example:Chess; write both parts")
    return Seat(email_of(email), _class_name(name))


def _class_name(typed: str) -> str:
    name = _title(typed)
    if len(name) > _LONGEST_NAME:
        raise BadValueError(f"the name of a class is longer than {_LONGEST_NAME} characters; shorten it")
    return name


def _title(typed: str) -> str:
    if not (title := typed.strip()):
        raise BadValueError("the name of a class or of a work is empty; take the ';' before or after it out")
    return _short(title)


def account_lines(text: Iterable[str]) -> Iterator[AccountLine | BadLine]:
    """Give what each row of a CSV file is, in order; blank lines are passed over.

    `text` are its lines with their ends, bytes that are not UTF-8 as surrogates. A header that is not one, or quotes
    that do not close, are a BadLine after which there is nothing more, as no later line can be trusted.
    """
    rows = csv.reader(text, strict=True)
    try:
        header = next(rows, [])
        columns = [name.strip().lower() for name in header]
        if problem := _header_problem(columns):
            yield BadLine(max(rows.line_num, 1), problem)
            return
        for row in rows:
            if row:
                yield _line(rows.line_num, columns, row)
    except csv.Error:
        yield BadLine(
            rows.line_num, "it is not CSV as RFC 4180 says: a quote is left open or stands alone; the rest was not read"
        )


def _header_problem(columns: Sequence[str]) -> str | None:
    if not set(columns) & set(COLUMNS):
        return (
            f"the file does not begin with a header; its first line must name columns of {', '.join(COLUMNS)}, in UTF-8"
        )
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown:
        return f"the header names columns that are none of {', '.join(COLUMNS)}; take them out, or correct their names"
    if len(set(columns)) < len(columns):
        return "the header names a column twice; keep one of them"
    return None


def _line(number: int, columns: Sequence[str], row: Sequence[str]) -> AccountLine | BadLine:
    if len(row) != len(columns):
        return BadLine(
            number, f"it has {len(row)} values where the header has {len(columns)}; quote values that hold a comma"
        )
    if not _is_text("".join(row)):
        return BadLine(number, "it holds bytes that are not UTF-8, or a NUL; save the file as UTF-8")
    values = dict(zip(columns, row, strict=True))
    try:
        emails = tuple(email_of(email) for email in _several(values.get("emails", "")))
        identities = (
            *(clever_identity(typed) for typed in _several(values.get("clever_ids", ""))),
            *(classlink_identity(typed) for typed in _several(values.get("classlink_ids", ""))),
        )
        name = _short(values.get("display_name", "").strip()) or None
        teaches = tuple(_class_name(typed) for typed in _several(values.get("teaches", "")))
        learns_in = tuple(_seat(typed) for typed in _several(values.get("learns_in", "")))
        work = tuple(_title(typed) for typed in _several(values.get("work", "")))
    except BadValueError as error:
        return BadLine(number, str(error))
    if not emails and not identities:
        return BadLine(number, "it has neither an email nor an id, so nobody could ever be matched to it; give one")
    return AccountLine(number, emails, name, identities, teaches, learns_in, work)


def _several(value: str) -> list[str]:
    return value.split(SEPARATOR) if value.strip() else []


def _is_text(value: str) -> bool:
    if "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
