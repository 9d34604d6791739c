"""No kernel holds the event loop: processor time of each callback, whatever a run sends and however many send at once.

Nothing here depends on how fast the machine is: all is measured in processor time of this thread, and compared with what
reading one message takes that is just allowed.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager

import pytest

from gateway.core import jupyter
from gateway.core.jupyter import NO_PARENT, Relayed, compose
from gateway.core.model import Limit, Result, RunSpec
from gateway.core.strict_json import MAX_VALUES, decode
from gateway.core.validate import MessageHead, parse_message
from gateway.kernel.client import KernelClient
from gateway.kernel.relay import Relay
from gateway.kernel.wire.share import Share
from gateway.web.api import answers
from gateway.web.edge import json_answer
from tests.wire_kernel import LoopWatch, Say, Voice, WireKernel

MIB = 1024 * 1024
SPEC = RunSpec("python", "", 120, MIB, 32 * MIB)
TIMES = 4
"""How much longer than reading one allowed message a callback may take: a few times.

Processor time varies twofold from call to call where a machine is shared; unread, an attack took ten times as long and more.
"""


def bundle(content: bytes, mime: bytes = b"application/json") -> bytes:
    """The content of a display of one MIME type."""
    return b'{"data":{"%s":%s},"metadata":{}}' % (mime, content)


def row(value: bytes, many: int) -> bytes:
    """A list of so many values."""
    return b"[" + b",".join([value] * many) + b"]"


@pytest.fixture(scope="module")
def allowed_s() -> float:
    """The processor time that one message takes of as many values, or as long a text, as is allowed.

    Garbage of the tests before is left alone.
    """
    gc.collect()
    gc.freeze()  # for good, as after the collection of the tests
    largest = (bundle(row(b'{"a":1}', MAX_VALUES // 2 - 10)), bundle(b'"%s"' % (rb"\"," * (10 * MIB)), b"text/html"))

    def once(content: bytes) -> float:
        begun = time.thread_time()
        assert parse_message("iopub", MessageHead("display_data", ""), None, decode(content))
        return time.thread_time() - begun

    return max(statistics.median(once(content) for _ in range(3)) for content in largest)


@asynccontextmanager
async def running(say: Say, share: Share | None = None) -> AsyncIterator[KernelClient]:
    """A client of a kernel that says that."""
    kernel = WireKernel(say)
    client = KernelClient(kernel, memory_bytes=512 * MIB, share=share)
    try:
        await client.connect()
        await client.warm_up("python")
        yield client
    finally:
        await client.kill()
        await kernel.close()


def shows(content: bytes, times: int = 1, kind: str = "display_data") -> Callable[[Voice], Iterable[bytes]]:
    """Says one message, so many times."""
    return lambda voice: (voice.message(kind, content) for _ in range(times))


def floods(content: bytes, times: int, kind: str = "display_data") -> Callable[[Voice], Iterable[bytes]]:
    """Says one small message very often."""
    return lambda voice: (voice.message(kind, content) * 100 for _ in range(times // 100))


def says(text: bytes) -> bytes:
    """The content of a stream message."""
    return b'{"name":"stdout","text":"%s"}' % text


LEFT_OUT = (True, True, None)
"""The run goes on and succeeds, and its answer says that something is missing."""
TAKEN = (True, False, None)
ENDED = (False, True, Limit.OUTPUT)

ATTACKS: dict[str, Callable[[], tuple[Say, tuple[bool, bool, Limit | None]]]] = {
    "empty lists": lambda: (shows(bundle(row(b"[]", 3_000_000))), LEFT_OUT),
    "objects": lambda: (shows(bundle(row(b'{"":0}', 1_500_000))), LEFT_OUT),
    "half characters": lambda: (shows(bundle(row(rb'"\ud800"', 900_000))), LEFT_OUT),
    "half characters in five": lambda: (shows(bundle(row(rb'"\ud800"', 400_000)), 5), LEFT_OUT),
    "half characters, allowed": lambda: (shows(bundle(row(rb'"\ud800"', 99_000)), 5), TAKEN),
    "half characters in a text": lambda: (shows(bundle(b'"' + rb"\ud800" * 5_000_000 + b'"', b"text/html")), LEFT_OUT),
    "half characters in a stream": lambda: (shows(says(rb"\uD800" * 5_000_000), kind="stream"), LEFT_OUT),
    "huge integers": lambda: (shows(bundle(row(b"18446744073709551617", 900_000))), LEFT_OUT),
    "unsafe integers, allowed": lambda: (shows(bundle(row(b"9007199254740993", 190_000))), TAKEN),
    "floats, allowed": lambda: (shows(bundle(row(b"0.1234567890123456789", 190_000))), TAKEN),
    "not finite": lambda: (shows(bundle(row(b"NaN", 190_000))), TAKEN),
    "deep": lambda: (shows(bundle(b"[" * MIB + b"]" * MIB)), LEFT_OUT),
    "nested, allowed": lambda: (shows(bundle(row(b"[" * 60 + b"]" * 60, 3000))), TAKEN),
    "values without end": lambda: (shows(bundle(row(b"[]", 20_000)), 300), ENDED),
    "empty displays": lambda: (floods(b'{"data":{},"metadata":{}}', 31_000), TAKEN),
    "updates": lambda: (floods(b'{"data":{},"transient":{"display_id":"a"}}', 31_000, "update_display_data"), TAKEN),
    "one letter at a time": lambda: (floods(says(b"a"), 60_000, "stream"), TAKEN),
    "states": lambda: (lambda voice: (voice.state("busy") * 100 for _ in range(150)), ENDED),
    "empty frames": lambda: (lambda _voice: (bytes(2 * 16384) for _ in range(100)), ENDED),
    "a message of frames": lambda: (lambda _voice: [b"\1\0" * 400_000 + bytes(2)], ENDED),
    "MIME types": lambda: (shows(b'{"data":{%s}}' % b",".join(b'"x%d":1' % at for at in range(190_000))), LEFT_OUT),
    "metadata": lambda: (shows(b'{"data":{},"metadata":{"a":%s}}' % row(b"[]", 3_000_000)), LEFT_OUT),
    "a message nobody reads": lambda: (shows(row(b"[]", 3_000_000), kind="comm_msg"), TAKEN),
    "terminal codes": lambda: (
        shows(b'{"ename":"E","evalue":"v","traceback":["%s"]}' % (rb"\u001b[0m" * 3_000_000), kind="error"),
        LEFT_OUT,
    ),
    "a picture of spaces": lambda: (shows(bundle(b'"%s"' % (b"a " * (15 * MIB)), b"image/png")), TAKEN),
    "quotes": lambda: (shows(bundle(b'"%s"' % (rb"\"," * (8 * MIB)), b"text/html")), TAKEN),
}
"""What a kernel says and what comes of the run, made when a test asks for it: together they are 400 MB."""


@pytest.mark.parametrize("name", ATTACKS)
async def test_no_message_holds_the_loop(name: str, allowed_s: float) -> None:
    """Each callback, the one that makes the answer included, takes no longer than a few messages that are allowed."""
    say, outcome = ATTACKS[name]()
    async with running(say) as client:
        with LoopWatch() as watch:
            result = await client.run(SPEC)
            await _answered(result)
        assert (result.success, result.truncated, result.limit) == outcome
        assert watch.longest_s < TIMES * allowed_s


async def _answered(result: Result) -> None:
    for _ in json_answer.documenting(answers.describe_run("python", result)):
        await asyncio.sleep(0)


MANY = 24
ROUNDS = 50
TURNS = 8
"""How many turns of the loop a request takes that needs no kernel."""


@pytest.mark.parametrize("name", ["updates", "one letter at a time", "empty frames", "half characters, allowed", "quotes"])
async def test_others_are_served_while_many_kernels_do_their_worst(name: str, allowed_s: float) -> None:
    """A request that needs no kernel gets its turns in the time of a few messages; a kernel that says little is heard."""
    say, share = ATTACKS[name]()[0], Share()
    healths: list[float] = []

    def over_and_over(voice: Voice) -> Iterator[bytes]:
        while True:
            yield from say(voice)

    async with asyncio.TaskGroup() as group, asyncio.timeout(300):
        stop = asyncio.Event()
        ready = asyncio.Barrier(MANY + 1)

        async def attack() -> None:
            async with running(over_and_over, share) as client:
                await ready.wait()
                while client.is_alive and not stop.is_set():
                    attacking = asyncio.create_task(client.run(SPEC))
                    await asyncio.wait({attacking, asyncio.ensure_future(stop.wait())}, return_when="FIRST_COMPLETED")
                    attacking.cancel()

        for _ in range(MANY):
            group.create_task(attack())
        async with running(shows(says(b"1\\n"), kind="stream"), share) as quiet:
            await ready.wait()
            for _ in range(ROUNDS):
                begun = time.thread_time()
                for _ in range(TURNS):
                    await asyncio.sleep(0)
                healths.append(time.thread_time() - begun)
                assert (await quiet.run(SPEC)).output == "1\n"
        stop.set()
    assert statistics.quantiles(healths, n=ROUNDS)[-1] < TIMES * allowed_s


RELAYED = {
    "empty lists": "stream",
    "half characters": "stream",
    "half characters, allowed": "display_data",
    "floats, allowed": "display_data",
    "huge integers": "stream",
    "not finite": "display_data",
    "quotes": "display_data",
    "one letter at a time": "stream",
}


@pytest.mark.parametrize("name", RELAYED)
async def test_no_message_for_clients_of_a_kernel_holds_the_loop(name: str, allowed_s: float) -> None:
    """They are handed on whole; of what is too much to be read a line is told in its place."""
    delivered: list[Relayed] = []
    is_idle = asyncio.Event()

    def deliver(messages: list[Relayed]) -> None:
        delivered.extend(messages)
        if delivered[-1].state == "idle":
            is_idle.set()

    async with running(ATTACKS[name]()[0]) as client:
        relay = await Relay.open(client, deliver)
        request = compose("shell", jupyter.Head("r", "execute_request"), "", NO_PARENT, {"code": "1", "silent": False})
        with LoopWatch() as watch:
            relay.send(request)
            await is_idle.wait()
        assert RELAYED[name] in {message.head.msg_type for message in delivered}
        assert watch.longest_s < TIMES * allowed_s
