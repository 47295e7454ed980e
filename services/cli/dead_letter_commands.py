"""`rollcall dead-letters …`: what could not be read, why, and what becomes of it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.table import Table

from schemas.topics import DEAD_LETTERS
from services.cli.answer import AsJson, answer, output
from services.cli.failures import CommandError
from services.cli.operator_session import OperatorSession, operator_session
from services.dead_letter_box import DeadLetter, DeadLetterBox, NoSuchLetterError
from services.messages import Publisher
from services.topic_reader import TopicReader

LetterIds = Annotated[list[str], typer.Argument(metavar="ID…", help="Ids as `list` shows them, such as 3-17.")]

commands = typer.Typer(
    help="Messages that could not be read.", no_args_is_help=True, epilog="Example: rollcall dead-letters list"
)


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(commands, name="dead-letters")


@commands.command("list", epilog="Example: rollcall dead-letters list --all")
def list_(
    handled_too: Annotated[bool, typer.Option("--all", help="Also those replayed or dropped.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the dead letters that wait for somebody, the oldest first."""
    with _box() as (_, box):
        letters = box.letters(handled_too=handled_too)
    if as_json:
        answer({"dead_letters": [_described(letter) for letter in letters]})
        return
    if not letters:
        output.print("No dead letter waits. What a worker cannot read would be here, byte for byte.")
        return
    table = Table("id", "since", "came from", "worker", "attempt", "state", "reason", box=None, padding=(0, 2, 0, 0))
    for letter in letters:
        since = letter.stored_at.strftime("%Y-%m-%d %H:%M:%S %Z")
        state = letter.handled or "waits"
        told = [letter.told(name) or "?" for name in ("worker", "attempt")]
        table.add_row(letter.id, since, _origin(letter), *told, state, letter.told("reason") or "?")
    output.print(table)


@commands.command("show", epilog="Example: rollcall dead-letters show 3-17")
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="The id as `list` shows it, such as 3-17.")],
    payload: Annotated[
        bool, typer.Option("--payload", help="Also the message itself, which may hold names and emails.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a dead letter's headers; the message itself only where asked for."""
    with _box() as (_, box):
        letter = box.letter(letter_id)
    value = letter.message.value or b""
    if as_json:
        described = {**_described(letter), "key": _text(letter.message.key), "headers": _headers(letter)}
        answer({**described, **({"payload": _text(value)} if payload else {})})
        return
    output.print(f"dead letter {letter.id}, {letter.handled or 'waits'}, {len(value):,} bytes")
    for name, text in _headers(letter).items():
        output.print(f"  {name}: {text}")
    if payload:
        sys.stdout.flush()
        sys.stdout.buffer.write(value + b"\n")
        sys.stdout.buffer.flush()


@commands.command("replay", epilog="Example: rollcall dead-letters replay 3-17")
def replay(letter_ids: LetterIds, as_json: AsJson = False) -> None:
    """Write dead letters to their topics again, byte for byte, once what kept them from being read is repaired."""
    with _box() as (session, box):
        letters = [box.letter(letter_id) for letter_id in letter_ids]
        publisher = Publisher(session.installation.kafka, session.settings.topic_prefix, "rollcall-command-line")
        try:
            topics = [box.replay(letter, publisher).name for letter in letters]
        finally:
            publisher.close()
    done = [{"id": letter.id, "topic": topic} for letter, topic in zip(letters, topics, strict=True)]
    if as_json:
        answer({"replayed": done})
        return
    for one in done:
        output.print(f"{one['id']} is on {one['topic']} again")


@commands.command("drop", epilog="Example: rollcall dead-letters drop 3-17")
def drop(letter_ids: LetterIds, as_json: AsJson = False) -> None:
    """Say that nothing more is to be done about dead letters, so that they are no longer listed."""
    with _box() as (_, box):
        letters = [box.letter(letter_id) for letter_id in letter_ids]
        for letter in letters:
            box.drop(letter)
    if as_json:
        answer({"dropped": [{"id": letter.id} for letter in letters]})
        return
    for letter in letters:
        output.print(f"{letter.id} is no longer listed")


@contextmanager
def _box() -> Iterator[tuple[OperatorSession, DeadLetterBox]]:
    with operator_session() as session:
        topic = TopicReader(session.installation.kafka, session.settings.topic_prefix, DEAD_LETTERS)
        try:
            yield session, DeadLetterBox(topic, session.connection)
        except NoSuchLetterError as error:
            raise CommandError("no-such-letter", str(error)) from None


def _described(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "since": letter.stored_at.isoformat(),
        "state": letter.handled or "waits",
        "reason": letter.told("reason"),
        "worker": letter.told("worker"),
        "attempt": _number(letter.told("attempt")),
        "original_topic": letter.told("original_topic"),
        "original_partition": _number(letter.told("original_partition")),
        "original_offset": _number(letter.told("original_offset")),
        "bytes": len(letter.message.value or b""),
    }


def _origin(letter: DeadLetter) -> str:
    topic, partition, offset = (letter.told(f"original_{name}") or "?" for name in ("topic", "partition", "offset"))
    return f"{topic} {partition}-{offset}"


def _headers(letter: DeadLetter) -> dict[str, str | None]:
    return {name: _text(value) for name, value in letter.message.headers}


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="backslashreplace")
