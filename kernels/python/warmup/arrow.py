"""pandas with pyarrow, which is imported when code needs it and not before.

pandas decides while it is imported whether it has pyarrow, and binds its names then. Here it is told that it has, with
modules that import the real ones at their first use; importing pyarrow, in whatever way, then binds the real names.
Texts keep the storage that they have without pyarrow: frames of one run are alike, whatever it imports.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pandas as pd

NAME = "pyarrow"
FLAG = "HAS_PYARROW"
_STAND_INS = {"pa": NAME, "pc": f"{NAME}.compute"}


class Later(ModuleType):
    """A module that is imported when one of its attributes is asked for."""

    def __getattr__(self, name: str) -> Any:
        """The attribute of the real module."""
        return getattr(importlib.import_module(self.__name__), name)


def prepare() -> None:
    """Let pandas use pyarrow if it is installed. Call it when pandas has been imported without it, before any fork."""
    if importlib.util.find_spec(NAME) is None:
        return
    pd.set_option("mode.string_storage", "python")
    versions = _versions()
    modules = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] == "pandas"]
    for module in modules:
        vars(module).update({name: value for name, value in versions.items() if name in vars(module)})
    blocks = [(module, code) for module in modules if (code := _what_needs_it(module))]
    for module, _code in blocks:
        vars(module).update({FLAG: True, **{short: Later(name) for short, name in _STAND_INS.items()}})
    sys.meta_path.insert(0, _Finder(blocks))


def _versions() -> dict[str, bool]:
    """What pandas makes of the version of pyarrow, which it need not import for that."""
    stand_in = Later(NAME)
    stand_in.__version__ = importlib.metadata.version(NAME)  # type: ignore[attr-defined]  # as pyarrow has it
    sys.modules[NAME] = stand_in
    try:
        found = importlib.reload(importlib.import_module("pandas.compat.pyarrow"))
    finally:
        del sys.modules[NAME]
    vars(found)[FLAG] = False
    return {name: value for name, value in vars(found).items() if type(value) is bool and name != FLAG}


def _what_needs_it(module: ModuleType) -> CodeType | None:
    """The code of *module* that binds names of pyarrow, which pandas runs only if it has that; None if there is none."""
    path = Path(getattr(module, "__file__", None) or "")
    if FLAG not in vars(module) or path.suffix != ".py":
        return None
    tree = ast.parse(path.read_bytes())
    tree.body = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == FLAG]
    flags = annotations.compiler_flag  # as pandas has it: names of types are not looked up
    return compile(tree, str(path), "exec", flags=flags, dont_inherit=True) if tree.body else None


class _Finder(MetaPathFinder):
    """Finds pyarrow where it is, with a loader that tells pandas."""

    def __init__(self, blocks: Sequence[tuple[ModuleType, CodeType]]) -> None:
        self._blocks = blocks

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Where pyarrow is; other modules are found as usual."""
        spec = PathFinder.find_spec(fullname, path, target) if fullname == NAME else None
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(spec.loader.name, spec.loader.path, self._blocks)
        return spec


class _Loader(SourceFileLoader):
    """Loads pyarrow and binds its names in pandas."""

    def __init__(self, fullname: str, path: str, blocks: Sequence[tuple[ModuleType, CodeType]]) -> None:
        super().__init__(fullname, path)
        self._blocks = blocks

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code, and pandas' own that needs it."""
        super().exec_module(module)
        real = {short: importlib.import_module(name) for short, name in _STAND_INS.items()}
        for user, code in self._blocks:
            vars(user).update(real)
            exec(code, vars(user))
