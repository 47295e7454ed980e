"""How long it is kept who was told what: 400 days, and no shorter than it is so."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from schemas.events import Notice
from schemas.topics import NOTICES
from services.guard.telling import tell_due
from tests.pipeline import pipeline, until

NOW = datetime(2027, 3, 2, 18, tzinfo=UTC)  # no holiday is near
DAY = timedelta(days=1)


def test_what_was_told_is_forgotten_after_400_days_and_what_is_still_so_is_not_told_again(
    kafka: str, database: str, topic_prefix: str
) -> None:
    with pipeline(kafka, database, topic_prefix) as running:
        running.add_district("springfield", registered_at=NOW - 900 * DAY)
        running.query(
            "INSERT INTO nights (sync_id, district, reason, state, requested_at, failure_code, failure_text)"
            " VALUES ('sync-1', 'springfield', 'night', 'failed', %s, 'disconnected', 'text') RETURNING 1",
            NOW - 800 * DAY,
        )
        assert len(tell_due(database, NOW - 800 * DAY)) == 1
        for days in (401, 399):
            running.query(
                "INSERT INTO notices_told (notice_id, district, code, subject_id, text, noticed_at)"
                " VALUES (%s, 'springfield', 'conflicts', %s, 'text', %s) RETURNING 1",
                str(days),
                str(days),
                NOW - days * DAY,
            )
        assert tell_due(database, NOW) == []
        assert running.query("SELECT code, subject_id FROM notices_told ORDER BY code") == [
            ("conflicts", "399"),
            ("disconnected", "sync-1"),
        ]


def test_the_notifier_forgets_who_was_told_after_400_days_unless_it_is_still_to_be_sent(
    kafka: str, database: str, topic_prefix: str, tmp_path: Path
) -> None:
    clock = tmp_path / "clock"
    clock.write_text(NOW.isoformat(), encoding="utf-8")
    settings = {"ROLLCALL_CLOCK_FILE": str(clock), "ROLLCALL_SMTP": "smtp://127.0.0.1:9", "ROLLCALL_OPERATORS": "a@b.c"}
    with pipeline(kafka, database, topic_prefix, settings=settings) as running:
        running.add_district("springfield")
        for subject, days, state in (("old", 401, "sent"), ("new", 399, "sent"), ("given", 401, "given up")):
            running.query(
                "INSERT INTO notices_sent (notice_id, recipient, district, code, subject_id, text, noticed_at,"
                " received_at, state, parcel, sent_at) VALUES (%s, 'a@b.c', 'springfield', 'held', %s, 'text', %s, %s,"
                " %s, %s, %s) RETURNING 1",
                subject,
                subject,
                NOW - days * DAY,
                NOW - days * DAY,
                state,
                subject,
                NOW - days * DAY if state == "sent" else None,
            )
        running.start("notifier")
        notice = Notice(district="springfield", code="held", subject_id="due", text="held", noticed_at=NOW)
        running.publish(NOTICES, notice, "due")
        until("it is received", lambda: running.query("SELECT 1 FROM notices_sent WHERE subject_id = 'due'") or None)
        left = "SELECT 1 FROM notices_sent HAVING array_agg(subject_id ORDER BY subject_id) = '{due,new}'"
        until("the old ones are forgotten", lambda: running.query(left) or None)
        assert running.query("SELECT received_at FROM notices_sent WHERE subject_id = 'due'") == [(NOW,)]
