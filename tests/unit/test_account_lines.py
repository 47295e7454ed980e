"""A file of accounts, line by line: what is an account, and what is told of a line that is none."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.account_lines import AccountLine, BadLine, Identity, Seat, account_lines

HEADER = "emails,display_name,clever_ids,classlink_ids\n"


def lines_of(text: str) -> list[AccountLine | BadLine]:
    return list(account_lines(io.StringIO(text, newline="")))


def test_a_line_gives_emails_ids_and_name_whatever_the_order_of_the_columns() -> None:
    [made] = lines_of(
        "clever_ids,EMAILS ,classlink_ids,display_name\nc1;c2, Dana@x.org ; d@home.example,22:a:b, Dana \n"
    )
    assert made == AccountLine(
        line=2,
        emails=("Dana@x.org", "d@home.example"),
        display_name="Dana",
        identities=(Identity("clever", "", "c1"), Identity("clever", "", "c2"), Identity("classlink", "22", "a:b")),
    )


def test_a_line_gives_the_classes_and_the_work_that_the_account_has_already() -> None:
    [made] = lines_of("emails,work,learns_in,teaches\na@x.org,Essay; Map ,kim@x.org:Art: basics,Chess;Go\n")
    assert isinstance(made, AccountLine)
    assert made.work == ("Essay", "Map")
    assert made.learns_in == (Seat("kim@x.org", "Art: basics"),)
    assert made.teaches == ("Chess", "Go")


@pytest.mark.parametrize(
    ("cell", "what_to_do"),
    [
        ("teaches,Chess;", "take the ';'"),
        (f"teaches,{'a' * 201}", "longer than 200"),
        ("learns_in,Chess", "TEACHER_EMAIL:CLASS"),
        ("learns_in,kim:Chess", "correct it"),
        ("learns_in,kim@x.org:", "take the ';'"),
        ("work,;Essay", "take the ';'"),
    ],
)
def test_classes_and_work_that_cannot_be_are_told_with_what_to_do(cell: str, what_to_do: str) -> None:
    column, value = cell.split(",")
    [bad] = lines_of(f"emails,{column}\na@x.org,{value}\n")
    assert isinstance(bad, BadLine)
    assert what_to_do in bad.text


@pytest.mark.parametrize(
    ("line", "what_to_do"),
    [
        ("not an email,,,", "correct it"),
        ("a@x.org b@x.org,,,", "part several with ';'"),
        (",Dana,,", "give one"),
        ("a@x.org,Dana", "2 values where the header has 4"),
        ("a@x.org,,c1 ,", "exactly as the provider does"),
        ("a@x.org,,c1;,", "exactly as the provider does"),
        ("a@x.org,,,22", "TENANT:SOURCEDID"),
        ("a@x.org,,,22:", "TENANT:SOURCEDID"),
        ("a@x.org,Da\udce9na,,", "save the file as UTF-8"),
        ("a@x.org,Da\0na,,", "save the file as UTF-8"),
        (f"{'a' * 600}@x.org,,,", "longer than 500"),
    ],
)
def test_a_bad_line_is_told_by_its_number_with_what_to_do_and_never_quoted(line: str, what_to_do: str) -> None:
    good, bad = lines_of(f"{HEADER}good@x.org,,,\n{line}\n")
    assert isinstance(good, AccountLine)
    assert isinstance(bad, BadLine)
    assert bad.line == 3
    assert what_to_do in bad.text
    assert "x.org" not in bad.text
    assert "Dana" not in bad.text


@pytest.mark.parametrize(
    ("header", "what_to_do"),
    [
        ("", "does not begin with a header"),
        ("dana@x.org,Dana\n", "does not begin with a header"),
        ("emails,phone\n", "take them out"),
        ("emails,emails\n", "keep one of them"),
    ],
)
def test_a_file_without_a_known_header_is_refused_at_its_first_line(header: str, what_to_do: str) -> None:
    [bad] = lines_of(f"{header}a@x.org,b\n" if header else "")
    assert isinstance(bad, BadLine)
    assert bad.line == 1
    assert what_to_do in bad.text


def test_nothing_is_believed_after_a_quote_that_stays_open() -> None:
    good, bad = lines_of(f'{HEADER}a@x.org,,,\n"b@x.org,,,\nc@x.org,,,\n')
    assert isinstance(good, AccountLine)
    assert isinstance(bad, BadLine)
    assert "a quote is left open" in bad.text


_values = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters=";"), min_size=1, max_size=20)


@given(ids=st.lists(_values, min_size=1, max_size=4), name=_values)
def test_ids_come_through_byte_for_byte(ids: list[str], name: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["clever_ids", "display_name"], [";".join(ids), name]])
    [made] = lines_of(text.getvalue())
    assert isinstance(made, AccountLine)
    assert [identity.subject for identity in made.identities] == ids
