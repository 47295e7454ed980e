"""What a district is told about how it stands (pure): its connection is lost, people's accounts are in conflict."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from schemas.events import Notice
from services.districts import ProviderName

DISCONNECTED = ("disconnected", "wrong-credentials")
"""The failure codes of a night on which the provider refused us."""

DAY_BEGINS = 7
REMINDED_AFTER = timedelta(days=7)

_PROVIDERS: dict[ProviderName, str] = {
    "clever": "Clever",
    "classlink": "ClassLink",
    "oneroster": "The district's OneRoster server",
    "oneroster-csv": "The place of the district's roster files",
}


@dataclass(frozen=True, slots=True)
class Refused:
    """A district that its provider refuses: since which night, and with which failure code that began."""

    district: str
    provider: ProviderName
    sync_id: str
    failure_code: str
    requested_at: datetime
    timezone: str


@dataclass(frozen=True, slots=True)
class Conflicts:
    """How many people of a district have accounts in conflict; what its contact was told of that last, and when."""

    district: str
    timezone: str
    teachers: int
    students: int
    text: str | None
    noticed_at: datetime | None


def disconnected_notice(refused: Refused, now: datetime) -> Notice:
    """Give what is said about a lost connection: once for each streak of nights, named after its first one."""
    what = (
        "no longer shares the district's roster with us"
        if refused.failure_code == "disconnected"
        else "does not accept our credentials for the district"
    )
    since = refused.requested_at.astimezone(ZoneInfo(refused.timezone))
    return Notice(
        district=refused.district,
        code="disconnected",
        subject_id=refused.sync_id,
        text=f"{_PROVIDERS[refused.provider]} {what} since {since:%A}, {since.day} {since:%B %Y, %H:%M %Z}.",
        noticed_at=now,
    )


def conflicts_notice(conflicts: Conflicts, now: datetime) -> Notice | None:
    """Give what is said about conflicts, with numbers only, or None where there is nothing to say now.

    It is said by day, once a day at most, when the numbers are others than those told last; the same ones again after
    a week.
    """
    today = now.astimezone(ZoneInfo(conflicts.timezone))
    text = (
        f"{_people(conflicts.teachers, 'teacher')} and {_people(conflicts.students, 'student')} have accounts that do "
        "not fit together: an email that is shared, or that belongs to somebody else's account."
    )
    if conflicts.noticed_at is not None:
        told = conflicts.noticed_at.astimezone(ZoneInfo(conflicts.timezone))
        if told.date() == today.date() or (conflicts.text == text and now - told < REMINDED_AFTER):
            return None
    if today.hour < DAY_BEGINS:
        return None
    return Notice(
        district=conflicts.district,
        code="conflicts",
        subject_id=f"conflicts-{today.date().isoformat()}",
        text=text,
        noticed_at=now,
    )


def _people(number: int, one: str) -> str:
    return f"{number:,} {one}{'' if number == 1 else 's'}"
