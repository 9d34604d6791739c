"""Describes the names that a run bound, without running the caller's code."""

from __future__ import annotations

import ast
import time
from collections import deque
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from kernels.python.tasks import previews
from kernels.serving.texts import clean, type_name

MAX_NAMES = 200
MAX_NAME_CHARS = 200
BUDGET_S = 0.05
MAX_LISTED = 1000
LISTING_BUDGET_S = 0.5
MAX_COLUMNS = 1000
Row = dict[str, Any]
_MEASURED = frozenset({int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset, dict, deque, range})
"""Types whose own size method is not the caller's code, and more precise than the object header's size."""


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
        if not _is_public(name) or issubclass(type(value), ModuleType):
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
        if not _is_public(name) or issubclass(type(value), ModuleType):
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
    if kind in (np.ndarray, pd.Series):
        return int(value.nbytes)  # type: ignore[attr-defined]  # both have one
    if kind is pd.DataFrame:
        return int(value.memory_usage().sum()) if len(value.columns) <= MAX_COLUMNS else None  # type: ignore[attr-defined]
    if kind in _MEASURED:
        return kind.__sizeof__(value)
    return object.__sizeof__(value)


def _is_public(name: object) -> bool:
    """Whether a key of the namespace is a name to report; code may have put anything there."""
    return type(name) is str and not name.startswith("_") and len(name) <= MAX_NAME_CHARS


def describe(value: object) -> Row:
    """Type, shape or length, and a short preview of *value*."""
    kind = type(value)
    row: Row = {"type": type_name(kind)}
    if kind in (np.ndarray, pd.DataFrame, pd.Series):
        row["shape"] = [int(size) for size in value.shape]  # type: ignore[attr-defined]  # these three have one
    if kind in previews.SIZED:
        row["length"] = len(value)  # type: ignore[arg-type]  # exact built-in and library types
    row["preview"] = previews.preview(value)
    return row
