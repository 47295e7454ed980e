"""One change of a held set, for people and for programs, with names as dots unless they are asked for (pure)."""

from dataclasses import asdict
from typing import Any

from schemas.events import Change, Operation
from schemas.records import Class, Record, RecordKind, School

SIGNS: dict[Operation, str] = {"created": "+", "updated": "~", "removed": "−"}
WORDS: dict[RecordKind, str] = {"schools": "school", "teachers": "teacher", "students": "student", "classes": "class"}

DOTS = "•••••"
PERSONAL = ("email", "given", "family", "display_name", "birth_date")
"""What names a person; ids, grades and schools do not."""


def change_line(change: Change, *, show_names: bool) -> str:
    """Give the change in one line: what it does, to whom, and for an update what becomes of which field."""
    record = change.record or change.before
    parts = [SIGNS[change.op], f"{WORDS[change.kind]:<8}", change.id]
    if record is not None:
        parts.append(f" {_called(record, show_names=show_names)}")
    if change.op == "updated" and change.before is not None and change.record is not None:
        parts.append(f" {_differences(change.before, change.record, show_names=show_names)}")
    elif isinstance(record, Class):
        parts.append(f" {len(record.students)} students")
    return " ".join(parts)


def change_object(change: Change, *, show_names: bool) -> dict[str, Any]:
    """Give the change whole as JSON has it; without `show_names` what names a person is dots."""
    whole = change.model_dump(mode="json")
    if not show_names:
        for side in ("before", "record"):
            if whole[side] is not None:
                whole[side].update({name: DOTS for name in PERSONAL if whole[side].get(name)})
    return whole


def _called(record: Record, *, show_names: bool) -> str:
    if isinstance(record, School | Class):
        return record.name
    return record.display_name if show_names else f"{DOTS} {DOTS}"


def _differences(before: Record, after: Record, *, show_names: bool) -> str:
    was, will = asdict(before), asdict(after)
    return ", ".join(
        _difference(name, was[name], will[name], show_names=show_names) for name in was if was[name] != will.get(name)
    )


def _difference(name: str, was: Any, will: Any, *, show_names: bool) -> str:
    if isinstance(was, tuple) and isinstance(will, tuple):
        come = [f"+{id_}" for id_ in will if id_ not in was]
        gone = [f"−{id_}" for id_ in was if id_ not in will]
        return f"{name} {' '.join(come + gone) or 'in another order'}"
    if name in PERSONAL and not show_names:
        return f"{name} changes"
    return f"{name} {was or 'none'} → {will or 'none'}"
