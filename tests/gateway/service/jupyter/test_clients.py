"""The clients of a Jupyter kernel: for how many bytes and how long it waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.core.backlog import Lost
from gateway.core.jupyter import Relayed, read
from gateway.core.request_routing import EVERYBODY, RequestRouting
from gateway.service.jupyter.clients import BEHIND_BYTES, CAUGHT_UP_BYTES, PATIENCE_S, TAKEN_BYTES_PER_S, TOO_SLOW, Clients
from tests.fakes import in_fake_time

MIB = 1024 * 1024


@dataclass
class Client:
    """A client that takes in as much as a test says; see jupyter_listener.Listener."""

    listener_id: str
    clients: Clients
    session_id: str = ""
    taken_bytes: int = 0
    closed_with: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.outbox = self.clients.make_outbox()

    @property
    def is_served(self) -> bool:
        return not self.outbox

    def deliver(self, messages: Sequence[Relayed]) -> None:
        self.outbox.add(messages)

    def take_in(self, number: int) -> None:
        for _ in range(number):
            message, _ = self.outbox.write_next(None, lambda *_: ())
            self.outbox.note_arrival(1)
            self.taken_bytes += message.size_bytes

    def take_back(self) -> Sequence[Relayed]:
        return self.outbox.take_back()

    def end(self, code: int, reason: str) -> None:
        self.closed_with.append(code)
        self.clients.disconnect(self)


@dataclass
class World:
    """Three clients of a kernel."""

    def __post_init__(self) -> None:
        self.clients = Clients(RequestRouting(), 8 * MIB)
        self.all = [Client(name, self.clients) for name in ("ada", "bob", "cy")]
        for client in self.all:
            self.clients.connect(client, no_mark)

    def say(self, number: int, asker: str = EVERYBODY, channel: str = "iopub") -> list[Relayed]:
        said = [message(channel) for _ in range(number)]
        self.clients.publish([(asker, one) for one in said])
        return said


def message(channel: str) -> Relayed:
    """One of a little more than a mebibyte."""
    parts = [b'{"msg_id":"a","msg_type":"history_reply"}', b"{}", b"{}", b'{"x":"%s"}' % (b"x" * MIB)]
    return read(channel, parts)  # type: ignore[arg-type]  # one of its channels


def no_mark(_lost: Lost) -> Relayed:
    raise AssertionError("nothing is missing")


def test_the_kernel_waits_for_all_of_them_together() -> None:
    """What goes to all counts once; what each got for itself counts too, although none of them is far behind."""

    async def main() -> None:
        world = World()
        world.say(3)
        assert not world.clients.are_behind(), "three mebibytes, however many clients they wait for"
        world.say(1, "ada", "shell")
        assert world.clients.are_behind()
        for client in world.all:
            client.take_in(3)
        assert world.clients.are_behind(), f"as long as more than {CAUGHT_UP_BYTES} bytes wait"
        world.all[0].take_in(1)
        assert not world.clients.are_behind()
        for client in world.all:
            world.say(2, client.listener_id, "shell")
        assert world.clients.held_bytes > BEHIND_BYTES
        assert world.clients.are_behind(), "two mebibytes each are six"

    in_fake_time(main())


def test_who_takes_in_too_little_is_told_to_go() -> None:
    """Those who took in what they had to stay; what the others had asked for is kept, and the kernel goes on."""

    async def main() -> None:
        world = World()
        slow, steady, done = world.all
        world.say(6)
        reply = world.say(1, "ada", "shell")
        assert world.clients.are_behind()
        done.take_in(6)
        await asyncio.sleep(PATIENCE_S / 2)
        steady.take_in(4)
        assert steady.taken_bytes >= PATIENCE_S * TAKEN_BYTES_PER_S
        assert not slow.closed_with
        await asyncio.sleep(PATIENCE_S / 2 + 1)
        assert [client.closed_with for client in world.all] == [[TOO_SLOW], [], []]
        assert (len(world.clients), steady.outbox.has_unwritten) == (2, True)
        again = Client("ada2", world.clients)
        world.clients.connect(again, no_mark)
        assert again.take_back() == reply
        steady.take_in(2)
        assert not world.clients.are_behind()
        world.say(2)
        await asyncio.sleep(10 * PATIENCE_S)
        assert not steady.closed_with, "nobody is looked at while the kernel need not wait"

    in_fake_time(main())


def test_one_who_reads_a_little_holds_nobody_up_for_ever() -> None:
    """A byte now and then is no progress: the second look finds it too, if it is slow only later."""

    async def main() -> None:
        world = World()
        slow, *others = world.all
        world.say(20)
        for client in others:
            client.take_in(20)
        assert world.clients.are_behind()
        slow.take_in(4)
        await asyncio.sleep(PATIENCE_S + 1)
        assert not slow.closed_with
        slow.taken_bytes += 100
        await asyncio.sleep(PATIENCE_S)
        assert slow.closed_with == [TOO_SLOW]
        assert not world.clients.are_behind()

    in_fake_time(main())
