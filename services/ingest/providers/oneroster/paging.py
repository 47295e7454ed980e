"""When a OneRoster collection has been read whole: offset paging as providers really do it (oneroster.md section 5).

Pure: it says what to ask next, and judges each answer. Totals may be missing, limits clamped without a word, the sort
ignored; a short page proves nothing, and nor does a total alone, which may count one page, or what a filter left. What
proves a collection whole is that every id came, each on one page only, and that nothing comes after the last one, not
even rows that came before.
"""

from collections.abc import Sequence

from blake3 import blake3

from schemas.events import CollectionProof
from services.ingest.providers.oneroster.distinct_ids import DistinctIds
from services.ingest.source import PullFailedError

MOST_ROWS = {"enrollments": 30_000_000}
MOST_ROWS_OF_OTHERS = 3_000_000
"""More rows than any district has: a list that goes on after so many has no end, and would fill the memory."""


_DIGEST_DIGITS = 32


class ListShiftedError(Exception):
    """The list was not the same from page to page, so rows may be missing: read the roster again from the start.

    `rows_in_a_page` is the most that the provider gave at once.
    """

    def __init__(self, text: str, rows_in_a_page: int) -> None:
        super().__init__(text)
        self.text = text
        self.rows_in_a_page = rows_in_a_page


class CollectionReading:
    """One collection, page by page, until `end` says why it is whole.

    Ask for `limit` rows from `offset`, hand the answer to `accept` and `digest`, repeat. `offset` moves by rows
    received, of which the last page had `last_rows`. Once `total_is_reached`, what is asked for beyond it may also be
    refused: hand that over as no rows.
    """

    def __init__(self, collection: str, limit: int) -> None:
        self.collection = collection
        self.limit = limit
        self.offset = 0
        self.last_rows = 0
        self.end: str | None = None
        self.total_is_reached = False
        self._total: int | None = None
        self._pages = 0
        self._most_rows = 0
        self._distinct = DistinctIds()
        self._digest = blake3()  # the fastest on processors of any kind: seven million rows have four gigabytes
        self._is_digested = False

    def ask_for_less(self) -> bool:
        """Halve the limit because the page was too heavy for the provider; False where it cannot be less."""
        if self.limit == 1:
            return False
        self.limit //= 2
        return True

    def digest(self, raw: memoryview | bytes) -> None:
        """Take the raw bytes of the rows of one answer, with commas between. This leaves other threads running."""
        if not raw:
            return
        if self._is_digested:
            self._digest.update(b",")  # so that the digest is the same however many rows come at once
        self._digest.update(raw)
        self._is_digested = True

    def accept(self, ids: Sequence[str], total: int | None) -> None:
        """Take one answer: its rows' sourcedIds, and the total where the provider says one.

        Raises PullFailedError 'incomplete' where the collection cannot be whole, ListShiftedError where reading again
        may help: the total changed, or an id of an earlier page came again, which in a list that shifts hides another.
        """
        self._pages += 1
        self._check_total(total)
        if not ids:
            self._check_the_end()
            self.end = "total reached" if self.total_is_reached else "empty page"
            return
        new = self._distinct.add(ids)
        self._check_rows(ids, new)
        self.offset += len(ids)
        self.last_rows = len(ids)
        self.total_is_reached = len(self._distinct) == self.offset == self._total

    def _check_rows(self, ids: Sequence[str], new: int) -> None:
        self._most_rows = max(self._most_rows, len(ids))
        if self._total is not None and len(self._distinct) > self._total:
            raise self._incomplete(f"gives more than the {self._total} records that its X-Total-Count says there are")
        if new == 0 and (self._total is None or self.total_is_reached):
            raise self._incomplete(
                f"gives rows from {self.offset} on that all came before, and no end: it repeats its pages"
            )
        if new < len(ids) and new < len(set(ids)):
            raise self._shifted("a record came on two pages, so another one may be missing")
        most = MOST_ROWS.get(self.collection, MOST_ROWS_OF_OTHERS)
        if self.offset > most:
            raise self._incomplete(f"still goes on after {most:,} rows, more than a district has: it has no end")

    def refused_in_the_middle(self) -> PullFailedError:
        """Give the error for a 404 after some rows had come: no end, since nobody says how many there are."""
        return self._incomplete(
            f"answers 404 from row {self.offset} on, and does not say how many rows there are, so nobody can tell "
            "whether that is its end"
        )

    def _check_total(self, total: int | None) -> None:
        if total is None or total == self._total:
            return
        if self._total is not None:
            raise self._shifted(f"the total went from {self._total} to {total}")
        self._total = total

    def _check_the_end(self) -> None:
        # An id that is twice in one page is one record twice, so either count may be the one that the total means.
        if self._total is not None and self._total not in (self.offset, len(self._distinct)):
            raise self._incomplete(f"ends after {self.offset} of {self._total} records with an empty page")

    def _incomplete(self, text: str) -> PullFailedError:
        return PullFailedError(
            "incomplete",
            f"the provider's list of {self.collection} {text}; nothing is changed. Sync the district again later, and "
            "ask the provider where it happens again",
        )

    def _shifted(self, text: str) -> ListShiftedError:
        return ListShiftedError(
            f"the provider's list of {self.collection} shifts while it is read: {text}", self._most_rows
        )

    def proof(self) -> CollectionProof:
        """Give how the collection was proved whole. Call it once `end` is set."""
        return CollectionProof(
            collection=self.collection,
            pages=self._pages,
            rows=self.offset,
            distinct=len(self._distinct),
            total=self._total,
            end=self.end or "not reached",
            digest=self._digest.hexdigest()[:_DIGEST_DIGITS],
        )
