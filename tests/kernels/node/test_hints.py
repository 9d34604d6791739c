"""What to do about errors of JavaScript that do not say so."""

from __future__ import annotations

import pytest

from kernels.node.hints import find_hint


@pytest.mark.parametrize(
    ("ename", "evalue", "start"),
    [
        ("ReferenceError", "require is not defined", "modules can't be loaded"),
        ("ReferenceError", "fetch is not defined", "kernels have no network"),
        ("ReferenceError", "process is not defined", "code has no objects of Node's"),
        ("SyntaxError", "Cannot use import statement outside a module", "modules can't be loaded"),
        ("ReferenceError", "x is not defined", ""),
        ("ReferenceError", "x" * 10**6 + " is not defined", ""),
        ("TypeError", "require is not defined", ""),
        ("", "", ""),
    ],
)
def test_what_is_missing_on_purpose_is_explained(ename: str, evalue: str, start: str) -> None:
    """Any other name is the code's own affair."""
    hint = find_hint(ename, evalue)
    assert hint.startswith(start)
    assert bool(hint) == bool(start)
