"""The sandbox as a process of its own."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from deploy.sandbox.control import SandboxControl
from deploy.sandbox.control_api import NewDistrict
from deploy.sandbox.faults import Fault


@contextmanager
def started(folder: Path) -> Iterator[tuple[SandboxControl, subprocess.Popen[bytes]]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "deploy.sandbox", "--port", str(port), "--state", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        with SandboxControl(f"http://127.0.0.1:{port}") as control:
            await_answer(control)
            yield control, process
    finally:
        process.kill()
        process.communicate()


@retry(retry=retry_if_exception_type(httpx.TransportError), stop=stop_after_delay(30), wait=wait_fixed(0.05))
def await_answer(control: SandboxControl) -> None:
    control.districts()


def test_the_sample_districts_are_there_from_the_start_one_on_each_provider(tmp_path: Path) -> None:
    with started(tmp_path) as (control, _):
        found = {state.definition.district: state.definition.provider for state in control.districts()}
    assert found == {"springfield": "clever", "riverside": "classlink"}


def test_a_restart_keeps_districts_nights_and_faults(tmp_path: Path) -> None:
    with started(tmp_path) as (control, process):
        control.create_district(NewDistrict(district="oak", provider="oneroster", students=50))
        control.advance("springfield", 2)
        control.add_fault("oak", Fault(kind="status", status=503))
        process.kill()
    with started(tmp_path) as (control, _):
        assert (control.state("springfield").night, control.state("springfield").kind) == (3, "mass")
        assert [fault.status for fault in control.state("oak").faults] == [503]


def test_sigterm_ends_it_cleanly_and_it_prints_structured_logs_alone(tmp_path: Path) -> None:
    with started(tmp_path) as (_, process):
        process.send_signal(signal.SIGTERM)
        printed, logged = process.communicate(timeout=20)
        assert process.returncode == 0
    assert printed == b""
    assert [json.loads(line)["event"] for line in logged.splitlines()] == ["sandbox.started", "sandbox.stopped"]
