"""What a command answers about a night: how it ended, what it changed, why it is held (pure)."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from schemas.records import RECORD_KINDS
from services.cli.failures import FAILED, HELD
from services.nights import Night

Outcome: TypeAlias = Literal["applied", "held", "unchanged", "failed"]

_GIVEN_UP = {
    "superseded": "a newer change set of the district has taken this one's place; `rollcall held list` shows it",
    "rejected": "a reviewer has rejected this change set; it is not applied",
}


def night_answer(night: Night, roster_version: int | None) -> dict[str, Any]:
    """Give the answer about a night that has ended; `roster_version` is where the district is now."""
    outcome = outcome_of(night)
    answered: dict[str, Any] = {
        "district": night.district,
        "sync_id": night.sync_id,
        "outcome": outcome,
        "roster_version": night.roster_version if night.roster_version is not None else roster_version,
        "counts": night.counts or {},
        "reasons": [{key: reason.get(key) for key in ("code", "kind", "text")} for reason in night.reasons]
        if outcome == "held"
        else [],
        "defects": night.defects,
        "change_set": night.change_set,
    }
    if outcome == "failed":
        answered["failure"] = {
            "code": night.failure_code or night.state,
            "text": night.failure_text or _GIVEN_UP.get(night.state, "the night ended without an effect"),
        }
    return answered


def outcome_of(night: Night) -> Outcome:
    """Say how a night ended; one whose change set was given up has failed."""
    match night.state:
        case "applied" | "held" | "unchanged":
            return night.state
        case _:
            return "failed"


def exit_status(answers: Sequence[dict[str, Any]]) -> int:
    """Give the exit status: failed where any has failed, else held where any is held."""
    outcomes = {answered["outcome"] for answered in answers}
    if "failed" in outcomes:
        return FAILED
    return HELD if "held" in outcomes else 0


def progress_line(night: Night) -> str:
    """Say in words how far a night is."""
    match night.state:
        case "requested":
            return "asked for, waits for its turn"
        case "pulling":
            so_far = ", ".join(f"{count:,} {kind}" for kind in RECORD_KINDS if (count := night.pulled.get(kind)))
            return f"pulling{': ' + so_far if so_far else ''}"
        case "comparing":
            return "pulled whole, working out what changed"
        case "approved":
            return "approved, being applied"
        case state:
            return state
