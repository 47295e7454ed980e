"""What a district's change sets are judged by, read from the accounts database."""

from datetime import datetime
from typing import Any

import psycopg

from schemas.events import ChangeSetStarted
from schemas.records import KINDS
from services.districts import District
from services.guard.calendar import Calendar
from services.guard.policy import Circumstances, KindLimit, Week


def circumstances(
    connection: psycopg.Connection[Any],
    district: District,
    now: datetime,
    header: ChangeSetStarted,
    default_percent: int,
) -> Circumstances:
    """Give what the change set is judged by at this instant; kinds without a limit of their own have the default."""
    return Circumstances(
        limits={kind: KindLimit(default_percent) for kind in KINDS},
        week=Week(),
        pause=calendar_of(connection, district).pause_at(now),
        look_first=None,
        setting_up=district.setting_up,
    )


def calendar_of(connection: psycopg.Connection[Any], district: District) -> Calendar:
    """Give the district's calendar."""
    return Calendar(district.timezone)


def calendars(connection: psycopg.Connection[Any]) -> dict[str, Calendar]:
    """Give the calendars of all districts by their ids, in one round trip."""
    return {}
