"""Runs one worker: `python -m services.run_worker diff`. The supervisor, a container or a person starts it.

The first SIGTERM or SIGINT asks the worker to finish what it has in hand; the second one ends it at once, and what it
had in hand is delivered again.
"""

import importlib
import signal
import sys
import threading
from typing import Protocol, cast, get_args

from schemas.topics import Worker
from services import clock
from services.logs import configure_logs
from services.metrics import serve_metrics
from services.night_stages import telling
from services.settings import Settings


class WorkerModule(Protocol):
    """What `services/<folder>/worker.py` offers: it works until `stop` is set, or raises when it cannot go on."""

    def run(self, settings: Settings, stop: threading.Event) -> None:
        """Work until `stop` is set."""


MODULES: dict[Worker, str] = {
    "scheduler": "services.ingest.scheduler",
    "ingest": "services.ingest.worker",
    "diff": "services.diff.worker",
    "guard": "services.guard.worker",
    "apply": "services.apply.worker",
    "relay": "services.apply.relay",
    "activation": "services.activation.worker",
    "activation-web": "services.activation.web.worker",
    "notifier": "services.guard.notices.worker",
    "desk-feed": "services.guard.desk.feed",
    "desk": "services.guard.desk.web.worker",
}


def run_worker(name: Worker) -> None:
    """Run the worker until it is told to stop. Raises what stopped it otherwise."""
    settings = Settings()
    configure_logs(name, settings.log_level)
    clock.rehearse(settings.clock_file)
    serve_metrics(settings.metrics_host, settings.metrics_port)
    stop = threading.Event()

    def ask_to_stop(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    module = cast(WorkerModule, importlib.import_module(MODULES[name]))
    with telling(name, settings):
        module.run(settings, stop)


def main() -> None:
    """Run the worker that the command line names."""
    if len(sys.argv) != 2 or sys.argv[1] not in get_args(Worker):
        sys.exit(f"usage: python -m services.run_worker {{{','.join(get_args(Worker))}}}")
    run_worker(cast(Worker, sys.argv[1]))


if __name__ == "__main__":
    main()
