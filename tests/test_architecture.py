"""The rules of CONTRIBUTING.md that a program can check. Exceptions are named with a reason."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter

import pytest

from tests.borrowed import DOCUMENTED, TABLE
from tests.source import CLIENT, PRODUCT, Source, modules

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


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    """Every module of the product and of its client, read once for this file and let go of after it."""
    return modules(*PRODUCT, CLIENT)


def length_of(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    """The lines of *node* without its docstring."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    is_docstring = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return lines - ((first.end_lineno or first.lineno) - first.lineno + 1 if is_docstring else 0)


def definitions(sources: list[Source], kind: type[ast.AST] | tuple[type[ast.AST], ...]) -> Iterator[tuple[str, ast.AST]]:
    """Each definition of *kind* and the name it is excepted by: ``path:name``."""
    for source in sources:
        for node in source.nodes():
            if isinstance(node, kind):
                yield f"{source.path}:{node.name}", node  # type: ignore[attr-defined]  # definitions have names


def test_functions_fit_on_a_screen(sources: list[Source]) -> None:
    """A long function hides a second one."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    long = {
        name for name, node in definitions(sources, kinds) if isinstance(node, kinds) and length_of(node) > FUNCTION_LINES
    }
    assert long == set(LONG_FUNCTIONS)


def test_modules_are_small(sources: list[Source]) -> None:
    """More than that can't be held in mind."""
    assert {source.path for source in sources if source.text.count("\n") > MODULE_LINES} == set(LONG_MODULES)


def test_classes_are_small(sources: list[Source]) -> None:
    """Size must not escape from functions and modules into classes."""
    large = set()
    for name, node in definitions(sources, ast.ClassDef):
        assert isinstance(node, ast.ClassDef)
        methods = sum(isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) for item in node.body)
        if length_of(node) > CLASS_LINES or methods > METHODS:
            large.add(name)
    assert large == set(LARGE_CLASSES)


PORTS = "gateway/web/services.py"
"""What the web needs of the features: each protocol has the name of the class that fulfils it."""


def test_a_class_name_has_one_owner(sources: list[Source]) -> None:
    """A reader who meets a name knows which class is meant."""
    owners: dict[str, set[str]] = {}
    for source in sources:
        for node in source.nodes():
            if isinstance(node, ast.ClassDef) and source.path != PORTS:
                owners.setdefault(f"{distribution_of(source)}: {node.name}", set()).add(source.path)
    assert not {name: paths for name, paths in owners.items() if len(paths) > 1}


def distribution_of(source: Source) -> str:
    """Which distribution *source* is in: the client is one of its own, and has names for what the gateway has as well."""
    return CLIENT if source.path.startswith(CLIENT) else "gateway"


def imports_of(path: str, tree: ast.Module, known: dict[str, str]) -> Iterator[str]:
    """The paths of the modules that the module at *path* imports, also those it imports for their types alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (known[name] for name in names if name in known and known[name] != path)


def test_no_modules_import_one_another_in_a_circle() -> None:
    """A circle is one module in several files: none of them can be read, tested or moved alone."""
    sources = [source for source in modules(*PRODUCT, CLIENT) if not source.path.endswith("__init__.py")]
    known = {module_name(source.path): source.path for source in sources}
    TopologicalSorter({source.path: set(imports_of(source.path, source.tree, known)) for source in sources}).prepare()


def module_name(path: str) -> str:
    """What an import statement calls the module at *path*."""
    return path.removeprefix(CLIENT.removesuffix("omega_client")).removesuffix(".py").replace("/", ".")


ONLY_WITH_ITS_CLIENT = {("sdks.py", "google")}
"""Imports inside of functions, for callers who have passed a client of that SDK."""


def test_the_client_needs_the_standard_library_alone() -> None:
    """And nothing of the gateway: it is installed without it."""
    for source in modules(CLIENT):
        for node in source.nodes():
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in (name.partition(".")[0] for name in names):
                is_known = name == "omega_client" or name in sys.stdlib_module_names
                is_excepted = (source.path.rpartition("/")[2], name) in ONLY_WITH_ITS_CLIENT or name == "typing_extensions"
                assert is_known or is_excepted, f"{source.path} imports {name}"


def test_functions_take_few_parameters(sources: list[Source]) -> None:
    """What needs more than six together is a value of its own. Optional ones are keyword-only and not counted."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    many = []
    for name, node in definitions(sources, kinds):
        assert isinstance(node, kinds)
        given = [
            argument.arg for argument in (*node.args.posonlyargs, *node.args.args) if argument.arg not in ("self", "cls")
        ]
        if len(given) > 6:
            many.append(name)
    assert many == list(MANY_PARAMETERS)


def test_nobody_reaches_into_another_object(sources: list[Source]) -> None:
    """A private name is used by the class that has it; what libraries lend is in borrowed.py."""
    wrong = []
    for source in sources:
        for top in source.tree.body:
            nodes = list(ast.walk(top))
            own = {node.attr for node in nodes if isinstance(node, ast.Attribute) and is_own(node)} | {
                node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            for node in nodes:
                if isinstance(node, ast.Attribute) and not is_own(node) and is_lent_to_nobody(node.attr, own):
                    wrong.append(f"{source.path}:{node.lineno}: {ast.unparse(node)}")
    assert not wrong


def is_own(node: ast.Attribute) -> bool:
    """Whether it is one of the object itself."""
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")


def is_lent_to_nobody(name: str, own: set[str]) -> bool:
    """Whether *name* is private, and neither of this class nor a library's."""
    return name.startswith("_") and not name.startswith("__") and name not in own | BORROWED


@pytest.mark.parametrize("listed", [LONG_FUNCTIONS, LONG_MODULES, LARGE_CLASSES, MANY_PARAMETERS])
def test_exceptions_have_a_reason(listed: dict[str, str]) -> None:
    """A name alone would not convince the next reader."""
    assert all(len(reason.split()) >= 4 for reason in listed.values())
