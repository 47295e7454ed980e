"""Which classes are of the current term (oneroster.md section 10)."""

from collections import Counter
from datetime import date

import pytest

from services.ingest.providers.oneroster.current_term import Term, deciding_day, term_of
from services.ingest.providers.oneroster.rows import SessionRow
from services.ingest.providers.oneroster.values import Defects

FALL = Term(date(2026, 8, 20), date(2026, 12, 18))
SPRING = Term(date(2027, 1, 5), date(2027, 6, 4))


def session(start: str = "2026-08-20", end: str = "2026-12-18", status: str = "active") -> SessionRow:
    return SessionRow("t", status, "term", start, end)


def test_the_end_date_counts_in_on_1_1_and_is_exclusive_in_1_2() -> None:
    defects: Defects = Counter()
    old = term_of(session(), end_date_is_exclusive=False, defects=defects)
    new = term_of(session(), end_date_is_exclusive=True, defects=defects)
    assert old is not None
    assert new is not None
    assert old.covers(date(2026, 12, 18))
    assert not new.covers(date(2026, 12, 18))
    assert new.covers(date(2026, 12, 17))
    assert new.covers(date(2026, 8, 20))
    assert not new.covers(date(2026, 8, 19))


def test_a_term_that_ends_before_it_starts_decides_nothing_and_is_counted() -> None:
    defects: Defects = Counter()
    assert term_of(session("2027-01-01", "2026-01-01"), end_date_is_exclusive=False, defects=defects) is None
    assert defects == {"term-dates-reversed": 1}


@pytest.mark.parametrize("row", [session("", ""), session(status="inactive")])
def test_a_session_without_dates_or_marked_as_removed_decides_nothing(row: SessionRow) -> None:
    assert term_of(row, end_date_is_exclusive=False, defects=Counter()) is None


def test_a_date_that_is_missing_leaves_its_side_open() -> None:
    term = term_of(session("", "2026-12-18"), end_date_is_exclusive=False, defects=Counter())
    assert term is not None
    assert term.covers(date(2020, 1, 1))
    assert not term.covers(date(2026, 12, 19))


def test_within_a_term_the_day_that_decides_is_today() -> None:
    assert deciding_day(date(2027, 2, 1), [FALL, SPRING], [FALL, SPRING]) == date(2027, 2, 1)


def test_between_terms_the_last_day_of_the_last_term_decides() -> None:
    assert deciding_day(date(2026, 12, 28), [FALL, SPRING], [FALL, SPRING]) == date(2026, 12, 18)


def test_a_term_of_the_classes_type_that_no_class_names_yet_is_no_gap() -> None:
    today = date(2027, 1, 10)
    assert deciding_day(today, [FALL], [FALL, SPRING]) == today


def test_a_school_year_that_no_class_names_does_not_hide_a_gap() -> None:
    year = Term(date(2026, 8, 1), date(2027, 6, 30), "schoolyear")
    assert deciding_day(date(2026, 12, 28), [FALL], [FALL, SPRING, year]) == date(2026, 12, 18)


def test_in_the_summer_the_last_term_still_decides() -> None:
    assert deciding_day(date(2027, 8, 1), [FALL, SPRING], [FALL, SPRING]) == date(2027, 6, 4)


def test_a_year_after_the_last_term_nothing_is_current_any_more() -> None:
    today = date(2028, 8, 1)
    assert deciding_day(today, [FALL, SPRING], [FALL, SPRING]) == today


def test_before_the_first_term_today_decides() -> None:
    today = date(2026, 8, 1)
    assert deciding_day(today, [FALL, SPRING], [FALL, SPRING]) == today
