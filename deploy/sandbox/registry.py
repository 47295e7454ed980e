"""The sandbox's districts: which there are, at which night each is, how it misbehaves; kept in one JSON file."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from deploy.sandbox.clever_rows import CleverRows
from deploy.sandbox.collection import Collection
from deploy.sandbox.defects import check_defects
from deploy.sandbox.district import DistrictDefinition
from deploy.sandbox.faults import Fault, Faults
from deploy.sandbox.nights import play
from deploy.sandbox.oneroster_rows import OneRosterRows
from deploy.sandbox.roster import Roster

CACHED_BYTES = 128 * 1024 * 1024
"""How much of the pages of one district's night is kept encoded."""


class UnknownDistrictError(LookupError):
    """The sandbox has no such district."""


class _Saved(msgspec.Struct):
    definition: DistrictDefinition
    night: int
    faults: list[Fault]
    generation: int


class SandboxEntry:
    """One district as it is served now. What a night is made of is built when first asked for."""

    def __init__(self, saved: _Saved) -> None:
        self.definition = saved.definition
        self.night = saved.night
        self.faults = Faults(saved.faults)
        self.generation = saved.generation
        self.requests: Counter[str] = Counter()
        self.issued_tokens: set[str] = set()
        self.nonces: set[str] = set()
        self.window = (0, 0)
        self._building = asyncio.Lock()
        self._roster: Roster | None = None
        self._forms: dict[str, dict[str, Collection]] = {}
        self._pages: dict[tuple[Collection, int, int], bytes] = {}
        self._cached = 0

    def saved(self) -> _Saved:
        """Give what a restart must know."""
        return _Saved(self.definition, self.night, self.faults.faults, self.generation)

    def set_night(self, night: int) -> None:
        """Go to this night, earlier or later."""
        if night < 1:
            raise ValueError(f"nights count from 1; {night} is none")
        if self._roster is not None and night < self.night:
            self._roster = None
        self.night = night
        self._forms.clear()
        self._pages.clear()
        self._cached = 0

    async def collections(self, form: str) -> dict[str, Collection]:
        """Give tonight's collections in a form: `v3.0` or `v3.1` of Clever, `v1p1` or `v1p2` of OneRoster."""
        async with self._building:
            if form not in self._forms:
                self._forms[form] = await asyncio.to_thread(self._build, form)
            return self._forms[form]

    def _build(self, form: str) -> dict[str, Collection]:
        before = self._roster
        if before is None or before.district.night != self.night:
            self._roster = Roster(play(self.definition, self.night, before.district if before else None))
        roster = self._roster
        assert roster is not None
        if form in {"v3.0", "v3.1"}:
            return CleverRows(roster, form).collections()
        text_booleans = self.definition.provider == "classlink"
        return OneRosterRows(roster, "v1p2" if form == "v1p2" else "v1p1", text_booleans=text_booleans).collections()

    def page(self, collection: Collection, start: int, stop: int, encode: Callable[[], bytes]) -> bytes:
        """Give a page's rows as a JSON array, encoded at most once a night as long as there is room."""
        key = (collection, start, stop)
        body = self._pages.get(key)
        if body is None:
            body = encode()
            if self._cached + len(body) <= CACHED_BYTES:
                self._pages[key] = body
                self._cached += len(body)
        return body


class Registry:
    """All districts of one sandbox. Every change is in the state file before it is answered."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "districts.json"
        folder.mkdir(parents=True, exist_ok=True)
        saved = msgspec.json.decode(self._file.read_bytes(), type=list[_Saved]) if self._file.exists() else []
        self._entries = {each.definition.district: SandboxEntry(each) for each in saved}

    def __iter__(self) -> Iterator[SandboxEntry]:
        return iter(self._entries.values())

    def __contains__(self, district: object) -> bool:
        return district in self._entries

    def find(self, district: str) -> SandboxEntry:
        """Give a district's entry, or raise UnknownDistrictError."""
        try:
            return self._entries[district]
        except KeyError:
            known = ", ".join(self._entries) or "none yet"
            raise UnknownDistrictError(f"the sandbox has no district {district}; it has {known}") from None

    def create(self, definition: DistrictDefinition) -> SandboxEntry:
        """Add a district at night 1, or begin it anew. Raises ValueError for defects that it cannot have."""
        check_defects(definition)
        entry = SandboxEntry(_Saved(definition, 1, [], 0))
        self._entries[definition.district] = entry
        self.save()
        return entry

    def save(self) -> None:
        """Write the state file, whole or not at all."""
        written = self._file.with_suffix(".new")
        written.write_bytes(msgspec.json.format(msgspec.json.encode([each.saved() for each in self]), indent=2))
        written.replace(self._file)
