"""Walks through one of Clever's collections page by page and proves that nothing was left out (the pure part).

Clever gives no total to check a pull against. What proves a collection whole is its order: ids only ever ascend, each
page lies above the one before, and every page names the next one until the last (clever.md section 5).
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import lt
from typing import Generic, TypeAlias, TypeVar
from urllib.parse import parse_qsl

import httpx
import msgspec

from schemas.events import CollectionProof
from services.ingest.defects import DefectCode
from services.ingest.providers.answers import address, check_page_rows, origin
from services.ingest.providers.clever.remembered import row_digests
from services.ingest.providers.clever.rows import NOT_READABLE, Link, PageBody, PageEnd, Row
from services.ingest.remembered_rows import RememberedRow
from services.ingest.source import PullFailedError

AnyRow = TypeVar("AnyRow", bound=Row | RememberedRow)
Known: TypeAlias = Callable[[str, str], Mapping[bytes, AnyRow]]
"""Gives what is remembered from one id to another, by the digest of the row that it was made of."""

MOST_ROWS = 3_000_000
"""More rows than any district has: a list that goes on after so many has no end, and would fill the memory."""

_page = msgspec.json.Decoder(PageBody)
_ending = msgspec.json.Decoder(PageEnd)
_bare_row = msgspec.json.Decoder(Row)
_LINKS, _LINKS_BYTES = b'"links"', 4096


@dataclass(frozen=True, slots=True)
class Unreliable:
    """An id whose rows differ or are not of the documented form; `rows` are as they came."""

    id: str
    rows: tuple[msgspec.Raw, ...]


@dataclass(slots=True)
class Page(Generic[AnyRow]):
    """What one page brought: each id once, either as a row, with its digest, or as unreliable."""

    rows: list[AnyRow] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    unreliable: list[Unreliable] = field(default_factory=list)


class UnsortedListError(Exception):
    """The first of several pages is not in the order of ids, so its cursor proves nothing. Ask for all on one page."""


class Walk(Generic[AnyRow]):
    """The way through one collection: what to ask for next, and whether what came can be the next page.

    Ask with `params` until it is None, give each answer to `take`, then take the `proof`. A single row is never
    believed against the order: any id at or below the cursor fails the pull. The same id twice in a row is a defect
    of that record alone. A list that comes on one page is whole in whatever order it comes. A row that is `known`
    is not decoded: what is remembered of it comes in its place.
    """

    def __init__(
        self,
        url: str,
        row_type: type[AnyRow],
        defects: Counter[DefectCode],
        limit: int | None,
        known: Known[AnyRow] | None = None,
    ) -> None:
        self.collection = url.rpartition("/")[2]
        self.params: list[tuple[str, str]] | None = [] if limit is None else [("limit", str(limit))]
        self._url = httpx.URL(url)
        self._decoder = msgspec.json.Decoder(row_type)
        self._defects = defects
        self._known = known
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
        """Say what `params` will be once this answer to them is taken, by its last bytes alone; None where they do not.

        Clever's pages end with their links. Only `take` says whether the guess was right.
        """
        at = body.rfind(_LINKS, -_LINKS_BYTES)
        if at < 0:
            return None
        try:
            link = _next_link(_ending.decode(b"{" + body[at:]))
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
        check_page_rows(len(content.data), f"page {self._pages} of {address(self._url)}")
        raws = [item.data for item in content.data]
        if self._confirming:
            raws = self._beyond_last(raws)
        elif self._pages == 1:
            raws = self._in_order(raws, has_next=_next_link(content) is not None)
        page = self._read(raws)
        self._turn(content, empty=not raws)
        return page

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

    def _decode(self, body: bytes) -> PageBody:
        try:
            return _page.decode(body)
        except NOT_READABLE as error:
            raise PullFailedError(
                "not-a-roster",
                f"page {self._pages} of {address(self._url)} is not a page of Clever's, which is an object with a list "
                f"`data`: {error}; check the district's url and API path",
            ) from error

    def _in_order(self, raws: list[msgspec.Raw], *, has_next: bool) -> list[msgspec.Raw]:
        ids = list(map(self._id, raws))
        if all(id_ <= after for id_, after in pairwise(ids)):
            return raws
        if has_next:
            raise UnsortedListError
        return [raw for _, raw in sorted(zip(ids, raws, strict=True), key=lambda pair: pair[0])]

    def _read(self, raws: Sequence[msgspec.Raw]) -> Page[AnyRow]:
        digests = row_digests(raws)
        self._digest.update(b"".join(digests))
        if rows := self._read_at_once(raws, digests):
            return Page(rows, digests)
        page: Page[AnyRow] = Page()
        before: tuple[str, msgspec.Raw] | None = None
        for raw, digest in zip(raws, digests, strict=True):
            self._rows += 1
            row, id_ = self._row(raw)
            if before is not None and id_ == before[0]:
                self._again(page, before[1], row, Unreliable(id_, (raw,)))
                continue
            if self._last is not None and id_ <= self._last:
                raise self._incomplete(
                    f"has {id_} after {self._last}; Clever lists ids in ascending order, so rows may be missing"
                )
            self._last_but_one, self._last = self._last, id_
            self._distinct += 1
            before = (id_, raw)
            if row is None:
                self._defects["record-unreadable"] += 1
                page.unreliable.append(Unreliable(id_, (raw,)))
            else:
                page.rows.append(row)
                page.digests.append(digest)
        return page

    def _read_at_once(self, raws: Sequence[msgspec.Raw], digests: Sequence[bytes]) -> list[AnyRow]:
        """Give the rows of a page without a defect, as nearly all are; nothing where any needs a closer look."""
        decode = self._decoder.decode
        try:
            if self._known is None or not raws:
                rows = [decode(raw) for raw in raws]
            else:
                known = self._known(_bare_row.decode(raws[0]).id, _bare_row.decode(raws[-1]).id)
                rows = [known.get(digest) or decode(raw) for raw, digest in zip(raws, digests, strict=True)]
        except NOT_READABLE:
            return []
        ids = [row.id for row in rows]
        if not ids or not all(map(lt, ids, ids[1:])) or (self._last is not None and ids[0] <= self._last):
            return []
        self._rows += len(ids)
        self._distinct += len(ids)
        self._last_but_one, self._last = [self._last, *ids[-2:]][-2:]
        return rows

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
            page.digests.pop()
            earlier = (first,)
        page.unreliable.append(Unreliable(again.id, (*earlier, *again.rows)))
        self._defects["id-twice-differing"] += 1

    def _turn(self, content: PageBody, *, empty: bool) -> None:
        """Work out what to ask for next, or that this was the end."""
        if self._confirming and empty:
            self._finish("empty page, confirmed")
            return
        self._confirming = False
        if self._rows > MOST_ROWS:
            raise self._incomplete(f"still goes on after {MOST_ROWS:,} rows, more than a district has: it has no end")
        link = _next_link(content)
        is_unsaid = content.links is None or (link is not None and not link.uri)
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

    def _beyond_last(self, raws: Sequence[msgspec.Raw]) -> list[msgspec.Raw]:
        ids = list(map(self._id, raws))
        if self._last not in ids:
            raise self._incomplete("is empty, though the page before named it, and asking again gives no clear end")
        return [raw for raw, id_ in zip(raws, ids, strict=True) if id_ != self._last]

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


def _next_link(content: PageBody | PageEnd) -> Link | None:
    return next((link for link in content.links or () if link.rel == "next"), None)
