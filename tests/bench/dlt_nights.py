"""Times dlt's first load and its 1% night of the same district, from the same recorded answers into PostgreSQL.

dlt is not among Rollcall's dependencies and contradicts some: it is installed apart, from requirements-bench.lock, as
`make bench` does, and run there. It merges: nothing is compared, guarded, removed or told.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

from deploy.local import ports
from deploy.local.postgres import Postgres
from tests.bench.cost import costs
from tests.bench.proof import WrongResultError
from tests.bench.recorded import truth
from tests.bench.stack import serving
from tests.bench.stages import RECORDED, recorded_nights, screen
from tests.stack import new_database

BENCH_PYTHON = Path(sys.prefix) / "bench" / "bin" / "python"
"""The interpreter of the environment that has what only the bench needs."""

FIRST, CHANGED = 1, 3


def measure(folder: Path) -> dict[str, Any]:
    """Give the seconds of both nights of a recorded district. Raises WrongResultError where rows are missing."""
    with tempfile.TemporaryDirectory(prefix="rollcall-bench-", ignore_cleanup_errors=True) as home:
        postgres = Postgres(Path(home) / "postgres", ports.any_free())
        postgres.start()
        try:
            with new_database(postgres.address("postgres")) as database, serving(folder) as (address, _):
                before = costs({"postgres": postgres.process.pid or 0})["postgres"]
                found = _run(address, database, Path(home))
                spent = costs({"postgres": postgres.process.pid or 0})["postgres"].since(before)
        finally:
            postgres.stop()
    totals = truth(folder, FIRST).totals()
    expected = {name: totals[name] for name in ("students", "teachers", "classes")} | {"enrollments": totals["places"]}
    if found["counts"] != expected:
        raise WrongResultError(f"dlt's first load has {found['counts']}, not {expected}")
    return {
        "version": found["version"],
        "nights": {
            "first load": {"seconds": found["seconds"][str(FIRST)]},
            "1% changed": {"seconds": found["seconds"][str(CHANGED)]},
        },
        "postgres_cpu": spent.cpu,
    }


def _run(address: str, database: str, home: Path) -> dict[str, Any]:
    """Run dlt's pipeline in its own environment. Raises WrongResultError where it fails; it has said why by then."""
    parts = {name: quote(str(value), safe="") for name, value in conninfo_to_dict(database).items()}
    answer = subprocess.run(
        [BENCH_PYTHON, Path(__file__).with_name("dlt_pipeline.py"), address, str(FIRST), str(CHANGED)],
        env={
            "HOME": str(home),
            "DLT_DATA_DIR": str(home / "dlt"),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "DESTINATION__POSTGRES__CREDENTIALS": "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(
                **parts
            ),
        },
        cwd=home,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        raise WrongResultError(f"dlt's pipeline ended with status {answer.returncode}")
    result: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Run both nights, print and write their seconds."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.dlt_nights", description=__doc__)
    parser.add_argument("--students", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, default=RECORDED)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    given = parser.parse_args()
    if not BENCH_PYTHON.exists():
        sys.exit(f"dlt is not installed: there is no {BENCH_PYTHON}; `make bench` installs it")
    result = measure(recorded_nights(given.folder, given.students))
    for name, night in result["nights"].items():
        screen.print(f"dlt {result['version']}, {name}, {given.students:,} students: {night['seconds']:.1f} s")
    if given.json is not None:
        given.json.write_text(json.dumps({"students": given.students, **result}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
