"""OneRoster's values, as districts write them."""

from collections import Counter
from datetime import date

import pytest

from services.ingest.defects import DefectCode
from services.ingest.providers.oneroster.values import (
    Defects,
    read_boolean,
    read_date,
    read_email,
    read_list,
    read_role,
    read_status,
    read_text,
)


def no_defects() -> Defects:
    return Counter()


@pytest.mark.parametrize("written", ["TRUE", "1", "yes", "Yes", "True"])
def test_a_boolean_written_in_another_way_is_read_and_counted(written: str) -> None:
    defects = no_defects()
    assert read_boolean(written, defects) is True
    assert defects == {"boolean-unusual": 1}


@pytest.mark.parametrize(("written", "means"), [("true", True), ("false", False), ("", None)])
def test_a_boolean_as_the_specification_has_it_is_no_defect(written: str, means: bool | None) -> None:
    defects = no_defects()
    assert read_boolean(written, defects) is means
    assert not defects


def test_an_unreadable_boolean_is_not_given_and_never_true() -> None:
    defects = no_defects()
    assert read_boolean("perhaps", defects) is None
    assert defects == {"boolean-unreadable": 1}


@pytest.mark.parametrize("written", ["9/30/2026", "09/30/2026", "2026-9-30", "2026-09-30T00:00:00.000Z"])
def test_a_date_written_in_another_way_is_read_and_counted(written: str) -> None:
    defects = no_defects()
    assert read_date(written, defects) == date(2026, 9, 30)
    assert defects == {"date-unusual": 1}


def test_an_iso_date_is_no_defect() -> None:
    defects = no_defects()
    assert read_date("2026-09-30", defects) == date(2026, 9, 30)
    assert not defects


@pytest.mark.parametrize("written", ["30/9/2026", "soon", "2026-02-30", "20260930"])
def test_an_unreadable_date_is_ignored_and_counted_each_time(written: str) -> None:
    defects = no_defects()
    assert read_date(written, defects) is None
    assert read_date(written, defects) is None
    assert defects == {"date-unreadable": 2}


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("", "active"),
        ("Active", "active"),
        ("tobedeleted", "removed"),
        ("ToBeDeleted", "removed"),
        ("inactive", "removed"),
    ],
)
def test_a_blank_status_is_active_and_both_spellings_of_removal_are_one(written: str, means: str) -> None:
    defects = no_defects()
    assert read_status(written, defects) == means
    assert not defects


def test_an_unknown_status_is_unknown_and_counted() -> None:
    defects = no_defects()
    assert read_status("enrolled", defects) == "unknown"
    assert defects == {"status-unknown": 1}


@pytest.mark.parametrize(
    ("written", "means"), [("Student", "student"), (" TEACHER ", "teacher"), ("siteAdministrator", "other")]
)
def test_a_role_is_compared_without_case(written: str, means: str) -> None:
    assert read_role(written) == means


def test_a_role_that_no_specification_has_is_no_role() -> None:
    assert read_role("wizard") is None
    assert read_role("ext:coach") == "other"


def test_the_letters_null_are_blank_and_counted() -> None:
    defects = no_defects()
    assert read_text("NULL", defects) == ""
    assert read_date("NULL", defects) is None
    assert read_boolean("NULL", defects) is None
    assert read_text("Null", defects) == "Null", "somebody may be called Null"
    assert defects == {"null-written-out": 3}


def test_a_list_is_split_with_or_without_blanks_after_the_commas() -> None:
    assert read_list("KG, 01,02,,") == ("KG", "01", "02")


@pytest.mark.parametrize(
    ("written", "means", "defect"),
    [
        (" Ada@x.example.org ", "Ada@x.example.org", None),
        ("", None, "email-missing"),
        ("ada at x.org", None, "email-malformed"),
        ("ada@x", None, "email-malformed"),
        ("a@x.org; b@x.org", None, "email-malformed"),
    ],
)
def test_an_email_is_trimmed_and_only_an_address_is_kept(
    written: str, means: str | None, defect: DefectCode | None
) -> None:
    defects = no_defects()
    assert read_email(written, defects) == means
    assert list(defects) == ([defect] if defect else [])
