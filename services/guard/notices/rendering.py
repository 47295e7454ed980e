"""Mail in text and HTML from the templates beside this module (pure).

The templates see a notice, its district's name and the desk's address, and nothing else: no record of anybody.
"""

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from schemas.events import Notice
from services.guard.notices.parcels import Due, Parcel
from services.guard.notices.words import words_of

_templates = Environment(
    loader=PackageLoader("services.guard.notices"),
    autoescape=select_autoescape(("html",)),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Mail:
    """What a person reads."""

    subject: str
    text: str
    html: str


def render(parcel: Parcel, desk_url: str | None) -> Mail:
    """Write the mail of a parcel: one notice told in full, or a digest that lists several."""
    subject = _subject(parcel)
    seen = {
        "subject": subject,
        "told": [_told(one, desk_url) for one in parcel.contents],
    }
    name = "notice" if len(parcel.contents) == 1 else "digest"
    return Mail(
        subject=subject,
        text=_templates.get_template(f"{name}.txt").render(seen),
        html=_templates.get_template(f"{name}.html").render(seen),
    )


def headline(one: Due) -> str:
    """Give a notice in one line, whatever the district's name contains."""
    return " ".join(f"{one.district_name}: {words_of(one.notice).heading}".split())


def desk_link(notice: Notice, desk_url: str | None) -> str | None:
    """Give the desk's page that a notice is about, or None where nobody has said where the desk is."""
    if desk_url is None:
        return None
    pauses = dict.fromkeys(("pause-ahead", "pause-begun", "pause-over"), "calendar")
    pages = {"held": f"sets/{notice.subject_id}", **pauses}
    return f"{desk_url.rstrip('/')}/{pages.get(notice.code, f'districts/{notice.district}')}"


def _told(one: Due, desk_url: str | None) -> dict[str, Any]:
    when = one.notice.noticed_at.astimezone(ZoneInfo(one.timezone))
    return {
        "name": one.district_name,
        "district": one.notice.district,
        "words": words_of(one.notice),
        "text": one.notice.text,
        "link": desk_link(one.notice, desk_url),
        "when": f"{when:%Y-%m-%d %H:%M %Z}",
    }


def _subject(parcel: Parcel) -> str:
    if len(parcel.contents) == 1:
        return headline(parcel.contents[0])
    districts = len({one.notice.district for one in parcel.contents})
    of = "1 district" if districts == 1 else f"{districts} districts"
    return f"{len(parcel.contents)} notices about {of}"
