"""The clients of one Jupyter kernel: which gets which message, what is kept, and when the kernel has to wait."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from gateway.core.backlog import Backlog, Lost
from gateway.core.jupyter import Relayed
from gateway.core.outbox import Held, Outbox
from gateway.core.request_routing import EVERYBODY, Asked
from gateway.service.jupyter.listener import Listener

BEHIND_BYTES, CAUGHT_UP_BYTES = 4 * 1024 * 1024, 1024 * 1024
"""The kernel is not read while its clients are behind by the first, until only the second is left. A message counts once."""
PATIENCE_S, TAKEN_BYTES_PER_S = 60.0, 65_536
"""How often each client is checked while the kernel waits, and how fast it has to read."""
MAX_ABSENT = 64
REPLACED, TOO_SLOW = 4000, 4001
"""Close codes of the gateway (RFC 6455, 7.4.2: 4000-4999 are for private use)."""


class Clients:
    """The connected clients, those that left before their answer came, and what is kept for them."""

    def __init__(self, asked: Asked, backlog_bytes: int) -> None:
        self._asked = asked
        self._listeners: dict[str, Listener] = {}
        self._absent: OrderedDict[str, None] = OrderedDict()
        self._backlog = Backlog(backlog_bytes)
        self._held = Held()
        self._is_behind = False
        self._watch: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many are connected."""
        return len(self._listeners)

    @property
    def held_bytes(self) -> int:
        """The memory of messages that not all clients have read."""
        return self._held.size_bytes

    def make_outbox(self) -> Outbox:
        """The outbox for a new client."""
        return Outbox(self._held)

    # ---- who is there ------------------------------------------------------------------------------------------------

    def take_over(self, session_id: str) -> list[Listener]:
        """Connections of this session that still seem open. They get nothing more; `settle` is to follow.

        Their client is coming back: it lost them without closing them.
        """
        others = [other for other in self._listeners.values() if other.session_id == session_id != ""]
        for other in others:
            self._remove(other)
        return others

    def settle(self, replaced: Sequence[Listener]) -> None:
        """Close connections that were taken over, and keep the messages that they did not get."""
        for other in replaced:
            self._backlog.put_back(other.take_back())
            other.end(REPLACED, "another connection of the same session replaced this one")

    def connect(self, listener: Listener, mark: Callable[[Lost], Relayed]) -> None:
        """*listener* gets the messages that were kept, a note by *mark* for lost ones, and all that follow."""
        self._asked.hand_on(set(self._absent), listener.listener_id)
        self._absent.clear()
        self._listeners[listener.listener_id] = listener
        listener.deliver(self._backlog.take(mark))

    def disconnect(self, listener: Listener) -> None:
        """*listener* is gone; answers that it did not get are kept. Safe to call again."""
        if not self._remove(listener):
            return
        asked = self._asked.asker_of
        for message in listener.take_back():
            if not self._listeners or asked(message) == listener.listener_id or message.channel != "iopub":
                self._backlog.add(message)

    def _remove(self, listener: Listener) -> bool:
        """Forget *listener*, but not its requests; whether it was there."""
        if self._listeners.pop(listener.listener_id, None) is None:
            return False
        if listener.listener_id in self._asked.askers():
            self._absent[listener.listener_id] = None
            if len(self._absent) > MAX_ABSENT:
                self._absent.popitem(last=False)
        return True

    def end(self, code: int, reason: str) -> None:
        """Close all connections."""
        for listener in list(self._listeners.values()):
            listener.end(code, reason)
        self._stop_watching()

    # ---- what they get -----------------------------------------------------------------------------------------------

    def publish(self, messages: Iterable[tuple[str, Relayed]]) -> None:
        """Deliver each message to its clients, one batch for each client."""
        batches: dict[str, list[Relayed]] = {name: [] for name in self._listeners}
        for asker, message in messages:
            self._sort(asker, message, batches)
        for name, batch in batches.items():
            if batch and name in self._listeners:
                self._listeners[name].deliver(batch)

    def _sort(self, asker: str, message: Relayed, batches: dict[str, list[Relayed]]) -> None:
        """Put *message* into the batch of its asker or of all clients, and into the backlog for absent ones."""
        if asker in batches:
            batches[asker].append(message)
            return
        if asker != EVERYBODY or not batches:
            self._backlog.add(message)
            return
        for batch in batches.values():
            batch.append(message)
        if self._absent and self._asked.asker_of(message) in self._absent:
            self._backlog.add(message)

    # ---- how fast they take it in ------------------------------------------------------------------------------------

    def are_behind(self) -> bool:
        """Whether so much waits for clients that the kernel should wait too."""
        self._is_behind = self._held.size_bytes > (CAUGHT_UP_BYTES if self._is_behind else BEHIND_BYTES)
        if not self._is_behind:
            self._stop_watching()
        elif self._watch is None:
            self._watch_all()
        return self._is_behind

    def _watch_all(self) -> None:
        taken = {name: one.taken_bytes for name, one in self._listeners.items()}
        self._watch = asyncio.get_running_loop().call_later(PATIENCE_S, self._drop_slow, taken)

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _drop_slow(self, taken: dict[str, int]) -> None:
        """Close the clients that made the kernel wait all this time; messages that they miss are kept as for any."""
        for name, before in taken.items():
            listener = self._listeners.get(name)
            if listener is None or listener.is_served:
                continue
            if listener.taken_bytes - before < PATIENCE_S * TAKEN_BYTES_PER_S:
                listener.end(TOO_SLOW, "the client read its messages too slowly; connect again to get the rest")
        self._watch = None
        self.are_behind()
