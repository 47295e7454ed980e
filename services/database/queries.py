"""Named SQL queries: one file a package, `-- name: …` before each, read once.

The form is procrastinate's: a name, a line on what it does, the query with bound parameters.
"""

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


class Queries:
    """The queries of one file, by name."""

    def __init__(self, package: str, file: str = "queries.sql") -> None:
        text = files(package).joinpath(file).read_text(encoding="utf-8")
        parts = _NAME.split(text)
        self._queries: dict[str, bytes] = dict(
            zip(parts[1::2], (part.strip().encode() for part in parts[2::2]), strict=True)
        )

    def __getitem__(self, name: str) -> bytes:
        """Give a query. Raises KeyError for a name that the file does not have."""
        return self._queries[name]
