"""Builds small OneRoster CSV packages and pulls them, for the tests of the CSV source."""

import asyncio
import csv
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal, TypeVar

from schemas.records import Class, Record, RecordKind, School, Student, Teacher
from services.districts import District
from services.ingest.providers.oneroster.csv_package import PackageLimits
from services.ingest.providers.oneroster.csv_source import CsvSource
from services.ingest.source import PullReport
from tests.unit.record_pages import records_of

TODAY = date(2026, 10, 1)

T = TypeVar("T")
Row = dict[str, str]
Tables = dict[str, list[Row]]
Files = dict[str, str | bytes]

MANIFEST_1_1 = (
    "propertyName,value\nmanifest.version,1.0\noneroster.version,1.1\n"
    "file.orgs,bulk\nfile.academicSessions,bulk\nfile.courses,bulk\nfile.users,bulk\nfile.classes,bulk\n"
    "file.enrollments,bulk\nfile.demographics,bulk\nfile.results,absent\nsource.systemName,A system\n"
)


def tables_1_1() -> Tables:
    """Give one school with two students, a teacher, a parent and a class, as OneRoster 1.1 has them."""
    return {
        "orgs.csv": [
            _row("o1", name="A district", type="district", identifier="1", parentSourcedId=""),
            _row("o2", name="A school", type="school", identifier="2", parentSourcedId="o1"),
        ],
        "academicSessions.csv": [
            _row("t1", title="Autumn", type="term", startDate="2026-08-15", endDate="2026-12-18", schoolYear="2027"),
        ],
        "courses.csv": [_row("k1", title="Algebra", schoolYearSourcedId="t1", courseCode="A", orgSourcedId="o2")],
        "users.csv": [
            _user("u1", "teacher", "Ada", "Byron", email="ada@district.example"),
            _user("u2", "student", "Ben", "Ode", email="ben@district.example", identifier="77", grades="09"),
            _user("u3", "student", "Cyd", "Poe", email="cyd@district.example", identifier="78", grades="10"),
            _user("u4", "parent", "Dee", "Ode", email="dee@home.example"),
        ],
        "demographics.csv": [
            _row("u1", birthDate="1980-01-02", sex="female"),
            _row("u2", birthDate="2012-03-04", sex="male"),
        ],
        "classes.csv": [
            _row(
                "c1",
                title="Algebra 1",
                grades="09,10",
                courseSourcedId="k1",
                schoolSourcedId="o2",
                termSourcedIds="t1",
                subjects="Mathematics",
            )
        ],
        "enrollments.csv": [
            _enrollment("e1", "u1", "teacher", primary="true"),
            _enrollment("e2", "u2", "student"),
            _enrollment("e3", "u3", "student"),
        ],
    }


def _row(sourced_id: str, **values: str) -> Row:
    return {"sourcedId": sourced_id, "status": "", "dateLastModified": "", **values}


def _user(sourced_id: str, role: str, given: str, family: str, **values: str) -> Row:
    return {
        **_row(sourced_id, enabledUser="true", orgSourcedIds="o2", role=role, username=f"{sourced_id}.name"),
        "userIds": "",
        "givenName": given,
        "familyName": family,
        "middleName": "",
        "identifier": values.get("identifier", ""),
        "email": values["email"],
        "sms": "555-0100",
        "phone": "555-0101",
        "agentSourcedIds": "",
        "grades": values.get("grades", ""),
        "password": "open-sesame",
    }


def _enrollment(sourced_id: str, user: str, role: str, primary: str = "") -> Row:
    return _row(
        sourced_id,
        classSourcedId="c1",
        schoolSourcedId="o2",
        userSourcedId=user,
        role=role,
        primary=primary,
        beginDate="",
        endDate="",
    )


def text_of(rows: list[Row], *, quote_all: bool = False, line_end: str = "\n") -> str:
    """Write rows as CSV; the first row's keys are the header."""
    out = io.StringIO()
    quoting: Literal[0, 1] = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    writer = csv.DictWriter(out, list(rows[0]), quoting=quoting, lineterminator=line_end)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def files_of(tables: Tables, manifest: str | None = MANIFEST_1_1) -> Files:
    """Give the files of a package: its tables as CSV, and its manifest."""
    files: Files = {file: text_of(rows) for file, rows in tables.items()}
    if manifest is not None:
        files["manifest.csv"] = manifest
    return files


def files_1_1(**changed: str | bytes | None) -> Files:
    """Give the ordinary 1.1 package with some files' contents changed (`users_csv=…`), or left out (None)."""
    files = files_of(tables_1_1())
    for key, content in changed.items():
        file = key.replace("_csv", ".csv")
        if content is None:
            del files[file]
        else:
            files[file] = content
    return files


def write_folder(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files into a folder, as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def write_zip(path: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files into a zip."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@dataclass
class Pulled:
    """What a pull gave."""

    records: dict[RecordKind, dict[str, Record]]
    kept: dict[RecordKind, list[str]]
    report: PullReport

    def school(self, sourced_id: str) -> School:
        return _of(School, self.records["schools"][sourced_id])

    def teacher(self, sourced_id: str) -> Teacher:
        return _of(Teacher, self.records["teachers"][sourced_id])

    def student(self, sourced_id: str) -> Student:
        return _of(Student, self.records["students"][sourced_id])

    def class_(self, sourced_id: str) -> Class:
        return _of(Class, self.records["classes"][sourced_id])


def _of(kind: type[T], record: Record) -> T:
    assert isinstance(record, kind)
    return record


def source(location: Path, limits: PackageLimits | None = None) -> CsvSource:
    """Give the source of a district whose package is there."""
    district = District(district="d1", name="A district", provider="oneroster-csv", url=str(location))
    return CsvSource(district, page_records=100, limits=limits)


async def pull_from(csv_source: CsvSource, today: date = TODAY) -> Pulled:
    """Pull a source to its end."""
    pulled = Pulled({"schools": {}, "teachers": {}, "students": {}, "classes": {}}, {}, PullReport())
    async for page in csv_source.read(today, pulled.report):
        pulled.records[page.kind].update({record.id: record for record in records_of(page)})
        pulled.kept.setdefault(page.kind, []).extend(page.kept)
    return pulled


def pull(location: Path, today: date = TODAY, limits: PackageLimits | None = None) -> Pulled:
    """Pull the package that is there."""
    return asyncio.run(pull_from(source(location, limits), today))
