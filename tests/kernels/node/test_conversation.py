"""What a kernel makes of what its Node process says, in whatever order; a real process stands for Node."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from kernels.node import conversation as module
from kernels.node.conversation import Conversation, Outlets
from kernels.node.process import NodeProcess


@dataclass
class Stage:
    """A process without any code of ours, what is said in its name, and what a conversation made of it."""

    child: subprocess.Popen[bytes]
    channel: socket.socket
    errors: int
    process: NodeProcess
    written: list[tuple[str, str]] = field(default_factory=list)
    shown: list[Any] = field(default_factory=list)
    called: list[Any] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)

    def write(self, name: str, text: str) -> None:
        """As the record of a kernel."""
        self.written.append((name, text))

    def begin(self) -> Conversation:
        """A conversation on the running loop."""
        outlets = Outlets(self, self.shown.append, self.called.append, self.codes.append)
        return Conversation(self.process, asyncio.get_running_loop(), outlets)

    def say(self, kind: str, body: Any) -> None:
        """One frame, as Node would send it."""
        data = kind.encode() + (body if isinstance(body, str) else json.dumps(body)).encode()
        self.channel.sendall(len(data).to_bytes(4, "big") + data)

    async def hear(self) -> dict[str, Any]:
        """The next request."""
        reader = asyncio.get_running_loop().run_in_executor
        size = int.from_bytes(await reader(None, self.channel.recv, 4, socket.MSG_WAITALL), "big")
        found: dict[str, Any] = json.loads(await reader(None, self.channel.recv, size, socket.MSG_WAITALL))
        return found


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A sleeping process."""
    ours, theirs = socket.socketpair()
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with subprocess.Popen([sys.executable, "-S", "-c", "import signal; signal.pause()"]) as child, ours, theirs:
        yield Stage(child, theirs, writer, NodeProcess(child.pid, ours, reader))
        child.kill()
    os.close(reader)
    os.close(writer)


async def until(condition: Callable[[], object]) -> None:
    """Let the loop work until it holds."""
    while not condition():  # noqa: ASYNC110 - what is waited for is made by the loop's own callbacks
        await asyncio.sleep(0)


def wait_for_end(child: subprocess.Popen[bytes]) -> None:
    """Return when it has ended; it is not reaped then."""
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)


async def test_an_answer_belongs_to_its_request(stage: Stage) -> None:
    """One to an older request, or a second one, is nobody's."""
    talk = stage.begin()
    first = asyncio.create_task(talk.ask("run", code="1"))
    assert await stage.hear() == {"id": 1, "kind": "run", "code": "1"}
    stage.say("r", {"id": 1, "result": "one"})
    stage.say("r", {"id": 1, "result": "again"})
    assert (await first)["result"] == "one"
    second = asyncio.create_task(talk.ask("run"))
    assert (await stage.hear())["id"] == 2
    stage.say("r", {"id": 1, "result": "old"})
    stage.say("r", {"id": "2"})
    stage.say("r", {"id": 2, "result": "two"})
    assert (await second)["result"] == "two"


async def test_output_goes_where_it_belongs(stage: Stage) -> None:
    """Also what Node itself writes to standard error, and also while nothing is asked."""
    stage.begin()
    stage.say("o", "out")
    stage.say("e", "err")
    stage.say("d", {"text/plain": "x"})
    os.write(stage.errors, b"warning")
    await until(lambda: stage.shown and len(stage.written) == 3)
    assert sorted(stage.written) == [("stderr", "err"), ("stderr", "warning"), ("stdout", "out")]
    assert stage.shown == [{"text/plain": "x"}]


async def test_an_interrupt_waits_until_node_is_up_and_comes_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it would end Node; the code may not have begun when it comes. Without any request there is none."""
    sent: list[str] = []
    monkeypatch.setattr(NodeProcess, "interrupt", lambda _self: sent.append("SIGINT"))
    monkeypatch.setattr(module, "INTERRUPT_AGAIN_S", 0)
    talk = stage.begin()
    talk.interrupt()
    asked = asyncio.create_task(talk.ask("run"))
    await stage.hear()
    talk.interrupt()
    assert sent == []
    stage.say("h", {})
    await until(lambda: len(sent) > 2)
    stage.say("r", {"id": 1})
    await asked
    count = len(sent)
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(sent) == count


@pytest.mark.parametrize("nonsense", [b"\0\0\0\1x", b"\xff\xff\xff\xff", b"\0\0\0\0", b""])
async def test_nonsense_ends_node(stage: Stage, nonsense: bytes) -> None:
    """And so does the end of the stream; the kernel ends as Node did, once."""
    talk = stage.begin()
    stage.channel.sendall(nonsense)
    if not nonsense:
        stage.channel.close()
    await until(lambda: stage.codes)
    talk.look()
    assert stage.codes == [-signal.SIGKILL]


async def test_what_node_said_last_is_heard(stage: Stage) -> None:
    """Its end may be seen before its words."""
    talk = stage.begin()
    asked = asyncio.create_task(talk.ask("run"))
    await stage.hear()
    stage.say("o", "last words")
    stage.say("r", {"id": 1, "result": "done"})
    stage.child.kill()
    wait_for_end(stage.child)
    talk.look()
    assert (await asked)["result"] == "done"
    assert stage.written == [("stdout", "last words")]
    assert stage.codes == [-signal.SIGKILL]


async def test_a_node_out_of_memory_is_an_answer_before_it_is_the_end(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller reads MemoryError; what V8 says of it (addresses, paths) is read by nobody."""
    monkeypatch.setattr(module, "LAST_WORDS_S", 0)
    talk = stage.begin()
    asked = asyncio.create_task(talk.ask("run"))
    await stage.hear()
    os.write(stage.errors, b"\n<--- Last few GCs --->\nFATAL ERROR: JavaScript heap out of memory")
    stage.child.send_signal(signal.SIGABRT)
    wait_for_end(stage.child)
    talk.look()
    answer = await asked
    assert (answer["failure"]["ename"], answer["is_last"]) == ("MemoryError", True)
    await until(lambda: stage.codes)
    assert stage.codes == [-signal.SIGABRT]
    assert stage.written == []
