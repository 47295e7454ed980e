"""What a pull's pages hold, in whatever form they have it."""

from pydantic import TypeAdapter

from schemas.events import Entry
from schemas.records import Record
from services.ingest.source import RecordPage

_entry = TypeAdapter(Entry)


def records_of(page: RecordPage) -> list[Record]:
    """Give a page's records."""
    return [*page.records, *(_entry.validate_json(entry).record for entry in page.entries)]
