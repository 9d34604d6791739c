"""One kernel of the Jupyter API: its id stays while its process may die and be replaced."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from gateway.core.errors import GatewayError
from gateway.core.fold import cause_of
from gateway.core.jupyter import UNTRACKED, Relayed
from gateway.kernel.client import KernelClient
from gateway.kernel.relay import Relay
from gateway.service.jupyter.audience import Audience
from gateway.service.jupyter.life import JupyterLife, State
from gateway.service.jupyter.listener import Listener
from gateway.service.jupyter.own_messages import explain

MAX_WAITING, MAX_WAITING_BYTES = 256, 32 * 1024 * 1024
"""Requests kept for a process that is being started."""
SHUT_DOWN = 1001
"""RFC 6455, 7.4.1: the close code "going away"."""


@dataclass(frozen=True, slots=True)
class KernelRecipe:
    """How to get a process for this kernel. *start* raises Busy or Unavailable; *discard* ends one without waiting."""

    name: str
    start: Callable[[], Awaitable[KernelClient]]
    discard: Callable[[KernelClient], None]
    backlog_bytes: int


class JupyterKernel:
    """A kernel with an id that stays, whatever process is behind it."""

    def __init__(self, kernel_id: str, recipe: KernelRecipe, on_shutdown: Callable[[], None]) -> None:
        self.kernel_id = kernel_id
        self._recipe = recipe
        self._on_shutdown = on_shutdown
        self.audience = Audience(kernel_id, recipe.backlog_bytes)
        """Its clients, and what waits for them."""
        self._loop = asyncio.get_running_loop()
        self._life = JupyterLife(self._loop.time(), time.time())
        self._changing = asyncio.Lock()
        self._waiting: list[tuple[Relayed, str]] = []
        self._log = structlog.get_logger("omega.jupyter")

    @property
    def name(self) -> str:
        """The name of its kernelspec."""
        return self._recipe.name

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self.audience)

    @property
    def execution_state(self) -> State:
        """What clients are shown."""
        return self._life.state

    @property
    def is_busy(self) -> bool:
        """Code runs, or the process is being replaced."""
        return self._life.is_busy

    @property
    def idle_since(self) -> float:
        """When a client or the kernel was last active, on the loop's clock."""
        return self._life.idle_since

    @property
    def last_activity_utc(self) -> float:
        """The same in seconds since the epoch."""
        return self._life.last_activity_utc

    # ---- messages ---------------------------------------------------------------------------------------------------

    def connect(self, listener: Listener) -> None:
        """Connect *listener*: it gets the messages that were kept, then all that the kernel sends."""
        self._touch()
        self.audience.connect(listener)

    def send(self, message: Relayed, listener: Listener) -> None:
        """Send *message* of a client to the process; while there is none it waits, or is answered with an error."""
        self._touch()
        if message.head.msg_type == "shutdown_request":
            # The client means the kernel behind this id: another process is to follow this one, or none.
            self._life.asked("restart" if message.asks_restart else "shutdown")
        self._send(message, listener.listener_id)

    def _send(self, message: Relayed, asker: str) -> None:
        if self.audience.has_process:
            self.audience.ask(message, asker)
        elif self.execution_state != "dead" and self._has_room(message):
            self._waiting.append((message, asker))  # for the process that comes
        else:
            self.audience.refuse(message, asker, "KernelDied", "The kernel is not running.")

    def _has_room(self, message: Relayed) -> bool:
        """Whether *message* may wait for the process that is being started."""
        used_bytes = sum(waiting.size_bytes for waiting, _ in self._waiting)
        return len(self._waiting) < MAX_WAITING and used_bytes + message.size_bytes <= MAX_WAITING_BYTES

    def _send_waiting(self) -> None:
        """Send the requests that came while there was no process."""
        waiting, self._waiting = self._waiting, []
        for message, asker in waiting:
            self._send(message, asker)

    def _take(self, messages: list[Relayed]) -> None:
        """Take *messages* of the process."""
        for message in messages:
            if message.channel == "iopub" and message.head.parent_type not in UNTRACKED:
                self._touch()
                self._life.said(message.state, self._loop.time())
        self.audience.hand_on(messages)

    def _touch(self) -> None:
        self._life.touch(self._loop.time(), time.time())

    # ---- the process ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Put a process behind this kernel. Raises Busy or Unavailable; then there is none."""
        kernel = await self._recipe.start()
        try:
            relay = await Relay.open(kernel, self._take)
        except BaseException:
            self._recipe.discard(kernel)
            raise
        self._kernel = kernel
        self.audience.attach(relay)
        self._watch = asyncio.create_task(self._await_death(kernel))
        self._life.started(self._loop.time(), time.time())

    async def _await_death(self, kernel: KernelClient) -> None:
        """When the process has died, tell the clients and do what follows."""
        death = await kernel.ended()
        async with self._changing:
            if self._kernel is not kernel or self.execution_state == "dead":
                return
            self.audience.detach()
            self._recipe.discard(kernel)
            self.audience.fail_requests("KernelDied", explain(death))
            if self._life.wish is None:
                times = self._life.deaths + 1
                self._log.info("jupyter kernel died", kernel_id=self.kernel_id, cause=cause_of(death), times=times)
            match self._life.died():
                case "replace":
                    self.audience.tell_state("restarting")
                    with suppress(GatewayError):  # then the kernel is dead, and the clients know
                        await self._replace()
                        self._send_waiting()
                case "give up":
                    self._finish()
                case "shut down":
                    self._finish()
                    self._on_shutdown()

    async def _replace(self) -> None:
        """Start another process; if that fails the kernel is dead."""
        try:
            await self.start()
        except GatewayError as error:
            self._log.warning("jupyter kernel restart failed", kernel_id=self.kernel_id, reason=error.message)
            self._finish()
            raise

    def _finish(self) -> None:
        """The kernel is dead: tell the clients, and refuse the requests that wait."""
        self._life.end()
        self.audience.detach()
        self.audience.tell_state("dead")
        self._send_waiting()

    async def interrupt(self) -> None:
        """Interrupt the running code; without any nothing happens."""
        await self.audience.interrupt()

    async def restart(self) -> None:
        """Put a fresh process behind the same id and connections. Raises Busy or Unavailable; then the kernel is dead."""
        async with self._changing:
            self._life.restart()
            await self._end_process("KernelRestarted", "The kernel was restarted.")
            await self._replace()
            self.audience.tell_state("starting")
            self._send_waiting()

    async def _end_process(self, name: str, reason: str) -> None:
        kernel, watch = self._kernel, self._watch
        self.audience.detach()
        if watch is not asyncio.current_task():
            watch.cancel()
        self._recipe.discard(kernel)
        await kernel.kill()
        self.audience.fail_requests(name, reason)

    async def shut_down(self, reason: str = "the kernel was shut down") -> None:
        """End the process and all connections. Safe to call again."""
        async with self._changing:
            if self.execution_state != "dead":
                await self._end_process("KernelDied", "The kernel was shut down.")
                self._finish()
            self.audience.close(SHUT_DOWN, reason)
