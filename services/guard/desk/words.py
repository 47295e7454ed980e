"""What the desk says of a night, a proof and a change, from their rows alone (pure)."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from schemas.records import KINDS, RECORD_TYPES, RecordKind
from services.guard.desk.answers import ChangeShown, Counts, FieldChange, NightShown, Outcome, ReasonShown

HIDDEN = "•••••"
"""What stands for what tells who somebody is, until names are asked for."""

_TELLS_WHO = {"given", "family", "display_name", "email", "number", "birth_date"}
_PEOPLE = {"teachers", "students"}

UNFINISHED = timedelta(hours=6)
"""A pull may take four hours; a night of which nothing was heard for so long has failed in a way no topic tells."""

_HELD_OUTCOMES: dict[str, Outcome] = {"held": "held", "rejected": "rejected", "superseded": "superseded"}

_SINGULAR = {"schools": "school", "teachers": "teacher", "students": "student", "classes": "class", "places": "place"}


def outcome(night: Mapping[str, Any], at: datetime) -> Outcome:
    """Say how far a night is, or how it ended. A night that is held stays so until it is decided or applied."""
    if night["synced_at"] is not None:
        return "applied" if night["updates"] else "unchanged"
    if night["aborted_at"] is not None:
        return "failed"
    if night["held_state"] in _HELD_OUTCOMES and (night["held_state"] != "held" or night["whole_at"] is not None):
        return _HELD_OUTCOMES[night["held_state"]]
    if night["afresh_at"] is not None:
        return "stale"
    return _under_way(night, at)


def _under_way(night: Mapping[str, Any], at: datetime) -> Outcome:
    moments = ("began_at", "snapshot_started_at", "pulled_at", "compared_at", "ended_at")
    heard = [night[name] for name in moments if night[name] is not None]
    if at - max(heard) > UNFINISHED:
        return "failed"
    if night["compared_at"] is not None or night["held_state"] is not None:
        return "applying"
    if night["pulled_at"] is not None:
        return "comparing"
    return "asked for" if night["requested_at"] is not None and night["snapshot_started_at"] is None else "pulling"


def night_shown(night: Mapping[str, Any], at: datetime) -> NightShown:
    """Give a night as pages show it."""
    how = outcome(night, at)
    code, text = night["failure_code"], night["failure_text"]
    if how == "failed" and night["aborted_at"] is None:
        began = "It began and was" if _has_begun(night) else "It was asked for and"
        code, text = "unfinished", f"{began} never heard of again; `rollcall status` says more."
    if how == "stale":
        text = "it came too late (the roster had moved on, or a pause had begun), and a fresh sync was asked for"
    ended = night["synced_at"] or night["aborted_at"] or night["afresh_at"] or night["ended_at"] or night["held_at"]
    reasons = reasons_shown(night["reasons"])
    return NightShown(
        district=night["district"],
        sync_id=night["sync_id"],
        outcome=how,
        began_at=night["snapshot_started_at"] or night["began_at"],
        ended_at=ended if how not in {"asked for", "pulling", "comparing", "applying"} else None,
        provider=night["provider"],
        change_set=night["change_set"],
        roster_version=night["roster_version"],
        counts=counts_shown(night["counts"]),
        held=night["held_state"] is not None,
        held_by=night["held_by"],
        reasons=reasons,
        failure_code=code if how == "failed" else None,
        failure_text=text if how in {"failed", "stale"} else None,
        defects=night["defects"] or {},
        limits=limits_shown(night["limits"], reasons),
    )


def _has_begun(night: Mapping[str, Any]) -> bool:
    return any(night[name] is not None for name in ("snapshot_started_at", "pulled_at", "compared_at"))


def limits_shown(limits: Mapping[str, int] | None, reasons: tuple[ReasonShown, ...]) -> dict[Any, int]:
    """Give each kind's limit, in percent: as the header says, else those that the reasons name."""
    named = {reason.kind: reason.limit for reason in reasons if reason.kind and reason.limit is not None}
    told = limits or {}
    return {kind: told[kind] for kind in KINDS if kind in told} or named


def counts_shown(counts: Mapping[str, Mapping[str, int]] | None) -> dict[Any, Counts]:
    """Give the counts of a header, in the kinds' order; kinds that a newer writer may add are left out."""
    told = counts or {}
    known = ("existing", "created", "updated", "removed")
    return {kind: Counts(**{name: told[kind].get(name, 0) for name in known}) for kind in KINDS if kind in told}


def reasons_shown(reasons: list[dict[str, Any]] | None) -> tuple[ReasonShown, ...]:
    """Give the reasons of a header."""
    known = {field.name for field in fields(ReasonShown)}
    return tuple(
        ReasonShown(**{name: value for name, value in reason.items() if name in known}) for reason in reasons or ()
    )


def in_words(counts: Mapping[Any, Counts]) -> str:
    """Say what a night has changed: '+12 students, 3 left, 41 classes changed'. Places are left to their classes."""
    parts: list[str] = []
    for kind in ("schools", "teachers", "students", "classes"):
        it = counts.get(kind, Counts())
        if it.created:
            parts.append(f"+{_many(it.created, kind)}")
        if it.removed:
            parts.append(f"{_many(it.removed, kind)} left" if not it.created else f"{it.removed:,} left")
        if it.updated:
            parts.append(f"{_many(it.updated, kind)} changed")
    return ", ".join(parts) or "nothing changed"


def _many(number: int, kind: str) -> str:
    return f"{number:,} {kind if number != 1 else _SINGULAR[kind]}"


def proof_in_words(proof: Mapping[str, Any]) -> str:
    """Say how a collection was proved whole: 'users: 50,324 in 6 pages, the provider counts 50,324; no next page'."""
    pages = f"{proof['pages']:,} page{'s' if proof['pages'] != 1 else ''}"
    said = f"{proof['collection']}: {proof['rows']:,} in {pages}"
    if proof["distinct"] != proof["rows"]:
        said += f", {proof['rows'] - proof['distinct']:,} of them twice"
    if proof.get("total") is not None:
        said += f", the provider counts {proof['total']:,}"
    return f"{said}; {proof['end']}"


def change_shown(row: Mapping[str, Any], schools: Mapping[str, str], *, names: bool) -> ChangeShown:
    """Give a change, field by field; unless `names`, what tells who somebody is comes as HIDDEN."""
    before, record = row["before"] or {}, row["record"] or {}
    students_before, students = set(before.get("students", ())), set(record.get("students", ()))
    return ChangeShown(
        place=row["place"],
        op=row["op"],
        kind=row["kind"],
        id=row["id"],
        title=row["title"],
        schools=tuple((school, schools.get(school, school)) for school in row["schools"]),
        same_as=row["same_as"],
        fields=tuple(_fields(row["kind"], before, record, names=names)),
        joining=tuple(sorted(students - students_before)),
        leaving=tuple(sorted(students_before - students)),
    )


def _fields(kind: RecordKind, before: dict[str, Any], record: dict[str, Any], *, names: bool) -> list[FieldChange]:
    shown = []
    for field in fields(RECORD_TYPES[kind]):
        if field.name in {"id", "type", "students"}:
            continue
        was, will = _value(before.get(field.name)), _value(record.get(field.name))
        changed = was != will
        if kind in _PEOPLE and field.name in _TELLS_WHO and not names:
            was, will = was and HIDDEN, will and HIDDEN
        shown.append(FieldChange(field.name, was, will, changed))
    return shown


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
