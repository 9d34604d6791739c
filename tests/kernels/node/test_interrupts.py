"""An interrupt may come at any moment of a run: there is one answer, text stays whole, and the next run is as ever."""

from __future__ import annotations

import itertools
import os
import select
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kernels.node import process as module
from kernels.node.process import NodeProcess
from tests.kernels.python.harness import PATIENCE_S, PYTHON, ROOT

pytestmark = pytest.mark.kernel
FIND = "from kernels.node.binary import find; node = find(); print(node.path if node else '')"
FOLDER = str(module.MAIN.parent)
INTERRUPTED = "KeyboardInterrupt"
MEMORY_BYTES = 512 * 1024 * 1024
AGAIN_S = 0.05
TEXT = "text " * 40


@dataclass
class Talk:
    """A Node process and what it says."""

    process: NodeProcess
    number: int = 0
    printed: list[str] = field(default_factory=list)

    def send(self, **request: Any) -> None:
        """Send one request."""
        self.number += 1
        self.process.send({"id": self.number, "count": self.number, **request})

    def take(self) -> list[dict[str, Any]]:
        """The answers that came, once anything has; text is kept."""
        if not select.select([self.process.fileno()], [], [], PATIENCE_S)[0]:
            raise TimeoutError("no answer of Node")
        frames = list(self.process.frames())
        self.printed += [frame.body for frame in frames if frame.kind == "o"]
        return [frame.body for frame in frames if frame.kind in ("r", "h")]

    def answer(self) -> dict[str, Any]:
        """The one answer to the request sent last."""
        while not (found := self.take()):
            pass
        assert [body["id"] for body in found] == [self.number]
        return found[0]

    def run(self, code: str, mode: str = "cell", **more: Any) -> dict[str, Any]:
        """The answer to a run."""
        self.send(kind="run", code=code, mode=mode, variables=True, json=True, **more)
        return self.answer()

    def run_next(self, code: str) -> dict[str, Any]:
        """The answer to a run; asked again when an interrupt for the one before came too late for that."""
        answer = self.run(code)
        return self.run(code) if _name(answer) == INTERRUPTED else answer

    def interrupt_until_answered(self) -> dict[str, Any]:
        """The answer to the request sent last, with interrupts as a kernel sends them."""
        for _ in range(round(PATIENCE_S / AGAIN_S)):
            self.process.interrupt()
            if select.select([self.process.fileno()], [], [], AGAIN_S)[0] and (found := self.take()):
                return found[0]
        raise TimeoutError("no interrupt ended the code")

    def wait_for_text(self, text: str) -> None:
        """Return when the code has printed it."""
        while text not in "".join(self.printed):
            self.take()


@pytest.fixture(scope="module")
def node() -> str:
    """The path of Node."""
    found = PYTHON.exists() and subprocess.check_output([PYTHON, "-c", FIND], cwd=ROOT, text=True).strip()
    return found or pytest.skip("the kernels' environment has no Node.js")


@pytest.fixture
def begin(node: str) -> Iterator[Callable[[], Talk]]:
    """Starts Node processes; all are gone after the test."""
    started: list[Talk] = []

    def start() -> Talk:
        talk = Talk(NodeProcess.start(node, MEMORY_BYTES, {"STEPPED_FOLDER": FOLDER}))
        started.append(talk)
        assert talk.take() == [{}]
        return talk

    yield start
    for talk in started:
        talk.process.kill()
        talk.process.ended(wait=True)
        talk.process._channel.close()
        os.close(talk.process.errors.fileno())


def _name(answer: dict[str, Any]) -> str:
    return str(answer["failure"]["ename"]) if "failure" in answer else ""


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        ({"code": f"const m = await Promise.resolve([1]); console.log('{TEXT}'); m"}, ""),
        ({"code": "let n = {a: 1}; throw new TypeError('x')"}, "TypeError"),
        ({"code": "display({a: 1}); return 1"}, ""),
        ({"code": "return [await null]", "mode": "body"}, ""),
    ],
)
def test_an_interrupt_after_any_call_leaves_one_answer_and_the_state(
    begin: Callable[[], Talk], monkeypatch: pytest.MonkeyPatch, request_: dict[str, str], name: str
) -> None:
    """At every point of our JavaScript in turn, in one process; what is printed may be there or not, and is never torn."""
    monkeypatch.setattr(module, "MAIN", Path(__file__).with_name("stepped.cjs"))
    talk = begin()
    talk.run("let kept = 'kept'")
    seen = set()
    for point in itertools.count(1):
        seen.add(_name(talk.run(**request_, point=point)))
        passed = talk.run("")["passed"]
        state = talk.run_next("kept")
        assert (state["return_value"], state["uncaught"]) == ("kept", [])
        if passed < point:
            break
    assert seen == {name, INTERRUPTED}
    assert set(talk.printed) <= {TEXT + "\n"}


# An imported function that is also the start function.
START = "new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 2, 7, 1, 1, 109, 1, 102, 0, 0, 8, 1, 0])"
LOOP = "{ console.log('begun'); for (;;); }"


@pytest.mark.parametrize(
    "code",
    [
        f"await WebAssembly.instantiate({START}, {{m: {{f() {LOOP}}}}})",
        f"await WebAssembly.instantiate({START}, {{get m() {LOOP}}})",
        f"await WebAssembly.instantiate(await WebAssembly.compile({START}), {{m: {{f() {LOOP}}}}})",
    ],
)
def test_code_that_runs_once_something_is_compiled_can_be_interrupted(begin: Callable[[], Talk], code: str) -> None:
    """WebAssembly calls it, when the run itself only waits."""
    talk = begin()
    talk.send(kind="run", code=code, mode="body")
    talk.wait_for_text("begun")
    assert _name(talk.interrupt_until_answered()) == INTERRUPTED
    assert talk.run_next("1")["return_value"] == 1


def test_code_that_runs_once_something_is_collected_can_be_interrupted(begin: Callable[[], Talk]) -> None:
    """One interrupt ends all of it; it may have begun after its own run was over, and the next run waits for it."""
    talk = begin()
    talk.run(
        f"const registry = new FinalizationRegistry(() => {LOOP}); for (let n = 0; n < 1000; n++) registry.register({{}})"
    )
    while not talk.printed:
        talk.send(kind="run", code="for (let n = 0, all = []; n < 1e5; n++) all.push({n})", mode="body")
        while not (found := talk.take()) and not talk.printed:
            pass
    if found:
        talk.send(kind="run", code="1", mode="body")
    talk.interrupt_until_answered()
    assert talk.run_next("1")["return_value"] == 1
