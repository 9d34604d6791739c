"""What IPython would keep on disk between sessions, kept for as long as the kernel lives."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any


class MemoryStore(dict[str, Any]):
    """IPython's PickleShareDB in memory: visited directories (``%cd``), bookmarks, aliases, names of modules to complete."""

    def keys(self, pattern: str | None = None) -> list[str]:  # type: ignore[override]  # PickleShareDB takes a pattern
        """The keys, or those of them that match *pattern*, as PickleShareDB gives them."""
        return [key for key in self if pattern is None or fnmatchcase(key, pattern)]
