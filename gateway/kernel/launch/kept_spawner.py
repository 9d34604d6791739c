"""A spawner for as long as one is wanted: another one whenever it ends, however often that is."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Protocol

import structlog

from gateway.core.errors import Unavailable
from gateway.core.outage import Outage
from gateway.kernel.launch.spawner_process import ORDERLY, RunningSpawner
from kernels import contract
from kernels.contract import NOTHING_REACHED, PACKAGE_MISSING, Packet, Ready, Shutdown

READY_S = 120.0
CLOSE_S = 15.0
log = structlog.get_logger()


class NoIsolation(Unavailable):
    """Not even the lowest isolation level can be reached, so no kernel is ever started."""


class SpawnerUser(Protocol):
    """Who uses the spawner; see zygote.ZygoteLauncher."""

    async def open_spawner(self) -> RunningSpawner:
        """A new spawner. Raises Unavailable."""

    def heard(self, packet: Packet) -> None:
        """The spawner said something other than Ready. Raises ContractError for what no spawner says."""

    def spawner_lost(self) -> None:
        """The spawner has ended, and every kernel of it."""


class KeptSpawner:
    """One spawner after another. An outage is told by `unavailable_since` and in the log; this process never ends for it."""

    def __init__(self, owner: SpawnerUser) -> None:
        self._owner = owner
        self._spawner: RunningSpawner | None = None
        self._control: socket.socket | None = None
        self._first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._said: Ready | None = None
        self._outage: Outage | None = Outage(time.time())
        self._closing = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._code = 0

    async def start(self) -> None:
        """Have the first spawner, which is ready then. Raises Unavailable, NoIsolation where there never will be one.

        Whatever comes of it, close() is to follow.
        """
        await self._open()
        self._keeper = asyncio.create_task(self._keep(), name="spawner keeper")
        try:
            await asyncio.wait_for(asyncio.shield(self._first), READY_S)
        except NoIsolation:
            raise
        except (TimeoutError, Unavailable) as error:
            raise Unavailable(f"the spawner did not get ready: {error or 'it took too long'}") from None

    @property
    def ready(self) -> Ready:
        """What the spawner said of itself: isolation level, facilities, versions. Raises Unavailable while it restarts."""
        if self._said is None:
            raise Unavailable("the spawner is not ready")
        return self._said

    @property
    def unavailable_since(self) -> float | None:
        """Since when there is no spawner that is ready, in seconds since 1970; None while there is one."""
        return self._outage.since_utc if self._outage else None

    def send(self, packet: Packet, fds: tuple[int, ...] = ()) -> None:
        """Tell the spawner. Raises Unavailable when there is none."""
        if self._control is None:
            raise Unavailable("the spawner is not running")
        try:
            contract.send(self._control, packet, fds)
        except ConnectionError:
            raise Unavailable("the spawner has just ended") from None

    async def close(self) -> bool:
        """End the spawner and have no other; whether the last one removed every trace of its kernels before it ended."""
        self._closing.set()
        if self._keeper is not None:
            await self._keeper
        if self._spawner is not None:
            try:
                self.send(Shutdown())
            except Unavailable:
                log.info("spawner_gone_before_close")
            self._lose(await end(self._spawner))
        return self._code in ORDERLY

    # ---- one after another -----------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Have another spawner whenever one ends before close() was called."""
        while True:
            if self._spawner is not None:
                code = await self._until_end(self._spawner)
                if code is None:
                    return
                self._lose(code)
                self._report("spawner_ended", exit_code=code)
            if await self._is_closed_within(self._outage.delay_s if self._outage else 0.0):
                return
            try:
                await self._open()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next attempt may go well, and nobody else tries
                self._outage = (self._outage or Outage(time.time())).failed()
                self._report("spawner_not_reached", reason=str(error) or type(error).__name__)

    async def _open(self) -> None:
        spawner = await self._owner.open_spawner()
        loop = asyncio.get_running_loop()
        self._spawner, self._control = spawner, spawner.control
        loop.add_reader(spawner.control.fileno(), self._hear)
        self._deadline = loop.call_later(READY_S, self._hang_up, "it did not get ready in time")

    async def _until_end(self, spawner: RunningSpawner) -> int | None:
        """The spawner's exit code once it has ended; None when close() comes first."""
        ended, closing = asyncio.ensure_future(spawner.wait()), asyncio.ensure_future(self._closing.wait())
        await asyncio.wait((ended, closing), return_when=asyncio.FIRST_COMPLETED)
        closing.cancel()
        if self._closing.is_set():
            ended.cancel()
            return None
        return ended.result()

    async def _is_closed_within(self, wait_s: float) -> bool:
        try:
            async with asyncio.timeout(wait_s):
                await self._closing.wait()
        except TimeoutError:
            return False
        return True

    def _report(self, event: str, **why: object) -> None:
        """One line for each attempt in vain, and the longest delay lies between two: that is no flood."""
        if self._outage is not None:
            say = log.error if self._outage.is_lasting else log.warning
            down_s = round(time.time() - self._outage.since_utc, 1)
            say(event, **why, restarts_in_s=self._outage.delay_s, down_s=down_s)

    def _lose(self, code: int) -> None:
        """The spawner has ended, and its kernels with it: whoever waited for any of them learns so."""
        self._code, self._spawner, self._said = code, None, None
        self._disconnect()
        self._outage = self._outage.failed() if self._outage else Outage(time.time())
        if not self._first.done():
            self._first.set_exception(_reason(code))
            self._first.exception()
        self._owner.spawner_lost()

    # ---- what the spawner says -------------------------------------------------------------------------------------

    def _hear(self) -> None:
        """Take every packet there is."""
        while self._control is not None:
            try:
                received = contract.receive(self._control, socket.MSG_DONTWAIT)
                if received is not None:
                    self._take(received[0])
                    continue
            except BlockingIOError:
                return
            except ConnectionError:
                received = None
            except contract.ContractError as error:
                # Another version of us, most likely. What it meant nobody can tell, so it is not worked with.
                self._hang_up(str(error)[:200])
                return
            self._hang_up("")

    def _take(self, packet: Packet) -> None:
        if not isinstance(packet, Ready):
            self._owner.heard(packet)
            return
        if self._deadline is not None:
            self._deadline.cancel()
        if self._first.done() and self._outage is not None:
            log.info("spawner_ready", isolation=packet.level, down_s=round(time.time() - self._outage.since_utc, 1))
        self._said, self._outage = packet, None
        if not self._first.done():
            self._first.set_result(None)

    def _hang_up(self, reason: str) -> None:
        """Talk to the spawner no longer: it ends its kernels and itself then, and past its time it is killed.

        _keep() sees its end and acts.
        """
        if reason:
            log.error("spawner_given_up", reason=reason)
        self._disconnect()
        if self._spawner is not None:
            self._spawner.hung_up()
            self._deadline = asyncio.get_running_loop().call_later(CLOSE_S, self._spawner.kill)

    def _disconnect(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            self._control.close()
            self._control = None


async def end(spawner: RunningSpawner) -> int:
    """The exit code of a spawner that was told to end; past its time it is killed."""
    try:
        return await asyncio.wait_for(spawner.wait(), CLOSE_S)
    except TimeoutError:
        spawner.kill()
        return await spawner.wait()


def _reason(code: int) -> Unavailable:
    """Why there is no first spawner, as its exit code tells."""
    if code == NOTHING_REACHED:
        return NoIsolation("no isolation level can be reached")
    if code == PACKAGE_MISSING:
        return Unavailable("a package is missing there, named above")
    return Unavailable(f"its spawner ended with code {code}, see above")
