"""The rules of CONTRIBUTING.md that a program can check. Exceptions are named with a reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FUNCTION_LINES, MODULE_LINES, CLASS_LINES, METHODS = 40, 400, 250, 25

LONG_FUNCTIONS: dict[str, str] = {}
LARGE_CLASSES: dict[str, str] = {}
"""Each says why it is one: what it would be split into has no state of its own."""


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


def length_of(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    """The lines of *node* without its docstring."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    is_docstring = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return lines - ((first.end_lineno or first.lineno) - first.lineno + 1 if is_docstring else 0)


def definitions(kind: type[ast.AST] | tuple[type[ast.AST], ...]) -> Iterator[tuple[str, ast.AST]]:
    """Each definition of *kind* and the name it is excepted by: ``path:name``."""
    for source in modules():
        for node in source.nodes():
            if isinstance(node, kind):
                yield f"{source.path}:{node.name}", node  # type: ignore[attr-defined]  # definitions have names


def test_functions_fit_on_a_screen() -> None:
    """A long function hides a second one."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    long = {name for name, node in definitions(kinds) if isinstance(node, kinds) and length_of(node) > FUNCTION_LINES}
    assert long == set(LONG_FUNCTIONS)


def test_modules_are_small() -> None:
    """More than that can't be held in mind."""
    assert not [source.path for source in modules() if source.text.count("\n") > MODULE_LINES]


def test_classes_are_small() -> None:
    """Size must not escape from functions and modules into classes."""
    large = set()
    for name, node in definitions(ast.ClassDef):
        assert isinstance(node, ast.ClassDef)
        methods = sum(isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) for item in node.body)
        if length_of(node) > CLASS_LINES or methods > METHODS:
            large.add(name)
    assert large == set(LARGE_CLASSES)


def test_functions_take_few_parameters() -> None:
    """What needs more than six together is a value of its own. Optional ones are keyword-only and not counted."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    many = []
    for name, node in definitions(kinds):
        assert isinstance(node, kinds)
        given = [
            argument.arg for argument in (*node.args.posonlyargs, *node.args.args) if argument.arg not in ("self", "cls")
        ]
        if len(given) > 6:
            many.append(name)
    assert not many


@pytest.mark.parametrize("listed", [LONG_FUNCTIONS, LARGE_CLASSES], ids=["functions", "classes"])
def test_exceptions_have_a_reason(listed: dict[str, str]) -> None:
    """A name alone would not convince the next reader."""
    assert all(len(reason.split()) >= 4 for reason in listed.values())
