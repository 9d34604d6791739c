"""One kernel of the Jupyter API: its clients come and go, it may die and be replaced; what it says is kept meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from gateway.core.errors import GatewayError
from gateway.core.fold import cause_of
from gateway.core.jupyter import NO_PARENT, UNTRACKED, Channel, Relayed
from gateway.core.outbox import Outbox
from gateway.core.request_routing import EVERYBODY, Asked
from gateway.kernel.client import KernelClient
from gateway.kernel.relay import Relay
from gateway.service.jupyter.clients import Clients
from gateway.service.jupyter.listener import Listener
from gateway.service.jupyter.own_messages import Words, explain

RELEASE_S = 10.0
"""How long a reply is held for an idle that does not come, and the kernel is not waiting for its reader."""
STABLE_S = 60.0
MOST_DEATHS = 5
"""A kernel that died so often in a row, each time within STABLE_S, is not started again."""
MAX_WAITING, MAX_WAITING_BYTES = 256, 32 * 1024 * 1024
"""Messages kept for a process that is being started."""
SHUT_DOWN = 1001


@dataclass(frozen=True, slots=True)
class KernelRecipe:
    """How to get this kernel, again and again. *start* raises Busy or Unavailable; *discard* ends one without waiting."""

    name: str
    start: Callable[[], Awaitable[KernelClient]]
    discard: Callable[[KernelClient], None]
    backlog_bytes: int


class JupyterKernel:
    """A kernel with an id that stays, whatever process is behind it."""

    def __init__(self, kernel_id: str, recipe: KernelRecipe, on_shutdown: Callable[[], None]) -> None:
        self.kernel_id = kernel_id
        self._recipe = recipe
        self._words = Words(kernel_id)
        self._on_shutdown = on_shutdown
        self._asked = Asked()
        self._clients = Clients(self._asked, recipe.backlog_bytes)
        self._loop = asyncio.get_running_loop()
        self._release: asyncio.TimerHandle | None = None
        self._changing = asyncio.Lock()
        self._deaths = 0
        self._wants: str = ""
        self._relay: Relay | None = None
        self._waiting: list[tuple[Relayed, str]] = []
        self.execution_state = "starting"
        self.last_activity_utc = time.time()
        self.idle_since = self._born_at = self._loop.time()
        self._log = structlog.get_logger("omega.jupyter")

    async def start(self) -> None:
        """Get the process. Raises Busy or Unavailable; then there is none."""
        await self._attach()

    @property
    def name(self) -> str:
        """The name of its kernelspec."""
        return self._recipe.name

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._clients)

    @property
    def held_bytes(self) -> int:
        """The memory that messages take which not all clients have taken in."""
        return self._clients.held_bytes

    @property
    def is_busy(self) -> bool:
        """Code runs, or the process is being replaced."""
        return self.execution_state not in ("idle", "dead")

    # ---- clients ----------------------------------------------------------------------------------------------------

    def make_outbox(self) -> Outbox:
        """Where a client keeps what it is to get."""
        return self._clients.make_outbox()

    def take_over(self, session_id: str) -> list[Listener]:
        """Connections of this session that still seem open; they get nothing more, and `settle` is to follow."""
        others = self._clients.take_over(session_id)
        if others and self._relay is not None:
            self._relay.pause()  # connect() lets it go on
        return others

    def settle(self, replaced: Sequence[Listener]) -> None:
        """Close connections that were taken over, and keep what they did not get."""
        self._clients.settle(replaced)
        self.balance()

    def connect(self, listener: Listener) -> None:
        """From here on *listener* gets what the kernel says; first what it said while nobody or not its asker was there."""
        self._clients.connect(listener, self._words.mark)
        self._touch()
        self.balance()

    def disconnect(self, listener: Listener) -> None:
        """*listener* is gone; what it asked for, and did not get, is kept. Safe to call again."""
        self._clients.disconnect(listener)
        self.balance()

    def send(self, message: Relayed, listener: Listener) -> None:
        """Hand *message* of a client to the kernel; while there is none it is answered with an error."""
        self._touch()
        if message.head.msg_type == "shutdown_request":
            # The client means the kernel behind this id: another process is to follow this one, or none.
            self._wants = "restart" if message.asks_restart else "shutdown"
        self._send(message, listener.listener_id)

    def _send(self, message: Relayed, asker: str) -> None:
        if self._relay is not None and self._relay.is_alive:
            self._asked.note(message, asker)
            self._relay.send(message)
        elif self.execution_state != "dead" and self._has_room(message):
            self._waiting.append((message, asker))  # for the process that comes
        else:
            self._asked.note(message, asker)
            self._fail_requests("KernelDied", "The kernel is not running.")

    def _has_room(self, message: Relayed) -> bool:
        """Whether *message* may wait for the process that is being started."""
        used_bytes = sum(waiting.size_bytes for waiting, _ in self._waiting)
        return len(self._waiting) < MAX_WAITING and used_bytes + message.size_bytes <= MAX_WAITING_BYTES

    async def writable(self, channel: Channel) -> None:
        """Return once the kernel takes in more on *channel*."""
        if self._relay is not None:
            await self._relay.writable(channel)

    def balance(self) -> None:
        """Let the kernel wait while too much waits for its clients, and go on when it does not."""
        are_behind = self._clients.are_behind()
        if self._relay is None:
            return
        if are_behind:
            self._relay.pause()
        else:
            self._relay.resume()

    # ---- what the kernel says ---------------------------------------------------------------------------------------

    def _take(self, messages: list[Relayed]) -> None:
        """Hand on what came."""
        self._publish(self._route(messages))
        self._expect_release()

    def _route(self, messages: list[Relayed]) -> Iterator[tuple[str, Relayed]]:
        """Whom each is for, one by one: what is found out about a request may be forgotten with the next message."""
        for message in messages:
            self._note_state(message)
            yield from self._asked.route(message)

    def _note_state(self, message: Relayed) -> None:
        if message.channel != "iopub" or message.head.parent_type in UNTRACKED:
            return
        self._touch()
        if message.state in ("busy", "idle") and self.execution_state in ("busy", "idle", "starting"):
            self.execution_state = message.state
            self._deaths = 0 if self._loop.time() - self._born_at > STABLE_S else self._deaths

    def _touch(self) -> None:
        self.last_activity_utc = time.time()
        self.idle_since = self._loop.time()

    def _expect_release(self) -> None:
        if self._release is None and self._asked.is_holding():
            self._release = self._loop.call_later(RELEASE_S, self._let_go)

    def _let_go(self) -> None:
        """The idle a reply waits for is overdue: an odd kernel, unless it waits for us."""
        self._release = None
        if self._relay is not None and self._relay.is_paused:
            self._expect_release()
            return
        self._publish(self._asked.release())

    def _publish(self, messages: Iterable[tuple[str, Relayed]]) -> None:
        self._clients.publish(messages)
        self.balance()

    # ---- messages of our own ----------------------------------------------------------------------------------------

    def _tell_state(self, state: str) -> None:
        message = self._words.compose("iopub", "status", {"execution_state": state}, None, NO_PARENT)
        self._publish([(EVERYBODY, message)])

    def _fail_requests(self, name: str, reason: str) -> None:
        """Answer every open request with an error, so that nobody waits for ever."""
        self._publish(self._asked.release())
        self._publish(
            [sent for request in self._asked.open_requests() for sent in self._words.failure(request, name, reason)]
        )
        self._asked.clear()

    # ---- the process ------------------------------------------------------------------------------------------------

    async def _attach(self) -> None:
        """Put a new process behind this kernel. Raises Busy or Unavailable; then there is none."""
        kernel = await self._recipe.start()
        try:
            relay = await Relay.open(kernel, self._take)
        except BaseException:
            self._recipe.discard(kernel)
            raise
        self._kernel, self._relay = kernel, relay
        self._born_at = self._loop.time()
        self._watch = asyncio.create_task(self._await_death(kernel))
        self.execution_state = "idle"
        self._touch()

    def _send_waiting(self) -> None:
        """Hand on what came while there was no process."""
        waiting, self._waiting = self._waiting, []
        for message, asker in waiting:
            self._send(message, asker)

    async def _await_death(self, kernel: KernelClient) -> None:
        """Tell what happened to a kernel that died by itself, and put another one in its place."""
        death = await kernel.ended()
        async with self._changing:
            if self._kernel is not kernel or self.execution_state == "dead":
                return
            self._relay = None
            self._recipe.discard(kernel)
            self._fail_requests("KernelDied", explain(death))
            if self._wants == "shutdown":
                self._finish("dead")
                self._on_shutdown()
                return
            if self._wants != "restart":
                self._deaths += 1
                self._log.info("jupyter kernel died", kernel_id=self.kernel_id, cause=cause_of(death), times=self._deaths)
            self._wants = ""
            if self._deaths > MOST_DEATHS:
                self._finish("dead")
                return
            self.execution_state = "restarting"
            self._tell_state("restarting")
            with suppress(GatewayError):  # then it is dead, and has told so
                await self._replace()
                self._send_waiting()

    async def _replace(self) -> None:
        """A new process; without one the kernel is dead."""
        try:
            await self._attach()
        except GatewayError as error:
            self._log.warning("jupyter kernel could not be started again", kernel_id=self.kernel_id, reason=error.message)
            self._finish("dead")
            raise

    def _finish(self, state: str) -> None:
        self.execution_state = state
        self._relay = None
        self._tell_state(state)
        self._send_waiting()

    async def interrupt(self) -> None:
        """Ask the running code to stop; without any nothing happens."""
        if self._relay is not None and self._relay.is_alive:
            await self._relay.interrupt()

    async def restart(self) -> None:
        """A fresh process behind the same id and connections. Raises Busy or Unavailable; then the kernel is dead."""
        async with self._changing:
            self.execution_state = "restarting"
            await self._end_process("KernelRestarted", "The kernel was restarted.")
            self._deaths = 0
            await self._replace()
            self._tell_state("starting")
            self._send_waiting()

    async def _end_process(self, name: str, reason: str) -> None:
        kernel, watch = self._kernel, self._watch
        self._relay = None
        if watch is not asyncio.current_task():
            watch.cancel()
        self._recipe.discard(kernel)
        await kernel.kill()
        self._fail_requests(name, reason)

    async def shut_down(self, reason: str = "the kernel was shut down") -> None:
        """End everything of it. Safe to call again."""
        async with self._changing:
            was_dead = self.execution_state == "dead"
            if not was_dead:
                await self._end_process("KernelDied", "The kernel was shut down.")
                self._finish("dead")
            self._clients.end(SHUT_DOWN, reason)
            if self._release is not None:
                self._release.cancel()
