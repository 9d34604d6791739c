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


def modules() -> list[Source]:
    """Every module of the product."""
    return [_read(path) for top in ("gateway", "kernels") for path in sorted((ROOT / top).rglob("*.py"))]


def _read(path: Path) -> Source:
    text = path.read_text()
    tree = ast.parse(text)
    return Source(str(path.relative_to(ROOT)), text, tree, tuple(ast.walk(tree)))
