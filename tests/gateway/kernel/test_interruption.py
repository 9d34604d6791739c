"""The ladder from message to signal, on a kernel that only a test speaks for."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from gateway.core.model import RunSpec
from gateway.kernel.inbox import Inbox
from gateway.kernel.interruption import Interruption
from gateway.kernel.launch.launcher import KernelProcess
from gateway.kernel.run import Cause, Run
from gateway.kernel.wire.codec import Codec
from gateway.kernel.wire.sockets import KernelSockets
from tests.fakes import in_fake_time

GRACE_S = 10.0


class Scripted:
    """Sockets and process in one: notes what the kernel is asked, and does what the script says is to follow each."""

    def __init__(self, on_message: Cause | None, on_signal: Cause | None, *, answers: bool = True) -> None:
        self.steps: list[str] = []
        self._on = {"message": on_message, "signal": on_signal}
        self._answers = answers
        self.inbox = Inbox(Codec("k"), 1, lambda: None)
        self.run = Run("run", RunSpec("python", "", 30, 1, 1), None, 0.0)
        sockets, process = cast(KernelSockets, self), cast(KernelProcess, self)
        self.interruption = Interruption(sockets, Codec("k"), process, self.inbox, GRACE_S)

    def send(self, channel: str, _frames: list[bytes]) -> None:
        assert channel == "control"
        self._happen("message")

    async def interrupt(self) -> None:
        self._happen("signal")

    def _happen(self, step: str) -> None:
        self.steps.append(step)
        cause = self._on[step]
        if cause is not None:
            self.run.note(cause)
        if cause is Cause.OVER and self._answers:
            self.inbox.interrupted.set()


@pytest.mark.parametrize(
    ("script", "obeyed", "steps", "took_s"),
    [
        ({"on_message": Cause.OVER, "on_signal": None}, True, ["message"], 0),
        ({"on_message": None, "on_signal": Cause.OVER}, True, ["message", "signal"], GRACE_S / 2),
        ({"on_message": None, "on_signal": None}, False, ["message", "signal"], GRACE_S),
        ({"on_message": Cause.DIED, "on_signal": None}, False, ["message"], 0),
        ({"on_message": Cause.EXCEEDED, "on_signal": None}, False, ["message"], 0),
        ({"on_message": Cause.LOST, "on_signal": None}, False, ["message"], 0),
        ({"on_message": None, "on_signal": Cause.DIED}, False, ["message", "signal"], GRACE_S / 2),
        ({"on_message": Cause.OVER, "on_signal": None, "answers": False}, False, ["message", "signal"], GRACE_S),
    ],
)
def test_code_is_asked_then_told(script: dict[str, Any], obeyed: bool, steps: list[str], took_s: float) -> None:
    """Half of the grace for each; whatever else happens meanwhile, the kernel has not obeyed.

    That clients ask again meanwhile changes nothing.
    """

    async def main() -> None:
        loop = asyncio.get_running_loop()
        scripted, begun = Scripted(**script), loop.time()
        for _ in range(3):
            scripted.run.note(Cause.INTERRUPTED)
        assert await scripted.interruption.stop(scripted.run) is obeyed
        assert scripted.steps == steps
        assert loop.time() - begun == pytest.approx(took_s, abs=0.01)

    in_fake_time(main())
