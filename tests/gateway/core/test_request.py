"""The handle on a run."""

from __future__ import annotations

from gateway.core.fold import Completed, fold
from gateway.core.model import Finished, OnEvent, Result, RunSpec
from gateway.core.request import Control, RunRequest, look_at_variables


class Held:
    """A kernel on loan that counts interrupts."""

    interrupts = 0

    async def run(self, _spec: RunSpec, _on_event: OnEvent | None = None) -> Result:
        """An empty success."""
        return fold([Finished("ok")], Completed())

    async def interrupt(self) -> None:
        """Count it."""
        self.interrupts += 1


async def test_a_run_is_interrupted_while_it_has_its_kernel() -> None:
    """Before and after, the kernel is somebody else's."""
    begun: list[bool] = []
    kernel, control = Held(), Control(lambda: begun.append(True))
    assert not await control.interrupt()
    with control.holding(kernel):
        assert begun == [True]
        assert await control.interrupt()
    assert not await control.interrupt()
    assert kernel.interrupts == 1


async def test_a_run_that_nobody_follows_needs_no_listener() -> None:
    """A Control can be had without one."""
    kernel, control = Held(), Control()
    with control.holding(kernel):
        assert await control.interrupt()


def test_a_look_at_variables_runs_no_code() -> None:
    """In its session, and not for long."""
    assert look_at_variables("s") == RunRequest("variables", "", 5.0, session="s")
