"""The rules of CONTRIBUTING.md that a program can check. Exceptions are named with a reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.source import modules
from tests.test_borrowed import DOCUMENTED, TABLE

FUNCTION_LINES, MODULE_LINES, CLASS_LINES, METHODS = 40, 400, 250, 25

BORROWED = {row.name for row in TABLE} | DOCUMENTED

LONG_FUNCTIONS = {
    "gateway/app.py:_serve": "The order in which everything is built is what it says, and it has no branch.",
}
LONG_MODULES = {
    "kernels/contract.py": "Every packet between gateway, spawner and zygote stands in one place.",
}
MANY_PARAMETERS = {
    "kernels/python/kernel.py:do_history": "ipykernel calls it, with the parameters of the protocol.",
}
LARGE_CLASSES: dict[str, str] = {}
"""Each says why it is one: what it would be split into has no state of its own."""


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
    assert {source.path for source in modules() if source.text.count("\n") > MODULE_LINES} == set(LONG_MODULES)


def test_classes_are_small() -> None:
    """Size must not escape from functions and modules into classes."""
    large = set()
    for name, node in definitions(ast.ClassDef):
        assert isinstance(node, ast.ClassDef)
        methods = sum(isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) for item in node.body)
        if length_of(node) > CLASS_LINES or methods > METHODS:
            large.add(name)
    assert large == set(LARGE_CLASSES)


PORTS = "gateway/web/services.py"
"""What the web needs of the features: each protocol has the name of the class that fulfils it."""


def test_a_class_name_has_one_owner() -> None:
    """A reader who meets a name knows which class is meant."""
    owners: dict[str, set[str]] = {}
    for source in modules():
        for node in source.nodes():
            if isinstance(node, ast.ClassDef) and source.path != PORTS:
                owners.setdefault(node.name, set()).add(source.path)
    assert not {name: paths for name, paths in owners.items() if len(paths) > 1}


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
    assert many == list(MANY_PARAMETERS)


def test_nobody_reaches_into_another_object() -> None:
    """A private name is used by the class that has it; what libraries lend is in test_borrowed.py."""
    wrong = []
    for source in modules():
        for top in ast.parse(source.text).body:
            own = {node.attr for node in ast.walk(top) if is_own(node)} | {
                node.name for node in ast.walk(top) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            for node in ast.walk(top):
                if isinstance(node, ast.Attribute) and not is_own(node) and is_lent_to_nobody(node.attr, own):
                    wrong.append(f"{source.path}:{node.lineno}: {ast.unparse(node)}")
    assert not wrong


def is_own(node: ast.AST) -> bool:
    """Whether *node* is an attribute of the object itself."""
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")


def is_lent_to_nobody(name: str, own: set[str]) -> bool:
    """Whether *name* is private, and neither of this class nor a library's."""
    return name.startswith("_") and not name.startswith("__") and name not in own | BORROWED


@pytest.mark.parametrize("listed", [LONG_FUNCTIONS, LONG_MODULES, LARGE_CLASSES, MANY_PARAMETERS])
def test_exceptions_have_a_reason(listed: dict[str, str]) -> None:
    """A name alone would not convince the next reader."""
    assert all(len(reason.split()) >= 4 for reason in listed.values())
