"""People in conflict: whose account could it be, and a reviewer's answer, whose outcome appears on the same page."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from urllib.parse import quote

import psycopg
from fastapi import APIRouter, Depends, Form, HTTPException, Query, Response

from services.clock import now
from services.guard.desk import conflicts
from services.guard.desk.conflicts import CandidateAccount, Conflict, Names, Person, PersonFacts, PersonKind, Resolution
from services.guard.desk.web.labels import district_labels
from services.guard.desk.web.plain_words import DistrictLabel
from services.guard.desk.web.visit import SentDecision, SentForm, SignedIn, Visit

router = APIRouter()
PAGE_SIZE = 50
LONGEST_REASON = 2000
ASK_PERSON = "ask"
TAKEN_WITHIN = timedelta(seconds=15)
TOLD_WITHIN = timedelta(minutes=1)
"""An answer that was taken longer ago has left the person in conflict."""


@dataclass(frozen=True, slots=True)
class Shown:
    """All that a page of one conflict shows."""

    conflict: Conflict
    label: DistrictLabel
    facts: PersonFacts | None
    accounts: list[CandidateAccount]
    resolutions: list[Resolution]
    names: Names | None

    @property
    def last(self) -> Resolution | None:
        """What was said last."""
        return self.resolutions[-1] if self.resolutions else None

    @property
    def under_way(self) -> bool:
        """Tell whether the page should look again: an answer waits to be taken, or for what comes of it to be told."""
        if self.conflict.state != "conflict" or self.last is None or self.last.refusal is not None:
            return False
        return self.last.taken_at is None or now() - self.last.taken_at < TOLD_WITHIN

    @property
    def late(self) -> bool:
        """Tell whether the answer takes longer than it should, so that the page may ask less often."""
        return self.last is not None and now() - self.last.decided_at > TAKEN_WITHIN


def _named(district: str, kind: PersonKind, person_id: str) -> Person:
    return Person(district, kind, person_id)


Named = Annotated[Person, Depends(_named)]
"""The person whom an address names; ids may hold slashes."""


@router.get("/conflicts")
def every_district(
    visit: SignedIn, page: Annotated[int, Query(ge=1, le=100_000)] = 1, seen: Annotated[str, Query()] = ""
) -> Response:
    """Show the open conflicts of all districts, the oldest first."""
    return _list(visit, None, page, seen)


@router.get("/districts/{district}/conflicts")
def of_district(
    visit: SignedIn,
    district: str,
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
    seen: Annotated[str, Query()] = "",
) -> Response:
    """Show the open conflicts of a district, the oldest first."""
    return _list(visit, district, page, seen)


def _list(visit: Visit, district: str | None, page: int, seen: str) -> Response:
    with visit.desk.snapshot() as connection:
        labels = district_labels(connection)
        found = conflicts.open_conflicts(connection, district, page=page, size=PAGE_SIZE)
        settled = conflicts.settled_conflicts(connection, district)
        counts = conflicts.open_by_district(connection)
    if district is not None and not labels.knows(district) and not found and not settled:
        raise HTTPException(404, "No district of this name has been seen here.")
    told = hashlib.blake2b(repr((found, settled, counts)).encode(), digest_size=8).hexdigest()
    if visit.is_refresh and seen == told:
        return Response(status_code=204)
    return visit.page(
        "conflicts_live.html" if visit.is_refresh else "conflicts.html",
        here=f"/districts/{district}/conflicts" if district is not None else "/conflicts",
        label=labels.of(district) if district is not None else None,
        labels=labels,
        conflicts=found[:PAGE_SIZE],
        settled=settled,
        open_count=counts.get(district, 0) if district is not None else sum(counts.values()),
        number=page,
        more=len(found) > PAGE_SIZE,
        seen=told,
        address=address,
    )


@router.get("/conflicts/person/{district}/{kind}/{person_id:path}")
def one(visit: SignedIn, person: Named) -> Response:
    """Show one conflict. Where names are shown, this look is on record before the page is sent."""
    return _show(visit, person)


@router.get("/conflicts/outcome/{district}/{kind}/{person_id:path}")
def outcome(visit: SignedIn, person: Named) -> Response:
    """Show what has become of a conflict; the open page asks for this part again until it is settled."""
    if not visit.is_refresh:
        return visit.go_to(address(person))
    with visit.desk.snapshot() as connection:
        shown = _read(connection, person)
    return visit.page("conflict_settling.html", shown=shown, person=person, address=address)


@router.post("/conflicts/names/{district}/{kind}/{person_id:path}")
def show_names(visit: SentForm, person: Named, shown: Annotated[bool, Form()]) -> Response:
    """Show the names of this conflict for a while, or hide them; each page that shows them is recorded as a look."""
    return visit.go_to(address(person), visit.session.with_names(str(person), shown=shown))


@router.post("/conflicts/resolve/{district}/{kind}/{person_id:path}")
def resolve(
    visit: SentDecision,
    person: Named,
    choice: Annotated[str, Form()] = "",
    reason: Annotated[str, Form(max_length=LONGEST_REASON)] = "",
) -> Response:
    """Publish the answer; the conflict's page then shows by itself what becomes of it."""
    with visit.desk.snapshot() as connection:
        shown = _read(connection, person)
    wrong: dict[str, str] = {}
    if choice not in {ASK_PERSON, *(account.account_id for account in shown.accounts)}:
        wrong["choice"] = "Choose one of these accounts, or ask the person."
    if not reason.strip():
        wrong["reason"] = "Say why, in a few words. It is kept with the decision."
    if shown.conflict.state != "conflict":
        return visit.go_to(address(person))
    if wrong:
        return _show(visit, person, choice=choice, reason=reason, wrong=wrong)
    with visit.desk.connection() as connection:
        conflicts.resolve(
            connection,
            visit.desk.publisher,
            person,
            account_id=None if choice == ASK_PERSON else choice,
            reviewer=visit.reviewer.email,
            reason=reason.strip(),
            decided_at=now(),
        )
    return visit.go_to(address(person))


def address(person: Person, verb: str = "person") -> str:
    """Give the address of a conflict's page, or of what is done there; ids may hold anything."""
    return f"/conflicts/{verb}/{quote(person.district)}/{person.kind}/{quote(person.id)}"


def _show(
    visit: Visit, person: Person, *, choice: str = "", reason: str = "", wrong: dict[str, str] | None = None
) -> Response:
    names = visit.session.shows_names(str(person))
    with visit.desk.snapshot() as connection:
        shown = _read(connection, person, visit.reviewer.email if names else None)
    return visit.page(
        "conflict.html",
        status=422 if wrong else 200,
        shown=shown,
        person=person,
        address=address,
        ask_person=ASK_PERSON,
        choice=choice,
        reason=reason,
        wrong=wrong or {},
    )


def _read(connection: psycopg.Connection[object], person: Person, looking: str | None = None) -> Shown:
    """Read a conflict, with names where somebody looks at them. Raises HTTPException 404."""
    found = conflicts.conflict(connection, person)
    if found is None:
        raise HTTPException(404, "Nobody of this id has been in conflict. The address may have been mistyped.")
    return Shown(
        found,
        district_labels(connection).of(person.district),
        conflicts.person_facts(connection, person),
        conflicts.candidate_accounts(connection, person),
        conflicts.resolutions(connection, person),
        conflicts.look_at_names(connection, person, looking) if looking is not None else None,
    )
