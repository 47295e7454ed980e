"""Deciding on a held set: one question, one reason, one press."""

from typing import Annotated, Literal, TypeAlias

from fastapi import APIRouter, Form, Response

from services.clock import now
from services.guard.desk.answers import HeldSetShown
from services.guard.desk.decide import decide
from services.guard.desk.web.labels import district_labels
from services.guard.desk.web.plain_words import DistrictLabel, consequence, removes_much, same_name
from services.guard.desk.web.set_pages import held_set_or_404
from services.guard.desk.web.visit import Deciding, SentDecision, Visit

router = APIRouter()
LONGEST_REASON = 2000

Verb: TypeAlias = Literal["approve", "reject"]
_NOT_TO_DECIDE = {
    "arriving": "Not every change of this set has arrived yet. Wait until they have; nothing was decided.",
    "released": "This set has been released already.",
    "rejected": "This set has been rejected already.",
    "superseded": "A newer night has replaced this set. Review that one.",
}


@router.get("/sets/{change_set}/{verb}")
def question(visit: Deciding, change_set: str, verb: Verb) -> Response:
    """Ask for the decision on exactly this set."""
    held, label = _read(visit, change_set)
    return _ask(visit, held, label, verb)


@router.post("/sets/{change_set}/{verb}")
def decided(
    visit: SentDecision,
    change_set: str,
    verb: Verb,
    reason: Annotated[str, Form(max_length=LONGEST_REASON)] = "",
    typed_name: Annotated[str, Form()] = "",
) -> Response:
    """Publish the decision; the set's page then shows by itself what becomes of it."""
    held, label = _read(visit, change_set)
    wrong: dict[str, str] = {}
    if not reason.strip():
        wrong["reason"] = "Say why, in a few words. It is kept with the decision."
    if verb == "approve" and removes_much(held.counts) and not same_name(typed_name, label.name):
        wrong["typed_name"] = f"Type the district's name as it is written here: {label.name}"
    if wrong or held.state != "held":
        return _ask(visit, held, label, verb, reason=reason, typed_name=typed_name, wrong=wrong)
    with visit.desk.connection() as connection:
        decide(
            connection,
            visit.desk.publisher,
            district=held.district,
            change_set=held.change_set,
            decision=verb,
            reviewer=visit.reviewer.email,
            reason=reason.strip(),
            decided_at=now(),
        )
    return visit.go_to(f"/sets/{change_set}")


def _read(visit: Visit, change_set: str) -> tuple[HeldSetShown, DistrictLabel]:
    with visit.desk.snapshot() as connection:
        held = held_set_or_404(connection, change_set)
        return held, district_labels(connection).of(held.district)


def _ask(
    visit: Visit,
    held: HeldSetShown,
    label: DistrictLabel,
    verb: Verb,
    *,
    reason: str = "",
    typed_name: str = "",
    wrong: dict[str, str] | None = None,
) -> Response:
    open_to_decide = held.state == "held"
    return visit.page(
        "decide.html",
        status=422 if wrong else 200 if open_to_decide else 409,
        held=held,
        label=label,
        verb=verb,
        consequence=consequence(held.counts),
        asks_name=verb == "approve" and removes_much(held.counts),
        reason=reason,
        typed_name=typed_name,
        wrong=wrong or {},
        not_to_decide=None if open_to_decide else _NOT_TO_DECIDE[held.state],
    )
