"""Writes a pulled roster to `roster.snapshots`: started, pages, completed; or aborted, and nothing changes.

That is promise 1: only a completed snapshot whose counts match what arrived is ever compared.
"""

import asyncio
import uuid
from collections import Counter

from schemas.cloudevents import CloudEvent
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

    Each method returns when what it wrote is durable, and raises PublishError where it is not.
    """

    def __init__(
        self, publisher: AsyncPublisher, request: SyncRequested, causation_id: str | None, page_records: int
    ) -> None:
        self.snapshot_id = uuid.uuid4().hex
        self.records: dict[RecordKind, int] = dict.fromkeys(RECORD_KINDS, 0)
        self._publisher = publisher
        self._about = {"district": request.district, "sync_id": request.sync_id, "snapshot_id": self.snapshot_id}
        self._causation_id = causation_id
        self._page_records = page_records
        self._pages = 0
        self._defects: Counter[DefectCode] = Counter()

    async def start(self, provider: str) -> None:
        """Say that a pull has begun, which makes an earlier unfinished one of the district void."""
        await self._publish(SnapshotStarted.model_validate(self._with(provider=provider, started_at=now())))

    async def write(self, page: RecordPage) -> None:
        """Write a provider's page. Raises PullFailedError where one of its records cannot be a record."""
        for cut in await asyncio.to_thread(cut_pages, page, self._page_records):
            self._pages += 1
            head = SnapshotPage.model_validate(self._with(page=self._pages, kind=cut.kind))
            value = await asyncio.to_thread(encode_page, cut, **self._about, page=self._pages)
            await self._publisher.publish_raw(
                SNAPSHOTS, self._event(head, self._pages).headers(), head.district.encode(), value
            )
            self.records[cut.kind] += len(cut.entries)
            self._defects["nul-character"] += cut.repaired

    async def complete(self, report: PullReport) -> None:
        """Say that the snapshot is whole, with how the provider's collections were proved so."""
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
