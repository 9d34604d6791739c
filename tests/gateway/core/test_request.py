"""The handle on a run, and the code of one."""

from __future__ import annotations

import pytest

from gateway.core.errors import BadRequest
from gateway.core.fold import Completed, fold
from gateway.core.model import Finished, OnEvent, Result, RunSpec
from gateway.core.request import Control, RunRequest, checked_source, look_at_variables


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


def test_code_is_taken_as_it_is() -> None:
    """No space is lost."""
    assert checked_source("code", " 1\n") == " 1\n"


@pytest.mark.parametrize(
    ("code", "says"),
    [("", "expression is empty."), (" \n", "expression is empty."), ("a\0b\0", "NUL character at position 1.")],
)
def test_code_that_is_none_is_refused(code: str, says: str) -> None:
    """By the name of its field."""
    with pytest.raises(BadRequest) as refused:
        checked_source("expression", code)
    assert refused.value.message.startswith("expression ")
    assert refused.value.message.endswith(says)


def test_a_look_at_variables_runs_no_code() -> None:
    """In its session, and not for long."""
    assert look_at_variables("s") == RunRequest("variables", "", 5.0, session="s")
