"""`rollcall held …`: the review of held change sets from a terminal."""

import json
import sys
from typing import Annotated, Any

import typer
from rich.table import Table

from schemas.topics import HELD
from services.cli.answer import AsJson, answer, output, progress
from services.cli.change_lines import change_line, change_object
from services.cli.change_table import counts_table, reason_lines
from services.cli.failures import CommandError
from services.cli.held_sets import HeldSet, changes_of, held_set, held_sets
from services.cli.operator_session import OperatorSession, operator_session
from services.cli.review import Decision, Review
from services.cli.sync_command import print_night
from services.topic_reader import TopicReader

ChangeSetId = Annotated[
    str, typer.Argument(metavar="CHANGE_SET", help="The change set's id, or the first 6 or more characters of it.")
]
Reviewer = Annotated[str, typer.Option("--reviewer", help="Who decides; kept with the change set.")]
Why = Annotated[str, typer.Option("--reason", help="Why; kept with the change set.")]
Wait = Annotated[bool, typer.Option("--wait", help="Answer when it has taken effect, or was refused.")]

commands = typer.Typer(
    help="Change sets that wait for a person.", no_args_is_help=True, epilog="Example: rollcall held list"
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(commands, name="held")


@commands.command("list", epilog="Example: rollcall held list --json")
def list_(
    decided_too: Annotated[bool, typer.Option("--all", help="Also those that have been decided.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the change sets that wait for a review, the oldest first."""
    with operator_session() as session:
        found = held_sets(session.connection, decided_too=decided_too)
    if as_json:
        answer({"held": [held.described() for held in found]})
        return
    if not found:
        output.print("Nothing is held. What a night finds too large to apply unreviewed would be here.")
        return
    table = Table("change set", "district", "state", "changes", "held at", "why", box=None, padding=(0, 2, 0, 0))
    for held in found:
        why = "; ".join(reason["text"] for reason in held.reasons)
        when = held.held_at.strftime("%Y-%m-%d %H:%M %Z")
        table.add_row(held.change_set[:12], held.district, held.state, f"{held.changes:,}", when, why)
    output.print(table)


@commands.command("show", epilog="Example: rollcall held show 7f3a9c")
def show(
    change_set: ChangeSetId,
    show_names: Annotated[bool, typer.Option("--show-names", help="Show names and emails in place of dots.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print a held change set with every one of its changes."""
    with operator_session() as session:
        held = held_set(session.connection, change_set)
        topic = TopicReader(session.installation.kafka, session.settings.topic_prefix, HELD)
        if as_json:
            shown = _write_object(held, topic, show_names=show_names)
        else:
            shown = _print_set(held, topic, session.settings.limit_percent, show_names=show_names)
    if shown != held.changes:
        progress.print(
            f"rollcall: {shown:,} of {held.changes:,} changes are still on {HELD.name}; "
            "sync the district for a fresh set"
        )
        raise typer.Exit(1)


@commands.command("approve", epilog="Example: rollcall held approve 7f3a9c --reviewer dana --reason 'new school year'")
def approve(
    change_set: ChangeSetId, reviewer: Reviewer, reason: Why, wait: Wait = False, as_json: AsJson = False
) -> None:
    """Approve exactly this change set, which is then applied.

    Exit status with --wait: 0 applied, 1 refused or failed, 3 it waits for another reviewer or the end of a pause, or a
    fresh sync that took its place is held.
    """
    _decide(change_set, Decision("approve", reviewer, reason), wait=wait, as_json=as_json)


@commands.command("reject", epilog="Example: rollcall held reject 7f3a9c --reviewer dana --reason 'half the school'")
def reject(
    change_set: ChangeSetId, reviewer: Reviewer, reason: Why, wait: Wait = False, as_json: AsJson = False
) -> None:
    """Refuse this change set; what is still different shows up again the next night."""
    _decide(change_set, Decision("reject", reviewer, reason), wait=wait, as_json=as_json)


def _decide(change_set: str, decision: Decision, *, wait: bool, as_json: bool) -> None:
    with operator_session() as session:
        held = held_set(session.connection, change_set)
        if held.state != "held":
            raise CommandError(
                "not-held", f"change set {held.change_set} is {_state(held)}; only a held one is decided"
            )
        review = Review(session, held)
        if not wait:
            review.publish(decision)
            _tell_published(held, decision, as_json=as_json)
            return
        answered, status = review.follow(decision, progress)
    _tell_followed(session, answered, as_json=as_json)
    raise typer.Exit(status)


def _state(held: HeldSet) -> str:
    by = f" by {held.decided_by}" if held.decided_by else ""
    by = f" by change set {held.superseded_by}" if held.superseded_by else by
    return f"{held.state}{by}"


def _tell_published(held: HeldSet, decision: Decision, *, as_json: bool) -> None:
    if as_json:
        answer(
            {
                "change_set": held.change_set,
                "district": held.district,
                "decision": decision.verb,
                "reviewer": decision.reviewer,
                "outcome": "requested",
            }
        )
    else:
        output.print(f"{held.district}: asked to {decision.verb} change set {held.change_set}")


def _tell_followed(session: OperatorSession, answered: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        answer(answered)
    elif "waits_for" in answered:
        output.print(
            f"{answered['district']}: the approval is kept; change set {answered['change_set']} waits for "
            f"{answered['waits_for']}"
        )
    elif answered["outcome"] == "rejected":
        output.print(f"{answered['district']}: rejected; nothing of change set {answered['change_set']} is applied")
    else:
        print_night(answered, None, session.settings.limit_percent)


def _print_set(held: HeldSet, topic: TopicReader, limit_percent: int, *, show_names: bool) -> int:
    output.print(
        f"{held.district} · {_state(held)} · change set {held.change_set} on roster version {held.base_version}\n"
    )
    output.print("Why it is held")
    for line in reason_lines(held.reasons):
        output.print(line)
    output.print()
    output.print(counts_table(held.counts, limit_percent))
    output.print()
    shown = 0
    for change in changes_of(held, topic):
        sys.stdout.write(change_line(change, show_names=show_names) + "\n")
        shown += 1
    return shown


def _write_object(held: HeldSet, topic: TopicReader, *, show_names: bool) -> int:
    """Write one object, change by change, as a set may be larger than memory."""
    head = {**held.described(), "change_count": held.changes}
    del head["changes"]
    sys.stdout.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "changes": [')
    shown = 0
    for change in changes_of(held, topic):
        one = json.dumps(change_object(change, show_names=show_names), ensure_ascii=False)
        sys.stdout.write((", " if shown else "") + one)
        shown += 1
    sys.stdout.write(f'], "complete": {json.dumps(shown == held.changes)}}}\n')
    return shown
