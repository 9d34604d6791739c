"""A gateway whose kernels take their isolation steps as a test tells: one fails, or is left out by a child that lies.

The `kernels` package is copied and the copy's steps.py gets a few lines at its end; everything else is the product.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import live
from tests.levels import places

_ROOT = Path(__file__).resolve().parents[2]
_LINES = """

_confine = confine


def confine(c):
    global STEPS
    import pathlib, signal
    told = pathlib.Path(__file__).with_name("order")
    # It is not there while the spawner tries what this machine allows.
    words = (told.read_text() if told.exists() else "").split()
    order, name, number = [*words, "", "", "0"][:3]

    def act(_c, _p):
        if order == "fail":
            raise OSError(int(number), "made to fail")
        if order == "raise":
            raise KeyError("made to raise")
        os.kill(os.getpid(), signal.SIGKILL)

    if order == "skip":
        STEPS = tuple(step for step in STEPS if step.name not in (*words, "self_check"))
    elif order:
        STEPS = tuple(Step(s.name, s.denies, s.levels, act) if s.name == name else s for s in STEPS)
    return _confine(c)
"""
_RUN = """
import runpy, sys
from gateway.core import plan
plan.backoff_s = lambda _failures, _limits: 0.1
del sys.argv[1:3]
runpy.run_module("gateway", run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True, slots=True)
class Double:
    """The gateway, and the file its kernels read their order from."""

    gateway: live.Gateway
    order: Path

    def tell(self, *words: str) -> None:
        """Have every kernel from now on do so; without words, what it should.

        At once: a kernel that was begun before may be reading, and an order half written is none.
        """
        written = self.order.with_name("order.new")
        written.write_text(" ".join(words))
        written.replace(self.order)


@contextlib.contextmanager
def serving() -> Iterator[Double]:
    """A gateway at level L3 that keeps no kernel ready, so that each run shows what became of its own.

    It gives up on a run soon, and tries again soon after a kernel that was refused: most runs here are to fail.
    """
    with tempfile.TemporaryDirectory(prefix="omega-test-") as made:
        folder, app = Path(made), Path(made, "app")
        shutil.copytree(_ROOT / "kernels", app / "kernels")
        (app / "gateway").symlink_to(_ROOT / "gateway")
        (app / "run.py").write_text(_RUN)
        with (app / "kernels/sandbox/steps.py").open("a") as steps:
            steps.write(_LINES)
        order = app / "kernels/sandbox/order"
        order.write_text("")
        places.prepare(folder, "root")
        process, gateway = live.start(
            folder,
            *(*places.SMALL, "--pool-min", "0", "--pool-min-javascript", "0", "--pool-max", "0", "--queue-wait-s", "0.5"),
            env={"OMEGA_KERNEL_PYTHON": places.kernel_python()},
            launcher=(*places.launcher("root"), str(app / "run.py")),
        )
        try:
            live.wait_ready(gateway, process)
            yield Double(gateway, order)
        finally:
            live.stop(process)
