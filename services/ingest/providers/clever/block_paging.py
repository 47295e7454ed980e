"""Takes a page block by block: what is remembered is not read, and the rest as `paging.Walk` reads it (pure)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from typing import Generic, TypeAlias

import msgspec

from services.ingest.known_rows import AnyBlock, Known, KnownRow
from services.ingest.providers.clever.page_blocks import DigestedPage
from services.ingest.providers.clever.paging import AnyRow, Page, Unreliable, Walk
from services.ingest.providers.clever.rows import NOT_READABLE, Row, RowItem
from services.ingest.remembered_rows import NO_DIGEST

Around: TypeAlias = Callable[[str, str], Known[AnyBlock, KnownRow]]
"""Gives what is remembered from one id to another; later calls ask for the same ids, or higher ones."""

_bare_item = msgspec.json.Decoder(RowItem[Row])


@dataclass(frozen=True, slots=True)
class FreshBlock(Generic[AnyRow, KnownRow]):
    """Rows in the order of their ids, with their digests; in place of one that is remembered, what it became.

    They have NO_DIGEST where the page could not be digested.
    """

    digest: bytes
    rows: list[AnyRow | KnownRow]
    digests: list[bytes]


@dataclass(frozen=True, slots=True)
class BlockPage(Generic[AnyRow, AnyBlock, KnownRow]):
    """What one page brought: each id once, in a block that is remembered, in one that is not, or as unreliable."""

    blocks: list[AnyBlock | FreshBlock[AnyRow, KnownRow]]
    unreliable: list[Unreliable] = field(default_factory=list)


def take_blocks(
    walk: Walk[AnyRow], body: bytes | None, digested: DigestedPage | None, around: Around[AnyBlock, KnownRow]
) -> BlockPage[AnyRow, AnyBlock, KnownRow]:
    """Take the answer to `walk.params`; what comes out, and what is raised, is as by `walk.take`."""
    if body is not None and digested is not None:
        blocks = _read(walk, body, digested, around)
        ids = list(chain.from_iterable(map(_ids, blocks)))
        if walk.take_read(ids, list(map(_digests, blocks)), digested.links):
            return BlockPage(blocks)
    page: Page[AnyRow] = walk.take(body)
    if not page.rows:
        return BlockPage([], page.unreliable)
    around(page.rows[0].id, page.rows[-1].id)
    rows: list[AnyRow | KnownRow] = [*page.rows]
    return BlockPage([FreshBlock(NO_DIGEST, rows, [NO_DIGEST] * len(rows))], page.unreliable)


def _read(
    walk: Walk[AnyRow], body: bytes, digested: DigestedPage, around: Around[AnyBlock, KnownRow]
) -> list[AnyBlock | FreshBlock[AnyRow, KnownRow]]:
    """Give the page's blocks; none where any row needs a closer look."""
    blocks: list[AnyBlock | FreshBlock[AnyRow, KnownRow]] = []
    try:
        first, last = digested.items(body, 0)[0], digested.items(body, -1)[-1]
        known = around(_bare_item.decode(first).data.id, _bare_item.decode(last).data.id)
        remembered = list(map(known.take, digested.digests))  # all blocks, before any row
        for number, block in enumerate(remembered):
            if block is not None:
                blocks.append(block)
                continue
            items, digests = digested.items(body, number), digested.row_digests(number)
            rows = [known.rows.get(digest) or walk.read_item(item) for item, digest in zip(items, digests, strict=True)]
            blocks.append(FreshBlock(digested.digests[number], rows, digests))
    except NOT_READABLE:
        return []
    return blocks


def _digests(block: AnyBlock | FreshBlock[AnyRow, KnownRow]) -> bytes:
    return b"".join(block.digests) if isinstance(block, FreshBlock) else block.digests


def _ids(block: AnyBlock | FreshBlock[AnyRow, KnownRow]) -> list[str]:
    return [row.id for row in block.rows] if isinstance(block, FreshBlock) else block.ids
