"""Accounts from the command line: made one by one or from a file, shown, and never half."""

import io
from pathlib import Path

import psycopg
import pytest

from services.cli.account_import import MOST_TOLD, Import, import_accounts
from services.database.connect import connect
from tests.cli_inside import CliInside

HEADER = "emails,display_name,clever_ids,classlink_ids\n"


@pytest.fixture
def rollcall(kafka: str, database: str, topic_prefix: str, tmp_path: Path) -> CliInside:
    """The command line of an installation without workers."""
    return CliInside(tmp_path, kafka, database, topic_prefix)


def write(folder: Path, *lines: str, header: str = HEADER) -> str:
    path = folder / "accounts.csv"
    path.write_bytes((header + "".join(f"{line}\n" for line in lines)).encode("utf-8", "surrogateescape"))
    return str(path)


def counts(database: str) -> tuple[int, int, int]:
    with psycopg.connect(database) as connection:
        [found] = connection.execute(
            "SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM account_emails),"
            " (SELECT count(*) FROM identities)"
        ).fetchall()
    return tuple(found)


def test_an_account_is_made_with_its_ids_and_name_and_shown_by_its_email_in_any_case(rollcall: CliInside) -> None:
    typed = ("dana@x.org", "--clever-id", "c1", "--classlink", "22:s:1", "--display-name", "Dana")
    made = rollcall("account", "add", *typed, "--json").object
    assert made["display_name"] == "Dana"
    assert [(i["provider"], i["tenant"], i["subject"], i["proof"]) for i in made["identities"]] == [
        ("classlink", "22", "s:1", "import"),
        ("clever", "", "c1", "import"),
    ]
    assert rollcall("account", "show", " DANA@x.org", "--json").object == made
    assert "clever id c1: came with the account" in rollcall("account", "show", made["account_id"]).out


def test_an_id_that_belongs_to_an_account_makes_no_second_one_and_names_the_first(
    rollcall: CliInside, database: str
) -> None:
    first = rollcall("account", "add", "--clever-id", "c1", "--json").object
    again = rollcall("account", "add", "new@x.org", "--clever-id", "c1", "--json")
    assert again.status == 1
    assert again.object["error"]["code"] == "taken-id"
    assert first["account_id"] in again.object["error"]["text"]
    assert counts(database) == (1, 0, 1)
    assert rollcall("account", "add", "new@x.org", "--clever-id", "C1").status == 0  # ids compare byte for byte


def test_an_account_that_nobody_could_be_matched_to_is_wrong_usage(rollcall: CliInside) -> None:
    assert rollcall("account", "add").status == 2
    assert rollcall("account", "add", "--classlink", "22").status == 2
    assert rollcall("account", "add", "--clever-id", " c1").status == 2


def test_a_file_is_imported_whole(rollcall: CliInside, tmp_path: Path, database: str) -> None:
    path = write(tmp_path, "Dana@x.org;dana@X.org ;d@home.example,Dana,c1,22:s1", ",,c2,", "e@x.org,Zoë,,")
    ran = rollcall("account", "import", path, "--json")
    assert ran.object == {
        "outcome": "imported", "accounts": 3, "emails": 4, "identities": 3, "problems": 0, "bad_lines": [],
    }  # fmt: skip
    assert counts(database) == (3, 3, 3)
    assert rollcall("account", "show", "D@home.example", "--json").object["display_name"] == "Dana"


def test_accounts_come_with_the_personal_classes_and_the_work_that_they_have(
    rollcall: CliInside, tmp_path: Path
) -> None:
    header = "emails,teaches,learns_in,work\n"
    path = write(tmp_path, "lee@x.org,,Kim@X.org:Chess,Essay;Map", "kim@x.org;kim@y.org,Chess;Go,,", header=header)
    assert rollcall("account", "import", path, "--json").object["accounts"] == 2
    lee = rollcall("account", "show", "lee@x.org", "--json").object
    kim = rollcall("account", "show", "kim@y.org", "--json").object
    assert lee["work_done"] == 2
    assert [(one["name"], one["part"]) for one in lee["personal_classes"]] == [("Chess", "student")]
    assert [(one["name"], one["part"]) for one in kim["personal_classes"]] == [("Chess", "teacher"), ("Go", "teacher")]


def test_a_class_that_nobody_teaches_or_twice_is_refused_with_its_line(
    rollcall: CliInside, tmp_path: Path, database: str
) -> None:
    header = "emails,teaches,learns_in\n"
    path = write(tmp_path, "lee@x.org,,kim@x.org:Go", "kim@x.org,Chess;Chess,", header=header)
    bad = rollcall("account", "import", path, "--json").object["bad_lines"]
    assert [line["line"] for line in bad] == [2, 3]
    assert "no line of the file teaches" in bad[0]["text"]
    assert "two classes of one name" in bad[1]["text"]
    assert counts(database) == (0, 0, 0)


def test_one_bad_line_refuses_the_file_and_every_bad_line_is_named(
    rollcall: CliInside, tmp_path: Path, database: str
) -> None:
    rollcall("account", "add", "taken@x.org", "--clever-id", "c9")
    path = write(
        tmp_path, "good@x.org,,c1,", "no email,,,", "b@x.org,,c1,", "GOOD@x.org,,,", "Taken@x.org,,,", "d@x.org,,c9,"
    )
    ran = rollcall("account", "import", path, "--check", "--json")
    assert ran.status == 1
    assert (ran.object["outcome"], ran.object["problems"]) == ("refused", 5)
    assert [bad["line"] for bad in ran.object["bad_lines"]] == [3, 4, 5, 6, 7]
    told = rollcall("account", "import", path)
    assert "line 4: the id that it gives stands on line 2 too" in told.err
    assert "x.org" not in told.err
    assert counts(database) == (1, 1, 1)


def imported(database: str, text: str, *, shared_emails: bool = False, check_only: bool = False) -> Import:
    with connect(database, "rollcall_operator") as connection:
        lines = io.StringIO(HEADER + text, newline="")
        return import_accounts(connection, lines, shared_emails=shared_emails, check_only=check_only)


def test_the_same_file_a_second_time_makes_nobody_twice(database: str) -> None:
    assert imported(database, "a@x.org,,,\n,,c1,\n").problems == 0
    assert imported(database, "a@x.org,,,\n,,c1,\n").problems == 2
    assert counts(database) == (2, 1, 1)


def test_accounts_may_share_an_email_where_the_product_says_so(database: str) -> None:
    text = "family@x.org,One,,\nFamily@x.org,Two,,\n"
    assert imported(database, text).problems == 1
    assert imported(database, text, shared_emails=True).problems == 0
    assert counts(database) == (2, 2, 0)


def test_of_very_many_bad_lines_the_first_are_told_and_the_others_counted(database: str) -> None:
    wrong = "".join(f"no email {number},,,\n" for number in range(MOST_TOLD + 50))
    twice = "".join(f"d{number}@x.org,,,\n" for number in range(200)) * 2
    found = imported(database, wrong + twice)
    assert found.problems == MOST_TOLD + 50 + 200
    assert len(found.told) == MOST_TOLD
    assert counts(database) == (0, 0, 0)


def test_a_check_makes_nothing(rollcall: CliInside, tmp_path: Path, database: str) -> None:
    ran = rollcall("account", "import", write(tmp_path, "a@x.org,,,"), "--check")
    assert ran.status == 0
    assert "Nothing is wrong with it: 1 accounts" in ran.out
    assert counts(database) == (0, 0, 0)


def test_a_file_that_is_not_there_or_is_no_text_is_refused_in_a_sentence(rollcall: CliInside, tmp_path: Path) -> None:
    missing = rollcall("account", "import", str(tmp_path / "nowhere.csv"))
    assert (missing.status, "nowhere.csv cannot be read" in missing.err) == (2, True)
    image = tmp_path / "image.png"
    image.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\xff\xfe" * 50)
    refused = rollcall("account", "import", str(image))
    assert refused.status == 1
    assert "line 1: the file does not begin with a header" in refused.err
