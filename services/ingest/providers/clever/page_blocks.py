"""Digests a page of Clever's block by block, by its bytes alone, before any row is read (pure).

A block ends behind each row whose id ends in 0, one of sixteen. So a row that comes or goes moves the ends of its own
block and of no other, wherever pages end, and a block that is as it was last night is seen by one digest.

Only pages written as Clever writes them have blocks: without spaces, `data` before `uri` in each item. That a page is
whole JSON is certain once each item of each block has been read, tonight or when the same bytes came before: the rest
of it is read here. An unescaped quote behind a comma or a brace begins a key.
"""

import re
from collections.abc import Callable, Mapping

import msgspec
from blake3 import blake3

from services.ingest.providers.clever.rows import NOT_READABLE, Link, PageBody
from services.ingest.providers.clever.student_sets import with_student_sets

_CANONICAL: Mapping[str, Callable[[bytes], bytes]] = {"users": bytes, "sections": with_student_sets}
"""By collection, what makes of its items' bytes what is the same as long as nothing changes that we read of them."""

_BEGIN = re.compile(rb'\{(?:"links":\[[^][]*\],)?"data":\[(\{"data":)')
_END = re.compile(rb'"\}(\](?:,"links":\[[^][]*\])?\}\s*)\Z')
_END_BYTES = 4096
_SLICE_BYTES = 256 * 1024
"""So much is worked on at once: larger pieces are in no cache of the processor, and memory is asked for each anew."""

_BETWEEN_ITEMS = b'"},{"data":'
_BLOCK_ENDS = b"0"
_BETWEEN_BLOCKS = _BLOCK_ENDS + _BETWEEN_ITEMS
_STAMP = re.compile(rb',"(?:created|last_modified)":"[0-9TZ:.+-]*"')
_STAMPS = re.compile(rb'(?:,"(?:created|last_modified)":"[0-9TZ:.+-]*")+')
_CREATED, _LAST_MODIFIED = b',"created":"', b',"last_modified":"'
_FIRST_STAMP, _FIRST_STAMPS = b'{"created":"', re.compile(rb'\{"created":"[0-9TZ:.+-]*",')

_envelope = msgspec.json.Decoder(PageBody)


class DigestedPage(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A page's links; where each of its blocks begins and ends; the digest of each.

    And what is digested of each block, or already the digest of each row in it.
    """

    links: list[Link] | None
    places: list[tuple[int, int]]
    digests: list[bytes]
    canonical: list[bytes]
    digested_rows: list[list[bytes]]

    def items(self, body: bytes, block: int) -> list[bytes]:
        """Give the items of a block, counted from 0 or from the end, each as JSON."""
        begin, end = self.places[block]
        return [b'{"data":' + item + b'"}' for item in body[begin:end].split(_BETWEEN_ITEMS)]

    def row_digests(self, block: int) -> list[bytes]:
        """Give the digest of each row of a block, counted from 0; of one that is known nobody needs them.

        There are more digests than rows only where one holds what looks like the end of another.
        """
        return self.digested_rows[block] if self.digested_rows else _row_digests(self.canonical[block])


decoder: msgspec.msgpack.Decoder[DigestedPage | None] = msgspec.msgpack.Decoder(DigestedPage | None)


def digest_page_and_rows(collection: str, body: bytes) -> DigestedPage | None:
    """Do as `digest_page`, and digest each row already: for a page of which no block is known."""
    page = digest_page(collection, body)
    if page is not None:
        page.digested_rows.extend(map(_row_digests, page.canonical))
        page.canonical.clear()
    return page


def digest_page(collection: str, body: bytes) -> DigestedPage | None:
    """Digest a page of users or of sections; None where it has no blocks."""
    found = _find_items(body)
    if found is None:
        return None
    links, begin, end = found
    page = DigestedPage(links, [], [], [], [])
    canonical = _CANONICAL[collection]
    while begin <= end:
        cut_at = body.find(_BETWEEN_BLOCKS, begin + _SLICE_BYTES, end)
        slice_end = cut_at + len(_BLOCK_ENDS) if cut_at >= 0 else end
        rows = body[begin:slice_end]
        blocks = _blocks(rows)
        canonical_blocks = _blocks(canonical(without_times(rows)))
        if len(canonical_blocks) != len(blocks):
            return None
        for block in blocks:
            page.places.append((begin, begin + len(block)))
            begin += len(block) + len(_BETWEEN_ITEMS)
        page.digests.extend(map(_digest, canonical_blocks))
        page.canonical.extend(canonical_blocks)
    return page


def without_times(rows: bytes) -> bytes:
    """Leave out the rows' `created` and `last_modified`, which move for everybody though nothing has changed [9].

    They are left out only where they are written as Clever writes them; otherwise a row merely seems to have changed.
    Nothing that we read has such a key.
    """
    if rows.startswith(_FIRST_STAMP):
        rows = _FIRST_STAMPS.sub(b"{", rows)
    stamps = _STAMPS.search(rows)
    if stamps is None:
        return rows
    rows = rows.replace(stamps.group(), b"")  # often those of all: what is uploaded at once is touched at once
    return _STAMP.sub(b"", rows) if _CREATED in rows or _LAST_MODIFIED in rows else rows


def _find_items(body: bytes) -> tuple[list[Link] | None, int, int] | None:
    """Give the page's links, and where its items begin and end, the first `{"data":` and the last `"}` left out."""
    begin = _BEGIN.match(body)
    end = _END.search(body, max(0, len(body) - _END_BYTES))
    if begin is None or end is None or begin.end() > end.start():
        return None
    try:
        envelope = _envelope.decode(body[: begin.start(1)] + body[end.start(1) :])
    except NOT_READABLE:
        return None
    return envelope.links, begin.end(), end.start()


def _blocks(rows: bytes) -> list[bytes]:
    *ended, last = rows.split(_BETWEEN_BLOCKS)
    return [*(block + _BLOCK_ENDS for block in ended), last]


def _row_digests(canonical_block: bytes) -> list[bytes]:
    return [_digest(row) for row in canonical_block.split(_BETWEEN_ITEMS)]


def _digest(canonical: bytes) -> bytes:
    return blake3(canonical).digest()
