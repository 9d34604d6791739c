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

    def content(self) -> dict[str, Any]:
        """The content of an ``error`` message."""
        return {"ename": self.ename, "evalue": self.evalue, "traceback": [self.traceback]}
