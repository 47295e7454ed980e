"""`rollcall plan`: what a district's night would do, without doing it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.records import RECORD_KINDS
from services.cli.answer import AsJson, answer, output, progress
from services.cli.change_lines import SIGNS, WORDS
from services.cli.change_table import counts_table, defect_lines, reason_lines
from services.cli.night_answer import exit_status
from services.cli.operator_session import operator_session
from services.cli.sync_command import current_version, refuse_other_plans
from services.ingest.source import PullFailedError

if TYPE_CHECKING:
    from services.cli.dry_run import DryRun


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("plan", epilog="Example: rollcall plan springfield")(plan)


def plan(
    district_id: Annotated[str, typer.Argument(metavar="DISTRICT", help="The district's id.")],
    as_json: AsJson = False,
) -> None:
    """Show what a night would do: pull, compare and judge, apply and publish nothing.

    Answers as `sync --wait` would, without a sync id. Exit status: 0 would be applied or change nothing, 1 the pull
    failed, 3 would be held.
    """
    # The providers' clients take longer to import than most commands take to run.
    from services.cli.dry_run import dry_run  # noqa: PLC0415

    with operator_session() as session:
        district = session.district(district_id)
        refuse_other_plans(district)
        done: DryRun | None = None
        with progress.status(f"pulling {district_id}") as status:

            def pulled(records: dict[Any, int]) -> None:
                so_far = ", ".join(f"{count:,} {kind}" for kind, count in records.items() if count)
                status.update(f"pulling {district_id}: {so_far}")

            try:
                done = dry_run(session.connection, district, session.settings, pulled)
                answered = _answer(district_id, done)
            except PullFailedError as error:
                answered = _failed(district_id, current_version(session.connection, district_id), error)
    if as_json:
        answer(answered)
    else:
        _print(answered, done, session.settings.limit_percent)
    raise typer.Exit(exit_status([answered]))


def _answer(district_id: str, done: "DryRun") -> dict[str, Any]:
    return {
        "district": district_id,
        "sync_id": None,
        "outcome": "held" if done.reasons else "applied" if done.changes else "unchanged",
        "roster_version": done.base_version,
        "counts": {kind: counts.model_dump() for kind, counts in done.counts.items()},
        "reasons": [reason.model_dump(include={"code", "kind", "text"}) for reason in done.reasons],
        "defects": done.defects,
        "change_set": done.change_set,
    }


def _failed(district_id: str, version: int | None, error: PullFailedError) -> dict[str, Any]:
    return {
        "district": district_id,
        "sync_id": None,
        "outcome": "failed",
        "roster_version": version,
        "counts": {},
        "reasons": [],
        "defects": {},
        "change_set": None,
        "failure": {"code": error.code, "text": error.text},
    }


def _print(answered: dict[str, Any], done: "DryRun | None", limit_percent: int) -> None:
    if done is None:
        output.print(f"{answered['failure']['code']}: {answered['failure']['text']}")
        output.print("Would fail. Nothing was changed.")
        return
    output.print(f"{answered['district']} · change set {done.change_set} on roster version {done.base_version}")
    if done.reasons:
        output.print("\nWhy it would be held")
        for line in reason_lines(answered["reasons"]):
            output.print(line)
    output.print()
    output.print(counts_table(answered["counts"], limit_percent))
    for kind in RECORD_KINDS:
        if first := done.first_changes.get(kind):
            output.print(f"\nThe first changes of {kind}")
            for change in first:
                output.print(f"  {SIGNS[change.op]} {WORDS[kind]:<8} {change.id}")
    if lines := defect_lines(done.defects):
        output.print("\nDefects in the provider's data")
        for line in lines:
            output.print(line)
    would = {"held": "Would be held.", "applied": "Would be applied.", "unchanged": "Would change nothing."}
    output.print(f"\n{would[answered['outcome']]} Nothing was changed.")
