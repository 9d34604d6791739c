"""Server-sent events from the pieces in which they come (HTML standard, 9.2). Pure."""

from __future__ import annotations

import codecs

from omega_client.errors import ConnectionFailed

EVENT_CHARS = 64 << 20
"""More than any event of the gateway has."""


class EventReader:
    """Gives the data of each event; names, ids and comments have nothing that the data does not have."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._line: list[str] = []
        self._data: list[str] = []
        self._was_return = False
        self._held = 0

    def feed(self, piece: bytes) -> list[str]:
        """The events that are whole with *piece*. Raises ConnectionFailed for one that does not end."""
        text = self._decode(piece)
        if self._was_return and text:
            text = text.removeprefix("\n")
        if text:
            self._was_return = text.endswith("\r")
        first, *others = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._line.append(first)
        self._hold(len(first))
        found = []
        for line in others:
            found += self._end_line()
            self._held = self._held if self._data else 0
            self._line = [line]
            self._hold(len(line))
        return found

    def _hold(self, count: int) -> None:
        self._held += count
        if self._held > EVENT_CHARS:
            raise ConnectionFailed(f"The server sent an event of more than {EVENT_CHARS:,} characters.")

    def _end_line(self) -> list[str]:
        """Take the line that has ended: an empty one ends an event."""
        line = "".join(self._line)
        if line.startswith("data:"):
            self._data.append(line[5:].removeprefix(" "))
        elif not line and self._data:
            found, self._data = "\n".join(self._data), []
            return [found]
        return []
