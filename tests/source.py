"""The product as it is written, for tests that read it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Source:
    """A module as it is written, parsed once for every test that looks at it."""

    path: str
    text: str
    tree: ast.Module
    found: tuple[ast.AST, ...]

    def nodes(self) -> tuple[ast.AST, ...]:
        """Everything in it."""
        return self.found


PRODUCT = ("gateway", "kernels")
CLIENT = "clients/python/omega_client"
"""The library for Python, a distribution of its own."""


def modules(*tops: str) -> list[Source]:
    """Every module below *tops*; of the product without any."""
    return [_read(path) for top in tops or PRODUCT for path in sorted((ROOT / top).rglob("*.py"))]


def _read(path: Path) -> Source:
    text = path.read_text()
    tree = ast.parse(text)
    return Source(str(path.relative_to(ROOT)), text, tree, tuple(ast.walk(tree)))
