"""The process that works on pages for `page_process`: `python -m services.ingest.providers.page_working FD`.

A page's bytes are in the file that it has open under this number, and what is made of them is put there too; a line on
stdin names the function that does it, the page's collection and its size, one on stdout says the size of what came out.
It ends with its stdin. It has this module and the function's, and little else, since its memory counts as ingest's.
"""

import importlib
import os
import signal
import sys

import msgspec

from services.ingest.one_heap import share_one_heap


def main() -> None:
    """Work on what stdin names until it ends."""
    share_one_heap()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    file, encode = int(sys.argv[1]), msgspec.msgpack.Encoder().encode
    for line in sys.stdin.buffer:
        function, collection, size = line.decode().split()
        module, _, name = function.partition(":")
        work = getattr(importlib.import_module(module), name)
        made = encode(work(collection, os.pread(file, int(size), 0)))
        os.pwrite(file, made, 0)
        sys.stdout.write(f"{len(made)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
