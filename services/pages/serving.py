"""How a worker serves an application over HTTP until it is told to stop."""

import socket
import threading

import structlog
import uvicorn
from fastapi import FastAPI

log = structlog.get_logger()


class AddressError(Exception):
    """Nobody can listen where the settings say; the text says what to set."""


def listener(what: str, variables: str, host: str, port: int) -> socket.socket:
    """Open the socket that `what` listens on; `variables` is how its settings begin. Raises AddressError."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise AddressError(
            f"{what} cannot listen on {host}:{port} ({error.strerror}); set ROLLCALL_{variables}_HOST to an address "
            f"of this machine and ROLLCALL_{variables}_PORT to a free port"
        ) from error


def serve(app: FastAPI, listening: socket.socket, stop: threading.Event) -> None:
    """Serve what arrives at the socket until `stop` is set; a server that ends by itself sets it."""
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)

    def run() -> None:
        try:
            server.run(sockets=[listening])  # outside of the main thread it leaves the signals to the worker
        finally:
            stop.set()

    serving = threading.Thread(target=run, name="pages")
    serving.start()
    host, port = listening.getsockname()[:2]
    log.info("listening", host=host, port=port)
    stop.wait()
    server.should_exit = True
    serving.join()
