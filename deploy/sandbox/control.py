"""The client of a sandbox's control API, for tests and the demonstration."""

from collections.abc import Iterator
from datetime import date
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from deploy.sandbox.control_api import Command, DistrictState, NewDistrict
from deploy.sandbox.faults import Fault
from deploy.sandbox.nights import play
from deploy.sandbox.roster import Roster
from deploy.sandbox.truth import Truth, records
from schemas.records import Record


class SandboxError(Exception):
    """The sandbox refused a command; the text is its own."""


class SandboxControl:
    """Tells a running sandbox what to play. Use it as a context manager, or close it."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._http = httpx.Client(base_url=self.base_url, timeout=120)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def districts(self) -> list[DistrictState]:
        """Give all districts as they stand."""
        answer = msgspec.json.decode(self._get("/control"), type=dict[str, list[DistrictState]])
        return answer["districts"]

    def state(self, district: str) -> DistrictState:
        """Give one district as it stands."""
        return msgspec.json.decode(self._get(f"/control/{district}"), type=DistrictState)

    def create_district(self, new: NewDistrict) -> DistrictState:
        """Create a district at night 1, or begin it anew."""
        return self._post("/control/districts", new)

    def set_night(self, district: str, night: int) -> DistrictState:
        """Go to a night, earlier or later."""
        return self._post(f"/control/{district}", Command(night=night))

    def advance(self, district: str, nights: int = 1) -> DistrictState:
        """Let nights pass."""
        return self._post(f"/control/{district}", Command(advance=nights))

    def add_fault(self, district: str, fault: Fault) -> DistrictState:
        """Misbehave from now on."""
        return self._post(f"/control/{district}", Command(add_faults=[fault]))

    def clear_faults(self, district: str) -> DistrictState:
        """Behave again."""
        return self._post(f"/control/{district}", Command(clear_faults=True))

    def rotate_credentials(self, district: str) -> DistrictState:
        """Replace the district's tokens; the old ones give 401."""
        return self._post(f"/control/{district}", Command(rotate_credentials=True))

    def reset_requests(self, district: str) -> DistrictState:
        """Count requests from nothing again."""
        return self._post(f"/control/{district}", Command(reset_requests=True))

    def truth(
        self, district: str, night: int | None = None, *, today: date | None = None, against: int | None = None
    ) -> Truth:
        """Tell what must stand in the accounts database after a night (the present one if not given).

        `against` names the night that is applied now, 0 for none; without it that is the night before.
        """
        given = {"night": night, "against": against, "today": today and today.isoformat()}
        params = {name: value for name, value in given.items() if value is not None}
        return msgspec.json.decode(self._get(f"/control/{district}/truth", params), type=Truth)

    def records(self, district: str, night: int | None = None, *, today: date) -> Iterator[Record]:
        """Give every record that must stand there; computed here, from the district's definition."""
        state = self.state(district)
        return records(Roster(play(state.definition, night or state.night)), today)

    def _get(self, path: str, params: dict[str, Any] | None = None) -> bytes:
        return _accepted(self._http.get(path, params=params))

    def _post(self, path: str, content: NewDistrict | Command) -> DistrictState:
        body = _accepted(self._http.post(path, content=msgspec.json.encode(content)))
        return msgspec.json.decode(body, type=DistrictState)


def _accepted(response: httpx.Response) -> bytes:
    if response.is_success:
        return response.content
    raise SandboxError(f"the sandbox answered {response.status_code}: {response.text}")
