"""Writes a pulled roster to `roster.snapshots`: started, pages, completed; or aborted, and nothing changes.

That is promise 1: only a completed snapshot whose counts match what arrived is ever compared.
"""

import asyncio
import uuid
from collections import Counter

from schemas.cloudevents import CloudEvent, Headers
from schemas.events import Event, SnapshotAborted, SnapshotCompleted, SnapshotPage, SnapshotStarted, SyncRequested
from schemas.records import RECORD_KINDS, RecordKind
from schemas.topics import SNAPSHOTS
from services.async_publisher import AsyncPublisher
from services.clock import now
from services.ingest.aside import aside
from services.ingest.defects import DefectCode
from services.ingest.snapshot_pages import cut_pages, encode_page
from services.ingest.source import PullReport, RecordPage
from services.messages import make_event

HELD_BYTES = 1024 * 1024
HELD_SECONDS = 0.5
"""So long a snapshot's first messages wait for more, at most: then everybody may see that a pull is under way."""


class SnapshotWriter:
    """One snapshot, that is one attempt to read a district's roster, under an id of its own.

    What is written waits until it fills a request to Kafka, or half a second, or for the end: a small district's
    snapshot travels in one request. `complete` and `abort` return when all of it is durable; each method raises
    PublishError where anything is not.
    """

    def __init__(
        self, publisher: AsyncPublisher, request: SyncRequested, causation_id: str | None, page_records: int
    ) -> None:
        self.snapshot_id = uuid.uuid4().hex
        self.records: dict[RecordKind, int] = dict.fromkeys(RECORD_KINDS, 0)
        self.bytes = 0
        self._publisher = publisher
        self._about = {"district": request.district, "sync_id": request.sync_id, "snapshot_id": self.snapshot_id}
        self._causation_id = causation_id
        self._page_records = page_records
        self._pages = 0
        self._defects: Counter[DefectCode] = Counter()
        self._held: list[tuple[Headers, bytes]] = []
        self._held_bytes = 0
        self._hurry: asyncio.TimerHandle | None = None
        self._under_way: asyncio.Task[None] | None = None

    def start(self, provider: str) -> None:
        """Say that a pull has begun, which makes an earlier unfinished one of the district void."""
        self._hold([self._message(SnapshotStarted.model_validate(self._with(provider=provider, started_at=now())))])
        self._hurry = asyncio.get_running_loop().call_later(HELD_SECONDS, self._send)

    async def write(self, page: RecordPage) -> None:
        """Write a provider's page. It is published while the next one is read, and no more than these two are held.

        Raises PullFailedError where one of its records cannot be a record.
        """
        self._hold(await aside(sum(map(len, page.entries)), self._messages, page))
        if self._held_bytes >= HELD_BYTES:
            await self._all_durable()
            self._send()

    def _messages(self, page: RecordPage) -> list[tuple[Headers, bytes]]:
        messages = []
        for cut in cut_pages(page, self._page_records):
            self._pages += 1
            head = SnapshotPage.model_validate(self._with(page=self._pages, kind=cut.kind))
            value = encode_page(cut, **self._about, page=self._pages)
            messages.append((self._event(head, self._pages).headers(), value))
            self.records[cut.kind] += len(cut.entries)
            self.bytes += len(value)
            self._defects["nul-character"] += cut.repaired
        return messages

    def _hold(self, messages: list[tuple[Headers, bytes]]) -> None:
        self._held += messages
        self._held_bytes += sum(len(value) for _, value in messages)

    def _send(self) -> None:
        """Begin to publish what is held, unless there is some under way: then the next call of `write` will."""
        if self._under_way is None and self._held:
            key, held = self._about["district"].encode(), self._held
            self._held, self._held_bytes = [], 0
            self._under_way = asyncio.create_task(self._publisher.publish_together(SNAPSHOTS, key, held))

    async def _all_durable(self) -> None:
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            await under_way

    async def _end(self, data: Event) -> None:
        if self._hurry is not None:
            self._hurry.cancel()
        await self._all_durable()
        self._hold([self._message(data)])
        self._send()
        await self._all_durable()

    def give_up(self) -> None:
        """Write no more, where neither `complete` nor `abort` has ended the snapshot."""
        if self._hurry is not None:
            self._hurry.cancel()
        if self._under_way is not None:
            self._under_way.cancel()

    async def complete(self, report: PullReport) -> None:
        """Say that the snapshot is whole, with how the provider's collections were proved so."""
        defects = dict(sorted((report.defects + self._defects).items()))
        await self._end(
            SnapshotCompleted.model_validate(
                self._with(
                    pages=self._pages,
                    records=self.records,
                    proofs=tuple(report.proofs),
                    defects=defects,
                    completed_at=now(),
                )
            )
        )

    async def abort(self, code: str, text: str) -> None:
        """Say that the snapshot ends here and changes nothing."""
        await self._end(SnapshotAborted.model_validate(self._with(code=code, text=text, aborted_at=now())))

    def _with(self, **data: object) -> dict[str, object]:
        return {**self._about, **data}

    def _message(self, data: Event) -> tuple[Headers, bytes]:
        event = self._event(data)
        return event.headers(), event.value()

    def _event(self, data: Event, *identity: object) -> CloudEvent:
        return make_event(
            SNAPSHOTS,
            data,
            source="ingest",
            identity=(self.snapshot_id, *identity),
            correlation_id=self._about["sync_id"],
            causation_id=self._causation_id,
        )
