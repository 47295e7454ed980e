"""Serves the sandbox providers, their sign-in servers and a mail catcher.

`python -m deploy.sandbox --port 8600 --state FOLDER`
"""

import argparse
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import structlog
import uvicorn
from starlette.applications import Starlette

from deploy.sandbox import (
    classlink_api,
    clever_api,
    control_api,
    oneroster_api,
    samples,
    sign_in_classlink,
    sign_in_clever,
    sign_in_identity,
)
from deploy.sandbox.mail_catcher import MailCatcher
from deploy.sandbox.registry import Registry
from deploy.sandbox.sign_in_rounds import Rounds
from services.logs import configure_logs


def application(registry: Registry, mail: MailCatcher | None = None) -> Starlette:
    """Give the sandbox as one ASGI application, with the pages of a mail catcher where there is one."""
    rounds = Rounds()
    return Starlette(
        routes=[
            *control_api.routes(registry),
            *rounds.routes(),
            *sign_in_clever.routes(registry, rounds),
            *sign_in_classlink.routes(registry, rounds),
            *sign_in_identity.routes(registry, rounds),
            *clever_api.routes(registry),
            *oneroster_api.routes(registry),
            *classlink_api.routes(registry),
            *(mail.routes() if mail else ()),
        ]
    )


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT. The sample districts are created where the state has none of them yet."""
    parser = argparse.ArgumentParser(prog="python -m deploy.sandbox", description="Serve the sandbox providers.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    parser.add_argument("--state", type=Path, required=True, help="folder that keeps districts.json over restarts")
    parser.add_argument("--mail-port", type=int, help="port to take mail on, which is shown at /mail (default: none)")
    parser.add_argument("--no-samples", action="store_true", help="begin without the sample districts")
    given = parser.parse_args(arguments)
    configure_logs("sandbox", "INFO")
    registry = Registry(given.state)
    if not given.no_samples:
        for definition in samples.definitions():
            if definition.district not in registry:
                registry.create(definition)
    log = structlog.get_logger()
    log.info("sandbox.started", port=given.port, districts=[entry.definition.district for entry in registry])
    mail = MailCatcher() if given.mail_port is not None else None
    # Answers broken off on purpose would be errors to uvicorn, so it only speaks up when it cannot go on.
    config = uvicorn.Config(
        application(registry, mail),
        host=given.host,
        port=given.port,
        log_config=None,
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    # uvicorn raises the signal that stopped it once more when it is done; by then there is nothing left to stop.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda number, frame: None)
    with ExitStack() as listening:
        if mail is not None:
            listening.enter_context(mail.listening(given.host, given.mail_port))
        server.run()
    log.info("sandbox.stopped")
    sys.exit(0 if server.started else 1)
