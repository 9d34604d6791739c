"""What is on its way to the clients of one kernel: each message is held and counted once. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from gateway.core.backlog import OVERHEAD_BYTES
from gateway.core.jupyter import Relayed

Encode = Callable[[Relayed, str | None], Sequence[bytes]]


@dataclass(slots=True)
class _Use:
    """For how many clients a message is held, and its layouts that were made for them."""

    clients: int = 0
    layouts: dict[str | None, Sequence[bytes]] = field(default_factory=dict)


class Held:
    """The messages that wait for at least one client."""

    def __init__(self) -> None:
        self._uses: dict[int, _Use] = {}
        self.size_bytes = 0
        """What they take in memory, about; the layouts share their larger parts."""

    def add(self, message: Relayed) -> None:
        """*message* waits for one client more."""
        use = self._uses.get(id(message))
        if use is None:
            use = self._uses[id(message)] = _Use()
            self.size_bytes += message.size_bytes + OVERHEAD_BYTES
        use.clients += 1

    def drop(self, message: Relayed) -> None:
        """*message* waits for one client less."""
        use = self._uses[id(message)]
        use.clients -= 1
        if not use.clients:
            del self._uses[id(message)]
            self.size_bytes -= message.size_bytes + OVERHEAD_BYTES

    def lay_out(self, message: Relayed, protocol: str | None, encode: Encode) -> Sequence[bytes]:
        """What *encode* makes of *message* for *protocol*, made once for all clients that wait for it."""
        layouts = self._uses[id(message)].layouts
        if protocol not in layouts:
            layouts[protocol] = encode(message, protocol)
        return layouts[protocol]


class Outbox:
    """The messages one client is to get, in order, until it is known that they arrived."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._waiting: deque[Relayed] = deque()
        self._written: deque[Relayed] = deque()

    def __len__(self) -> int:
        """How many there are, written or not."""
        return len(self._written) + len(self._waiting)

    @property
    def has_unwritten(self) -> bool:
        """Whether there is something to write."""
        return bool(self._waiting)

    def add(self, messages: Iterable[Relayed]) -> None:
        """These are to follow."""
        for message in messages:
            self._waiting.append(message)
            self._held.add(message)

    def write_next(self, protocol: str | None, encode: Encode) -> tuple[Relayed, Sequence[bytes]]:
        """The next message and its layout for *protocol*. It counts as written from here on; there must be one."""
        message = self._waiting.popleft()
        self._written.append(message)
        return message, self._held.lay_out(message, protocol, encode)

    def note_arrival(self, number: int) -> None:
        """The oldest *number* written messages have arrived."""
        for _ in range(number):
            self._held.drop(self._written.popleft())

    def take_back(self) -> list[Relayed]:
        """All that has not arrived, for somebody else to keep; the client gets no more of it."""
        messages = [*self._written, *self._waiting]
        self._written.clear()
        self._waiting.clear()
        for message in messages:
            self._held.drop(message)
        return messages
