"""Between clients and process: requests reach the process, answers their askers, and neither runs ahead of the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import orjson

from gateway.core.jupyter import Channel, Relayed, read
from gateway.kernel.relay import Relay
from gateway.service.jupyter.audience import RELEASE_S, Audience
from gateway.service.jupyter.clients import BEHIND_BYTES
from tests.fakes import in_fake_time


@dataclass
class Client:
    """A client that reads what *is_reading* lets it."""

    listener_id: str
    audience: Audience
    session_id: str = ""
    taken_bytes: int = 0
    is_served: bool = True
    got: list[Relayed] = field(default_factory=list)
    closed_with: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.outbox = self.audience.make_outbox()

    def deliver(self, messages: Sequence[Relayed]) -> None:
        self.outbox.add(messages)
        self.got += messages

    def read_all(self) -> None:
        while self.outbox.has_unwritten:
            self.outbox.write_next(None, lambda *_: ())
            self.outbox.note_arrival(1)

    def take_back(self) -> Sequence[Relayed]:
        return self.outbox.take_back()

    def end(self, code: int, _reason: str) -> None:
        self.closed_with.append(code)

    @property
    def kinds(self) -> list[str]:
        """What it got, each with the request it answers."""
        return [f"{message.head.msg_type} {message.head.parent_id}".strip() for message in self.got]


class Process:
    """In the place of a relay: notes what it is sent."""

    def __init__(self) -> None:
        self.is_alive, self.is_paused = True, False
        self.sent: list[str] = []

    def send(self, message: Relayed) -> None:
        self.sent.append(message.head.msg_id)

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False


class World:
    """An audience with a process and two clients."""

    def __init__(self) -> None:
        self.audience = Audience("k", 1024 * 1024)
        self.process = Process()
        self.audience.attach(cast(Relay, self.process))
        self.ada, self.bob = Client("ada", self.audience), Client("bob", self.audience)
        for client in (self.ada, self.bob):
            self.audience.connect(client)

    def say(self, kind: str, parent: str, channel: Channel = "iopub", **content: object) -> None:
        """Let the process send one message."""
        head, about = {"msg_id": "m", "msg_type": kind}, {"msg_id": parent, "msg_type": "execute_request"}
        parts = [orjson.dumps(part) for part in (head, about, {}, content)]
        self.audience.hand_on([read(channel, parts)])


def request(msg_id: str) -> Relayed:
    """An execute_request."""
    head = {"msg_id": msg_id, "msg_type": "execute_request"}
    return read("shell", [orjson.dumps(part) for part in (head, {}, {}, {})])


def test_a_reply_goes_to_its_asker_and_output_to_all() -> None:
    """The reply after the idle, however they come."""

    async def main() -> None:
        world = World()
        world.audience.ask(request("r"), "ada")
        assert world.process.sent == ["r"]
        world.say("execute_reply", "r", "shell")
        world.say("stream", "r", name="stdout", text="x")
        assert world.ada.kinds == world.bob.kinds == ["stream r"]
        world.say("status", "r", execution_state="idle")
        assert world.bob.kinds == ["stream r", "status r"]
        assert world.ada.kinds == ["stream r", "status r", "execute_reply r"]

    in_fake_time(main())


def test_an_idle_that_does_not_come_holds_a_reply_only_so_long() -> None:
    """Unless the kernel is paused: then it can't send it, and the reply goes on waiting."""

    async def main() -> None:
        world = World()
        world.audience.ask(request("r"), "ada")
        world.process.is_paused = True
        world.say("execute_reply", "r", "shell")
        world.process.is_paused = True  # hand_on() has resumed it: nothing waits for the clients
        await asyncio.sleep(2 * RELEASE_S - 1)
        assert world.ada.kinds == []
        world.process.is_paused = False
        await asyncio.sleep(RELEASE_S)
        assert world.ada.kinds == ["execute_reply r"]

    in_fake_time(main())


def test_the_process_waits_while_clients_are_behind() -> None:
    """And goes on when they have read, or left."""

    async def main() -> None:
        for leaves in (False, True):
            world = World()
            world.say("stream", "", name="stdout", text="x" * BEHIND_BYTES)
            assert world.process.is_paused
            assert world.audience.held_bytes > BEHIND_BYTES
            for client in (world.ada, world.bob):
                if leaves:
                    world.audience.disconnect(client)
                else:
                    client.read_all()
            world.audience.balance()
            assert not world.process.is_paused
            assert len(world.audience) == (0 if leaves else 2)
            world.audience.close(1001, "end of the test")

    in_fake_time(main())


def test_without_a_process_requests_are_answered_with_an_error() -> None:
    """The refused one, and those that the process left open; each once."""

    async def main() -> None:
        world = World()
        world.audience.ask(request("open"), "ada")
        world.audience.detach()
        assert not world.audience.has_process
        world.audience.refuse(request("late"), "bob", "KernelDied", "gone")
        replies = [name for name in (*world.ada.kinds, *world.bob.kinds) if name.startswith("execute_reply")]
        assert sorted(replies) == ["execute_reply late", "execute_reply open"]
        assert "execute_reply open" in world.ada.kinds
        world.audience.fail_requests("KernelDied", "gone")
        assert len(replies) == sum(name.startswith("execute_reply") for name in (*world.ada.kinds, *world.bob.kinds))

    in_fake_time(main())


def test_states_of_the_gateway_go_to_all() -> None:
    """In the form of the kernel's own."""

    async def main() -> None:
        world = World()
        world.audience.tell_state("restarting")
        assert [client.got[-1].state for client in (world.ada, world.bob)] == ["restarting", "restarting"]

    in_fake_time(main())


def test_a_connection_that_was_taken_over_is_closed_and_its_messages_kept() -> None:
    """The process waits in between, so that nothing is sent to nobody."""

    async def main() -> None:
        world = World()
        world.ada.session_id = "s"
        world.audience.ask(request("r"), "ada")
        replaced = world.audience.take_over("s")
        assert (replaced, world.process.is_paused) == ([world.ada], True)
        world.audience.settle(replaced)
        again = Client("ada2", world.audience, "s")
        world.audience.connect(again)
        world.say("execute_reply", "r", "shell")
        world.say("status", "r", execution_state="idle")
        assert len(world.ada.closed_with) == 1
        assert "execute_reply r" in again.kinds
        assert not world.process.is_paused

    in_fake_time(main())


def test_the_end_closes_all_connections() -> None:
    """And no timer is left to publish anything."""

    async def main() -> None:
        world = World()
        world.audience.ask(request("r"), "ada")
        world.say("execute_reply", "r", "shell")
        world.audience.close(1001, "the kernel was shut down")
        await asyncio.sleep(2 * RELEASE_S)
        assert [client.closed_with for client in (world.ada, world.bob)] == [[1001], [1001]]
        assert world.ada.kinds == []

    in_fake_time(main())
