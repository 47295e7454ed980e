"""`rollcall up`, `down` and `status`: the local stack."""

from datetime import datetime
from typing import Annotated, Any

import typer
from psycopg import conninfo
from rich.table import Table

from deploy.local import record, stack
from deploy.local.errors import StackError
from deploy.local.record import StackRecord
from services.cli.answer import AsJson, answer, output, progress
from services.cli.failures import CommandError
from services.cli.stage_table import stage_table, stages_told, told_by_district
from services.database.connect import connect
from services.installation import Installation, NothingRunningError, find_installation
from services.lag import consumer_lag
from services.night_stages import night_stages
from services.nights import last_nights
from services.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("up", epilog="Example: rollcall up --detach")(up)
    app.command("down", epilog="Example: rollcall down")(down)
    app.command("status", epilog="Example: rollcall status --json")(status)


def up(
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when everything answers; `rollcall down` stops it.")
    ] = False,
    no_sandbox: Annotated[bool, typer.Option("--no-sandbox", help="Leave out the sandbox providers.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start Kafka, PostgreSQL, topics, migrations, all workers and the sandbox providers.

    Uses ROLLCALL_KAFKA and ROLLCALL_DATABASE where they are set. State is kept under ROLLCALL_HOME. Without --detach it
    stays until Ctrl-C and leaves no process behind.
    """
    settings = Settings()
    already = record.running(settings.home)
    if already is not None:
        progress.print(f"The local stack of {settings.home} is already running; `rollcall down` stops it.")
        _show_stack(settings, already, as_json=as_json)
        return
    try:
        if detach:
            started = stack.start(settings, progress.print, sandbox=not no_sandbox, detach=True)
            _show_stack(settings, started.record, as_json=as_json)
            return
        with stack.session(settings, progress.print, sandbox=not no_sandbox) as started:
            _show_stack(settings, started.record, as_json=as_json)
            progress.print("Ctrl-C stops everything.")
            started.watch(progress.print)
    except KeyboardInterrupt:
        pass  # Ctrl-C, the usual way to stop it
    except StackError as error:
        raise CommandError("stack", str(error)) from error
    progress.print("Stopped. What was in it is kept; `rollcall up` goes on from there.")


def down(as_json: AsJson = False) -> None:
    """Stop the local stack; its state is kept."""
    settings = Settings()
    stopped = stack.stop(settings.home)
    if as_json:
        answer({"home": str(settings.home), "stopped": stopped})
    else:
        output.print("Stopped." if stopped else f"No local stack runs in {settings.home}.")


def status(as_json: AsJson = False) -> None:
    """Show where everything listens, the workers, how far each is behind, each stage's speed in the nights that run and
    the last one, and the last night of each district.
    """
    settings = Settings()
    running = record.running(settings.home)
    installation = find_installation(settings) if running else _configured(settings)
    report = {
        **_described(settings, running, installation),
        "lag": consumer_lag(installation.kafka, settings.topic_prefix),
        **_nights(installation.database),
    }
    if as_json:
        answer(report)
    else:
        _print_status(report)


def _configured(settings: Settings) -> Installation:
    """Give the configured addresses; a record that a killed stack left behind says nothing about now."""
    if settings.kafka is None or settings.database is None:
        raise NothingRunningError(
            f"no local stack runs in {settings.home}; start one with `rollcall up`, or set ROLLCALL_KAFKA and "
            "ROLLCALL_DATABASE to your own"
        )
    return find_installation(settings)


def _show_stack(settings: Settings, running: StackRecord, as_json: bool) -> None:
    installation = Installation(running.kafka or "", running.database or "")
    described = _described(settings, running, installation)
    if as_json:
        answer(described)
    else:
        _print_addresses(described)


def _described(settings: Settings, running: StackRecord | None, installation: Installation) -> dict[str, Any]:
    return {
        "home": str(settings.home),
        "state": running.state if running else "not local",
        "pid": running.pid if running else None,
        "kafka": installation.kafka or None,
        "database": _without_password(installation.database) if installation.database else None,
        "sandbox": running.sandbox if running else None,
        "desk": running.desk if running else None,
        "activation": running.activation if running else None,
        "processes": [
            {"name": process.name, "pid": process.pid, "up": process.pid is not None}
            | {"restarts": process.restarts, "log": process.log}
            for process in (running.processes if running else [])
        ],
    }


def _without_password(database: str) -> str:
    parts = conninfo.conninfo_to_dict(database)
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def _nights(database: str) -> dict[str, Any]:
    with connect(database, "rollcall_operator") as connection:
        nights, stages = last_nights(connection), night_stages(connection)
    of_districts = told_by_district(nights, stages)
    return {
        "stages": stages_told(nights, stages),
        "districts": [
            {
                "district": night.district,
                "state": night.state,
                "roster_version": night.roster_version,
                "requested_at": night.requested_at.isoformat(),
                "finished_at": night.finished_at.isoformat() if night.finished_at else None,
                "waited_seconds": _seconds(night.requested_at, night.pulling_at),
                "worked_seconds": _seconds(night.pulling_at, night.finished_at),
                "stages": of_districts.get(night.district, []),
            }
            for night in nights
        ],
    }


def _seconds(begun: datetime | None, ended: datetime | None) -> float | None:
    return round((ended - begun).total_seconds(), 1) if begun and ended else None


def _print_addresses(report: dict[str, Any]) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("Kafka", report["kafka"] or "starting")
    table.add_row("PostgreSQL", report["database"] or "starting")
    table.add_row("sandbox providers", report["sandbox"] or "left out")
    if report["desk"]:
        table.add_row("review desk", report["desk"])
    if report["activation"]:
        table.add_row("sign-in and classes", report["activation"])
    table.add_row("state and logs", report["home"])
    output.print(table)


def _print_status(report: dict[str, Any]) -> None:
    _print_addresses(report)
    if report["processes"]:
        table = Table("process", "up", "restarts", "waiting", "log", box=None, padding=(0, 2, 0, 0))
        for process in report["processes"]:
            waiting = report["lag"].get(process["name"], "")
            up_now = "yes" if process["up"] else "no"
            table.add_row(process["name"], up_now, str(process["restarts"]), str(waiting), process["log"])
        output.print(table)
    else:
        table = Table("worker", "waiting", box=None, padding=(0, 2, 0, 0))
        for worker, waiting in report["lag"].items():
            table.add_row(worker, str(waiting))
        output.print(table)
    if report["stages"]:
        output.print(stage_table(report["stages"]))
    table = Table(
        "district",
        "last night",
        "version",
        "asked for",
        "finished",
        "waited s",
        "took s",
        "slowest",
        box=None,
        padding=(0, 2, 0, 0),
    )
    for night in report["districts"]:
        version, finished = night["roster_version"], night["finished_at"]
        seconds = (night["waited_seconds"], night["worked_seconds"])
        table.add_row(
            night["district"],
            night["state"],
            str(version or ""),
            night["requested_at"],
            finished or "not yet",
            *("" if each is None else f"{each:,.1f}" for each in seconds),
            next((stage["stage"] for stage in night["stages"] if stage["slowest"]), ""),
        )
    output.print(table if report["districts"] else "No district has had a night yet.")
