"""What the preloaded process hands on to its kernels."""

from __future__ import annotations

import pytest

from tests.kernels.python.harness import TestKernel

pytestmark = pytest.mark.kernel


def test_garbage_of_a_kernel_is_collected(kernel: TestKernel) -> None:
    """The collector, off during the imports, is on in kernels, and leaves alone what the imports made."""
    reply = kernel.run(
        "import gc, weakref\n"
        "class Ring: pass\n"
        "ring = Ring(); ring.itself = ring; left = weakref.ref(ring); del ring\n"
        "kept = [[] for _ in range(100_000)]\n"
        "[gc.isenabled(), left() is None, gc.get_freeze_count() > 100_000]"
    )
    assert reply.result["application/json"] == [True, True, True]
