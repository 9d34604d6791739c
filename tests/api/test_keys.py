"""Named keys on a live gateway: made and revoked by the command while it serves, each limit met in a real kernel."""

from __future__ import annotations

import concurrent.futures
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.state import instance_name
from tests import live, traces
from tests.api import raw
from tests.live import HANG_S, Gateway, Reply

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).resolve().parents[2]
PYTHON = "/code-interpreter/python"
SESSIONS = "/code-interpreter/sessions"


def omega(gateway: Gateway, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`omega token ...` on the gateway's state directory, beside the running gateway."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OMEGA_")}
    command = [sys.executable, "-m", "gateway", "token", *arguments, "--state-dir", str(gateway.state_dir)]
    return subprocess.run(command, cwd=ROOT, env=kept, capture_output=True, text=True, timeout=HANG_S, check=False)


def within(condition: Callable[[], bool]) -> None:
    """Return when *condition* holds; AssertionError when a running gateway never notices."""
    deadline = time.monotonic() + HANG_S
    while not condition():
        assert time.monotonic() < deadline, "not noticed in time"
        time.sleep(0.1)  # another process: it looks once a second


def is_valid(gateway: Gateway) -> bool:
    """Whether this token is let in; a wrong one is 401, or 429 after many others."""
    return gateway.ask("GET", "/code-interpreter/examples").status == 200


def add(gateway: Gateway, name: str, *limits: str) -> Gateway:
    """The gateway as the holder of a new key sees it."""
    done = omega(gateway, "add", name, *limits)
    assert done.returncode == 0, done.stderr
    holder = replace(gateway, token=done.stdout.strip())
    assert re.fullmatch(r"omega_[\w-]{43}\n", done.stdout)
    assert holder.token not in done.stderr
    within(lambda: is_valid(holder))
    return holder


def error_of(reply: Reply) -> tuple[int, str]:
    """Status and code."""
    return reply.status, reply.body["error"]["code"]


def test_a_key_is_valid_from_add_to_revoke(gateway: Gateway) -> None:
    """Without a restart, within seconds; no other key notices, and a run under way still ends well."""
    ada, bob = add(gateway, "ada"), add(gateway, "bob")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        under_way = pool.submit(ada.run, "import time; time.sleep(4); print('done')")
        assert ada.run("print(1)")["output"] == "1\n"
        assert omega(gateway, "revoke", "ada").returncode == 0
        within(lambda: not is_valid(ada))
        assert under_way.result()["output"] == "done\n"
    assert error_of(ada.ask("POST", PYTHON, {"code": "1"})) in ((401, "unauthorized"), (429, "too_many_requests"))
    assert bob.run("print(2)")["output"] == "2\n"
    assert is_valid(gateway)
    omega(gateway, "revoke", "bob")


@pytest.mark.parametrize("how", ["revoked", "expired"])
def test_what_a_key_keeps_ends_with_it(gateway: Gateway, how: str) -> None:
    """Sessions in the middle of a run and Jupyter kernels; those of other keys go on."""
    leaver = add(gateway, f"leaver-{how}", *(["--expires", "6s"] if how == "expired" else []))
    stayer = gateway.ask("POST", SESSIONS, {}).body["id"]
    theirs = [leaver.ask("POST", SESSIONS, {}).body["id"] for _ in range(2)]
    assert leaver.ask("POST", "/api/kernels", {}).status == 201
    kept = kept_kernels(gateway)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        code = {"code": "import time; time.sleep(60)", "timeout": 60_000}
        running = pool.submit(leaver.ask, "POST", f"{SESSIONS}/{theirs[0]}/execute", code)
        if how == "revoked":
            time.sleep(0.5)
            omega(gateway, "revoke", f"leaver-{how}")
        ended = running.result(HANG_S).body["error"]
    assert ended["type"] == "SessionEnded"
    assert "its key is no longer valid" in ended["message"]
    within(lambda: kept_kernels(gateway) == kept - 3)
    assert gateway.ask("POST", f"{SESSIONS}/{stayer}/execute", {"code": "print(1)"}).body["output"] == "1\n"
    gateway.ask("DELETE", f"{SESSIONS}/{stayer}")


def kept_kernels(gateway: Gateway) -> int:
    """How many kernels are in use, as the metrics tell."""
    text = str(gateway.ask("GET", "/metrics").body)
    return sum(
        int(float(count)) for count in re.findall(r'omega_pool_kernels\{language="\w+",state="leased"\} ([\d.]+)', text)
    )


def test_each_key_has_ids_of_its_own_for_jupyter_kernels(gateway: Gateway) -> None:
    """An id that another key uses can be had, and does not tell that it is in use."""
    mine, theirs = add(gateway, "ids-one"), add(gateway, "ids-two")
    wanted = {"kernel_id": str(uuid.uuid4())}
    where = f"/api/kernels/{wanted['kernel_id']}"
    assert mine.ask("POST", "/api/kernels", wanted).status == 201
    assert mine.ask("POST", "/api/kernels", wanted).status == 409
    assert theirs.ask("POST", "/api/kernels", wanted).status == 201
    assert theirs.ask("DELETE", where).status == 204
    assert (theirs.ask("GET", where).status, mine.ask("GET", where).status) == (404, 200)
    assert mine.ask("DELETE", where).status == 204


def test_each_key_has_its_own_history(gateway: Gateway) -> None:
    """Also one that gets the name of a key that was revoked."""
    first = add(gateway, "historian")
    first.run("print('the historian was here')")
    within(lambda: len(history(first)) == 1)
    assert "print('the historian was here')" not in [entry["code"] for entry in history(gateway)]
    omega(gateway, "revoke", "historian")
    second = add(gateway, "historian")
    assert history(second) == []
    omega(gateway, "revoke", "historian")


def history(gateway: Gateway) -> list[Any]:
    """The runs of this key."""
    return list(gateway.ask("GET", "/code-interpreter/history?limit=500").body["history"])


def test_a_key_expires_by_itself(gateway: Gateway) -> None:
    """Not before its time; a clock of its own decides it to the second in tests/gateway/service/keys."""
    made = time.time()
    done = omega(gateway, "add", "brief", "--expires", "4s")
    brief = replace(gateway, token=done.stdout.strip())
    within(lambda: is_valid(brief) or time.time() >= made + 4)
    within(lambda: not is_valid(brief))
    assert time.time() >= made + 4
    assert re.search(r"^brief +expired", omega(gateway, "list").stdout, re.MULTILINE)
    assert omega(gateway, "revoke", "brief").returncode == 0


def test_requests_over_the_rate_are_429_with_the_time_to_wait(gateway: Gateway) -> None:
    """Every kind of request counts; nothing is run; other keys are served."""
    few = add(gateway, "few", "--requests-per-minute", "30")
    for method, path, body in (("GET", "/code-interpreter/history", None), ("POST", PYTHON, {"code": "1"})):
        refused = first_refused(few, method, path, body)
        assert error_of(refused) == (429, "too_many_requests")
        assert "30 requests per minute" in refused.body["error"]["message"]
        assert 1 <= int(refused.headers["Retry-After"]) <= 3
    assert gateway.run("print(1)")["success"] is True
    time.sleep(2.1)  # one comes back every two seconds
    assert few.ask("GET", "/code-interpreter/history").status == 200
    omega(gateway, "revoke", "few")


def first_refused(gateway: Gateway, *request: Any) -> Reply:
    """The first answer that is not 200: one request more is allowed every two seconds, which may be just now."""
    for _ in range(100):
        if (reply := gateway.ask(*request)).status != 200:
            return reply
    raise AssertionError("a hundred requests were let in")


def test_runs_over_the_number_at_once_are_429(gateway: Gateway) -> None:
    """The next one is let in as soon as one has ended, or its client has gone."""
    one = add(gateway, "one", "--concurrent", "1")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        under_way = pool.submit(one.run, "import time; time.sleep(2)")
        within(lambda: "key=one" in gateway.log.read_text())
        refused = one.ask("POST", PYTHON, {"code": "1"})
        assert error_of(refused) == (429, "too_many_requests")
        assert "1 run at a time" in refused.body["error"]["message"]
        assert refused.headers["Retry-After"] == "1"
        assert gateway.run("print(1)")["success"] is True
        assert under_way.result()["success"] is True
    assert one.run("print(1)")["success"] is True
    with pytest.raises(TimeoutError):
        one.ask("POST", PYTHON, {"code": "import time; time.sleep(30)"}, timeout_s=0.5)
    within(lambda: one.ask("POST", PYTHON, {"code": "1"}).status == 200)
    omega(gateway, "revoke", "one")


def test_kernels_of_a_key_have_its_limits(gateway: Gateway) -> None:
    """Memory, time and output: less than the gateway's own, or more; others' kernels keep theirs."""
    small = add(
        gateway,
        "small",
        *("--memory-mb", "128", "--max-timeout-s", "2", "--output-bytes", "4096"),
    )
    code = "x = bytearray(200 * 2**20); x[::4096] = b'1' * len(x[::4096]); print(len(x))"
    assert small.run(code)["limits"] == ["memory"]
    assert gateway.run(code)["output"] == f"{200 * 2**20}\n"

    begun = time.monotonic()
    assert small.run("while True: pass")["limits"] == ["timeout"]
    assert time.monotonic() - begun < 25, "only time tells its 2 s from the 30 s of others"
    refused = small.ask("POST", PYTHON, {"code": "1", "timeout": 2001})
    assert refused.status == 400
    assert "1 to 2000" in refused.body["error"]["message"]
    assert gateway.run("print(1)", timeout=2001)["success"] is True

    cut = small.run("print('x' * 10_000)")
    assert (cut["limits"], cut["truncated"]) == (["output"], True)
    assert gateway.run("print('x' * 10_000)")["truncated"] is False
    omega(gateway, "revoke", "small")


def test_a_key_may_have_more_than_others(gateway: Gateway) -> None:
    """The gateway's settings are what keys have that say nothing."""
    large = add(gateway, "large", "--memory-mb", "900", "--output-bytes", "2000000", "--max-timeout-s", "400")
    assert large.run("x = bytearray(600 * 2**20); print(len(x))")["output"] == f"{600 * 2**20}\n"
    assert large.run("print('x' * 1_500_000)", timeout=400_000)["truncated"] is False
    omega(gateway, "revoke", "large")


def test_processes_are_limited_per_key(gateway: Gateway) -> None:
    """Threads count as processes do."""
    code = (
        "import threading, time\nmade = 0\ntry:\n    for _ in range(50):\n"
        "        threading.Thread(target=time.sleep, args=(3,), daemon=True).start(); made += 1\n"
        "except RuntimeError: pass\nprint(made)"
    )
    lean = add(gateway, "lean", "--processes", "30")
    assert int(lean.run(code)["output"]) < 30
    assert int(gateway.run(code)["output"]) == 50
    omega(gateway, "revoke", "lean")


def test_cpu_time_is_limited_per_key(gateway: Gateway) -> None:
    """Half a core makes half as much in the same time; where the machine has no such limit nothing is asserted."""
    code = "import time\nend = time.monotonic() + 1.5\nwhile time.monotonic() < end: pass\nprint(time.process_time())"
    half = add(gateway, "half", "--cpu-cores", "0.25")
    cpu_s = float(half.run(code)["output"])
    omega(gateway, "revoke", "half")
    if not traces.take(instance_name(gateway.state_dir)).cgroups:
        pytest.skip("no control group bounds the processor time of a kernel here")
    assert cpu_s < 1.0


def test_guessing_is_slowed_down_and_locks_nobody_out(gateway: Gateway) -> None:
    """A thousand wrong tokens: 401, then 429, in no other time than each other; the right one is answered in between."""
    statuses: list[int] = []
    for number in range(1000):
        data = raw.compose("GET", "/code-interpreter/examples", f"omega_guess-{number}", "Connection: close")
        (answer,) = raw.parse(raw.exchange(gateway.port, data))
        statuses.append(answer.status)
        if number % 100 == 0:
            assert is_valid(gateway)
    assert set(statuses) == {401, 429}
    assert statuses.count(401) < 100
    assert gateway.run("print(1)")["success"] is True
    said = gateway.log.read_text()
    assert "omega_guess" not in said
    assert said.count("wrong token") <= 5


MALFORMED = [
    "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\x01\r\n\r\n",
    "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization Bearer {token}\r\n\r\n",
    "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization:\r\n Bearer {token}\r\n\r\n",
    "GET {path}?token={token} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "GET {path}?token={token} HTTP/9.1\r\nHost: localhost\r\n\r\n",
    "GET {path} {token} HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET {path} HTTP/1.1\r\nHost: {token}/x\r\n\r\n",
    "GET {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {token}\r\n\r\n",
    "GET {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: {token}\r\n\r\n",
    "POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{token}\r\n",
    "{token}\r\n\r\n",
]


@pytest.mark.parametrize("form", MALFORMED)
def test_a_token_is_neither_logged_nor_told_whatever_the_request_is(gateway: Gateway, form: str) -> None:
    """In no place of a request: not even where the parser complains about just that place."""
    data = form.format(path="/code-interpreter/history", token=gateway.token).encode("latin-1")
    answers = raw.parse(raw.exchange(gateway.port, data, half_close="chunked" in form))
    assert all(answer.status >= 400 for answer in answers)
    assert not any(gateway.token.encode() in answer.body for answer in answers)
    assert gateway.token not in gateway.log.read_text()


def test_no_token_is_kept_in_the_state_directory(gateway: Gateway) -> None:
    """The database has hashes; a configured token is in no file at all."""
    holder = add(gateway, "hashed")
    holder.run("print(1)")
    kept = [path.read_bytes() for path in gateway.state_dir.rglob("*") if path.is_file()]
    assert kept
    for token in (holder.token, gateway.token):
        assert not any(token.encode() in data for data in kept)
    omega(gateway, "revoke", "hashed")


def test_keys_of_a_stopped_gateway_and_the_rotated_token_count(tmp_path: Path) -> None:
    """A key made before the first start is valid after it; the stored token is replaced while the gateway serves."""
    seed = Gateway("", "", 0, 0, tmp_path / "state", tmp_path / "log")
    early = omega(seed, "add", "early").stdout.strip()
    late = omega(seed, "add", "late").stdout.strip()
    assert omega(seed, "revoke", "late").returncode == 0
    process, started = live.start(tmp_path, env={"OMEGA_TOKEN": None})
    try:
        live.wait_ready(started, process)
        first = replace(started, token=omega(started, "print").stdout.strip())
        assert first.run("print(1)")["success"] is True
        assert replace(started, token=early).run("print(1)")["success"] is True
        assert not is_valid(replace(started, token=late))
        rotated = omega(started, "rotate")
        assert rotated.returncode == 0
        second = replace(started, token=omega(started, "print").stdout.strip())
        within(lambda: is_valid(second))
        assert not is_valid(first)
        assert history(second)[-1]["code"] == "print(1)"
    finally:
        assert live.stop(process) == 0
