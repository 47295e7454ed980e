"""The page on which somebody is chosen to sign in as, at one of the sandbox's sign-in servers."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from deploy.sandbox.nights import play
from deploy.sandbox.registry import Registry, SandboxEntry
from deploy.sandbox.roster import Roster
from deploy.sandbox.truth import records
from schemas.records import Class, Record, Student, Teacher
from services.districts import ProviderName

_SHOWN = 4
_templates = Environment(loader=PackageLoader("deploy.sandbox", "sign_in_templates"), autoescape=select_autoescape())


@dataclass(frozen=True, slots=True)
class Choice:
    """Somebody to sign in as: `who` goes into `as`, `about` says what is to be seen with them."""

    who: str
    name: str
    about: str


class SignInPeople:
    """Who can be chosen, by district and night; made when first asked for."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._made: dict[tuple[str, int], list[Choice]] = {}

    async def page(self, request: Request, server: str, provider: ProviderName) -> Response:
        """Show the people of this provider's districts; each is a link that signs in as them."""
        groups = []
        for entry in self._registry:
            if entry.definition.provider != provider:
                continue
            key = (entry.definition.district, entry.night)
            if key not in self._made:
                self._made[key] = await asyncio.to_thread(_choices, entry)
            groups.append((entry.definition.name, self._made[key]))
        return choose(request, server, groups)


def choose(request: Request, server: str, groups: Iterable[tuple[str, list[Choice]]]) -> Response:
    """Show people in groups; each is the address of this page with `as`."""
    given = dict(request.query_params)
    linked = [
        (title, [(f"?{urlencode({**given, 'as': choice.who})}", choice) for choice in choices])
        for title, choices in groups
    ]
    return HTMLResponse(_templates.get_template("choose.html").render(server=server, groups=linked))


def _choices(entry: SandboxEntry) -> list[Choice]:
    """Choose a few teachers and students of each sort that a sign-in can meet."""
    district = entry.definition.district
    roster = Roster(play(entry.definition, entry.night))
    everybody: list[Record] = list(records(roster, datetime.now(UTC).date()))
    classes = [record for record in everybody if isinstance(record, Class)]
    students_with_class = {person for each in classes for person in each.students}
    teachers_with_class = {person for each in classes for person in each.teachers}
    teachers = [each for each in everybody if isinstance(each, Teacher) and each.id in teachers_with_class]
    students = [each for each in everybody if isinstance(each, Student)]
    placed = [each for each in students if each.id in students_with_class]
    chosen: list[tuple[Teacher | Student, str]] = [
        *((each, "teaches here") for each in teachers[:_SHOWN]),
        *((each, "is under 13") for each in [one for one in placed if _under_13(one) is True][:_SHOWN]),
        *((each, "is 13 or older") for each in [one for one in placed if _under_13(one) is False][:_SHOWN]),
        *((each, "has no date of birth") for each in [one for one in placed if _under_13(one) is None][:_SHOWN]),
        *((each, "is in no class") for each in [one for one in students if one.id not in students_with_class][:1]),
    ]
    found = [
        Choice(
            f"{district}/{'teachers' if isinstance(each, Teacher) else 'students'}/{each.id}", each.display_name, about
        )
        for each, about in chosen
    ]
    found.append(Choice(f"{district}/students/0000unknown0000", "Somebody Else", "is not on the district's list"))
    if entry.definition.provider == "classlink":
        found.append(Choice(f"{district}/students/", "Nobody Known", "has an empty SourcedId"))
    return found


def _under_13(student: Student) -> bool | None:
    if student.birth_date is None:
        return None
    today, born = datetime.now(UTC).date(), date.fromisoformat(student.birth_date)
    return (today.year - born.year) - ((today.month, today.day) < (born.month, born.day)) < 13
