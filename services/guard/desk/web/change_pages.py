"""One change of a held set, before and after side by side."""

from fastapi import APIRouter, HTTPException, Response

from services.guard.desk import read_model
from services.guard.desk.web.labels import district_labels
from services.guard.desk.web.set_pages import held_set_or_404
from services.guard.desk.web.visit import SignedIn

router = APIRouter()


@router.get("/sets/{change_set}/changes/{place}")
def change(visit: SignedIn, change_set: str, place: int) -> Response:
    """Show one change. Where names are shown, this look at them is recorded first."""
    names = visit.session.shows_names(change_set)
    with visit.desk.snapshot() as connection:
        held = held_set_or_404(connection, change_set)
        if names:
            read_model.record_look(connection, visit.reviewer.email, change_set, f"change {place}")
        found = read_model.change(connection, change_set, place, names=names)
        label = district_labels(connection).of(held.district)
    if found is None:
        raise HTTPException(404, "This set has no such change, or its changes have been deleted since.")
    return visit.page("change.html", held=held, label=label, change=found, names=names)
