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
from services.ingest.defects import DefectCode
from services.ingest.snapshot_pages import cut_pages, encode_page
from services.ingest.source import PullReport, RecordPage
from services.messages import make_event


class SnapshotWriter:
    """One snapshot, that is one attempt to read a district's roster, under an id of its own.

    Each method but `write` returns when what it wrote is durable; each raises PublishError where anything is not.
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
        self._under_way: asyncio.Task[None] | None = None

    async def start(self, provider: str) -> None:
        """Say that a pull has begun, which makes an earlier unfinished one of the district void."""
        await self._publish(SnapshotStarted.model_validate(self._with(provider=provider, started_at=now())))

    async def write(self, page: RecordPage) -> None:
        """Write a provider's page, while the next one is read: it is durable once the next call of any method returns.

        Raises PullFailedError where one of its records cannot be a record.
        """
        messages = await asyncio.to_thread(self._messages, page)
        await self._all_durable()
        self._under_way = asyncio.create_task(self._publish_pages(messages))

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

    async def _publish_pages(self, messages: list[tuple[Headers, bytes]]) -> None:
        for headers, value in messages:
            await self._publisher.publish_raw(SNAPSHOTS, headers, self._about["district"].encode(), value)

    async def _all_durable(self) -> None:
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            await under_way

    def give_up(self) -> None:
        """Write no more of what is under way, where neither `complete` nor `abort` has ended the snapshot."""
        if self._under_way is not None:
            self._under_way.cancel()

    async def complete(self, report: PullReport) -> None:
        """Say that the snapshot is whole, with how the provider's collections were proved so."""
        await self._all_durable()
        defects = dict(sorted((report.defects + self._defects).items()))
        await self._publish(
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
        await self._all_durable()
        await self._publish(SnapshotAborted.model_validate(self._with(code=code, text=text, aborted_at=now())))

    def _with(self, **data: object) -> dict[str, object]:
        return {**self._about, **data}

    async def _publish(self, data: Event) -> None:
        await self._publisher.publish(SNAPSHOTS, self._event(data))

    def _event(self, data: Event, *identity: object) -> CloudEvent:
        return make_event(
            SNAPSHOTS,
            data,
            source="ingest",
            identity=(self.snapshot_id, *identity),
            correlation_id=self._about["sync_id"],
            causation_id=self._causation_id,
        )
