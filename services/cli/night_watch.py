"""Waits for nights, told by the accounts database whenever one of them moves."""

from collections.abc import Iterable
from typing import Any, Self

import psycopg
from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner

from services.cli.night_answer import progress_line
from services.database.connect import listen
from services.nights import ENDED, Night, night

QUIET_SECONDS = 20.0
"""After so long without a movement whoever waits is told where to look."""


class NightProgress:
    """Shows how far nights are: live on a terminal, else a line for each movement."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines: dict[str, str] = {}
        self._live = Live(console=console, transient=True) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def moved(self, found: Night) -> None:
        """Show where the night is now."""
        line = f"{found.district}: {progress_line(found)}"
        if self._lines.get(found.district) == line:
            return
        self._lines[found.district] = line
        if self._live is not None:
            self._live.update(Group(*(Spinner("dots", text=text) for text in self._lines.values())), refresh=True)
        else:
            self._console.print(line)

    def quiet(self) -> None:
        """Say that nothing has moved for a while."""
        self._console.print(
            f"nothing has moved for {QUIET_SECONDS:.0f} s; `rollcall status` shows whether the workers are up. "
            "Waiting on."
        )


class NightWatch:
    """Hears of nights from the moment it is made, so that none that is asked for after that is missed."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        listen(connection, "nights")

    def until_ended(self, sync_ids: Iterable[str], progress: NightProgress) -> list[Night]:
        """Give the nights, in the order of their ids, once all have ended.

        In place of a night whose change set was stale comes the one that follows it.
        """
        asked = list(sync_ids)
        current = {sync_id: sync_id for sync_id in asked}
        ended: dict[str, Night] = {}
        while current:
            followed = False
            for first, sync_id in list(current.items()):
                found = night(self._connection, sync_id)
                if found is None:
                    continue
                progress.moved(found)
                if found.followed_by is not None:
                    current[first] = found.followed_by
                    followed = True
                elif found.state in ENDED:
                    ended[first] = found
                    del current[first]
            if current and not followed:
                self._hear(set(current.values()), progress)
        return [ended[sync_id] for sync_id in asked]

    def _hear(self, sync_ids: set[str], progress: NightProgress) -> None:
        """Return when one of these nights has moved, or after a while without any."""
        while True:
            heard = {told.payload for told in self._connection.notifies(timeout=QUIET_SECONDS, stop_after=1)}
            if not heard:
                progress.quiet()
            if not heard or heard & sync_ids:
                return
