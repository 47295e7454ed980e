"""`rollcall guard …`: what another limit would have made of the past nights."""

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer
from psycopg.rows import dict_row
from rich.table import Table

from schemas.events import KindCounts, Reason
from schemas.records import KINDS
from services.cli.answer import AsJson, answer, output
from services.cli.house_rules import QUERIES, Limit, checked_kinds, parse_day
from services.cli.operator_session import OperatorSession, operator_session

if TYPE_CHECKING:
    from services.guard.replay import PastJudgement, Replayed

commands = typer.Typer(
    help="How change sets are judged.", no_args_is_help=True, epilog="Example: rollcall guard replay --help"
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(commands, name="guard")


@commands.callback()
def guard() -> None:
    """Keep `replay` a command of a group, as there may be more."""


@commands.command("replay", epilog="Example: rollcall guard replay --limit 30 --since 2026-10-01 --kind students")
def replay_(
    limit: Limit,
    since: Annotated[
        date, typer.Option("--since", parser=parse_day, metavar="YYYY-MM-DD", help="In each district's time zone.")
    ],
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            "--kind", metavar="|".join(KINDS), help="Another limit for this kind alone; may be given several times."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which of the past nights another limit would have held, and which it would have let through."""
    # The policy's calendar takes longer to import than most commands take to run.
    from services.guard.replay import replay  # noqa: PLC0415

    chosen = checked_kinds(kinds or KINDS)
    with operator_session() as session:
        replayed = [replay(past, limit, chosen) for past in _past(session, since)]
    if as_json:
        answer(
            {
                "limit": limit,
                "since": since.isoformat(),
                "kinds": chosen,
                "judged": len(replayed),
                "held_then": sum(one.held_then for one in replayed),
                "would_be_held": sum(one.would_be_held for one in replayed),
                "nights": [_described(one) for one in replayed],
            }
        )
    else:
        _print(replayed, limit)


def _past(session: OperatorSession, since: date) -> "list[PastJudgement]":
    from services.guard.replay import PastJudgement  # noqa: PLC0415

    with session.connection.cursor(row_factory=dict_row) as cursor:
        return [
            PastJudgement(
                **{
                    **row,
                    "reasons": tuple(Reason.model_validate(reason) for reason in row["reasons"]),
                    "counts": {kind: KindCounts.model_validate(counts) for kind, counts in row["counts"].items()},
                }
            )
            for row in cursor.execute(QUERIES["past_judgements"], {"since": since})
        ]


def _described(one: "Replayed") -> dict[str, Any]:
    return {
        "district": one.past.district,
        "change_set": one.past.change_set,
        "judged_at": one.past.judged_at.isoformat(),
        "held_then": one.held_then,
        "would_be_held": one.would_be_held,
        "reasons": [reason.model_dump(include={"code", "kind", "text"}) for reason in one.reasons],
    }


def _print(replayed: "list[Replayed]", limit: int) -> None:
    table = Table("night", "district", "change set", "then", f"at {limit}%", "why", box=None, padding=(0, 2, 0, 0))
    for one in replayed:
        if one.held_then == one.would_be_held:
            continue
        reasons = one.reasons or one.past.reasons
        table.add_row(
            one.past.judged_at.strftime("%Y-%m-%d %H:%M %Z"),
            one.past.district,
            one.past.change_set[:12],
            _word(one.held_then),
            _word(one.would_be_held),
            "; ".join(reason.text for reason in reasons),
        )
    if table.row_count:
        output.print(table)
    held, would = sum(one.held_then for one in replayed), sum(one.would_be_held for one in replayed)
    output.print(f"{len(replayed):,} change sets were judged: {held:,} were held, {would:,} would be at {limit}%.")


def _word(held: bool) -> str:
    return "held" if held else "passed"
