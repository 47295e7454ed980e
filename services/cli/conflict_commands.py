"""`rollcall conflict …`: people about whose accounts nobody may guess, and what a person says of them."""

import uuid
from typing import Annotated, Any

import psycopg
import typer
from rich.table import Table

from schemas.events import ConflictResolved
from schemas.topics import ACTIVATIONS, DECISIONS
from services.activation.reasons import REASONS
from services.cli.answer import AsJson, answer, output, progress
from services.cli.failures import CommandError, WrongUsageError
from services.cli.house_rules import By, not_blank, who
from services.cli.night_watch import QUIET_SECONDS
from services.cli.operator_session import OperatorSession, operator_session
from services.cli.people import PersonKey, person_key, row, rows
from services.clock import now
from services.messages import Publisher, make_event
from services.topic_reader import TopicReader

commands = typer.Typer(
    help="People whose account somebody must say.", no_args_is_help=True, epilog="Example: rollcall conflict list"
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(commands, name="conflict")


@commands.command("list", epilog="Example: rollcall conflict list --district springfield")
def list_(
    district: Annotated[str | None, typer.Option("--district", help="Only those of this district.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show who is in conflict, why, and which accounts it could be."""
    with operator_session() as session:
        if district is not None:
            session.district(district)
        found = rows(session.connection, "conflicts", district=district)
    for one in found:
        one["text"] = REASONS.get(one["reason"], "")
    if as_json:
        answer({"conflicts": found})
        return
    if not found:
        output.print("Nobody is in conflict. People whose email and id point at different accounts would be here.")
        return
    table = Table("person", "why", "could be", box=None, padding=(0, 2, 0, 0))
    for one in found:
        person = PersonKey(one["district"], one["kind"], one["id"])
        table.add_row(str(person), f"{one['reason']}: {one['text']}", "\n".join(one["candidates"]) or "no account yet")
    output.print(table)


@commands.command(
    "resolve", epilog="Example: rollcall conflict resolve springfield/students/58da8c63 --ask-person --reason 'twins'"
)
def resolve(  # noqa: PLR0917 - each is an option of its own
    person: Annotated[str, typer.Argument(metavar="DISTRICT/KIND/ID", help="Who is in conflict, as `list` says.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the decision. Name no child.")],
    account: Annotated[str | None, typer.Option("--account", metavar="ID", help="Whose account it is.")] = None,
    ask_person: Annotated[
        bool, typer.Option("--ask-person", help="Let the person say it, at their next sign-in.")
    ] = False,
    by: By = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Answer when it is followed, or refused.")] = True,
    as_json: AsJson = False,
) -> None:
    """Say whose account it is, or that the person is to be asked; activation follows it, or says why not."""
    key = person_key(person)
    if (account is None) == (not ask_person):
        raise WrongUsageError("one-of", "say either --account ID or --ask-person")
    with operator_session() as session:
        _check_open(session.connection, key)
        account_id = _account(session.connection, account) if account is not None else None
        data = ConflictResolved(
            district=key.district,
            kind=key.kind,
            id=key.id,
            account_id=account_id,
            reviewer=who(by),
            reason=not_blank("--reason", reason),
            decided_at=now(),
        )
        topic = TopicReader(session.installation.kafka, session.settings.topic_prefix, ACTIVATIONS)
        before = topic.ends()
        event_id = _publish(session, data)
        if wait:
            _await_answer(session, topic, before, event_id)
        after = row(session.connection, "activation", district=key.district, kind=key.kind, id=key.id)
    outcome = after["state"] if wait and after is not None else "requested"
    _tell(key, data, outcome, as_json=as_json)


def _check_open(connection: psycopg.Connection[Any], key: PersonKey) -> None:
    """Raise CommandError unless the person is in conflict."""
    about = {"district": key.district, "kind": key.kind, "id": key.id}
    activation = row(connection, "activation", **about)
    if activation is None:
        raise CommandError("unknown-person", f"nobody is rostered as {key}; `rollcall conflict list` shows who waits")
    if activation["state"] != "conflict":
        has = f" with account {activation['account_id']}" if activation["account_id"] else ""
        raise CommandError(
            "no-conflict", f"{key} is {activation['state']}{has}, not in conflict; `rollcall explain {key}` says why"
        )


def _account(connection: psycopg.Connection[Any], typed: str) -> str:
    """Give the account's id. Raises CommandError where there is none. Whether it may be theirs activation says."""
    try:
        account_id = uuid.UUID(typed)
    except ValueError:
        raise WrongUsageError(
            "bad-account", f"--account: {typed!r} is not an account's id; `rollcall account show EMAIL` says it"
        ) from None
    if connection.execute("SELECT 1 FROM accounts WHERE account_id = %s", (account_id,)).fetchone() is None:
        raise CommandError(
            "unknown-account", f"there is no account {account_id}; `rollcall account show EMAIL` finds it"
        )
    return str(account_id)


def _publish(session: OperatorSession, data: ConflictResolved) -> str:
    identity = (data.district, data.kind, data.id, data.reviewer, data.decided_at.isoformat())
    event = make_event(DECISIONS, data, source="command-line", identity=identity)
    publisher = Publisher(session.installation.kafka, session.settings.topic_prefix, "rollcall-command-line")
    try:
        publisher.publish(DECISIONS, event)
        publisher.flush()
    finally:
        publisher.close()
    return event.id


def _await_answer(session: OperatorSession, topic: TopicReader, before: dict[int, int], event_id: str) -> None:
    """Return once activation has taken the decision. Raises CommandError 'refused' where it does not follow it.

    What is published is looked for as it comes, as the answer is in the database by then.
    """
    quiet = 0
    for stored in topic.follow(before):
        for answered in rows(session.connection, "resolution", event_id=event_id):
            if answered["refusal"] is not None:
                raise CommandError("refused", answered["refusal"])
            return
        quiet = 0 if stored else quiet + 1
        if quiet == QUIET_SECONDS:
            progress.print("activation has not answered yet; `rollcall status` shows whether it is up. Waiting on.")


def _tell(key: PersonKey, data: ConflictResolved, outcome: str, *, as_json: bool) -> None:
    if as_json:
        answer({**data.model_dump(mode="json", exclude={"decided_at"}), "outcome": outcome})
        return
    match outcome:
        case "requested":
            output.print(f"{key}: asked for; `rollcall explain {key}` says when it is followed")
        case "activated":
            output.print(f"{key}: activated, with account {data.account_id}")
        case "required":
            output.print(f"{key}: will be asked at their next sign-in through the district")
        case other:
            output.print(f"{key}: {other}; `rollcall explain {key}` says why")
