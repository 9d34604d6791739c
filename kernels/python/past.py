"""The history that a kernel gives to clients: its own session, from memory. There are no other sessions on disk."""

from __future__ import annotations

import fnmatch
from typing import Any

SESSION = 1
Entry = tuple[int, int, Any]
"""Session, line, and the input; with the output if the client requests it. Outputs are not kept."""


class Past:
    """The inputs of a shell's `history_manager`, by line; line 0 is none."""

    def __init__(self, manager: Any, *, raw: bool, output: bool) -> None:
        inputs = manager.input_hist_raw if raw else manager.input_hist_parsed
        self._entries: list[Entry] = [
            (SESSION, line, (text, None) if output else text) for line, text in enumerate(inputs) if line > 0
        ]
        self._texts = inputs

    def tail(self, most: int | None) -> list[Entry]:
        """The last *most* entries."""
        return self._last(self._entries, most)

    def range(self, session: int, start: int, stop: int | None) -> list[Entry]:
        """The lines from *start* to before *stop* of the present session, which is also number 0."""
        if session not in (0, SESSION):
            return []
        return [entry for entry in self._entries if entry[1] >= start and (stop is None or entry[1] < stop)]

    def search(self, pattern: str, most: int | None, *, unique: bool) -> list[Entry]:
        """The last *most* entries like *pattern* (with * and ?); with *unique* only the last of equal inputs."""
        found = [entry for entry in self._entries if fnmatch.fnmatchcase(self._texts[entry[1]], pattern)]
        if unique:
            latest = {self._texts[entry[1]]: entry[1] for entry in found}
            found = [entry for entry in found if latest[self._texts[entry[1]]] == entry[1]]
        return self._last(found, most)

    @staticmethod
    def _last(entries: list[Entry], most: int | None) -> list[Entry]:
        return entries if most is None else entries[max(0, len(entries) - most) :]
