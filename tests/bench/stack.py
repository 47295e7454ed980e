"""What a measurement runs on: a Kafka, a PostgreSQL and a server of recorded answers of its own."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local import ports
from deploy.local.kafka import Kafka
from deploy.local.postgres import Postgres
from schemas.topics import Worker

WORKERS: tuple[Worker, ...] = ("ingest", "diff", "guard", "apply", "relay")
"""Those that a night needs until its last update is published."""

NIGHT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Servers:
    """Kafka and PostgreSQL, which nobody else uses; `home` goes with them."""

    home: Path
    kafka: Kafka
    postgres: Postgres

    def pids(self) -> dict[str, int]:
        """Give their process ids."""
        return {"postgres": self.postgres.process.pid or 0, "kafka": self.kafka.process.pid or 0}

    def credentials(self) -> str:
        """Give a file with the credentials that recorded answers are given for."""
        file = self.home / "credentials.json"
        file.write_text('{"bearer": "recorded"}', encoding="utf-8")
        return str(file)


@contextmanager
def servers() -> Iterator[Servers]:
    """Start both, and stop them in the end."""
    with tempfile.TemporaryDirectory(prefix="rollcall-bench-", ignore_cleanup_errors=True) as home:
        kafka = Kafka(Path(home) / "kafka", ports.any_free())
        postgres = Postgres(Path(home) / "postgres", ports.any_free())
        kafka.start()
        postgres.start()
        try:
            yield Servers(Path(home), kafka, postgres)
        finally:
            postgres.stop()
            kafka.stop()


@contextmanager
def serving(folder: Path, module: str = "recorded") -> Iterator[tuple[str, int]]:
    """Serve a folder's nights by a module of this package; give the address, and the id of the process."""
    command = [sys.executable, "-m", f"tests.bench.{module}", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}", server.pid
        finally:
            server.kill()
