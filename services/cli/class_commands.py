"""`rollcall class …`: a synced class as its people see it, and who in it has activated, by their ids."""

from typing import Annotated, Any

import typer
from psycopg.rows import dict_row

from services.cli.answer import AsJson, answer, output
from services.cli.failures import CommandError
from services.cli.operator_session import OperatorSession, operator_session
from services.database.queries import Queries

QUERIES = Queries("services.cli", "classes.sql")

commands = typer.Typer(
    help="Synced classes.", no_args_is_help=True, epilog="Example: rollcall class show springfield 58da8c6a"
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(commands, name="class")


@commands.command("show", epilog="Example: rollcall class show springfield 58da8c6a --json")
def show(
    district: Annotated[str, typer.Argument(metavar="DISTRICT", help="The district's id.")],
    class_id: Annotated[str, typer.Argument(metavar="CLASS", help="The class's id at the district's provider.")],
    as_json: AsJson = False,
) -> None:
    """Show a synced class with its label, and how many of its students have activated."""
    with operator_session() as session:
        session.district(district)
        described = _described(session, district, class_id)
    if as_json:
        answer(described)
        return
    output.print(f"{described['name']}   {described['label']}")
    output.print(f"{described['students_activated']} of {described['students']} students activated")
    output.print(f"class {described['id']} of {district}, {described['school_name'] or described['school']}")
    output.print(f"known to the product as {described['class_id']}")
    for person in described["people"]:
        primary = ", primary" if person["is_primary"] else ""
        output.print(f"  {person['part']} {person['id']}: {person['state']}{primary}")


def _described(session: OperatorSession, district: str, class_id: str) -> dict[str, Any]:
    about = {"district": district, "class": class_id}
    with session.connection.transaction(), session.connection.cursor(row_factory=dict_row) as cursor:
        session.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        found = cursor.execute(QUERIES["class"], about).fetchone()
        if found is None:
            raise CommandError(
                "unknown-class",
                f"district {district!r} has no class {class_id!r} in its applied roster; the id is the one of its "
                "provider, as `rollcall subscribe` tells it",
            )
        return {
            **found,
            "class_id": str(found["class_id"]),
            "people": cursor.execute(QUERIES["people"], about).fetchall(),
        }
