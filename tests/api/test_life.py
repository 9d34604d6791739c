"""The life of a gateway from outside: many callers at once, fresh kernels, orderly ends, killed processes, nothing left."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import live
from tests.api.caller import Caller
from tests.api.crash import find
from tests.live import HANG_S, looks

pytestmark = pytest.mark.kernel


def test_twenty_programs_in_parallel_do_not_mix(caller: Caller) -> None:
    """Each answer holds its own program's output, files and variables, and nothing of another's."""

    def one(i: int) -> tuple[int, Any]:
        code = (
            f"import os, time\nmine = {i}\nopen('/tmp/mine', 'w').write('{i}')\nprint('start', mine, flush=True)\n"
            f"time.sleep(0.2)\nprint('end', open('/tmp/mine').read(), os.listdir('/work'))\nmine"
        )
        return i, caller.python(code)

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        for i, answer in pool.map(one, range(20)):
            assert answer["output"] == f"start {i}\nend {i} []\n", answer
            assert answer["variables"]["mine"]["preview"] == str(i)


def test_no_kernel_is_used_twice(caller: Caller) -> None:
    """What a run leaves behind, in memory or in files, the next one does not find."""
    caller.python("import builtins\nbuiltins.leak = 1\nopen('/work/leak', 'w').close()\nopen('/tmp/leak', 'w').close()")
    for _ in range(6):
        answer = caller.python(
            "import builtins, os\nprint(hasattr(builtins, 'leak'), os.listdir('/work'), os.path.exists('/tmp/leak'))"
        )
        assert answer["output"] == "False [] False\n"


def test_random_numbers_differ_between_kernels(caller: Caller) -> None:
    """random, numpy, uuid, tempfile, OpenSSL and multiprocessing each start anew in every fork."""
    code = (
        "import multiprocessing, random, secrets, ssl, uuid, tempfile, numpy\n"
        "print(random.random(), numpy.random.rand(), uuid.uuid4(), uuid.getnode(), tempfile.mktemp(), secrets.token_hex(), "
        "ssl.RAND_bytes(16).hex(), multiprocessing.current_process().authkey.hex())"
    )
    seen = [caller.python(code)["output"].split() for _ in range(4)]
    for kind in zip(*seen, strict=True):
        assert len(set(kind)) == len(seen), kind


@pytest.mark.parametrize(
    ("code", "output"),
    [
        ("import subprocess\nprint(subprocess.run(['echo', 'hi'], capture_output=True, text=True).stdout)", "hi\n\n"),
        ("import subprocess\nsubprocess.run(['echo', 'straight'])", "straight\n"),
        ("import os\n_ = os.system('echo from the shell')", "from the shell\n"),
        ("!echo bang", "bang\n"),
        ("import threading\nt = threading.Thread(target=print, args=('thread',))\nt.start(); t.join()", "thread\n"),
        ("import asyncio\nawait asyncio.sleep(0)\nprint('awaited')", "awaited\n"),
        ("import multiprocessing as m\nwith m.Pool(2) as p: print(p.map(abs, [-1, -2, 3]))", "[1, 2, 3]\n"),
        (
            "from concurrent.futures import ProcessPoolExecutor\n"
            "with ProcessPoolExecutor(2) as p: print(list(p.map(abs, [-4])))",
            "[4]\n",
        ),
        ("import sqlite3\nprint(sqlite3.connect('x.db').execute('select 1').fetchone())", "(1,)\n"),
        (
            "import sys, subprocess\nsubprocess.run([sys.executable, '-c', 'import numpy; print(numpy.ones(2).sum())'])",
            "2.0\n",
        ),
        ("import os\nos.close(os.open('/work/x', os.O_CREAT))\nprint(os.listdir('.'))", "['x']\n"),
    ],
)
def test_what_programs_commonly_need_works_inside(caller: Caller, code: str, output: str) -> None:
    """Isolation takes nothing from ordinary programs."""
    answer = caller.python(code)
    assert answer["output"] == output, answer
    assert "stderr" not in answer, "it would be there beside stdout"


def test_what_the_gateway_has_is_not_in_a_kernel(caller: Caller) -> None:
    """Its packages are not importable, its files and environment not readable."""
    answer = caller.python(
        "import importlib.util, os\n"
        "print([n for n in ('sqlalchemy', 'pydantic', 'orjson', 'structlog', 'prometheus_client', 'gateway')"
        " if importlib.util.find_spec(n)])\n"
        "print([n for n in os.environ if 'OMEGA' in n or 'TOKEN' in n])\n"
        f"print(os.path.exists({str(Path(__file__).parents[2])!r}))"
    )
    assert answer["output"] == "[]\n[]\nFalse\n", answer


def test_a_leaving_caller_takes_its_run_with_it(caller: Caller) -> None:
    """A closed connection ends the run: its kernel is gone soon, and does not hold a place."""
    with pytest.raises(TimeoutError):
        caller.gateway.ask(
            "POST", "/code-interpreter/python", {"code": "while True: pass", "timeout": 60_000}, timeout_s=0.5
        )
    marker = "while True: pass"
    rows = caller.wait_for_history(lambda rows: True)
    assert all(row["code"] != marker or not row["success"] for row in rows)
    wait_for_metric(caller.gateway, 'outcome="cancelled"')


def wait_for_metric(gateway: live.Gateway, words: str) -> None:
    """Return once /metrics shows *words*; AssertionError when they never come."""
    metrics = ""
    for _ in looks():
        metrics = str(gateway.ask("GET", "/metrics").body)
        if words in metrics:
            return
        time.sleep(0.05)  # another process counts: there is nothing to wait on
    raise AssertionError(metrics)


def test_the_log_holds_no_code_and_no_token(caller: Caller) -> None:
    """Run ids, kinds and times are logged; what callers send is not."""
    caller.python("print('a canary in a coal mine')\nraise ValueError('canary error')")
    text = caller.gateway.log.read_text()
    assert "canary" not in text
    assert caller.gateway.token not in text
    assert "run_id" in text


@pytest.mark.parametrize("victim", ["gateway", "spawner", "zygote"])
def test_no_end_leaves_anything_on_the_machine(victim: str) -> None:
    """After kill -9 of any process, a new start and an end in order: no kernel, cgroup, mount or socket is left."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.api.crash", victim], capture_output=True, text=True, timeout=HANG_S, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_gateway_has_no_capabilities_in_effect(gateway: live.Gateway) -> None:
    """In none of its threads, and nothing it executes can gain any beyond its own."""
    gateway.run("1")
    looked_at = 0
    for task in Path(f"/proc/{gateway.pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            status = (task / "status").read_text()
            assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
            assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
            looked_at += 1
    assert looked_at > 1


def test_a_second_gateway_on_the_same_directory_is_told_so(gateway: live.Gateway) -> None:
    """It must not take over the first one's kernels."""
    second, _ = live.start(gateway.state_dir.parent)
    assert second.wait(HANG_S) == 1
    assert f"omega: another gateway (process {gateway.pid}) uses the state directory" in gateway.log.read_text()
    assert gateway.run("print(3)")["output"] == "3\n"


FORKS = 30
"""More kernels than one of the tests of killed helpers has made, so that none of them meets a zygote that is recycled."""


@pytest.fixture(scope="module")
def robbed() -> Iterator[live.Gateway]:
    """A gateway whose helpers are killed, or recycled soon."""
    with live.serving("--zygote-forks", str(FORKS)) as gateway:
        yield gateway


@pytest.mark.parametrize("victim", ["zygote", "spawner"])
def test_a_killed_helper_is_replaced(robbed: live.Gateway, victim: str) -> None:
    """kill -9 of the zygote fails no request; kill -9 of the spawner at most those under way. The level is what it was."""
    gateway = robbed
    level = gateway.ask("GET", "/code-interpreter/health").body["isolation"]
    helper = find(gateway.pid, victim)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        running = pool.submit(gateway.run, "import time; time.sleep(1.5); print('survived')")
        time.sleep(0.5)
        os.kill(helper, signal.SIGKILL)
        answer = running.result()
        if victim == "zygote":
            assert answer["output"] == "survived\n", answer
        else:
            assert answer["error"] is None or answer["error"]["type"] == "KernelDied"
    for _ in range(12):
        assert gateway.run("print(1)")["output"] == "1\n"
    assert find(gateway.pid, victim) != helper
    assert gateway.ask("GET", "/code-interpreter/health").body["isolation"] == level


def test_a_zygote_is_recycled_without_a_failed_request(robbed: live.Gateway) -> None:
    """After a number of forks a new zygote takes over while requests go on."""
    first = find(robbed.pid, "zygote")
    for i in range(FORKS):
        assert robbed.run(f"print({i})")["output"] == f"{i}\n"
    deadline = time.monotonic() + HANG_S
    while find(robbed.pid, "zygote") == first:
        assert time.monotonic() < deadline, "the zygote is still the first one"
        time.sleep(0.1)


def test_an_allowed_package_is_installed_and_every_later_kernel_has_it() -> None:
    """Fetched and checked outside the sandbox, read-only inside; kernels from before it are not lent any more."""
    with live.serving("--extra-packages", "six") as gateway:
        probe = "import six; print(six.__version__, six.__file__)"
        assert gateway.run(probe)["error"]["type"] == "ModuleNotFoundError"
        reply = gateway.ask("POST", "/code-interpreter/install", {"package": "six"}, timeout_s=120)
        assert reply.status == 200, reply
        assert reply.body["output"].startswith("Successfully installed six-")
        version = reply.body["output"].strip().rpartition("-")[2]
        for _ in range(4):
            answer = gateway.run(probe)
            assert answer["output"].split()[0] == version, answer
            assert "/opt/omega/extra" in answer["output"] or "packages" in answer["output"]
        written = gateway.run("import six\nopen(six.__file__, 'a')")
        assert written["error"]["type"] in ("OSError", "PermissionError")
        again = gateway.ask("POST", "/code-interpreter/install", {"package": "six"})
        assert again.body["output"] == f"six-{version} is already installed\n"


def test_a_kernel_environment_without_the_packages_is_named_at_once() -> None:
    """One sentence says what is missing; nothing is tried again and again."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(f"{folder}/bare", symlinks=True)
        command = [sys.executable, "-m", "gateway", "serve", "--port", "0", "--state-dir", f"{folder}/state"]
        command += ["--kernel-python", f"{folder}/bare/bin/python"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)
    assert done.returncode == 1
    assert "the kernels' environment lacks the package " in done.stderr
    assert "Traceback" not in done.stderr


NODE = """
const fs = require("fs"), { Worker } = require("worker_threads"), { execSync } = require("child_process");
console.log([1, 2, 3].map(x => x * 2));
fs.writeFileSync("x.txt", "hi");
console.log(execSync("cat x.txt").toString());
new WebAssembly.Memory({ initial: 1 });
require("crypto").randomBytes(4);
new Worker('require("worker_threads").parentPort.postMessage(41 + 1)', { eval: true })
  .on("message", m => setTimeout(() => console.log("worker", m), 10));
"""


@pytest.mark.skipif(
    not os.path.realpath(shutil.which("node") or "").startswith("/usr/"), reason="no Node below /usr, which kernels see"
)
def test_node_works_behind_the_same_walls(caller: Caller) -> None:
    """Timers, threads, files, processes, WebAssembly and random numbers; the filter was made for Python and Node alike."""
    node = os.path.realpath(shutil.which("node") or "")
    answer = caller.python(
        f"import subprocess\nprint(subprocess.run([{node!r}, '-e', {NODE!r}], capture_output=True, text=True, "
        "env={'UV_USE_IO_URING': '0', 'PATH': '/usr/bin:/bin'}))"
    )
    assert "returncode=0" in answer["output"], answer
    for said in ("[ 2, 4, 6 ]", "hi", "worker 42"):
        assert said in answer["output"]
