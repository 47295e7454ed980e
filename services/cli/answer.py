"""How a command answers: for people on the terminal, for programs one JSON object on standard output.

What is told on the way (progress, questions, logs) goes to standard error.
"""

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for programs.")]

_WIDE = 200  # into a file or a pipe, where nothing need be folded

output = Console(highlight=False, markup=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDE)
progress = Console(
    stderr=True, highlight=False, markup=False, soft_wrap=True, width=None if sys.stderr.isatty() else _WIDE
)


def answer(value: dict[str, Any]) -> None:
    """Write the one object that is the command's answer."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()
