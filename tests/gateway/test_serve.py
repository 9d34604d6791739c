"""A whole gateway, started and stopped as an operator does it, on real kernels."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway import state
from tests import live, traces
from tests.kernels.python.harness import PYTHON
from tests.live import HANG_S

pytestmark = pytest.mark.kernel
RUN = "/code-interpreter/python"


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path: Path) -> Iterator[None]:
    """However the gateway ended, no process, cgroup or socket file of it may be there afterwards."""
    traces.adopt_orphans()
    others = traces.descendants(os.getpid())
    yield
    deadline = time.monotonic() + HANG_S
    while (left := _left(tmp_path, others)) and time.monotonic() < deadline:
        traces.reap_adopted()
        time.sleep(0.05)  # Linux takes down namespaces in its own time
    assert not left


def _left(folder: Path, others: list[int]) -> list[str]:
    """What is there of a gateway in *folder*; *others* are processes of gateways that go on."""
    going_on = {*others, *(pid for other in others for pid in traces.descendants(other))}
    processes = [f"process {pid}" for pid in traces.descendants(os.getpid()) if pid not in going_on]
    cgroups = sorted(traces.take(state.instance_name(folder / "state")).cgroups)
    return processes + cgroups + [str(path) for path in (folder / "tmp").glob("*")]


class Background:
    """A request that is answered while the test does something else."""

    def __init__(self, gateway: live.Gateway, code: str) -> None:
        self._reply: live.Reply | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._ask, args=(gateway, code))
        self._thread.start()

    def _ask(self, gateway: live.Gateway, code: str) -> None:
        try:
            self._reply = gateway.ask("POST", RUN, {"code": code})
        except (OSError, http.client.HTTPException) as error:
            self._error = error

    def answer(self) -> live.Reply:
        """The answer, once it is there."""
        self._thread.join(HANG_S)
        assert self._reply is not None, self._error
        return self._reply

    def end(self) -> Exception | live.Reply | None:
        """What came of it, an answer or not."""
        self._thread.join(HANG_S)
        return self._reply or self._error


Started = tuple[subprocess.Popen[bytes], live.Gateway]
Begin = Callable[..., Started]


@pytest.fixture
def begin(tmp_path: Path, _nothing_is_left: None) -> Iterator[Begin]:
    """Starts a gateway in this test's directory and waits until it is ready; a test that fails leaves none running."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(*options: str, ready: bool = True, **how: Any) -> Started:
        process, gateway = live.start(tmp_path, *options, **how)
        processes.append(process)
        if ready:
            live.wait_ready(gateway, process)
        return process, gateway

    yield start
    for process in processes:
        process.kill()
        process.wait()


def wait_for(gateway: live.Gateway, text: str, times: int = 1) -> None:
    """Return once *text* is in the gateway's log, so many times."""
    deadline = time.monotonic() + HANG_S
    while gateway.log.read_text().count(text) < times:
        assert time.monotonic() < deadline, gateway.log.read_text()[-4000:]
        time.sleep(0.02)  # another process's file


RELAXED = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
"""Starts Python with all signals blocked and the ends of its children ignored."""


def test_sigterm_lets_a_run_finish_and_turns_new_ones_away(begin: Begin) -> None:
    """New connections are refused, new runs on an open one get 503 with Retry-After, and the exit code is 0: a run that
    waits for its client, which can't connect any more, holds up nothing.

    Also where the gateway's parent has blocked and ignored signals: both are inherited. With them no end of a process would
    be noticed, and SIGTERM would be nothing.
    """
    process, gateway = begin(launcher=(sys.executable, "-c", RELAXED))
    assert gateway.run("import subprocess\nprint(subprocess.run(['false']).returncode)")["output"] == "1\n"
    kept = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=HANG_S)
    kept.connect()
    calling = {"code": "tools.f()", "tools": [{"name": "f"}]}
    assert gateway.ask("POST", RUN, calling).body["status"] == "tool_call_required"
    run = Background(gateway, "import time; time.sleep(2); print('x' * 500_000)")
    wait_for(gateway, "run started", 3)
    process.send_signal(signal.SIGTERM)
    wait_for(gateway, "draining")
    headers = {"Authorization": f"Bearer {gateway.token}", "Content-Type": "application/json"}
    kept.request("POST", RUN, json.dumps({"code": "1"}), headers)
    refused = kept.getresponse()
    assert (refused.status, refused.getheader("Retry-After")) == (503, "5")
    kept.close()
    with pytest.raises(ConnectionRefusedError):
        gateway.ask("GET", "/code-interpreter/health")
    reply = run.answer()
    assert (reply.status, len(reply.body["output"])) == (200, 500_001)
    assert process.wait(HANG_S) == 0


def test_work_that_takes_longer_than_the_drain_is_cut_short(begin: Begin) -> None:
    """The exit code says so, and the caller gets an answer."""
    process, gateway = begin("--drain-s", "0.3")
    run = Background(gateway, "import time; time.sleep(60)")
    wait_for(gateway, "run started")
    process.send_signal(signal.SIGTERM)
    assert process.wait(HANG_S) == 1
    run.end()


def test_a_second_ctrl_c_ends_at_once_and_still_ends_the_kernels(begin: Begin) -> None:
    """Nobody has to wait for a long run."""
    process, gateway = begin()
    run = Background(gateway, "import time; time.sleep(60)")
    wait_for(gateway, "run started")
    process.send_signal(signal.SIGINT)
    wait_for(gateway, "draining")
    process.send_signal(signal.SIGINT)
    assert process.wait(HANG_S) == 130
    run.end()


def test_after_kill_9_the_next_start_works_and_has_the_history(begin: Begin) -> None:
    """The lock does not outlive its process, and what was run before is still listed."""
    process, gateway = begin()
    gateway.run("print('before')")
    # Not by asking for the history: that shows what is still on its way to the disk too, which may be lost.
    for _ in live.looks():
        if "omega_history_rows_total 1.0" in str(gateway.ask("GET", "/metrics").body):
            break
        time.sleep(0.02)  # another process counts
    process.kill()
    process.wait()
    process, gateway = begin()
    assert gateway.run("print(1)")["output"] == "1\n"
    codes = [entry["code"] for entry in gateway.ask("GET", "/code-interpreter/history").body["history"]]
    assert codes == ["print(1)", "print('before')"]
    assert live.stop(process) == 0


PATIENCE = """
import runpy, sys
from gateway.core import outage
outage.DELAYS_S = {delays}
sys.argv = sys.argv[2:]
runpy.run_module("gateway", run_name="__main__", alter_sys=True)
"""
"""Runs a gateway, in the place of `python`, that waits as long as this before it starts the next spawner."""


def with_delays(*delays_s: float) -> dict[str, Any]:
    """How to start such a gateway."""
    return {"launcher": (sys.executable, "-c", PATIENCE.format(delays=delays_s))}


def test_a_gateway_goes_on_trying_to_have_a_spawner(begin: Begin, tmp_path: Path) -> None:
    """However many die before they are ready, by themselves or killed: it says so, and serves again when one stays."""
    environment = tmp_path / "environment"
    environment.symlink_to(PYTHON.parents[1])
    env = {"OMEGA_KERNEL_PYTHON": f"{environment}/bin/python"}
    process, gateway = begin("--queue-wait-s", "1", "--pool-min", "1", env=env, **with_delays(0.0, 0.1, 0.2))
    assert gateway.run("print(1)")["output"] == "1\n"
    for number in range(1, 4):
        kill_spawner(gateway)
        wait_for(gateway, "spawner exited", number)
    environment.rename(tmp_path / "away")
    wait_for(gateway, "exit_code=1", 3)
    assert_down(gateway)
    (tmp_path / "away").rename(environment)
    wait_for(gateway, "spawner started")
    assert gateway.run("print(2)")["output"] == "2\n"
    health = gateway.ask("GET", "/code-interpreter/health")
    assert (health.status, health.body.get("unavailableSince")) == (200, None)
    assert 'omega_kernels_available{language="python"} 1.0' in gateway.ask("GET", "/metrics").body
    assert live.stop(process) == 0


def kill_spawner(gateway: live.Gateway) -> None:
    """kill -9 of the gateway's spawner, however far it is, once there is one."""
    deadline = time.monotonic() + HANG_S
    while not (found := _children(gateway.pid)):
        assert time.monotonic() < deadline, gateway.log.read_text()[-4000:]
        time.sleep(0.01)  # another process starts it
    os.kill(found[0], signal.SIGKILL)


def assert_down(gateway: live.Gateway) -> None:
    """Everybody is told that there is no spawner: callers, whoever looks at health or metrics, and the log."""
    health = gateway.ask("GET", "/code-interpreter/health")
    assert health.status == 503
    assert health.body["unavailableSince"] < datetime.now(UTC).isoformat()
    assert 'omega_kernels_available{language="python"} 0.0' in gateway.ask("GET", "/metrics").body
    refused = gateway.ask("POST", RUN, {"code": "1"})
    assert (refused.status, refused.body["error"]["code"]) == (503, "unavailable")
    assert int({name.lower(): value for name, value in refused.headers.items()}["retry-after"]) >= 1
    assert "[error" in gateway.log.read_text()
    assert "Traceback" not in gateway.log.read_text()


@pytest.mark.parametrize("delays_s", [(100_000.0,), (0.0,)])
def test_what_a_killed_spawner_left_is_gone_after_sigterm(begin: Begin, tmp_path: Path, delays_s: tuple[float, ...]) -> None:
    """Also when there has not been another one, which would have removed it; and at once, not when that would be due."""
    process, gateway = begin(**with_delays(*delays_s))
    gateway.run("import subprocess; subprocess.Popen(['sleep', '300'])")
    instance = state.instance_name(tmp_path / "state")
    before = traces.take(instance).cgroups
    kill_spawner(gateway)
    wait_for(gateway, "spawner exited")
    if delays_s[0]:
        assert before == traces.take(instance).cgroups
        assert gateway.ask("GET", "/code-interpreter/health").status == 503
    assert live.stop(process) == 0


def test_sigterm_right_after_the_spawner_was_killed_leaves_nothing(begin: Begin) -> None:
    """The gateway may not even have noticed."""
    process, gateway = begin()
    gateway.run("1")
    kill_spawner(gateway)
    assert live.stop(process) == 0


def test_a_first_spawner_that_fails_leaves_nothing(begin: Begin, tmp_path: Path) -> None:
    """Whatever it had made before it found out."""
    (python := tmp_path / "python").write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    process, gateway = begin(ready=False, env={"OMEGA_KERNEL_PYTHON": str(python)})
    assert process.wait(HANG_S) == 1
    assert "Traceback" not in gateway.log.read_text()
    assert f"spawner: {python} failed" in gateway.log.read_text()


def test_the_first_start_shows_a_token_and_a_curl_that_works(tmp_path: Path) -> None:
    """A later start says where the token is kept and does not show it again."""
    first = _first_start(tmp_path)
    token = (tmp_path / "state/token").read_text().strip()
    assert first["banner"].count(token) == 1
    assert json.loads(first["curl"])["output"] == "[ 0  1  4  9 16]\n"
    assert token not in first["log"]
    second = _first_start(tmp_path)
    assert token not in second["banner"]
    assert f"stored in {tmp_path}/state/token" in second["banner"]
    assert json.loads(second["curl"])["success"] is True


def _first_start(folder: Path) -> dict[str, Any]:
    """What a gateway without a configured token shows, and what its curl line answers."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OMEGA_")}
    (temp := folder / "tmp").mkdir(exist_ok=True)
    command = [sys.executable, "-m", "gateway", "serve", "--port", "0", "--state-dir", str(folder / "state")]
    with (folder / "err").open("wb") as errors:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, env={**kept, "TMPDIR": str(temp)}, text=True
        )
    try:
        banner = _read_banner(process, folder / "err")
        curl = banner[banner.index("curl") :]
        answer = subprocess.run(["sh", "-c", curl], capture_output=True, text=True, timeout=HANG_S, check=True)
        process.send_signal(signal.SIGTERM)
        assert process.wait(HANG_S) == 0
    finally:
        process.kill()
        process.communicate()
    return {"banner": banner, "curl": answer.stdout, "log": (folder / "err").read_text()}


def _read_banner(process: subprocess.Popen[str], errors: Path) -> str:
    assert process.stdout is not None
    banner = ""
    while "-d '" not in banner:
        line = process.stdout.readline()
        assert line, errors.read_text()
        banner += line
    return banner


def _children(pid: int) -> list[int]:
    text = "".join((task / "children").read_text() for task in Path(f"/proc/{pid}/task").iterdir())
    return [int(child) for child in text.split()]
