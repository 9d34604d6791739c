"""What a forked child is: alone, seeded anew, quick, and interruptible."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.kernels.python.conftest import Start
from tests.kernels.python.harness import ForkServer, TestKernel

pytestmark = pytest.mark.kernel


def test_the_zygote_has_one_thread_and_no_debugger(server: ForkServer) -> None:
    """Only a single-threaded process may be forked; debugpy would cost 340 ms."""
    assert server.ready["threads"] == 1
    assert server.ready["debugpy"] is False
    assert set(server.ready["packages"]) >= {"numpy", "pandas", "matplotlib", "scikit-learn", "ipykernel"}


def test_a_kernel_has_few_threads_and_descriptors(kernel: TestKernel) -> None:
    """The main thread, one attendant, and libzmq's two."""
    kernel.run("1")
    assert len(list(Path(f"/proc/{kernel.pid}/task").iterdir())) == 4
    assert len(list(Path(f"/proc/{kernel.pid}/fd").iterdir())) < 40


def test_starting_and_a_first_run_import_nothing(server: ForkServer, kernel: TestKernel) -> None:
    """Everything a simple run needs was imported before the fork."""
    reply = kernel.run("import sys, json, numpy, pandas\nprint(1)\nx = [1]\njson.dumps(sorted(sys.modules))")
    inside = set(json.loads(reply.result["application/json"]))
    assert inside - set(server.ready["modules"]) == set()


def test_a_kernel_starts_as_if_nothing_had_run_before(kernel: TestKernel) -> None:
    """No trace of the zygote's rehearsal: names, counts, history, figures, source lines."""
    reply = kernel.run("sorted(name for name in globals() if not name.startswith('__'))")
    assert reply.of("execute_result")[0]["execution_count"] == 1
    assert set(reply.result["application/json"]) <= {
        *("In", "Out", "_", "_dh", "_i", "_i1", "_ih", "_ii", "_iii", "_oh", "exit", "get_ipython", "open", "quit"),
    }
    assert kernel.run("[In[0], len(In), len(Out)]").result["text/plain"] == "['', 3, 1]"
    assert kernel.run("import linecache\n[n for n in linecache.cache if n.startswith('<code')]").result[
        "application/json"
    ] == ["<code>", "<code 2>", "<code 3>"]
    assert kernel.run("__name__").result["application/json"] == "__main__"
    assert kernel.run("import matplotlib.pyplot as plt\nplt.get_fignums()").result["application/json"] == []


def test_kernels_differ_in_everything_random(start: Start) -> None:
    """random, numpy, uuid, tempfile and secrets of two forks have nothing in common."""
    code = (
        "import random, numpy as np, uuid, tempfile, secrets, os\n"
        "[random.random(), float(np.random.rand()), float(np.random.default_rng().random()), str(uuid.uuid4()),\n"
        " str(uuid.uuid1()), next(tempfile._get_candidate_names()), secrets.token_hex(8), os.urandom(8).hex()]"
    )
    first, second = (start().run(code).result["application/json"] for _ in range(2))
    assert all(a != b for a, b in zip(first, second, strict=True))


def test_the_environment_is_made_from_nothing(start: Start) -> None:
    """Only known names and those given; the work directory is home, current and importable."""
    kernel = start(env={"GIVEN": "x", "OMP_NUM_THREADS": "2"})
    env = kernel.run("import os\ndict(os.environ)").result["application/json"]
    assert env["GIVEN"] == "x"
    assert env["OMP_NUM_THREADS"] == "2"
    assert env["HOME"] == str(kernel.work)
    assert not [name for name in env if name.startswith(("OMEGA", "JPY", "PYTEST", "VIRTUAL"))]
    assert kernel.run("os.getcwd()").result["application/json"] == str(kernel.work)
    kernel.run("open('mine.py', 'w').write('value = 41')")
    assert kernel.run("import mine\nmine.value").result["application/json"] == 41
    assert kernel.run("import subprocess\nsubprocess.run(['env'])").text().count("GIVEN=x") == 1


def test_the_hostile_neighbour_of_the_same_zygote_is_unseen(start: Start) -> None:
    """What one kernel does to modules and builtins stays there."""
    one = start()
    # Not len() or the like, which the kernel itself needs to answer: then it would be chance whether it does.
    one.run("import builtins, numpy as np, math\nbuiltins.sum = lambda x: 5\nnp.pi = 3\nmath.pi = 3")
    assert one.run("[sum([]), np.pi]").result["application/json"] == [5, 3]
    two = start()
    assert two.run("import numpy as np\n[sum([]), np.pi > 3.1]").result["application/json"] == [0, True]


@pytest.mark.parametrize(
    "code",
    ["import time\ntime.sleep(30)", "while True: pass", "import asyncio\nawait asyncio.sleep(30)", "!sleep 30"],
)
def test_sigint_ends_a_run_and_keeps_the_state(kernel: TestKernel, code: str) -> None:
    """An interrupted run is an error; the names bound before are still there."""
    kernel.run("kept = 1")
    request = kernel.send("print('started', flush=True)\n" + code, {"task": "python"})
    time.sleep(0.3)  # the run is somewhere inside its loop; there is nothing to wait for
    kernel.interrupt()
    reply = kernel.collect(request)
    assert reply.status == "error"
    assert reply.content["ename"] == "KeyboardInterrupt"
    assert reply.text() == "started\n"
    assert kernel.run("kept").result["application/json"] == 1


def test_an_interrupt_message_works_too_and_idle_kernels_ignore_interrupts(kernel: TestKernel) -> None:
    """The control channel is served while code runs."""
    kernel.interrupt()
    request = kernel.send("while True: pass", {"task": "python"})
    time.sleep(0.3)
    assert kernel.ask("interrupt_request", channel="control")["content"]["status"] == "ok"
    assert kernel.collect(request).content["ename"] == "KeyboardInterrupt"
    assert kernel.run("1").status == "ok"


def test_output_arrives_while_code_runs(kernel: TestKernel) -> None:
    """Prints are not held back until the end, which here never comes by itself."""
    request = kernel.send("print('early')\nimport time\nwhile True: time.sleep(0.01)", {"task": "python"})
    seen = ""
    while "early" not in seen:
        message = kernel._receive(kernel.iopub)
        seen += message["content"].get("text", "")
    assert seen == "early\n"
    assert kernel.ask("interrupt_request", channel="control")["content"]["status"] == "ok"
    assert kernel.collect(request).content["ename"] == "KeyboardInterrupt"


def test_a_slow_reader_loses_nothing(kernel: TestKernel) -> None:
    """More messages than any queue holds all arrive: the kernel waits for the reader."""
    request = kernel.send("import sys\nfor i in range(10_000): print(i, flush=True)", {"task": "python"})
    time.sleep(1.0)
    assert kernel.collect(request).text() == "".join(f"{i}\n" for i in range(10_000))


def test_shutdown_ends_the_process(kernel: TestKernel) -> None:
    """A shutdown request is answered, exit handlers of the caller run, and the process ends with 0."""
    kernel.run("import atexit\n_ = atexit.register(lambda: open('left', 'w').write('bye'))")
    assert kernel.ask("shutdown_request", {"restart": False}, channel="control")["content"]["status"] == "ok"
    assert kernel.wait()["code"] == 0
    assert (kernel.work / "left").read_text() == "bye"


@pytest.mark.parametrize(("code", "expected"), [("import os; os._exit(7)", 7), ("import ctypes; ctypes.string_at(0)", -11)])
def test_what_was_flushed_before_a_crash_arrives(kernel: TestKernel, code: str, expected: int) -> None:
    """Output handed on before the process dies is not lost with it."""
    kernel.send(f"print('before', flush=True)\nimport time; time.sleep(0.2)\n{code}", {"task": "python"})
    assert kernel.wait()["code"] == expected
    seen = ""
    while kernel.iopub.poll(500):
        seen += kernel._receive(kernel.iopub)["content"].get("text", "")
    assert seen == "before\n"


def test_garbage_on_the_shell_channel_is_ignored(kernel: TestKernel) -> None:
    """Unsigned and malformed messages change nothing."""
    for frames in ([b""], [b"x"] * 3, [b"<IDS|MSG>", b"bad", b"{}", b"{}", b"{}", b"{}"], [b"<IDS|MSG>"]):
        kernel.shell.send_multipart(frames)
    assert kernel.run("1").status == "ok"


def test_a_session_with_a_wrong_key_gets_no_answer(kernel: TestKernel) -> None:
    """Messages signed with another key run nothing."""
    right = kernel.session.key
    kernel.session.key = b"wrong"
    kernel.send("open('owned', 'w')", {"task": "python"})
    kernel.session.key = right
    kernel.run("1")
    assert not (kernel.work / "owned").exists()


def test_signals_other_than_interrupt_have_their_usual_meaning(kernel: TestKernel) -> None:
    """SIGTERM ends the kernel."""
    os.kill(kernel.pid, signal.SIGTERM)
    assert kernel.wait()["code"] == -signal.SIGTERM


def test_a_start_costs_little(start: Start) -> None:
    """Page faults are what limits the rate of starts; 7,400 was where this began."""
    kernel = start()
    kernel.run("print(1)")
    assert kernel.close()["faults"] < 4500


def test_a_repr_that_hangs_is_ended_as_code_is(kernel: TestKernel) -> None:
    """Showing a value runs the caller's code; an interrupt ends that too."""
    request = kernel.send("class H:\n    def __repr__(self):\n        while True: pass\nH()", {"task": "python"})
    time.sleep(0.3)
    kernel.interrupt()
    assert kernel.collect(request).content["ename"] == "KeyboardInterrupt"
    assert kernel.run("1").status == "ok"


def test_an_interrupt_at_any_moment_leaves_a_kernel_that_answers(kernel: TestKernel) -> None:
    """Whether it comes before, during or after the code, every request gets its reply and the next one works."""
    for step in range(60):
        request = kernel.send("x = [str(i) for i in range(2000)]\nprint(1)\nx[:3]", {"task": "python"})
        time.sleep(step * 0.0001)
        kernel.interrupt()
        reply = kernel.collect(request)
        assert reply.status == "ok" or reply.content["ename"] == "KeyboardInterrupt"
    assert kernel.run("print('alive')").text() == "alive\n"


def test_the_answer_to_a_shutdown_is_sent_before_the_process_ends(kernel: TestKernel) -> None:
    """However long the second thread takes for what comes after it: here until the main thread has stopped serving."""
    code = (
        "import time\nkernel = get_ipython().kernel\nloop = kernel.io_loop.asyncio_loop\n"
        "publish = kernel._publish_status_and_flush\n"
        "def late(status, channel, *more):\n"
        "    while (status, channel) == ('idle', 'control') and loop.is_running(): time.sleep(0.001)\n"
        "    publish(status, channel, *more)\n"
        "kernel._publish_status_and_flush = late"
    )
    assert kernel.plain(code).status == "ok"
    assert kernel.ask("shutdown_request", {"restart": False}, channel="control")["content"]["status"] == "ok"
    assert kernel.wait()["code"] == 0
