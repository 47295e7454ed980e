"""What is left resident of what threads have freed, in a process of its own."""

import ctypes
import subprocess
import sys

import pytest

THREADS, MIB = 6, 40

CHILD = """
import sys
import threading
from pathlib import Path

from services.ingest.one_heap import share_one_heap

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 2**20

def work():
    with one_at_a_time:
        pieces = [bytearray(b"." * 40_000) for _ in range(mib * 2**20 // 40_000)]
        kept.append(pieces.pop())  # a heap is kept up to what stays in it
        pieces.clear()
    everybody_is_done.wait()

share, threads, mib = map(int, sys.argv[1:])
if share:
    share_one_heap()
one_at_a_time, everybody_is_done, kept = threading.Lock(), threading.Barrier(threads + 1), []
before = resident()
for _ in range(threads):
    threading.Thread(target=work).start()
everybody_is_done.wait()
print(resident() - before)
"""


def growth(*, share: bool) -> int:
    command = [sys.executable, "-c", CHILD, str(int(share)), str(THREADS), str(MIB)]
    return int(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, timeout=60).stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="only glibc has a heap for each thread")
def test_what_one_thread_frees_is_what_the_next_one_uses() -> None:
    apart, together = growth(share=False), growth(share=True)

    assert apart > THREADS * MIB // 2, "without it nothing would have to be shared"
    assert together < 2 * MIB
