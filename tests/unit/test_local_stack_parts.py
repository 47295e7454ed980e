"""What the local stack decides without starting anything."""

import errno
import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from deploy.local import ports, record
from deploy.local.errors import StackError, disk_full_is_a_sentence, require_space
from deploy.local.process import LOG_BYTES, Process, end_leftovers
from deploy.local.record import StackRecord
from deploy.local.supervisor import restart_delay


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server((ports.HOST, 0)) as server:
        yield server.getsockname()[1]


def test_a_configured_port_that_is_in_use_is_refused_in_words(tmp_path: Path, taken_port: int) -> None:
    with pytest.raises(StackError, match=rf"port {taken_port}, set for kafka, is in use.*ROLLCALL_KAFKA_PORT"):
        ports.choose(tmp_path / "ports.json", "kafka", configured=taken_port)


def test_a_chosen_port_is_the_same_at_the_next_start(tmp_path: Path) -> None:
    memory = tmp_path / "ports.json"
    assert ports.choose(memory, "kafka") == ports.choose(memory, "kafka")


def test_a_remembered_port_that_somebody_took_is_replaced(tmp_path: Path, taken_port: int) -> None:
    memory = tmp_path / "ports.json"
    memory.write_text(json.dumps({"kafka": taken_port}))
    chosen = ports.choose(memory, "kafka", usual=taken_port)
    assert chosen != taken_port
    assert json.loads(memory.read_text()) == {"kafka": chosen}


def test_two_servers_never_get_the_same_port(tmp_path: Path) -> None:
    memory, usual = tmp_path / "ports.json", ports.any_free()
    assert ports.choose(memory, "kafka", usual=usual) != ports.choose(memory, "kafka_controller", usual=usual)


def test_too_little_room_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=7_000_000))
    with pytest.raises(StackError, match="7 MB are free and PostgreSQL needs 300 MB; make room"):
        require_space(tmp_path, 300, "PostgreSQL")


def test_a_disk_that_fills_up_while_writing_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="became full"), disk_full_is_a_sentence(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_other_errors_of_the_disk_are_not_mistaken_for_a_full_one(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), disk_full_is_a_sentence(tmp_path):
        raise PermissionError(errno.EACCES, "no")


def test_restarts_come_later_and_later_but_never_later_than_half_a_minute() -> None:
    delays = [restart_delay(failures) for failures in range(1, 20)]
    assert delays[:4] == [0.5, 1, 2, 4]
    assert delays == sorted(delays)
    assert delays[-1] == 30


def test_one_stack_a_home(tmp_path: Path) -> None:
    with record.only_one(tmp_path), pytest.raises(StackError, match="already running"), record.only_one(tmp_path):
        pass


def test_the_record_is_for_its_owner_only_because_it_holds_a_password(tmp_path: Path) -> None:
    record.write(tmp_path, StackRecord(1, 0.0, database="postgresql://postgres:secret@127.0.0.1/rollcall"))
    assert record.path(tmp_path).stat().st_mode & 0o777 == 0o600


def test_the_record_of_a_dead_stack_is_not_a_running_one(tmp_path: Path) -> None:
    own = psutil.Process()
    record.write(tmp_path, StackRecord(os.getpid(), own.create_time()))
    assert record.running(tmp_path) is not None
    record.write(tmp_path, StackRecord(os.getpid(), own.create_time() - 1000))  # the pid was used again since
    assert record.running(tmp_path) is None


def test_a_process_that_got_a_leftovers_pid_is_left_alone() -> None:
    assert end_leftovers({os.getpid(): psutil.Process().create_time() - 1000}) == []


def test_a_log_that_grew_too_large_is_moved_aside(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_bytes(b"x" * LOG_BYTES)
    Process("worker", (), log).rotate_log()
    assert log.stat().st_size == 0
    assert (tmp_path / "worker.log.1").stat().st_size == LOG_BYTES
