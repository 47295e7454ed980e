"""The desk's words and numbers: what a set would do in a sentence, times in a district's zone (pure)."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from schemas.events import Operation
from schemas.records import KINDS, Kind, RecordKind
from services.guard.desk.answers import BoardRow, ChangeShown, Counts, Difference, NightShown
from services.guard.desk.foresight import WouldHold
from services.ingest.schedule import ScheduledDistrict

SIGNS: dict[Operation, str] = {"created": "+", "updated": "~", "removed": "−"}
OP_WORDS: dict[Operation, str] = {"created": "new", "updated": "changed", "removed": "leaves"}
ONE: dict[Kind, str] = {
    "schools": "school",
    "teachers": "teacher",
    "students": "student",
    "classes": "class",
    "places": "place in a class",
}
MANY: dict[Kind, str] = {**{kind: kind for kind in KINDS}, "places": "places in classes"}
FIELD_WORDS = {
    "given": "given name",
    "family": "family name",
    "display_name": "display name",
    "birth_date": "date of birth",
}


_WEEK = timedelta(days=7)
_MORNING = 6


@dataclass(frozen=True, slots=True)
class DistrictLabel:
    """What a district is called, its time zone, and whether it has nights: those on the districts plan do."""

    district: str
    name: str
    timezone: str
    has_nights: bool = False
    registered_at: datetime = datetime.min

    @property
    def scheduled(self) -> ScheduledDistrict:
        """The district as the schedule knows it."""
        return ScheduledDistrict(self.district, self.timezone, self.registered_at)


def number(value: int) -> str:
    """Give 48120 as '48,120'."""
    return f"{value:,}"


def counted_in_words(count: int, kind: Kind) -> str:
    """Give '1 class', '2,299 classes'."""
    return f"{count:,} {ONE[kind] if count == 1 else MANY[kind]}"


def listed(parts: Iterable[str]) -> str:
    """Give 'a', 'a and b', 'a, b and c'."""
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last


def consequence(counts: Mapping[Kind, Counts]) -> str:
    """Give the largest consequence of a set in one sentence: who and what leaves; where nothing does, what else."""
    verbs: tuple[tuple[Operation, str], ...] = (
        ("removed", "will leave"),
        ("updated", "will change"),
        ("created", "will come"),
    )
    for op, verb in verbs:
        found = [(kind, getattr(counts[kind], op)) for kind in KINDS if kind in counts]
        records = [counted_in_words(count, kind) for kind, count in found if count and kind != "places"]
        places = [counted_in_words(count, kind) for kind, count in found if count and kind == "places"]
        if records or places:
            return f"{listed(records or places)} {verb}."
    return "Nothing will change."


def removes_much(counts: Mapping[Kind, Counts]) -> bool:
    """Tell whether more than a tenth of any kind would leave."""
    return any(one.removed * 10 > one.existing for one in counts.values())


def same_name(typed: str, name: str) -> bool:
    """Tell whether somebody typed the name, be it in other capitals or spaces."""
    return " ".join(typed.split()).casefold() == " ".join(name.split()).casefold()


def zoned(moment: datetime, timezone: str) -> datetime:
    """Give the moment in the zone."""
    return moment.astimezone(ZoneInfo(timezone))


def clock(moment: datetime, timezone: str, at: datetime) -> str:
    """Give a moment as short as it is clear at `at`: '02:14 CST' today, else 'Mon 23 Nov, 02:14 CST'."""
    there = zoned(moment, timezone)
    today = zoned(at, timezone).date() == there.date()
    return f"{there:%H:%M %Z}" if today else f"{there:%a} {there.day} {there:%b}, {there:%H:%M %Z}"


def exact(moment: datetime, timezone: str) -> str:
    """Give a moment whole: 'Tue 24 Nov 2026, 02:14:11 CST'."""
    there = zoned(moment, timezone)
    return f"{there:%a} {there.day} {there:%b %Y, %H:%M:%S %Z}"


def ago(moment: datetime, at: datetime) -> str:
    """Give how long ago, in the largest unit: 'just now', '4 minutes ago', '3 days ago'."""
    seconds = int((at - moment).total_seconds())
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            many = seconds // length
            return f"{many} {unit}{'' if many == 1 else 's'} ago"
    return "just now"


def coming(moment: datetime, timezone: str, at: datetime) -> str:
    """Give a moment to come: 'tonight, 21:40 CST' until the next morning, else 'Mon 30 Nov, 21:40 CST'."""
    there, today = zoned(moment, timezone), zoned(at, timezone).date()
    early = there.hour < _MORNING
    is_tonight = there.date() == today or (early and there.date() == today + timedelta(days=1))
    return f"tonight, {there:%H:%M %Z}" if is_tonight else f"{there:%a} {there.day} {there:%b}, {there:%H:%M %Z}"


def removed_in_the_week(nights: Iterable[NightShown], held_at: datetime) -> str | None:
    """Say who and what left in the seven days before a set was held; None where nothing did."""
    counted: Counter[Kind] = Counter()
    for night in nights:
        if night.outcome == "applied" and night.ended_at and timedelta() <= held_at - night.ended_at <= _WEEK:
            counted.update({kind: counts.removed for kind, counts in night.counts.items()})
    left = [counted_in_words(counted[kind], kind) for kind in KINDS if counted[kind]]
    return listed(left) if left else None


def duration(took: timedelta) -> str:
    """Give '48 s', '9 min', '2 h 05 min'."""
    seconds = max(0, round(took.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    minutes = seconds // 60
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02} min"


def day_in_words(day: date) -> str:
    """Give 'Mon 14 Dec 2026'."""
    return f"{day:%a} {day.day} {day:%b %Y}"


def day_of_years(month_and_day: str) -> str:
    """Give '15 June' of '06-15'."""
    day = date.fromisoformat(f"2000-{month_and_day}")  # a leap year
    return f"{day.day} {day:%B}"


def days_in_words(first_day: date, last_day: date) -> str:
    """Give 'Mon 14 Dec 2026', or 'Mon 14 Dec 2026 to Thu 17 Dec 2026'."""
    first = day_in_words(first_day)
    return first if first_day == last_day else f"{first} to {day_in_words(last_day)}"


def would_hold_in_words(held: WouldHold, whose: str | None, year: int | None) -> str:
    """Say what a pause would hold; `whose` is a district's name where it is one district's, `year` a summer's next."""
    already = f" {held.already:,} night{'s' if held.already != 1 else ''} in it other pauses hold already."
    said = already if held.already else ""
    if not held.districts:
        return f"It would hold no night that is still to come.{said}"
    each = f"{held.fewest:,}" if held.fewest == held.most else f"{held.fewest:,} to {held.most:,}"
    nights = f"{each} night{'s' if held.most != 1 else ''}"
    districts = whose or f"{held.districts:,} district{'s' if held.districts != 1 else ''}"
    when = f" in {year}" if year is not None else ""
    return f"It would hold {nights} of {districts}{when}.{said}"


def expected_in_words(kinds: Iterable[Kind], percent: int, nights: int, whose: str) -> str:
    """Say what an expected change would let through."""
    many = f"{nights:,} night{'s' if nights != 1 else ''}"
    return (
        f"In {many} of {whose} up to {percent}% of {listed(MANY[kind] for kind in kinds)} would pass. "
        "It raises a limit and never lowers one."
    )


def done_summary(night: NightShown) -> str:
    """Give what a night did: '+12 students, 3 left, 41 classes changed'."""
    parts = []
    for kind in ("schools", "teachers", "students", "classes"):
        counts = night.counts.get(kind)
        if counts is None:
            continue
        if counts.created:
            parts.append(f"+{counted_in_words(counts.created, kind)}")
        if counts.removed:
            parts.append(f"{counted_in_words(counts.removed, kind)} left")
        if counts.updated:
            parts.append(f"{counted_in_words(counts.updated, kind)} changed")
    return ", ".join(parts) or "nothing changed"


def row_text(row: BoardRow) -> str:
    """Give what a row of the board says."""
    if row.state == "done" and row.night is not None and row.night.outcome == "applied":
        return done_summary(row.night)
    if row.state == "to come" and row.night is not None and row.night.ended_at is not None:
        return f"last time: {row.text}"
    return row.text


def difference_text(difference: Difference) -> str:
    """Give '+14 new students' or 'no longer: 3 removed classes' of a comparison with the set held before."""
    word = {"created": "new", "updated": "changed", "removed": "leaving"}[difference.op]
    kind: RecordKind = difference.kind
    parts = []
    if difference.only_here:
        parts.append(f"{difference.only_here:,} more {word} {MANY[kind]}")
    if difference.only_before:
        parts.append(f"{difference.only_before:,} {word} {MANY[kind]} no longer")
    return ", ".join(parts)


def name_of(change: ChangeShown) -> str:
    """Give what a change's record is called: a school's or class's name; a person's, where names are shown."""
    if change.title:
        return change.title
    field = next((field for field in change.fields if field.field == "display_name"), None)
    return str((field and (field.after or field.before)) or change.id)


def what_differs(change: ChangeShown) -> str:
    """Give what an update changes, short ('grade 5 → 6, 2 come'); of a class that comes or leaves, its size."""
    if change.op != "updated":
        return f"{len(change.joining) + len(change.leaving):,} places" if change.kind == "classes" else ""
    parts = []
    for field in change.fields:
        if not field.changed or field.field in {"students", "teachers"}:
            continue
        word = FIELD_WORDS.get(field.field, field.field)
        lists = isinstance(field.before, list | tuple) or isinstance(field.after, list | tuple)
        same = field.before == field.after  # both hidden
        parts.append(
            f"{word} changes" if lists or same else f"{word} {field.before or 'none'} → {field.after or 'none'}"
        )
    if change.joining:
        parts.append(f"{len(change.joining):,} {'comes' if len(change.joining) == 1 else 'come'}")
    if change.leaving:
        parts.append(f"{len(change.leaving):,} {'leaves' if len(change.leaving) == 1 else 'leave'}")
    return ", ".join(parts)
