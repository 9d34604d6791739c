"""The math task: evaluates one expression with ``math``, ``np`` and ``statistics``."""

from __future__ import annotations

import ast
import math
import statistics
from types import CodeType
from typing import Any

import numpy as np

from kernels.serving.texts import about_digits, digits_of

MAX_CHARS = 10_000


class MathError(Exception):
    """The text is not one expression; the message gives the reason."""

    __module__ = "builtins"  # the prefix in a traceback: callers do not know modules of the kernel


def compile_expression(source: str, name: str) -> CodeType:
    """*source* compiled as one expression; raises MathError for anything else."""
    text = source.strip()
    if not text:
        raise MathError("The expression is empty")
    if len(text) > MAX_CHARS:
        raise MathError(f"The expression is longer than {MAX_CHARS} characters")
    try:
        tree = ast.parse(text, name, "eval")
    except SyntaxError as error:
        raise MathError(_reason(text, name, error)) from None
    except (ValueError, MemoryError, RecursionError) as error:
        raise MathError(f"Not an expression: {error}") from None
    try:
        return compile(tree, name, "eval")
    except (SyntaxError, ValueError, RecursionError) as error:
        raise MathError(f"Not an expression: {error}") from None


def _reason(text: str, name: str, error: SyntaxError) -> str:
    try:
        body = ast.parse(text, name).body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return f"Not an expression: {error.msg}"
    if len(body) > 1:
        return f"Expected one expression, found {len(body)} statements"
    if not body:
        return "The expression is empty"
    if isinstance(body[0], ast.Expr):  # yield and await, which only functions may hold
        return f"Not an expression: {error.msg}"
    return f"Expected an expression, found a statement ({type(body[0]).__name__.lower()})"


def check(result: object) -> None:
    """Refuse an integer that is too long to be written out; raises MathError."""
    if type(result) is int and digits_of(result) is None:
        raise MathError(f"The result is {about_digits(result)}")


def names() -> dict[str, Any]:
    """A fresh namespace for one expression."""
    return {"math": math, "np": np, "statistics": statistics}
