"""`make run`: the whole stack on this machine, two sample districts rostered over three nights, then up until Ctrl-C.

Everything that is done to the districts is done by the `rollcall` command, and shown, so that it can be typed again.
"""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.local import stack
from deploy.local.errors import StackError
from deploy.sandbox.control import SandboxControl
from deploy.sandbox.samples import definitions, register
from schemas.events import KindCounts
from schemas.records import KINDS
from services.database.connect import connect
from services.district_rows import districts
from services.nights import Night, last_nights, night
from services.settings import Settings

NIGHTS = {
    1: "the first load of two districts that are being set up",
    2: "an ordinary night: some join, some leave, some change class",
    3: "a night on which most of it changes: held, looked at, approved",
}

HOME_ACCOUNT = "home@springfield.example"
"""An account from before any district came; the sandbox's identity provider knows its owner."""

screen = Console(highlight=False, soft_wrap=True)


class CommandFailedError(Exception):
    """A command of the demonstration failed; the text is what it said."""


def main() -> None:
    """Bring the stack up, play the nights where they have not been played, stay until Ctrl-C."""
    settings = Settings()
    try:
        with stack.session(settings, lambda sentence: screen.print(f"  {sentence}", style="dim")) as started:
            record = started.record
            if record.kafka is None or record.database is None or record.sandbox is None:
                raise StackError("the stack is up without its Kafka, its database or its sandbox")  # noqa: TRY301
            with connect(record.database, "rollcall_operator") as connection:
                known = {district.district for district in districts(connection)}
            samples = [definition.district for definition in definitions()]
            if not known.issuperset(samples):
                _register(settings, record.sandbox)
            to_play = _nights_to_play(record.database, samples)
            with SandboxControl(record.sandbox) as sandbox:
                for number in to_play:
                    _play(number, samples, sandbox, record.database)
            if not to_play:
                _show_last_nights(record.database)
            _what_next(settings, record.kafka, record.sandbox)
            if record.desk is not None:
                _open_desk(settings, record.desk)
            if record.activation is not None:
                _open_pages(record.activation)
            started.watch(screen.print)
        sys.exit(f"the stack ended by itself; see {settings.home / 'logs'}")
    except KeyboardInterrupt:
        screen.print("Stopped. Everything is kept; `make run` goes on from there.")
    except (StackError, CommandFailedError) as error:
        sys.exit(f"rollcall: {error}")


def _register(settings: Settings, sandbox: str) -> None:
    _rollcall("pause", "holidays", "off")  # so that nights are the same on every day of the year
    for definition in definitions():
        district = register(definition, sandbox, settings.home / "sandbox" / "credentials")
        arguments = ["district", "add", district.district, "--name", district.name, "--provider", district.provider]
        arguments += ["--url", district.url, "--credentials", str(district.credentials_file)]
        arguments += ["--contact", str(district.contact), "--setting-up"]
        if district.tenant_id is not None:
            arguments += ["--tenant-id", district.tenant_id]
        _rollcall(*arguments)


def _nights_to_play(database: str, samples: list[str]) -> list[int]:
    """Give the nights that the sample districts have not had, so that a start that was cut off is taken up again."""
    with connect(database, "rollcall_operator") as connection:
        rows = connection.execute(
            "SELECT roster_version FROM rosters WHERE district = ANY(%s) ORDER BY roster_version", (samples,)
        ).fetchall()
    return list(range(rows[0][0] + 1, len(NIGHTS) + 1))


def _play(number: int, samples: list[str], sandbox: SandboxControl, database: str) -> None:
    screen.rule(f"Night {number}: {NIGHTS[number]}", align="left")
    for district in samples:
        sandbox.set_night(district, number)
    answer = _rollcall("sync", *samples, "--wait", expected=(0, 3))
    syncs = answer["syncs"]
    for sync in syncs:
        if sync["outcome"] == "held":
            for reason in sync["reasons"]:
                screen.print(f"  {sync['district']} is held: {reason['text']}")
            _rollcall(
                *("held", "approve", sync["change_set"], "--reviewer", "you"),
                *("--reason", "the district has told us of it", "--wait"),
            )
    with connect(database, "rollcall_operator") as connection:
        nights = [night(connection, sync["sync_id"]) for sync in syncs]
    for played in nights:
        if played is not None:
            screen.print(_summary(played))
            screen.print()


def _show_last_nights(database: str) -> None:
    screen.rule("What was kept: each district's last night", align="left")
    with connect(database, "rollcall_operator") as connection:
        for last in last_nights(connection):
            screen.print(_summary(last))
            screen.print()


def _summary(night_: Night) -> Table:
    """Give what a night did to a district, a line a kind."""
    took = (night_.finished_at - night_.requested_at).total_seconds() if night_.finished_at else 0.0
    table = Table(
        title=f"{night_.district}: {night_.state}, {took:.1f} s",
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, 3, 0, 0),
    )
    table.add_column("")
    for heading in ("now", "+ created", "~ updated", "- removed"):
        table.add_column(heading, justify="right")
    for kind in KINDS:
        counts = KindCounts.model_validate((night_.counts or {}).get(kind, {}))
        numbers = (counts.after, counts.created, counts.updated, counts.removed)
        table.add_row(kind, *(f"{number:,}" for number in numbers))
    found = ", ".join(f"{code} {number}" for code, number in sorted(night_.defects.items(), key=lambda d: -d[1]))
    table.caption = f"defects found: {found or 'none'}"
    table.caption_justify = "left"
    return table


def _what_next(settings: Settings, kafka: str, sandbox: str) -> None:
    rollcall = os.path.relpath(Path(sys.executable).parent / "rollcall")
    home = "" if "home" not in settings.model_fields_set else f"ROLLCALL_HOME={settings.home} "
    screen.rule("Everything is up", align="left")
    screen.print(f"  Kafka {kafka}, sandbox providers {sandbox}/control, logs {settings.home / 'logs'}")
    screen.print(f"  Mail to contacts and operators is caught, not delivered: {sandbox}/mail")
    screen.print("  In another terminal you may try:")
    for command, does in (
        ("status", "where everything listens, how far each worker is, each district's last night"),
        ("plan springfield", "what tonight would do, without doing it"),
        ("sync springfield --wait", "a night now"),
        ("held list", "what waits for a person"),
        ("subscribe --from-start", "every update as a line of JSON"),
        ("doctor", "whether all is well"),
    ):
        screen.print(f"    {home}{rollcall} {command:<26} {does}")
    screen.print(
        f"  Let a night pass at a provider: curl -X POST {sandbox}/control/springfield -d '{{\"advance\": 1}}'"
    )
    screen.print("  Ctrl-C stops everything and keeps its state.")


def _open_desk(settings: Settings, desk: str) -> None:
    """Let the person at this machine sign in at the desk, with a password made for this sandbox and kept with it."""
    path = settings.home / "sandbox" / "desk-password"
    is_new = not path.exists()
    if is_new:
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(12), encoding="utf-8")
    password = path.read_text(encoding="utf-8")
    given = ("desk", "add-reviewer", "you@example.org", "--name", "You", "--role", "operator", "--password-stdin")
    if is_new or all(one["email"] != "you@example.org" for one in _rollcall("desk", "list")["reviewers"]):
        _rollcall(*given, typed=password)
    screen.print(f"  The review desk: {desk}, sign in as you@example.org with {password} (this sandbox's alone)")


def _open_pages(address: str) -> None:
    """Say how to sign in as somebody of a sample district, and have an account there that a newcomer can log in to."""
    if not _rollcall("account", "show", HOME_ACCOUNT, expected=(0, 1)).get("account_id"):
        _rollcall("account", "add", HOME_ACCOUNT, "--display-name", "A newcomer from home")
    screen.print(f"  Sign-in, activation, classes: {address}/sign-in")
    for way, does in (
        ("as a teacher", "choose a district; the sandbox's Clever or ClassLink lists people, teachers first"),
        ("as a new student", "the same with a student, in a private window: the provider remembers who you are"),
        ("who has an account", f"say yes when asked, log in with Sandbox Identity, choose {HOME_ACCOUNT}"),
    ):
        screen.print(f"    {way:<19} {does}")


def _rollcall(*arguments: str, expected: tuple[int, ...] = (0,), typed: str | None = None) -> dict[str, Any]:
    """Run the command as a person would, show it, and give its answer. Raises CommandFailedError."""
    shown = " ".join(f'"{argument}"' if " " in argument else argument for argument in arguments)
    screen.print(f"$ rollcall {shown}", style="bold")
    command = [str(Path(sys.executable).parent / "rollcall"), *arguments, "--json"]
    done = subprocess.run(  # noqa: S603 - our own command
        command, stdout=subprocess.PIPE, input=typed, text=True, check=False
    )
    if done.returncode not in expected:
        raise CommandFailedError(f"`rollcall {shown}` ended with {done.returncode}: {done.stdout.strip()}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


if __name__ == "__main__":
    main()
