"""The `rollcall` command line: every command of the design's table, and how each one fails.

Exit status: 0 done, 1 failed, 2 wrong usage, 3 held.
"""

import logging
import sys

import typer

from services.cli import (
    account_commands,
    class_commands,
    conflict_commands,
    contract_command,
    dead_letter_commands,
    desk_commands,
    district_commands,
    doctor_command,
    expect_commands,
    explain_command,
    guard_commands,
    held_commands,
    limit_commands,
    look_first_commands,
    pause_commands,
    plan_command,
    stack_commands,
    subscribe_command,
    sync_command,
)
from services.cli.answer import answer, progress
from services.cli.failures import failure_of
from services.logs import configure_logs

app = typer.Typer(
    name="rollcall",
    help="Keeps an education product's accounts in step with the rosters of its partner school districts.",
    epilog="Example: rollcall sync springfield --wait",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for commands in (
    stack_commands,
    district_commands,
    sync_command,
    plan_command,
    held_commands,
    pause_commands,
    expect_commands,
    limit_commands,
    look_first_commands,
    guard_commands,
    desk_commands,
    account_commands,
    class_commands,
    conflict_commands,
    explain_command,
    subscribe_command,
    dead_letter_commands,
    contract_command,
    doctor_command,
):
    commands.register(app)


def main() -> None:
    """Run the command that was typed. What it cannot do it tells in a sentence; the exit status is above."""
    configure_logs("rollcall", "ERROR")
    for library in ("kafka", "aiokafka", "faust"):
        logging.getLogger(library).setLevel(logging.CRITICAL)  # the sentence below says it once
    try:
        app()
    except Exception as error:
        failure = failure_of(error)
        if failure is None:
            raise
        if "--json" in sys.argv:
            answer({"error": {"code": failure.code, "text": failure.text}})
        else:
            progress.print(f"rollcall: {failure.text}")
        sys.exit(failure.status)
