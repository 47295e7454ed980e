"""A sandbox inside this process, on a port of its own, for tests."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from deploy.sandbox.control import SandboxControl
from deploy.sandbox.registry import Registry
from deploy.sandbox.server import application


@contextmanager
def running_sandbox(folder: Path) -> Iterator[SandboxControl]:
    """Serve a sandbox whose state is in the folder for the length of a `with` block; give the client that steers it.

    It listens before the block begins, on the loopback address, and has no districts but those of the folder.
    """
    config = uvicorn.Config(
        application(Registry(folder)), log_config=None, log_level="critical", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        # Connections wait in the socket's queue until the server takes them, so nobody has to wait for it to be up.
        thread = threading.Thread(target=server.run, args=([listening],), name="sandbox", daemon=True)
        thread.start()
        try:
            with SandboxControl(f"http://127.0.0.1:{listening.getsockname()[1]}") as control:
                yield control
        finally:
            server.should_exit = True
            thread.join()
