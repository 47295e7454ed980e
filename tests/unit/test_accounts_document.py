"""The page on accounts says what the code does."""

from pathlib import Path

from services.activation.reasons import REASONS
from services.cli.account_lines import COLUMNS

TEXT = (Path(__file__).parents[2] / "docs" / "accounts.md").read_text(encoding="utf-8")


def _rows(heading: str) -> dict[str, str]:
    """Give the first and the last cell of each row of the table under a heading."""
    table = TEXT.split(heading)[1].split("\n\n")[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("| `")
    ]
    return {row[0].strip("`"): row[-1] for row in cells}


def test_every_reason_for_an_account_is_explained_in_the_words_of_the_code() -> None:
    assert _rows("| reason | then | says |") == REASONS


def test_every_column_of_a_file_of_accounts_is_described() -> None:
    assert tuple(_rows("| column | holds |")) == COLUMNS
