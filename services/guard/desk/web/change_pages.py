"""One change of a held set, before and after side by side."""

from fastapi import APIRouter, HTTPException, Response

from services.guard.desk import read_model
from services.guard.desk.web.labels import district_labels
from services.guard.desk.web.set_pages import held_set_or_404
from services.guard.desk.web.visit import SignedIn

router = APIRouter()


@router.get("/sets/{change_set}/changes/{place}")
def change(visit: SignedIn, change_set: str, place: int) -> Response:
    """Show one change. Where a person's name is shown, this look is on record before the page is sent."""
    names = visit.session.shows_names(change_set)
    with visit.desk.snapshot() as connection:
        held = held_set_or_404(connection, change_set)
        found = read_model.change(connection, change_set, place, names=names)
        if names and found is not None and found.kind in {"teachers", "students"}:
            read_model.record_look(connection, visit.reviewer.email, change_set, f"change {place}")
        label = district_labels(connection).of(held.district)
    if found is None:
        raise HTTPException(404, "This set has no such change, or its changes have been deleted since.")
    return visit.page("change.html", held=held, label=label, change=found, names=names)
