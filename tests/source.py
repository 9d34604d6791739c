"""The product as it is written, for tests that read it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Source:
    """A module as it is written."""

    path: str
    text: str

    def nodes(self) -> Iterator[ast.AST]:
        """Everything in it."""
        return ast.walk(ast.parse(self.text))


@cache
def modules() -> list[Source]:
    """Every module of the product."""
    found = [path for top in ("gateway", "kernels") for path in sorted((ROOT / top).rglob("*.py"))]
    return [Source(str(path.relative_to(ROOT)), path.read_text()) for path in found]
