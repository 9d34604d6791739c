"""Messages on their way to the clients of one kernel: each is held and counted once for all clients. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from gateway.core.backlog import OVERHEAD_BYTES
from gateway.core.jupyter import Relayed

Encode = Callable[[Relayed, str | None], Sequence[bytes]]


@dataclass(slots=True)
class _Use:
    """The number of clients that wait for a message, and its encoded forms by protocol."""

    clients: int = 0
    layouts: dict[str | None, Sequence[bytes]] = field(default_factory=dict)


class Held:
    """The messages that wait for at least one client."""

    def __init__(self) -> None:
        self._uses: dict[int, _Use] = {}
        self.size_bytes = 0
        """Their approximate memory; the encoded forms share the larger parts."""

    def add(self, message: Relayed) -> None:
        """One more client waits for *message*."""
        use = self._uses.get(id(message))
        if use is None:
            use = self._uses[id(message)] = _Use()
            self.size_bytes += message.size_bytes + OVERHEAD_BYTES
        use.clients += 1

    def drop(self, message: Relayed) -> None:
        """One client less waits for *message*."""
        use = self._uses[id(message)]
        use.clients -= 1
        if not use.clients:
            del self._uses[id(message)]
            self.size_bytes -= message.size_bytes + OVERHEAD_BYTES

    def lay_out(self, message: Relayed, protocol: str | None, encode: Encode) -> Sequence[bytes]:
        """*message* encoded for *protocol*, once for all clients that wait for it."""
        layouts = self._uses[id(message)].layouts
        if protocol not in layouts:
            layouts[protocol] = encode(message, protocol)
        return layouts[protocol]


class Outbox:
    """The messages for one client, in order, kept until they have arrived."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._waiting: deque[Relayed] = deque()
        self._written: deque[Relayed] = deque()

    def __len__(self) -> int:
        """The number of messages, written or not."""
        return len(self._written) + len(self._waiting)

    @property
    def has_unwritten(self) -> bool:
        """Whether a message is waiting to be written."""
        return bool(self._waiting)

    def add(self, messages: Iterable[Relayed]) -> None:
        """Append these messages."""
        for message in messages:
            self._waiting.append(message)
            self._held.add(message)

    def write_next(self, protocol: str | None, encode: Encode) -> tuple[Relayed, Sequence[bytes]]:
        """The next message and its encoded form for *protocol*, from now on counted as written; there must be one."""
        message = self._waiting.popleft()
        self._written.append(message)
        return message, self._held.lay_out(message, protocol, encode)

    def note_arrival(self, number: int) -> None:
        """The oldest *number* written messages have arrived."""
        for _ in range(number):
            self._held.drop(self._written.popleft())

    def take_back(self) -> list[Relayed]:
        """Take out all messages that have not arrived, for the caller to keep."""
        messages = [*self._written, *self._waiting]
        self._written.clear()
        self._waiting.clear()
        for message in messages:
            self._held.drop(message)
        return messages
