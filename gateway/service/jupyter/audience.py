"""Between the clients of one Jupyter kernel and its present process: requests, answers, and who waits for whom."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence

from gateway.core.jupyter import NO_PARENT, Channel, Relayed
from gateway.core.outbox import Outbox
from gateway.core.request_routing import EVERYBODY, Asked
from gateway.kernel.relay import Relay
from gateway.service.jupyter.clients import Clients
from gateway.service.jupyter.listener import Listener
from gateway.service.jupyter.own_messages import Words

RELEASE_S = 10.0
"""How long a reply is held for an idle that does not come, while the kernel need not wait for its clients."""


class Audience:
    """Hands requests to the process and its answers to the clients. Processes and clients come and go, it stays."""

    def __init__(self, kernel_id: str, backlog_bytes: int) -> None:
        self._words = Words(kernel_id)
        self._asked = Asked()
        self._clients = Clients(self._asked, backlog_bytes)
        self._relay: Relay | None = None
        self._release: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many clients are connected."""
        return len(self._clients)

    @property
    def held_bytes(self) -> int:
        """The memory of messages that not all clients have read."""
        return self._clients.held_bytes

    # ---- clients ----------------------------------------------------------------------------------------------------

    def make_outbox(self) -> Outbox:
        """The outbox for a new client."""
        return self._clients.make_outbox()

    def take_over(self, session_id: str) -> list[Listener]:
        """Connections of this session that still seem open. They get nothing more; `settle` is to follow."""
        others = self._clients.take_over(session_id)
        if others and self._relay is not None:
            self._relay.pause()  # connect() lets it go on
        return others

    def settle(self, replaced: Sequence[Listener]) -> None:
        """Close connections that were taken over, and keep the messages that they did not get."""
        self._clients.settle(replaced)
        self.balance()

    def connect(self, listener: Listener) -> None:
        """Connect *listener*: it gets the messages that were kept, then all that the kernel sends."""
        self._clients.connect(listener, self._words.mark)
        self.balance()

    def disconnect(self, listener: Listener) -> None:
        """*listener* is gone; answers that it did not get are kept. Safe to call again."""
        self._clients.disconnect(listener)
        self.balance()

    def balance(self) -> None:
        """Pause the kernel while too much waits for its clients, and resume it afterwards."""
        are_behind = self._clients.are_behind()
        if self._relay is None:
            return
        if are_behind:
            self._relay.pause()
        else:
            self._relay.resume()

    def close(self, code: int, reason: str) -> None:
        """Close all connections."""
        self._clients.end(code, reason)
        if self._release is not None:
            self._release.cancel()

    # ---- the process ------------------------------------------------------------------------------------------------

    @property
    def has_process(self) -> bool:
        """Whether there is a process that requests reach."""
        return self._relay is not None and self._relay.is_alive

    def attach(self, relay: Relay) -> None:
        """The process behind *relay* gets the requests from here on."""
        self._relay = relay

    def detach(self) -> None:
        """There is no process."""
        self._relay = None

    def ask(self, message: Relayed, asker: str) -> None:
        """Send a client's request to the process; only while there is one."""
        assert self._relay is not None, "has_process was asked"
        self._asked.note(message, asker)
        self._relay.send(message)

    async def writable(self, channel: Channel) -> None:
        """Return once the kernel reads more on *channel*."""
        if self._relay is not None:
            await self._relay.writable(channel)

    async def interrupt(self) -> None:
        """Interrupt the running code; without any nothing happens."""
        if self._relay is not None and self._relay.is_alive:
            await self._relay.interrupt()

    def hand_on(self, messages: list[Relayed]) -> None:
        """Deliver *messages* of the kernel to the clients that they are for."""
        self._publish(self._route(messages))
        self._expect_release()

    def _route(self, messages: list[Relayed]) -> Iterator[tuple[str, Relayed]]:
        """The client of each message, one by one: the next message may end the request that a look-up needs."""
        for message in messages:
            yield from self._asked.route(message)

    def _expect_release(self) -> None:
        if self._release is None and self._asked.is_holding():
            self._release = asyncio.get_running_loop().call_later(RELEASE_S, self._let_go)

    def _let_go(self) -> None:
        """Send held replies whose idle is overdue, unless the kernel is paused and can't send it."""
        self._release = None
        if self._relay is not None and self._relay.is_paused:
            self._expect_release()
            return
        self._publish(self._asked.release())

    def _publish(self, messages: Iterable[tuple[str, Relayed]]) -> None:
        self._clients.publish(messages)
        self.balance()

    # ---- messages of the gateway's own ------------------------------------------------------------------------------

    def tell_state(self, state: str) -> None:
        """Publish *state* to all clients."""
        message = self._words.compose("iopub", "status", {"execution_state": state}, None, NO_PARENT)
        self._publish([(EVERYBODY, message)])

    def refuse(self, message: Relayed, asker: str, name: str, reason: str) -> None:
        """Answer a request that no process gets."""
        self._asked.note(message, asker)
        self.fail_requests(name, reason)

    def fail_requests(self, name: str, reason: str) -> None:
        """Answer every open request with the error *name*, so that no client waits for ever."""
        self._publish(self._asked.release())
        self._publish(
            [sent for request in self._asked.open_requests() for sent in self._words.failure(request, name, reason)]
        )
        self._asked.clear()
