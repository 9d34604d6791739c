"""What the gateway's source never does, whatever a kernel or caller sends: evaluate, unpickle, start a shell."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import gateway
import kernels

GATEWAY = Path(gateway.__file__).parent
PRIVILEGED = [Path(kernels.__file__).with_name("contract.py"), *(Path(kernels.__file__).parent / "spawner").rglob("*.py")]
SOURCES = [*GATEWAY.rglob("*.py"), *PRIVILEGED]
FORBIDDEN_MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "yaml", "jinja2", "code", "codeop"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "system", "popen"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_gateway_evaluates_nothing(path: Path) -> None:
    """No eval, exec, pickle, template or shell in any process that holds a secret or a privilege."""
    tree = ast.parse(path.read_text())
    assert not [f"{path}:{line}: {what}" for line, what in (*_imports(tree), *_calls(tree))]


def _imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        yield from ((node.lineno, name) for name in names if name.split(".")[0] in FORBIDDEN_MODULES)


def _calls(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        is_module_function = isinstance(node.func, ast.Name) or _is_of(node.func, ("os", "builtins"))
        if name in FORBIDDEN_CALLS and is_module_function:
            yield node.lineno, f"{name}()"
        if any(keyword.arg == "shell" for keyword in node.keywords):
            yield node.lineno, "shell="


def _is_of(node: ast.expr, modules: tuple[str, ...]) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules


def test_what_is_forbidden_is_found() -> None:
    """The check itself sees each kind of call."""
    for source in ("eval('1')", "import pickle", "from yaml import load", "import os; os.system('x')", "f(shell=True)"):
        tree = ast.parse(source)
        assert [*_imports(tree), *_calls(tree)], source


def test_javascripts_own_walls_are_not_what_is_relied_on() -> None:
    """JS08: neither Node's permission model nor a sandbox in the language stands in for the system's."""
    sources = [path for path in (Path(kernels.__file__).parent / "node").rglob("*") if path.suffix in (".py", ".cjs")]
    assert len(sources) > 10
    for source in sources:
        text = source.read_text()
        assert not any(word in text for word in ("--permission", "vm2", "isolated-vm", "ShadowRealm")), source
