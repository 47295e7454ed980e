"""How many rows a page may have: its memory must be bounded while it is decoded."""

from services.ingest.source import PullFailedError

MOST_PAGE_ROWS = 250_000
"""More rows than this in one page are refused: each takes memory many times over while the page is decoded."""


def check_page_rows(rows: int, where: str) -> None:
    """Raise PullFailedError 'incomplete' where a page has more rows than Rollcall takes at once."""
    if rows > MOST_PAGE_ROWS:
        raise PullFailedError(
            "incomplete",
            f"{where} answered with {rows:,} rows at once, more than the {MOST_PAGE_ROWS:,} that Rollcall takes; ask "
            "the provider to serve its lists in pages",
        )
