"""`rollcall sync`: a night now."""

import uuid
from typing import Annotated, Any

import psycopg
import typer

from schemas.events import SyncRequested
from services.cli.answer import AsJson, answer, output, progress
from services.cli.change_table import counts_table, defect_lines, reason_lines
from services.cli.failures import CommandError
from services.cli.night_answer import exit_status, night_answer
from services.cli.night_watch import NightProgress, NightWatch
from services.cli.operator_session import operator_session
from services.clock import now
from services.districts import District
from services.nights import Night, request_sync


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("sync", epilog="Example: rollcall sync springfield lakeside --wait")(sync)


def sync(
    district_ids: Annotated[list[str], typer.Argument(metavar="DISTRICT…", help="The districts' ids.")],
    wait: Annotated[bool, typer.Option("--wait", help="Show how far they are, and answer how they ended.")] = False,
    as_json: AsJson = False,
) -> None:
    """Roster districts now, as their night would.

    Exit status with --wait: 0 applied or unchanged, 1 failed, 3 held. With --json one district answers with its
    object, several with {"syncs": [...]}.
    """
    with operator_session() as session:
        found = [session.district(district_id) for district_id in dict.fromkeys(district_ids)]
        for district in found:
            refuse_other_plans(district)
        watch = NightWatch(session.connection)
        sync_ids = [_request(session.connection, district) for district in found]
        if not wait:
            _tell_requested(found, sync_ids, as_json=as_json)
            return
        with NightProgress(progress) as shown:
            nights = watch.until_ended(sync_ids, shown)
        answers = [night_answer(night, current_version(session.connection, night.district)) for night in nights]
    if as_json:
        answer(answers[0] if len(answers) == 1 else {"syncs": answers})
    else:
        for night, answered in zip(nights, answers, strict=True):
            print_night(answered, night, session.settings.limit_percent)
    raise typer.Exit(exit_status(answers))


def refuse_other_plans(district: District) -> None:
    """Raise CommandError 'plan' for a district that is not on the districts plan (DESIGN, "Who")."""
    if district.plan != "districts":
        raise CommandError(
            "plan",
            f"district {district.district} is on the Enterprise Starter plan, which has no rostering; when it has "
            f"moved to the districts plan, say so with `rollcall district update {district.district} --plan districts`",
        )


def current_version(connection: psycopg.Connection[Any], district_id: str) -> int | None:
    """Give the roster version that the district is at, or None where it is no longer registered."""
    row = connection.execute("SELECT roster_version FROM rosters WHERE district = %s", (district_id,)).fetchone()
    return row[0] if row else None


def print_night(answered: dict[str, Any], night: Night | None, limit_percent: int) -> None:
    """Show people how a night ended."""
    seconds = ""
    if night is not None and night.finished_at is not None:
        seconds = f", {(night.finished_at - night.requested_at).total_seconds():.1f} s"
    output.print(f"{answered['district']}: {answered['outcome']}, roster version {answered['roster_version']}{seconds}")
    if "failure" in answered:
        output.print(f"  {answered['failure']['code']}: {answered['failure']['text']}")
    for line in reason_lines(answered["reasons"]):
        output.print(line)
    if answered["counts"]:
        output.print(counts_table(answered["counts"], limit_percent))
    if lines := defect_lines(answered["defects"]):
        output.print("Defects in the provider's data:")
        for line in lines:
            output.print(line)
    if answered["outcome"] == "held":
        output.print(
            f"Review it with `rollcall held show {answered['change_set'][:12]}`, then `rollcall held approve` or "
            "`rollcall held reject`."
        )


def _request(connection: psycopg.Connection[Any], district: District) -> str:
    request = SyncRequested(district=district.district, sync_id=uuid.uuid4().hex, reason="by hand", requested_at=now())
    request_sync(connection, request, "/rollcall/command-line")
    return request.sync_id


def _tell_requested(found: list[District], sync_ids: list[str], *, as_json: bool) -> None:
    requested: list[dict[str, Any]] = [
        {"district": district.district, "sync_id": sync_id, "outcome": "requested"}
        for district, sync_id in zip(found, sync_ids, strict=True)
    ]
    if as_json:
        answer(requested[0] if len(requested) == 1 else {"syncs": requested})
        return
    for one in requested:
        output.print(f"{one['district']}: asked for ({one['sync_id']})")
