"""The product as it is written, for tests that read it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Source:
    """A module as it is written, parsed once for all tests that look into it, and not by a worker without one."""

    path: str
    text: str

    @property
    def tree(self) -> ast.Module:
        """What Python reads in it."""
        return _parsed(self.text)

    def nodes(self) -> tuple[ast.AST, ...]:
        """Everything in it."""
        return _walked(self.text)


PRODUCT = ("gateway", "kernels")
CLIENT = "clients/python/omega_client"
"""The library for Python, a distribution of its own."""


def modules(*tops: str) -> list[Source]:
    """Every module below *tops*; of the product without any."""
    return [_read(path) for top in tops or PRODUCT for path in sorted((ROOT / top).rglob("*.py"))]


def _read(path: Path) -> Source:
    return Source(str(path.relative_to(ROOT)), path.read_text())


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


@cache
def _walked(text: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(_parsed(text)))
