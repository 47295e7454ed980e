"""Where signing in begins: which school district, and with which provider; or an account of one's own."""

from fastapi import APIRouter, Request, Response

from services.activation.sign_in.outcomes import Refused, RefusedError
from services.activation.web.visit import OfPeople, People, page

router = APIRouter()
MOST_DISTRICTS = 12
WAY_NAMES = {"clever": "Clever", "classlink": "ClassLink"}


@router.get("/sign-in")
def sign_in(  # noqa: PLR0917 - each is a part of the address
    request: Request,
    people: OfPeople,
    district: str = "",
    search: str = "",
    out: bool = False,
    ended: bool = False,
    not_me: str | None = None,
) -> Response:
    """Show the way in of a district; without one, let people choose."""
    said = "You are signed out." if out else "You were away for a while. Sign in again." if ended else ""
    if not_me is not None:
        return sign_in_page(
            request, people, said="All right, nobody is signed in here now.", signed_out_of=not_me, search=search
        )
    if not district:
        return sign_in_page(request, people, said=said, search=search)
    found = people.districts.named(district)
    if found is None:
        raise RefusedError("district-unknown")
    way = found.provider if found.provider in people.lobby.rostering else None
    return page(people, request, "sign_in_district.html", district=found, way=way, way_names=WAY_NAMES, said=said)


def sign_in_page(
    request: Request,
    people: People,
    *,
    said: str = "",
    signed_out_of: str = "",
    search: str = "",
    refused: Refused | None = None,
) -> Response:
    """Answer with the page that sign-in begins at, and with why it was not done where it was not."""
    wanted = search.strip()
    districts = people.districts.find(wanted, people.lobby.rostering, MOST_DISTRICTS + 1)
    names = {**WAY_NAMES, **people.lobby.identity_providers}
    return page(
        people,
        request,
        "sign_in.html",
        refused.status if refused else 200,
        districts=districts[:MOST_DISTRICTS],
        many=len(districts) > MOST_DISTRICTS,
        search=wanted,
        identity_providers=people.lobby.identity_providers,
        said=said,
        sign_out_url=people.lobby.sign_out_url(signed_out_of),
        signed_out_of=names.get(signed_out_of, ""),
        refused=refused,
    )
