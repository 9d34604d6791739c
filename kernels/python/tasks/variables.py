"""Describes the names that a run bound, without running the caller's code."""

from __future__ import annotations

import ast
import time
import typing
from collections import deque
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np
import pandas as pd

from kernels.python.exact import OWN_MODULE, Exactly, is_own
from kernels.python.tables import storage
from kernels.python.tasks import previews
from kernels.serving.texts import clean, type_name

MAX_NAMES = 200
MAX_NAME_CHARS = 200
BUDGET_S = 0.05
MAX_LISTED = 1000
LISTING_BUDGET_S = 0.5
MAX_COLUMNS = 1000
Row = dict[str, Any]
_MEASURED = Exactly(int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset, dict, deque, range)
"""Types whose own size method is not the caller's code, and more precise than the object header's size."""
_SHAPED = Exactly(np.ndarray, pd.DataFrame, pd.Series)
_IMPORTED = Exactly(BuiltinFunctionType, np.ufunc, type(typing.Generator), type(typing.Optional))
"""Types of what code imports but does not make: functions in C, and names of typing."""


def bound_names(tree: ast.AST) -> set[str]:
    """The names that module-level code binds: assignments, imports, definitions, loop and with targets."""
    return {name for node in _outside_functions(tree) for name in _bound_by(node)}


def _outside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda | ast.expr_context):
            waiting.extend(ast.iter_child_nodes(node))


def _bound_by(node: ast.AST) -> tuple[str, ...]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()):
            return (name,)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return (name,)
        case _:
            return ()


def changed(before: Mapping[str, object], after: Mapping[str, object], bound: set[str]) -> dict[str, Row]:
    """A row for each public name of *after* that was bound since *before*, in the order of the namespace.

    Bounded in number and time: names beyond that are dropped, which changes no other row.
    """
    missing = object()
    ends_at = time.monotonic() + BUDGET_S
    rows: dict[str, Row] = {}
    for name, value in list(after.items()):
        if not is_listed(name, value):
            continue
        if name not in bound and before.get(name, missing) is value:
            continue
        if len(rows) >= MAX_NAMES or time.monotonic() > ends_at:
            break
        rows[clean(name)] = describe(value)
    return rows


def listing(namespace: Mapping[str, object]) -> tuple[dict[str, Row], bool]:
    """A row with a size for each public name, in the order of the namespace, and whether these are all."""
    ends_at = time.monotonic() + LISTING_BUDGET_S
    rows: dict[str, Row] = {}
    for name, value in list(namespace.items()):
        if not is_listed(name, value):
            continue
        if len(rows) >= MAX_LISTED or time.monotonic() > ends_at:
            return rows, False
        rows[clean(name)] = _measure(value)
    return rows, True


def _measure(value: object) -> Row:
    """The row of *value*; a failure to describe it, in a library that the caller changed, does not affect the others."""
    try:
        return {**describe(value), "size": size_bytes(value)}
    except Exception as error:  # noqa: BLE001  # a patched library may raise anything
        return {"type": type_name(type(value)), "preview": f"<could not be shown: {type_name(type(error))}>", "size": None}


def size_bytes(value: object) -> int | None:
    """The size of *value* without what it references; of arrays and frames with their data. None if only code
    of the caller could tell.
    """
    kind = type(value)
    if kind is np.ndarray:
        return int(value.nbytes)  # type: ignore[attr-defined]  # arrays have one
    if kind is pd.Series:
        return storage.size_bytes(storage.array_of(value))
    if kind is pd.DataFrame:
        return _frame_bytes(value)  # type: ignore[arg-type]  # it is one
    if kind in _MEASURED:
        return kind.__sizeof__(value)
    return object.__sizeof__(value)


def _frame_bytes(frame: pd.DataFrame) -> int | None:
    """The bytes of all columns and, but for plain row numbers, of the index."""
    shape = storage.shape_of(frame)
    if shape is None or shape[1] > MAX_COLUMNS:
        return None
    arrays = [storage.column_of(frame, position) for position in range(shape[1])]
    sizes = [storage.size_bytes(array) for array in arrays] + [int(frame.index.nbytes)]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def is_listed(name: object, value: object) -> bool:
    """Whether *value* is a variable of the caller's, under a name that is shown."""
    return _is_public(name) and not _is_imported(value)


def _is_public(name: object) -> bool:
    """Whether a key of the namespace is a name to report; code may have put anything there."""
    return type(name) is str and not name.startswith("_") and len(name) <= MAX_NAME_CHARS


def _is_imported(value: object) -> bool:
    """Whether *value* is a module, function or class of somebody else's, which is no variable of the caller's."""
    kind = type(value)
    if issubclass(kind, ModuleType) or kind in _IMPORTED:
        return True
    if kind is FunctionType:
        module = value.__module__  # type: ignore[attr-defined]  # functions have one
        return type(module) is str and module != OWN_MODULE
    return issubclass(kind, type) and not is_own(value)  # type: ignore[arg-type]  # a class then


def describe(value: object) -> Row:
    """Type, shape or length, and a short preview of *value*."""
    kind = type(value)
    row: Row = {"type": type_name(kind)}
    if kind in _SHAPED:
        shape = storage.shape_of(value)
        row |= {} if shape is None else {"shape": list(shape)}
    if kind in previews.SIZED:
        row["length"] = len(value)  # type: ignore[arg-type]  # exact built-in and library types
    row["preview"] = previews.preview(value)
    return row
