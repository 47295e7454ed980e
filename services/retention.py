"""What is written down of every night is not kept for ever: nights, judgements, sets that were held, applied sets."""

from datetime import datetime

import psycopg
from psycopg.rows import TupleRow

from services.database.queries import Queries

QUERIES = Queries("services", "retention.sql")
JOURNALS = ("nights", "judgements", "holds", "ledger")
BATCH = 5_000


def forget_before(connection: psycopg.Connection[TupleRow], before: datetime, batch: int = BATCH) -> dict[str, int]:
    """Delete what the journals have from before then; give how many rows of each that had some.

    Each statement is a transaction of its own, of at most `batch` rows, so that nobody waits for it. What is still
    needed stays: what somebody may still decide, the newest of each district, and why it failed since when. Reviews
    stay: what was rejected is held again whenever it comes. Several schedulers may do so at once. Raises psycopg.Error;
    what was deleted by then stays so.
    """
    forgotten: dict[str, int] = {}
    for journal in JOURNALS:
        while deleted := connection.execute(QUERIES[journal], {"before": before, "batch": batch}).rowcount:
            forgotten[journal] = forgotten.get(journal, 0) + deleted
    return forgotten
