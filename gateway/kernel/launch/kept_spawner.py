"""The spawner of a launcher, replaced whenever it ends, however often that is (decision 18)."""

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
from kernels.contract import NOTHING_REACHED, PACKAGE_MISSING, Level, Packet, Ready, Shutdown

READY_S = 120.0
CLOSE_S = 15.0
log = structlog.get_logger()


class NoIsolation(Unavailable):
    """Not even the lowest isolation level can be reached here: no kernel is ever started."""


class LowIsolation(Unavailable):
    """The isolation level *reached* here is below the required one: no kernel is ever started."""

    def __init__(self, reached: Level, required: Level) -> None:
        super().__init__(f"this machine reaches isolation level {reached.label}, but {required.label} is required")
        self.reached = reached


class SpawnerUser(Protocol):
    """The user of the spawner: ZygoteLauncher."""

    async def open_spawner(self) -> RunningSpawner:
        """A new spawner. Raises Unavailable."""

    def heard(self, packet: Packet) -> None:
        """Take a packet other than Ready. Raises ContractError for one that no spawner sends."""

    def spawner_lost(self) -> None:
        """The spawner has ended, and every kernel of it."""


class KeptSpawner:
    """One spawner after another. `unavailable_since` and the log report an outage; the gateway never exits for it."""

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
        """Start the first spawner and wait until it is ready. Raises Unavailable, of which NoIsolation and
        LowIsolation mean that none ever can be.

        close() is to follow in any case.
        """
        await self._open()
        self._keeper = asyncio.create_task(self._keep(), name="spawner keeper")
        try:
            await asyncio.wait_for(asyncio.shield(self._first), READY_S)
        except (NoIsolation, LowIsolation):
            raise
        except (TimeoutError, Unavailable) as error:
            raise Unavailable(f"the spawner did not become ready: {error or 'it took too long'}") from None

    def give_up_start(self, error: LowIsolation) -> None:
        """Have start() raise *error*, if it still waits."""
        if not self._first.done():
            self._first.set_exception(error)
            self._first.exception()

    @property
    def ready(self) -> Ready:
        """The spawner's isolation level, facilities and versions. Raises Unavailable while it restarts."""
        if self._said is None:
            raise Unavailable("the spawner is not ready")
        return self._said

    @property
    def unavailable_since(self) -> float | None:
        """When the last ready spawner was lost, in seconds since the epoch; None while one is ready."""
        return self._outage.since_utc if self._outage else None

    def send(self, packet: Packet, fds: tuple[int, ...] = ()) -> None:
        """Send *packet* to the spawner. Raises Unavailable if there is none."""
        if self._control is None:
            raise Unavailable("the spawner is not running")
        try:
            contract.send(self._control, packet, fds)
        except ConnectionError:
            raise Unavailable("the spawner has exited") from None

    async def close(self) -> bool:
        """End the spawner and start no other; whether the last one removed every trace of its kernels."""
        self._closing.set()
        if self._keeper is not None:
            await self._keeper
        if self._spawner is not None:
            try:
                self.send(Shutdown())
            except Unavailable:
                log.info("spawner exited before the gateway closed it")
            self._lose(await end(self._spawner))
        return self._code in ORDERLY

    # ---- one after another -----------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Start another spawner whenever one ends, until close() is called."""
        while True:
            if self._spawner is not None:
                code = await self._until_end(self._spawner)
                if code is None:
                    return
                self._lose(code)
                self._report("spawner exited", exit_code=code)
            if await self._is_closed_within(self._outage.delay_s if self._outage else 0.0):
                return
            try:
                await self._open()
            except Exception as error:  # noqa: BLE001 - the next attempt may succeed, and nobody else tries
                self._outage = (self._outage or Outage(time.time())).failed()
                self._report("spawner start failed", reason=str(error) or type(error).__name__)

    async def _open(self) -> None:
        spawner = await self._owner.open_spawner()
        loop = asyncio.get_running_loop()
        self._spawner, self._control = spawner, spawner.control
        loop.add_reader(spawner.control.fileno(), self._hear)
        self._deadline = loop.call_later(READY_S, self._hang_up, "it was not ready in time")

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
        """Log each failed attempt; the delay between two keeps this from being a flood."""
        if self._outage is not None:
            say = log.error if self._outage.is_lasting else log.warning
            down_s = round(time.time() - self._outage.since_utc, 1)
            say(event, **why, restarts_in_s=self._outage.delay_s, down_s=down_s)

    def _lose(self, code: int) -> None:
        """The spawner has ended, and its kernels with it: callers that wait for them learn so."""
        self._code, self._spawner, self._said = code, None, None
        self._disconnect()
        self._outage = self._outage.failed() if self._outage else Outage(time.time())
        if not self._first.done():
            self._first.set_exception(_reason(code))
            self._first.exception()
        self._owner.spawner_lost()

    # ---- what the spawner says -------------------------------------------------------------------------------------

    def _hear(self) -> None:
        """Take every packet that has come."""
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
                # Most likely a spawner of another version. Its packets can't be understood, so it is given up.
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
            log.info("spawner started", isolation=packet.level, down_s=round(time.time() - self._outage.since_utc, 1))
        self._said, self._outage = packet, None
        if not self._first.done():
            self._first.set_result(None)

    def _hang_up(self, reason: str) -> None:
        """Close the connection: the spawner then ends its kernels and itself, or is killed after CLOSE_S.

        _keep() notices the end.
        """
        if reason:
            log.error("spawner rejected", reason=reason)
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
    """The exit code of a spawner that was told to end; after CLOSE_S it is killed."""
    try:
        return await asyncio.wait_for(spawner.wait(), CLOSE_S)
    except TimeoutError:
        spawner.kill()
        return await spawner.wait()


def _reason(code: int) -> Unavailable:
    """Why the first spawner did not start, by its exit code."""
    if code == NOTHING_REACHED:
        return NoIsolation("this machine reaches no isolation level")
    if code == PACKAGE_MISSING:
        return Unavailable("its environment lacks the package named above")
    return Unavailable(f"the spawner exited with code {code}; its reason is above")
