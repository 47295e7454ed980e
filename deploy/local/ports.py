"""Which ports of 127.0.0.1 the stack listens on: the configured, else last time's, else the usual, else a free one."""

import json
import random
import socket
from pathlib import Path

from deploy.local.errors import StackError

HOST = "127.0.0.1"

_UNUSED_BY_CLIENTS = range(15_000, 32_000)


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket() as listener:
        # A server that stopped a moment ago leaves connections in TIME_WAIT, which keep nobody from listening.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
        return True


def choose(memory: Path, name: str, configured: int | None = None, usual: int | None = None) -> int:
    """Choose the port of the server `name` and remember it in the JSON file `memory`.

    Raises StackError where the configured port is in use. A remembered or usual port that somebody else took meanwhile
    is not worth a failure: nothing but the stack's own record of where it listens depends on it.
    """
    remembered: dict[str, int] = json.loads(memory.read_text()) if memory.exists() else {}
    if configured is not None:
        if not is_free(configured):
            raise StackError(
                f"port {configured}, set for {name}, is in use by another program; stop that program or set "
                f"ROLLCALL_{name.upper()}_PORT to a free port (or leave it out to have one chosen)"
            )
        port = configured
    else:
        taken = {other for server, other in remembered.items() if server != name}
        candidates = [remembered.get(name), usual]
        port = next((p for p in candidates if p is not None and p not in taken and is_free(p)), 0) or any_free()
    if remembered.get(name) != port:
        memory.parent.mkdir(parents=True, exist_ok=True)
        draft = memory.with_suffix(".new")
        draft.write_text(json.dumps({**remembered, name: port}, indent=2))
        draft.replace(memory)
    return port


def any_free() -> int:
    """Give a port of 127.0.0.1 that nobody listens on now, below those that systems give to outgoing connections:
    between now and the server's start no client of whatever program can take it.

    Raises StackError where a hundred ports in a row are in use.
    """
    for port in random.sample(_UNUSED_BY_CLIENTS, 100):
        if is_free(port):
            return port
    raise StackError(f"no port of {HOST} between {_UNUSED_BY_CLIENTS[0]} and {_UNUSED_BY_CLIENTS[-1]} seems to be free")
