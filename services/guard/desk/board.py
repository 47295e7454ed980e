"""Where a district stands on the board, and why, from what the topics have told of it (pure)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from services.guard.desk.answers import BoardRow, DistrictState, NightShown
from services.guard.desk.words import in_words, reasons_shown

_TONIGHT_HOUR = 22

_ENDED_WELL = {"applied", "unchanged", "rejected"}

_IN_HAND = {
    "asked for": "asked for; it waits for its turn",
    "pulling": "being pulled from the provider",
    "comparing": "being compared with what is applied",
    "applying": "on its way to the accounts",
    "held": "held; its changes are arriving",
    "superseded": "replaced by a newer night",
    "stale": "it came too late; a fresh sync was asked for",
}

_WAITS = {"second reviewer": "a second reviewer", "end of pause": "the end of the pause"}


def tonight_from(at: datetime) -> datetime:
    """Give the last 22:00 UTC: every night of the United States begins after it, and ends before the next."""
    today = at.replace(hour=_TONIGHT_HOUR, minute=0, second=0, microsecond=0)
    return today if today <= at else today - timedelta(days=1)


def row_shown(
    row: Mapping[str, Any], night: NightShown | None, at: datetime, next_night: datetime | None = None
) -> BoardRow:
    """Give a district's row: what needs a person comes before everything else that is true of it."""
    state = _state(row, night, tonight_from(at))
    since: datetime | None
    told: datetime | None = None
    if state == "held":
        since, told = row["held_at"], row["held_told_at"]
        text = _why(row) or "an operator wants to look first"
    elif state == "broken":
        assert night is not None, "only a night breaks"
        since, text = row["broken_since"] or night.began_at, night.failure_text or ""
        told = row["lost_told_at"] if row["lost_told_at"] and row["lost_told_at"] >= since else None
    elif state == "paused":
        since = told = row["pause_at"] if row["pause_code"] == "pause-begun" else None
        since = since or row["held_at"]
        text = row["pause_text"] if told else _why(row)
    else:
        since, text = _quiet(night, state)
    if state in {"held", "paused"} and row["awaits_reviewer"] is not None:
        text += f"; approved by {row['awaits_reviewer']}, waits for {_WAITS[row['waits_for']]}"
    return BoardRow(
        district=row["district"],
        state=state,
        since=since,
        text=text,
        change_set=row["change_set"],
        night=night,
        totals=row["totals"] or {},
        roster_version=row["roster_version"],
        waiting=row["nights_since"] if state in {"held", "paused"} else 0,
        told_at=told,
        next_night=next_night,
    )


def _state(row: Mapping[str, Any], night: NightShown | None, tonight: datetime) -> DistrictState:
    goes_on_by_itself = row["held_by"] == "pause" or row["waits_for"] == "end of pause"
    if row["change_set"] is not None and not goes_on_by_itself:
        return "held"
    if night is not None and night.outcome == "failed":
        return "broken"
    if row["change_set"] is not None or row["pause_code"] == "pause-begun":
        return "paused"
    if night is not None and night.began_at >= tonight and night.outcome in _ENDED_WELL:
        return "done"
    return "to come"


def _why(row: Mapping[str, Any]) -> str:
    return "; ".join(reason.text for reason in reasons_shown(row["reasons"]))


def _quiet(night: NightShown | None, state: DistrictState) -> tuple[datetime | None, str]:
    if night is None:
        return None, "no night yet"
    if state == "to come" and night.outcome in _IN_HAND:
        return night.began_at, _IN_HAND[night.outcome]
    text = {"unchanged": "nothing changed", "rejected": "the last change set was rejected"}.get(night.outcome)
    return night.ended_at, text or in_words(night.counts)
