"""`rollcall doctor`: checks an installation, and says of each thing that is wrong what to do."""

from collections.abc import Iterator
from functools import partial

import typer
from pydantic import ValidationError
from rich.table import Table
from rich.text import Text

from services.cli.answer import AsJson, answer, output
from services.cli.checks import Check, attempted
from services.cli.database_checks import database_checks
from services.cli.failures import FAILED, failure_of
from services.cli.host_checks import host_checks
from services.cli.kafka_checks import kafka_checks
from services.cli.roster_checks import district_checks
from services.database.connect import connect
from services.installation import NothingRunningError, find_installation
from services.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("doctor", epilog="Example: rollcall doctor --json")(doctor)


def doctor(as_json: AsJson = False) -> None:
    """Check this installation: machine, settings, Kafka, PostgreSQL, workers, and every district's roster.

    Exit status 1 where a check fails.
    """
    found = list(_checks())
    ok = all(check.ok for check in found)
    if as_json:
        answer({"ok": ok, "checks": [{"name": c.name, "ok": c.ok, "text": c.text} for c in found]})
    else:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for check in found:
            table.add_row(Text("ok" if check.ok else "WRONG", style="" if check.ok else "red"), check.name, check.text)
        output.print(table)
        output.print("All is well." if ok else "What is WRONG above says what to do.")
    if not ok:
        raise typer.Exit(FAILED)


def _checks() -> Iterator[Check]:
    try:
        settings = Settings()
    except ValidationError as error:
        failure = failure_of(error)
        yield Check("settings", ok=False, text=failure.text if failure else str(error))
        return
    yield Check("settings", ok=True, text="every ROLLCALL_ variable that is set can be used")
    yield from host_checks(settings.home)
    try:
        installation = find_installation(settings)
    except NothingRunningError as error:
        yield Check("installation", ok=False, text=str(error))
        return
    yield from attempted("kafka", partial(kafka_checks, installation.kafka, settings.topic_prefix))
    schema = attempted("postgresql", partial(database_checks, installation.database))
    yield from schema
    if all(check.ok for check in schema):
        with connect(installation.database, "rollcall_operator") as connection:
            yield from attempted("districts", partial(district_checks, connection))
