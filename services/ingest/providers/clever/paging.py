"""Walks through one of Clever's collections page by page and proves that nothing was left out (the pure part).

Clever gives no total to check a pull against. What proves a collection whole is its order: ids only ever ascend, each
page lies above the one before, and every page names the next one until the last (clever.md section 5).
"""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice, pairwise
from operator import lt
from typing import Generic, TypeVar
from urllib.parse import parse_qsl

import httpx
import msgspec
from blake3 import blake3

from schemas.events import CollectionProof
from services.ingest.defects import DefectCode
from services.ingest.providers.answers import address, origin
from services.ingest.providers.clever.page_blocks import without_times
from services.ingest.providers.clever.rows import NOT_READABLE, Link, PageBody, PageEnd, PageItem, Row, RowItem
from services.ingest.providers.page_rows import check_page_rows
from services.ingest.source import PullFailedError

AnyRow = TypeVar("AnyRow", bound=Row)

MOST_ROWS = 3_000_000
"""More rows than any district has: a list that goes on after so many has no end, and would fill the memory."""

_page = msgspec.json.Decoder(PageBody)
_ending = msgspec.json.Decoder(PageEnd)
_bare_row = msgspec.json.Decoder(Row)
_LINKS, _LINKS_BYTES = b'"links"', 4096
_LINKS_FIRST = re.compile(rb'\{"links":\[[^][]*\](?=,"data":)')


@cache
def _decoders(row_type: type[AnyRow]) -> tuple[msgspec.json.Decoder[AnyRow], msgspec.json.Decoder[RowItem[AnyRow]]]:
    """Give the decoders of a row and of its item: to make them takes as long as to use them on a small page."""
    return msgspec.json.Decoder(row_type), msgspec.json.Decoder(RowItem[row_type])  # type: ignore[valid-type]


@dataclass(frozen=True, slots=True)
class Unreliable:
    """An id whose rows differ or are not of the documented form; `rows` are as they came."""

    id: str
    rows: tuple[msgspec.Raw, ...]


@dataclass(slots=True)
class Page(Generic[AnyRow]):
    """What one page brought: each id once, either as a row or as unreliable."""

    rows: list[AnyRow] = field(default_factory=list)
    unreliable: list[Unreliable] = field(default_factory=list)


class UnsortedListError(Exception):
    """The first of several pages is not in the order of ids, so its cursor proves nothing. Ask for all on one page."""


class Walk(Generic[AnyRow]):
    """The way through one collection: what to ask for next, and whether what came can be the next page.

    Ask with `params` until it is None, give each answer to `take`, then take the `proof`. A single row is never
    believed against the order: any id at or below the cursor fails the pull. The same id twice in a row is a defect
    of that record alone. A list that comes on one page is whole in whatever order it comes.
    """

    def __init__(
        self,
        url: str,
        row_type: type[AnyRow],
        defects: Counter[DefectCode],
        limit: int | None,
    ) -> None:
        self.collection = url.rpartition("/")[2]
        self.params: list[tuple[str, str]] | None = [] if limit is None else [("limit", str(limit))]
        self._url = httpx.URL(url)
        self._decoder: msgspec.json.Decoder[AnyRow]
        self._item_decoder: msgspec.json.Decoder[RowItem[AnyRow]]
        self._decoder, self._item_decoder = _decoders(row_type)
        self._defects = defects
        self._sent = list(self.params)
        self._last: str | None = None
        self._last_but_one: str | None = None
        self._confirming = False
        self._end = ""
        self._pages = self._rows = self._distinct = 0
        self._digest = hashlib.blake2b(digest_size=16)

    def lower_limit(self) -> bool:
        """Ask for half as many rows a page from here on; False where it cannot be lowered any more."""
        limit = int(dict(self._sent).get("limit", "1"))
        if limit <= 1 or self.params is None:
            return False
        self._sent = [("limit", str(limit // 2))]
        self.params = [*(pair for pair in self.params if pair[0] != "limit"), *self._sent]
        return True

    def guess_next(self, body: bytes) -> list[tuple[str, str]] | None:
        """Say what `params` will be once this answer to them is taken, by its ends alone; None where they do not.

        Clever's pages begin or end with their links. Only `take` says whether the guess was right.
        """
        first, at = _LINKS_FIRST.match(body), body.rfind(_LINKS, -_LINKS_BYTES)
        if first is None and at < 0:
            return None
        try:
            link = _next_link(_ending.decode(first.group() + b"}" if first is not None else b"{" + body[at:]).links)
            url = self._url.join(link.uri) if link is not None and link.uri else None
        except (*NOT_READABLE, httpx.InvalidURL):
            return None
        return None if url is None else self._params_of(url)

    def take(self, body: bytes | None) -> Page[AnyRow]:
        """Take the answer to `params`, None for 204, and give its rows.

        Raises PullFailedError: 'not-a-roster' for what is no page of Clever's, 'incomplete' for what cannot be the
        next page; UnsortedListError, before anything is counted, where only a single page could be believed.
        """
        self._pages += 1
        content = PageBody(data=[], links=[]) if body is None else self._decode(body)
        self._check_rows(len(content.data))
        items = content.data
        if self._confirming:
            items = self._beyond_last(items)
        elif self._pages == 1:
            items = self._in_order(items, has_next=_next_link(content.links) is not None)
        page = self._read(items)
        self._turn(content.links, empty=not items)
        return page

    def take_read(self, ids: Sequence[str], digests: Sequence[bytes], links: Sequence[Link] | None) -> bool:
        """Take the answer to `params` whose rows have been read: their ids, and their digests, joined or not, in order.

        Gives False, and has taken nothing, where it needs the closer look of `take`.
        """
        if self._confirming or not self._go_on(ids):
            return False
        self._pages += 1
        self._check_rows(len(ids))
        self._count(ids)
        self._digest.update(b"".join(digests))
        self._turn(links, empty=False)
        return True

    def read_item(self, item: bytes) -> AnyRow:
        """Read the row of an item, given as JSON. Raises one of NOT_READABLE."""
        return self._item_decoder.decode(item).data

    def proof(self) -> CollectionProof:
        """Give how the collection was proved whole; only once `params` is None."""
        return CollectionProof(
            collection=self.collection,
            pages=self._pages,
            rows=self._rows,
            distinct=self._distinct,
            end=self._end,
            digest=self._digest.hexdigest(),
        )

    def _check_rows(self, rows: int) -> None:
        check_page_rows(rows, f"page {self._pages} of {address(self._url)}")

    def _decode(self, body: bytes) -> PageBody:
        try:
            return _page.decode(body)
        except NOT_READABLE as error:
            raise PullFailedError(
                "not-a-roster",
                f"page {self._pages} of {address(self._url)} is not a page of Clever's, which is an object with a list "
                f"`data`: {error}; check the district's url and API path",
            ) from error

    def _in_order(self, items: list[PageItem], *, has_next: bool) -> list[PageItem]:
        ids = [self._id(item.data) for item in items]
        if all(id_ <= after for id_, after in pairwise(ids)):
            return items
        if has_next:
            raise UnsortedListError
        return [item for _, item in sorted(zip(ids, items, strict=True), key=lambda pair: pair[0])]

    def _read(self, items: Sequence[PageItem]) -> Page[AnyRow]:
        for item in items:
            self._digest.update(blake3(without_times(bytes(item.data))).digest())
        if rows := self._read_at_once(items):
            return Page(rows)
        page: Page[AnyRow] = Page()
        before: tuple[str, msgspec.Raw] | None = None
        for item in items:
            self._rows += 1
            row, id_ = self._row(item.data)
            if before is not None and id_ == before[0]:
                self._again(page, before[1], row, Unreliable(id_, (item.data,)))
                continue
            if self._last is not None and id_ <= self._last:
                raise self._incomplete(
                    f"has {id_} after {self._last}; Clever lists ids in ascending order, so rows may be missing"
                )
            self._last_but_one, self._last = self._last, id_
            self._distinct += 1
            before = (id_, item.data)
            if row is None:
                self._defects["record-unreadable"] += 1
                page.unreliable.append(Unreliable(id_, (item.data,)))
            else:
                page.rows.append(row)
        return page

    def _read_at_once(self, items: Sequence[PageItem]) -> list[AnyRow]:
        """Give the rows of a page without a defect, as nearly all are; nothing where any needs a closer look."""
        try:
            rows = [self._decoder.decode(item.data) for item in items]
        except NOT_READABLE:
            return []
        ids = [row.id for row in rows]
        if not self._go_on(ids):
            return []
        self._count(ids)
        return rows

    def _go_on(self, ids: Sequence[str]) -> bool:
        """Say whether these ids, of which there must be some, rise from where the last page ended."""
        return bool(ids) and (self._last is None or self._last < ids[0]) and all(map(lt, ids, islice(ids, 1, None)))

    def _count(self, ids: Sequence[str]) -> None:
        self._rows += len(ids)
        self._distinct += len(ids)
        self._last_but_one, self._last = [self._last, *ids[-2:]][-2:]

    def _row(self, raw: msgspec.Raw) -> tuple[AnyRow | None, str]:
        """Give the row, or None where it is not of the documented form, with its id."""
        try:
            row = self._decoder.decode(raw)
        except NOT_READABLE:
            return None, self._id(raw)
        return row, row.id

    def _id(self, raw: msgspec.Raw) -> str:
        try:
            return _bare_row.decode(raw).id
        except NOT_READABLE as error:
            raise PullFailedError(
                "not-a-roster",
                f"page {self._pages} of {address(self._url)} has a row without a readable id: {error}",
            ) from error

    def _again(self, page: Page[AnyRow], first: msgspec.Raw, row: AnyRow | None, again: Unreliable) -> None:
        """Judge a row whose id is that of the row before it; `first` is the first of them."""
        if page.unreliable and page.unreliable[-1].id == again.id:
            earlier = page.unreliable.pop().rows
        elif row == page.rows[-1]:
            self._defects["id-twice"] += 1
            return
        else:
            page.rows.pop()
            earlier = (first,)
        page.unreliable.append(Unreliable(again.id, (*earlier, *again.rows)))
        self._defects["id-twice-differing"] += 1

    def _turn(self, links: Sequence[Link] | None, *, empty: bool) -> None:
        """Work out what to ask for next, or that this was the end."""
        if self._confirming and empty:
            self._finish("empty page, confirmed")
            return
        self._confirming = False
        if self._rows > MOST_ROWS:
            raise self._incomplete(f"still goes on after {MOST_ROWS:,} rows, more than a district has: it has no end")
        link = _next_link(links)
        is_unsaid = links is None or (link is not None and not link.uri)
        if is_unsaid and not empty and self._sent:
            # It does not say whether this is the last page. Only an empty page beyond it can.
            self.params = [*self._sent, ("starting_after", str(self._last))]
        elif link is not None and link.uri:
            self.params = self._next(link.uri, empty=empty)
        elif empty and self._pages > 1:
            # A page was promised and nothing came. Ask again from one row earlier: that row has to come back.
            self._confirming = True
            self.params = list(self._sent)
            if self._last_but_one is not None:
                self.params.append(("starting_after", self._last_but_one))
        else:
            self._finish("no next page")

    def _finish(self, end: str) -> None:
        self._end = end
        self.params = None

    def _beyond_last(self, items: Sequence[PageItem]) -> list[PageItem]:
        ids = [self._id(item.data) for item in items]
        if self._last not in ids:
            raise self._incomplete("is empty, though the page before named it, and asking again gives no clear end")
        return [item for item, id_ in zip(items, ids, strict=True) if id_ != self._last]

    def _next(self, uri: str, *, empty: bool) -> list[tuple[str, str]]:
        """Give the parameters of the next page, where its link goes on from this one."""
        try:
            url = self._url.join(uri)
        except httpx.InvalidURL as error:
            raise self._incomplete("links to a next page by an address that cannot be read") from error
        if origin(url) != origin(self._url):
            raise self._incomplete(f"links to {url.host} for the next page; credentials are not sent to another host")
        if url.path.rpartition("/")[2] != self.collection:
            raise self._incomplete(f"links to {url.path} for the next page, which is another collection")
        params = self._params_of(url)
        cursor = dict(params).get("starting_after")
        if empty or cursor != self._last:
            where = f"after {cursor}" if cursor else "from the beginning"
            raise self._incomplete(f"names a next page {where}, which does not go on from its last row, {self._last}")
        return params

    def _params_of(self, url: httpx.URL) -> list[tuple[str, str]]:
        """Give what to ask for: what the link says, and of what was sent whatever the link leaves out."""
        given = parse_qsl(url.query.decode("ascii"), keep_blank_values=True)
        names = {name for name, _ in given}
        return [*given, *(pair for pair in self._sent if pair[0] not in names)]

    def _incomplete(self, text: str) -> PullFailedError:
        return PullFailedError(
            "incomplete", f"page {self._pages} of {address(self._url)} {text}; nothing is changed by this pull"
        )


def _next_link(links: Sequence[Link] | None) -> Link | None:
    return next((link for link in links or () if link.rel == "next"), None)
