"""The desk's process: the pages of `app`, served until the worker is told to stop."""

import socket
import threading

import psycopg
import structlog
import uvicorn
from psycopg_pool import ConnectionPool

from services.database.connect import with_role
from services.guard.desk.web.app import desk_app, page_templates
from services.guard.desk.web.session_cookie import SessionCookies, session_secret
from services.guard.desk.web.visit import Desk
from services.installation import find_installation
from services.messages import Publisher
from services.settings import Settings

log = structlog.get_logger()

USUAL_PORT = 8700


class DeskAddressError(Exception):
    """The desk cannot listen where it is told to; the text says what to set."""


def run(settings: Settings, stop: threading.Event) -> None:
    """Serve until `stop` is set. Raises DeskAddressError where it cannot listen."""
    installation = find_installation(settings)
    pool: ConnectionPool[psycopg.Connection[object]] = ConnectionPool(
        with_role(installation.database, "rollcall_desk"), kwargs={"autocommit": True}, min_size=1, max_size=10
    )
    publisher = Publisher(installation.kafka, settings.topic_prefix, "rollcall-desk")
    desk = Desk(pool, publisher, SessionCookies(session_secret(settings)), page_templates(), settings.limit_percent)
    try:
        _serve(desk, settings, stop)
    finally:
        publisher.close()
        pool.close()


def _serve(desk: Desk, settings: Settings, stop: threading.Event) -> None:
    listener = _listener(settings.desk_host, settings.desk_port or USUAL_PORT)
    config = uvicorn.Config(desk_app(desk), log_config=None, access_log=False, timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)

    def serve() -> None:
        try:
            server.run(sockets=[listener])  # outside of the main thread it leaves the signals to the worker
        finally:
            stop.set()

    serving = threading.Thread(target=serve, name="desk-server")
    serving.start()
    log.info("listening", host=settings.desk_host, port=listener.getsockname()[1])
    stop.wait()
    server.should_exit = True
    serving.join()


def _listener(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise DeskAddressError(
            f"the desk cannot listen on {host}:{port} ({error.strerror}); set ROLLCALL_DESK_HOST to an address "
            "of this machine and ROLLCALL_DESK_PORT to a free port"
        ) from error
