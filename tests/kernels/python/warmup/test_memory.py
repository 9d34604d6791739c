"""Runs whose memory ends while their output is handled: the run fails or is whole, and the kernel lives."""

from __future__ import annotations

import platform
import subprocess

import pytest

from tests.kernels.python.conftest import Start
from tests.kernels.python.harness import PYTHON, ROOT, TestKernel

pytestmark = pytest.mark.kernel
LIMIT = (
    "import resource\n"
    "used = int(open('/proc/self/statm').read().split()[0]) * 4096\n"
    "resource.setrlimit(resource.RLIMIT_AS, (used + {} * 1024 * 1024,) * 2)\n"
)


@pytest.mark.parametrize("spare_mib", [160, 170, 220])  # the text has 143; the heap grows in steps of a MiB and more
def test_a_print_of_nearly_all_memory_arrives(start: Start, spare_mib: int) -> None:
    """Handing a text on needs little more than the text itself."""
    kernel = start()
    reply = kernel.run(LIMIT.format(spare_mib) + "x = 'x' * 150_000_000\nprint(x)\nprint('end')")
    assert reply.status == "ok", reply.content
    assert len(reply.text()) == 150_000_005
    assert kernel.run("len(x)").result["text/plain"] == "150000000"


def test_output_that_memory_is_too_short_for_fails_the_run(kernel: TestKernel) -> None:
    """What can't be handed on is told as a MemoryError, once; the next run is as if nothing had been."""
    hurt = (
        "import sys\n"
        "record = sys.stdout._record\n"
        "emit = record._emit\n"
        "def fail(*_): record._emit = emit; raise MemoryError\n"
        "record._emit = fail\n"
    )
    lost = "Memory ran out while output was handed on; some of it is lost"
    reply = kernel.run(hurt + "print('x' * 100_000)")
    assert (reply.content["ename"], reply.content["evalue"]) == ("MemoryError", lost)
    assert 'File "<code>", line 6' in reply.traceback
    assert reply.metadata["omega"]["truncated"] is True
    reply = kernel.run(hurt + "print('short')")  # handed on when the code is over
    assert (reply.content["ename"], reply.content["evalue"]) == ("MemoryError", lost)
    reply = kernel.run(hurt + "print('short')\n1 / 0")
    assert reply.content["ename"] == "ZeroDivisionError"
    assert reply.metadata["omega"]["truncated"] is True
    reply = kernel.run("print('on')")
    assert (reply.status, reply.text(), reply.metadata["omega"]["truncated"]) == ("ok", "on\n", False)


FILLING = """
import ctypes
from kernels.python.warmup import memory
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
places = [libc.malloc(1000) for _ in range(8_000)]
free = set(places[:2_000:2])
for place in free:
    libc.free(place)
memory._fill_holes(libc)
print(len(free & {libc.malloc(1000) for _ in range(1_000)}))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no heap that is one piece")
def test_what_a_kernel_allocates_is_in_no_free_piece_of_the_zygote() -> None:
    """Each such piece may lie in a page that would have to be copied. A few are kept apart by size (7, in glibc)."""
    done = subprocess.run([PYTHON, "-c", FILLING], cwd=ROOT, check=True, capture_output=True, text=True)
    assert int(done.stdout) <= 7
