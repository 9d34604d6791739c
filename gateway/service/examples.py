"""The example gallery: the seed guide's examples and more, each executed by a test with the output shown here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gateway.core.model import Json
from kernels.contract import Language


@dataclass(frozen=True, slots=True)
class Example:
    """A request to copy, and the output it has. *output* is compared without regard to runs of blanks."""

    title: str
    description: str
    endpoint: str
    request: Mapping[str, Json]
    output: str
    language: Language = "python"

    @property
    def code(self) -> str:
        """The source shown; for an analysis, what is asked for."""
        for field in ("code", "expression", "analysisType"):
            if field in self.request:
                return str(self.request[field])
        return ""


class Gallery:
    """All examples of the languages that kernels can be had for."""

    def __init__(self, languages: Collection[Language]) -> None:
        self._examples = tuple(example for example in EXAMPLES if example.language in languages)

    def list(self) -> Sequence[Example]:
        """The examples, simple ones first."""
        return self._examples


def _python(title: str, description: str, code: str, output: str) -> Example:
    return Example(title, description, "/code-interpreter/python", {"code": code}, output)


def _chart(title: str, description: str, code: str) -> Example:
    return Example(title, description, "/code-interpreter/chart", {"code": code}, "Chart saved successfully\n")


PEOPLE: Json = [
    {"name": "Alice", "age": 25, "score": 85},
    {"name": "Bob", "age": 30, "score": 92},
    {"name": "Charlie", "age": 35, "score": 78},
]
EXAMPLES: tuple[Example, ...] = ()
