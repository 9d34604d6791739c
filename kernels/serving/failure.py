"""An exception in the form that clients get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception in the form that clients get."""

    ename: str
    evalue: str
    traceback: str
    hint: str = ""
    """What to do about it, where that is known."""

    def content(self) -> dict[str, Any]:
        """The content of an ``error`` message."""
        hint = {"hint": self.hint} if self.hint else {}  # not of the protocol: other clients pass over it
        return {"ename": self.ename, "evalue": self.evalue, "traceback": [self.traceback], **hint}
