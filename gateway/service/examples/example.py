"""What an example of the gallery is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.core.model import Json
from kernels.contract import Language

BASE = "/code-interpreter"


@dataclass(frozen=True, slots=True)
class Example:
    """A request to copy, and the output it has."""

    title: str
    description: str
    endpoint: str
    request: Mapping[str, Json]
    output: str
    language: Language = "python"

    @property
    def code(self) -> str:
        """The source shown; for an analysis, what is asked for."""
        return next(str(self.request[name]) for name in ("code", "expression", "analysisType") if name in self.request)
