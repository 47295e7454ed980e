"""The jar cache against a local Maven repository that serves, breaks off and hangs."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.local import kafka_jars, ports
from deploy.local.errors import StackError


class Repository(ThreadingHTTPServer):
    """Serves the jars of the real cache. `hang_after` jars it sends half a jar and then nothing more."""

    def __init__(self, cache: Path) -> None:
        super().__init__((ports.HOST, 0), _Answer)
        self.cache = cache
        self.served: list[str] = []
        self.break_off = False
        self.hang_after: int | None = None
        self.hangs = threading.Event()
        self.may_end = threading.Event()

    @property
    def url(self) -> str:
        return f"http://{ports.HOST}:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: Repository

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        file = self.server.cache / name
        if not file.exists():
            self.send_error(404)
            return
        body = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        hang = self.server.hang_after is not None and len(self.server.served) >= self.server.hang_after
        if self.server.break_off or hang:
            self.wfile.write(body[: len(body) // 2])
            if hang:
                self.server.hangs.set()
                self.server.may_end.wait(60)
            self.close_connection = True
            return
        self.wfile.write(body)
        self.server.served.append(name)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it so)
        """Say nothing on the terminal."""


@pytest.fixture(scope="session")
def whole_cache() -> Path:
    files = kafka_jars.ensure(lambda _: None)
    return files[0].parent


@pytest.fixture
def repository(whole_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    with Repository(whole_cache) as server:
        config = tmp_path / "jgo.conf"
        config.write_text(f"[repositories]\ncentral = {server.url}\n")
        monkeypatch.setenv("JGO_CONFIG_FILE", str(config))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.may_end.set()
        server.shutdown()


def _intact(folder: Path) -> int:
    return sum(jar.is_intact(folder / jar.filename) for jar in kafka_jars.pinned())


def test_a_broken_jar_is_detected_and_only_it_is_downloaded_again(
    whole_cache: Path, repository: Repository, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(whole_cache, cache)
    broken = cache / "kafka-clients-4.1.1.jar"
    os.truncate(broken, broken.stat().st_size // 2)

    kafka_jars.ensure(lambda _: None, cache)

    assert repository.served == [broken.name]
    assert _intact(cache) == len(kafka_jars.pinned())


def test_a_download_that_is_killed_half_way_leaves_whole_jars_or_none(repository: Repository, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    repository.hang_after = 10
    command = (
        f"from pathlib import Path; from deploy.local import kafka_jars; kafka_jars.ensure(print, Path({str(cache)!r}))"
    )
    download = subprocess.Popen([sys.executable, "-c", command])
    assert repository.hangs.wait(60)
    download.send_signal(signal.SIGKILL)
    download.wait()
    repository.may_end.set()
    assert _intact(cache) == len(list(cache.glob("*.jar")))
    assert _intact(cache) < len(kafka_jars.pinned())

    repository.hang_after = None
    kafka_jars.ensure(lambda _: None, cache)

    assert _intact(cache) == len(kafka_jars.pinned())
    assert list(cache.glob("download-*")) == []


def test_answers_that_break_off_are_a_sentence_and_leave_no_jar(repository: Repository, tmp_path: Path) -> None:
    repository.break_off = True
    with pytest.raises(StackError, match=r"could not be downloaded.*Check the network.*ROLLCALL_KAFKA"):
        kafka_jars.ensure(lambda _: None, tmp_path / "cache")
    assert list((tmp_path / "cache").glob("*.jar")) == []


def test_no_network_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "jgo.conf"
    config.write_text(f"[repositories]\ncentral = http://{ports.HOST}:{ports.any_free()}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(config))
    with pytest.raises(StackError, match=r"could not be downloaded.*\(ConnectionError\).*start again"):
        kafka_jars.ensure(lambda _: None, tmp_path / "cache")
