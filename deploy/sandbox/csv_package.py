"""Writes a sandbox district's night as a OneRoster CSV 1.1 package (oneroster.md section 11)."""

import csv
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from deploy.sandbox.collection import Collection
from deploy.sandbox.oneroster_rows import OneRosterRows
from deploy.sandbox.oneroster_wire import Ref
from deploy.sandbox.roster import Roster

Cell: TypeAlias = Callable[[Any], str]

_AT_ONCE = 10_000


def _text(name: str) -> Cell:
    return lambda row: str(getattr(row, name) or "")


def _ref(name: str) -> Cell:
    def cell(row: Any) -> str:
        ref: Ref | None = getattr(row, name)
        return ref.sourcedId if ref else ""

    return cell


def _refs(name: str) -> Cell:
    return lambda row: ",".join(ref.sourcedId for ref in getattr(row, name))


def _list(name: str) -> Cell:
    return lambda row: ",".join(getattr(row, name))


def _status(row: Any) -> str:
    """Leave the status blank, as a bulk package must; a row that is marked as removed keeps its mark."""
    return "" if row.status.lower() == "active" else row.status


def _user_ids(row: Any) -> str:
    return ",".join(f"{{{each['type']}:{each['identifier']}}}" for each in row.user_ids)


def _always(value: str) -> Cell:
    return lambda row: value


_COMMON: dict[str, Cell] = {"sourcedId": _text("sourced_id"), "status": _status, "dateLastModified": _always("")}

FILES: dict[str, dict[str, Cell]] = {
    "orgs": {
        **_COMMON,
        "name": _text("name"),
        "type": _text("type"),
        "identifier": _text("identifier"),
        "parentSourcedId": _ref("parent"),
    },
    "academicSessions": {
        **_COMMON,
        "title": _text("title"),
        "type": _text("type"),
        "startDate": _text("start_date"),
        "endDate": _text("end_date"),
        "parentSourcedId": _ref("parent"),
        "schoolYear": _text("school_year"),
    },
    "courses": {
        **_COMMON,
        "schoolYearSourcedId": _ref("school_year"),
        "title": _text("title"),
        "courseCode": _text("course_code"),
        "grades": _list("grades"),
        "orgSourcedId": _ref("org"),
        "subjects": _list("subjects"),
        "subjectCodes": _list("subject_codes"),
    },
    "classes": {
        **_COMMON,
        "title": _text("title"),
        "grades": _list("grades"),
        "courseSourcedId": _ref("course"),
        "classCode": _text("class_code"),
        "classType": _text("class_type"),
        "location": _text("location"),
        "schoolSourcedId": _ref("school"),
        "termSourcedIds": _refs("terms"),
        "subjects": _list("subjects"),
        "subjectCodes": _list("subject_codes"),
        "periods": _list("periods"),
    },
    "users": {
        **_COMMON,
        "enabledUser": _text("enabled_user"),
        "orgSourcedIds": _refs("orgs"),
        "role": _text("role"),
        "username": _text("username"),
        "userIds": _user_ids,
        "givenName": _text("given_name"),
        "familyName": _text("family_name"),
        "middleName": _text("middle_name"),
        "identifier": _text("identifier"),
        "email": _text("email"),
        "sms": _text("sms"),
        "phone": _text("phone"),
        "agentSourcedIds": _refs("agents"),
        "grades": _list("grades"),
        "password": _text("password"),
    },
    "enrollments": {
        **_COMMON,
        "classSourcedId": _ref("class_"),
        "schoolSourcedId": _ref("school"),
        "userSourcedId": _ref("user"),
        "role": _text("role"),
        "primary": _text("primary"),
        "beginDate": _text("begin_date"),
        "endDate": _text("end_date"),
    },
    "demographics": {**_COMMON, "birthDate": _text("birth_date"), "sex": _text("sex")},
}
"""Each file's columns, in the order that the binding sets."""


def write_package(roster: Roster, target: Path) -> Path:
    """Write a night as a bulk package, a zip where `target` ends in .zip, else a folder; give `target`."""
    collections = OneRosterRows(roster, "v1p1", text_booleans=True).collections()
    if target.suffix == ".zip":
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
            for name, content in _contents(collections):
                with package.open(name, "w") as binary, io.TextIOWrapper(binary, "utf-8", newline="") as file:
                    csv.writer(file).writerows(content)
        return target
    target.mkdir(parents=True, exist_ok=True)
    for name, content in _contents(collections):
        with (target / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(content)
    return target


def _contents(collections: dict[str, Collection]) -> Iterator[tuple[str, Iterator[Sequence[str]]]]:
    yield "manifest.csv", _manifest()
    for name, columns in FILES.items():
        yield f"{name}.csv", _lines(collections[name], columns)


def _manifest() -> Iterator[Sequence[str]]:
    yield "propertyName", "value"
    yield "manifest.version", "1.0"
    yield "oneroster.version", "1.1"
    for name in FILES:
        yield f"file.{name}", "bulk"
    yield "source.systemName", "Rollcall sandbox"
    yield "source.systemCode", "rollcall-sandbox"


def _lines(collection: Collection, columns: dict[str, Cell]) -> Iterator[Sequence[str]]:
    yield list(columns)
    for start in range(0, len(collection), _AT_ONCE):
        for row in collection.make(np.arange(start, min(start + _AT_ONCE, len(collection)))):
            yield [cell(row) for cell in columns.values()]
