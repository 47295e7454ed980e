"""`rollcall desk …`: who may sign in at the review desk, and in which role."""

import sys
from typing import Annotated

import typer
from rich.table import Table

from services.cli.answer import AsJson, answer, output
from services.cli.failures import CommandError, WrongUsageError
from services.cli.operator_session import operator_session
from services.guard.desk.web.reviewers import SHORTEST_PASSWORD, Role, put_reviewer, remove_reviewer, reviewers

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="What the reviewer signs in with.")]

commands = typer.Typer(
    help="Who may sign in at the review desk.",
    no_args_is_help=True,
    epilog="Example: rollcall desk list",
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(commands, name="desk")


@commands.command("add-reviewer", epilog="Example: rollcall desk add-reviewer ana@example.org --name Ana --role viewer")
def add_reviewer(
    email: Email,
    name: Annotated[str, typer.Option("--name", help="The reviewer's name.")],
    role: Annotated[
        Role, typer.Option("--role", help="A viewer only looks; a reviewer decides; an operator does both.")
    ] = "reviewer",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input; asked for otherwise.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let somebody sign in; given again, change their name, role and password, and end their sessions."""
    if password_stdin:
        password = sys.stdin.readline().rstrip("\n")
    else:
        asks = f"Password ({SHORTEST_PASSWORD} characters at least)"
        password = typer.prompt(asks, hide_input=True, confirmation_prompt=True, err=True)
    with operator_session() as session:
        try:
            put_reviewer(session.connection, email=email, name=name, role=role, password=password)
        except ValueError as error:
            raise WrongUsageError("reviewer", str(error)) from None
    if as_json:
        answer({"email": email.strip().lower(), "name": name, "role": role})
    else:
        output.print(f"{email.strip().lower()} may sign in as a {role}.")


@commands.command("list", epilog="Example: rollcall desk list --json")
def list_(as_json: AsJson = False) -> None:
    """Show who may sign in."""
    with operator_session() as session:
        found = reviewers(session.connection)
    if as_json:
        answer({"reviewers": [{"email": one.email, "name": one.name, "role": one.role} for one in found]})
        return
    if not found:
        output.print("Nobody may sign in yet; `rollcall desk add-reviewer --help` shows how.")
        return
    table = Table("email", "name", "role", box=None, padding=(0, 2, 0, 0))
    for one in found:
        table.add_row(one.email, one.name, one.role)
    output.print(table)


@commands.command("remove", epilog="Example: rollcall desk remove ana@example.org")
def remove(email: Email, as_json: AsJson = False) -> None:
    """Take the right to sign in away, at once; what was decided and looked at stays on record."""
    with operator_session() as session:
        if not remove_reviewer(session.connection, email):
            raise CommandError("unknown-reviewer", f"nobody signs in as {email!r}; `rollcall desk list` shows who does")
    if as_json:
        answer({"email": email.strip().lower(), "removed": True})
    else:
        output.print(f"{email.strip().lower()} may not sign in any more.")
