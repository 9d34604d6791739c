"""Runs whose memory ends while their output is handled: the run fails or is whole, and the kernel lives."""

from __future__ import annotations

import pytest

from tests.kernels.python.conftest import Start
from tests.kernels.python.harness import TestKernel

pytestmark = pytest.mark.kernel
LIMIT = (
    "import resource\n"
    "used = int(open('/proc/self/statm').read().split()[0]) * 4096\n"
    "resource.setrlimit(resource.RLIMIT_AS, (used + {} * 1024 * 1024,) * 2)\n"
)


@pytest.mark.parametrize("spare_mib", [150, 160, 220])  # the text has 143; the heap grows in steps of a MiB and more
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


def test_what_a_kernel_allocates_lies_together(kernel: TestKernel) -> None:
    """Not in the free pieces between what the zygote has, each in a page that would have to be copied."""
    code = (
        "import ctypes\n"
        "allocate = ctypes.CDLL(None).malloc\n"
        "allocate.restype = ctypes.c_void_p\n"
        "places = sorted(allocate(size) for size in (600, 1_500, 6_000) for _ in range(100))\n"
        "places[-30] - places[30]"
    )
    reply = kernel.run(code)
    assert 0 < reply.result["application/json"] < 4 * (600 + 1_500 + 6_000) * 100
