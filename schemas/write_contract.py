"""Writes the generated contract into `schemas/generated/`: `python -m schemas.write_contract`.

What is committed there equals what is generated; a test holds it to that, so that a change of the contract is seen.
"""

import json
from pathlib import Path
from typing import Any

from schemas.asyncapi import asyncapi
from schemas.json_schema import event_models, json_schema

FOLDER = Path(__file__).parent / "generated"


def contract_files() -> dict[str, str]:
    """Give the contents of every generated file, by name."""
    documents: dict[str, dict[str, Any]] = {f"{name}.json": json_schema(name) for name in event_models()}
    documents["asyncapi.json"] = asyncapi()
    return {name: json.dumps(document, indent=2, ensure_ascii=False) + "\n" for name, document in documents.items()}


def main() -> None:
    """Write the files, and remove those of events that are no more."""
    FOLDER.mkdir(exist_ok=True)
    files = contract_files()
    for path in FOLDER.glob("*.json"):
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
