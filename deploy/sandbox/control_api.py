"""How a sandbox is told what to play: districts, nights, faults, and the truth to compare with."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deploy.sandbox.defects import usual_defects
from deploy.sandbox.district import DistrictDefinition, NightKind
from deploy.sandbox.faults import Fault
from deploy.sandbox.nights import kind_of
from deploy.sandbox.registry import Registry, SandboxEntry, UnknownDistrictError
from deploy.sandbox.truth import truth
from services.districts import ProviderName
from services.ingest.defects import DefectCode


class NewDistrict(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A district to create: with its provider's usual `defects` and its terms around today, unless given others."""

    district: str
    provider: ProviderName
    students: int
    name: str | None = None
    seed: int = 1
    script: tuple[NightKind, ...] = ("first",)
    defects: tuple[DefectCode, ...] | None = None
    anchor: date | None = None
    requests_per_minute: int = 1200


class Command(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to do with a district; what is left out stays. `advance` goes on by so many nights."""

    night: int | None = None
    advance: int | None = None
    add_faults: list[Fault] = []
    clear_faults: bool = False
    rotate_credentials: bool = False
    reset_requests: bool = False


class DistrictState(msgspec.Struct):
    """How a district stands: its night and what kind it is, its faults, requests answered by collection."""

    definition: DistrictDefinition
    night: int
    kind: NightKind
    faults: list[Fault]
    requests: dict[str, int]


def routes(registry: Registry) -> list[Route]:
    """Give the routes below /control; `GET /control` answers as soon as the sandbox can be used."""
    control = _Control(registry)
    return [
        Route("/", control.overview),
        Route("/control", control.overview),
        Route("/control/districts", _said(control.create), methods=["POST"]),
        Route("/control/{district}", _said(control.show), methods=["GET"]),
        Route("/control/{district}", _said(control.command), methods=["POST"]),
        Route("/control/{district}/truth", _said(control.truth), methods=["GET"]),
    ]


class _Control:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def overview(self, request: Request) -> Response:
        return _json({"districts": [_state(entry) for entry in self._registry]})

    async def create(self, request: Request) -> Response:
        wanted = msgspec.json.decode(await request.body(), type=NewDistrict)
        definition = DistrictDefinition(
            district=wanted.district,
            name=wanted.name or f"{wanted.district.replace('-', ' ').title()} Unified School District",
            provider=wanted.provider,
            students=wanted.students,
            seed=wanted.seed,
            anchor=wanted.anchor or datetime.now(UTC).date(),
            script=wanted.script,
            defects=usual_defects(wanted.provider) if wanted.defects is None else wanted.defects,
            requests_per_minute=wanted.requests_per_minute,
        )
        return _json(_state(self._registry.create(definition)), 201)

    async def show(self, request: Request) -> Response:
        return _json(_state(self._entry(request)))

    async def command(self, request: Request) -> Response:
        entry = self._entry(request)
        command = msgspec.json.decode(await request.body(), type=Command)
        if command.clear_faults:
            entry.faults.clear()
        for fault in command.add_faults:
            entry.faults.add(fault)
        if command.rotate_credentials:
            entry.generation += 1
            entry.issued_tokens.clear()
        if command.reset_requests:
            entry.requests.clear()
        if command.night is not None:
            entry.set_night(command.night)
        if command.advance is not None:
            entry.set_night(entry.night + command.advance)
        self._registry.save()
        return _json(_state(entry))

    async def truth(self, request: Request) -> Response:
        entry, query = self._entry(request), request.query_params
        night = int(query.get("night", str(entry.night)))
        against = int(query["against"]) if "against" in query else None
        today = date.fromisoformat(query["today"]) if "today" in query else datetime.now(UTC).date()
        return _json(await asyncio.to_thread(truth, entry.definition, night, today, against))

    def _entry(self, request: Request) -> SandboxEntry:
        return self._registry.find(request.path_params["district"])


def _state(entry: SandboxEntry) -> DistrictState:
    return DistrictState(
        definition=entry.definition,
        night=entry.night,
        kind=kind_of(entry.definition, entry.night),
        faults=entry.faults.faults,
        requests=dict(entry.requests),
    )


def _said(handle: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Answer mistakes in a request with a sentence instead of a 500."""

    async def answer(request: Request) -> Response:
        try:
            return await handle(request)
        except UnknownDistrictError as error:
            return _json({"error": str(error)}, 404)
        except (msgspec.DecodeError, ValueError) as error:
            return _json({"error": str(error)}, 400)

    return answer


def _json(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")
