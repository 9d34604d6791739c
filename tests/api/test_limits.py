"""Each limit hit once through HTTP: the right error, what was captured till then, the next request answered at once."""

from __future__ import annotations

import concurrent.futures

import pytest

from gateway.state import instance_name
from tests import traces
from tests.api.caller import Caller
from tests.live import HANG_MS, HANG_S, Gateway

pytestmark = pytest.mark.kernel


@pytest.fixture(autouse=True)
def next_request_is_fine(caller: Caller) -> object:
    """Whatever happened in a test, the request after it is a normal one."""
    yield
    assert caller.python("print(1 + 1)")["output"] == "2\n"


def test_the_default_and_the_largest_timeout_are_checked(caller: Caller) -> None:
    """A timeout beyond the maximum, or not a number, is refused and runs nothing."""
    wrongs: tuple[object, ...] = (0, -1, 10**9, "5", True, [], 1e308)
    for wrong in wrongs:
        told = caller.post("python", {"code": "1", "timeout": wrong})
        assert told.status == 400, wrong
        assert "timeout" in told.body["error"]["message"]


@pytest.mark.parametrize(
    "code", ["while True:\n    pass", "import time\ntime.sleep(1000)", "import threading\nthreading.Event().wait()"]
)
def test_a_run_over_its_time_is_interrupted(caller: Caller, code: str) -> None:
    """`TimeoutError: Execution timeout exceeded`, with what was printed before."""
    answer = caller.python(f"print('begun', flush=True)\n{code}", timeout=3000)
    assert answer["success"] is False
    assert answer["error"]["type"] == "TimeoutError"
    assert answer["error"]["message"] == "Execution timeout exceeded"
    assert answer["limits"] == ["timeout"]
    assert answer["output"] == "begun\n"


@pytest.mark.parametrize(
    "code",
    [
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "sum(range(10**13))",
        "import ctypes\nctypes.PyDLL(None).pause()",
    ],
)
def test_code_that_ignores_the_interrupt_is_killed(caller: Caller, code: str) -> None:
    """The same error; the ladder ends with a kill from outside, for nothing else would."""
    answer = caller.python(code, timeout=500)
    assert answer["error"]["type"] == "TimeoutError", answer
    assert answer["error"]["message"] == "Execution timeout exceeded"


@pytest.mark.parametrize(
    "code",
    [
        "x = bytearray(2 * 10**9)",
        "import numpy as np\nx = np.ones(10**9)",
        "import numpy as np\nx = np.empty(10**12)",
        "x = []\nwhile True: x.append(bytearray(10**7))",
        "x = 'a'\nwhile True: x = x + x",
        "import mmap\nm = mmap.mmap(-1, 2 * 10**9)\nfor i in range(0, 2 * 10**9, 4096): m[i] = 1",
    ],
)
def test_memory_beyond_the_limit_is_a_memory_error(caller: Caller, code: str) -> None:
    """Refused by the allocator or killed by the system: the type is MemoryError either way."""
    answer = caller.python(code, timeout=HANG_MS)
    assert answer["success"] is False
    assert answer["error"]["type"] == "MemoryError", answer["error"]
    assert answer["limits"] == ["memory"]


def test_memory_below_the_limit_is_usable(caller: Caller) -> None:
    """The limit is a limit on what the code takes, not on what the data stack took before it."""
    answer = caller.python("x = bytearray(300 * 2**20)\nx[::4096] = b'x' * len(x[::4096])\nprint(len(x))")
    assert answer["output"] == f"{300 * 2**20}\n", answer


@pytest.mark.parametrize(
    "code",
    [
        "while True: print('x' * 1000)",
        "print('x' * 50_000_000)",
        "import os\nwhile True: os.write(1, b'y' * 65536)",
        "import subprocess\nsubprocess.run(['yes'])",
    ],
)
def test_output_beyond_the_limit_ends_the_run(caller: Caller, code: str) -> None:
    """`ExecutionError: Output size limit exceeded`; what was captured up to there is returned."""
    answer = caller.python(f"print('first line', flush=True)\n{code}", timeout=HANG_MS)
    assert answer["success"] is False
    assert answer["error"]["type"] == "ExecutionError", answer["error"]
    assert answer["error"]["message"] == "Output size limit exceeded"
    assert answer["limits"] == ["output"]
    assert answer["truncated"] is True
    assert answer["output"].startswith("first line\n")
    assert len(answer["output"].encode()) <= 1024 * 1024
    if not answer["kernelReplaced"]:  # it obeyed the interrupt in time: then the line is known
        assert 'File "<code>", line ' in answer["error"]["traceback"]


def test_output_just_below_the_limit_is_whole(caller: Caller) -> None:
    """Nothing is cut silently."""
    answer = caller.python("print('x' * (1024 * 1024 - 1))")
    assert answer["success"] is True
    assert len(answer["output"]) == 1024 * 1024
    assert answer["truncated"] is False


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os\nos._exit(7)", "7"),
        ("import ctypes\nctypes.string_at(0)", "SIGSEGV"),
        ("import os\nos.abort()", "SIGABRT"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
    ],
)
def test_a_kernel_that_dies_says_how(caller: Caller, code: str, message: str) -> None:
    """A segfault, os._exit and a kill are told apart from a deadline and from too much memory."""
    answer = caller.python(f"print('alive', flush=True)\n{code}")
    assert answer["success"] is False
    assert answer["error"]["type"] == "KernelDied", answer["error"]
    assert message in answer["error"]["message"]
    assert answer["limits"] == ["kernel_died"]
    assert answer["output"] == "alive\n"


def test_a_fork_bomb_meets_the_process_limit(caller: Caller) -> None:
    """Neighbours are answered while it rages, and nothing of it is left."""
    bomb = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
    with concurrent.futures.ThreadPoolExecutor() as pool:
        bombing = pool.submit(caller.python, bomb, timeout=1500)
        assert caller.python("print('neighbour')")["output"] == "neighbour\n"
        assert bombing.result()["error"]["type"] in ("TimeoutError", "KernelDied")


def test_processes_and_threads_are_bounded(caller: Caller) -> None:
    """The error is the system's, and can be caught."""
    answer = caller.python(
        "import subprocess\nopen_ = []\ntry:\n    for _ in range(1000): open_.append(subprocess.Popen(['sleep', '1000']))\n"
        "except OSError as error:\n    print(type(error).__name__)\nprint(len(open_) < 200)"
    )
    assert answer["output"] == "BlockingIOError\nTrue\n", answer


def test_open_files_are_bounded(caller: Caller) -> None:
    """EMFILE inside; the gateway's own descriptors are untouched."""
    answer = caller.python(
        "import errno\nf = []\ntry:\n    while True: f.append(open('/dev/null'))\nexcept OSError as e: code = e.errno\n"
        "count = len(f)\nf.clear()\nprint(code == errno.EMFILE, count < 600)"
    )
    assert answer["output"] == "True True\n", answer


@pytest.mark.parametrize("place", ["/work", "/tmp", "/dev/shm"])
def test_files_are_bounded_without_using_up_the_memory(caller: Caller, place: str) -> None:
    """ENOSPC, not an out-of-memory kill; the kernel goes on."""
    answer = caller.python(
        "import errno\nn = 0\ntry:\n    for i in range(1000):\n"
        f"        with open(f'{place}/f{{i}}', 'wb') as f: n += f.write(b'x' * 2**20)\n"
        "except OSError as e: print(e.errno == errno.ENOSPC)\nprint(n < 200 * 2**20)"
    )
    assert answer["output"] == "True\nTrue\n", answer


def test_one_file_is_bounded(caller: Caller) -> None:
    """A sparse terabyte is refused as well."""
    answer = caller.python(
        "f = open('big', 'wb')\ntry:\n    f.truncate(2**40)\nexcept OSError as e: print(type(e).__name__)"
    )
    assert answer["output"] == "OSError\n", answer


def test_inodes_are_bounded(caller: Caller) -> None:
    """Millions of empty files are refused."""
    answer = caller.python(
        "import errno\ntry:\n    for i in range(10**6): open(f'e{i}', 'w').close()\n"
        "except OSError as e: print(e.errno == errno.ENOSPC)"
    )
    assert answer["output"] == "True\n", answer


def test_there_is_no_network(caller: Caller) -> None:
    """Outside addresses are unreachable at once, not after a while; names are not found."""
    answer = caller.python(
        """
import socket
for target in (("192.0.2.1", 80), ("169.254.169.254", 80)):
    try:
        socket.create_connection(target, timeout=60)
        print("connected")
    except OSError as error:
        print(type(error).__name__)
try:
    socket.getaddrinfo("example.org", 80)
    print("found")
except OSError as error:
    print(type(error).__name__)
"""
    )
    assert answer["output"] == "OSError\nOSError\ngaierror\n", answer


def test_processor_time_is_bounded(narrow: Gateway) -> None:
    """In both languages; a session goes on in a fresh kernel."""
    burn = "while True:\n    pass"
    session = narrow.ask("POST", "/code-interpreter/sessions", {"idleTimeout": HANG_MS}).body["id"]
    for path, code in (
        ("python", burn),
        (f"sessions/{session}/execute", burn),
        ("javascript", "while (true);"),
    ):
        answer = narrow.ask(
            "POST", f"/code-interpreter/{path}", {"code": code, "timeout": HANG_MS}, timeout_s=2 * HANG_S
        ).body
        assert answer["error"]["type"] == "ExecutionError", answer
        assert answer["error"]["message"].startswith("Processor time limit exceeded")
        assert (answer["limits"], answer["kernelReplaced"]) == (["cpu"], True)
    again = narrow.ask("POST", f"/code-interpreter/sessions/{session}/execute", {"code": "print(1 + 1)"}).body
    assert again["output"] == "2\n"
    assert narrow.ask("DELETE", f"/code-interpreter/sessions/{session}").status == 200


HOG = """
import os, time
def used():
    return sum(os.times()[:4])
begun, before, children = time.monotonic(), used(), []
for _ in range(6):
    children.append(os.fork())
    if children[-1] == 0:
        while True: pass
while time.monotonic() - begun < 3: pass
for child in children:
    os.kill(child, 9); os.waitpid(child, 0)
print(used() - before, time.monotonic() - begun)
"""


def test_cpu_time_is_shared(caller: Caller) -> None:
    """A kernel that computes on many processes gets one core's time, and its neighbours are answered meanwhile."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        hogging = pool.submit(caller.python, HOG, timeout=HANG_MS)
        for _ in range(3):
            assert caller.python("print(sum(range(10**5)))")["success"] is True
        cpu_s, wall_s = map(float, hogging.result()["output"].split())
    if not traces.take(instance_name(caller.gateway.state_dir)).cgroups:
        pytest.skip("no control group bounds the processor time of a kernel here")
    assert cpu_s < 1.3 * wall_s + 0.2
