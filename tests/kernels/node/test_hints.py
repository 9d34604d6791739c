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
        ("ReferenceError", "setTimeout is not defined", "there are no timers"),
        ("ReferenceError", "document is not defined", "there is no page"),
        ("ReferenceError", "Buffer is not defined", "Buffer is Node's: use Uint8Array"),
        ("ReferenceError", "global is not defined", "the global object is globalThis"),
        ("SyntaxError", "Cannot use import statement outside a module", "modules can't be loaded"),
        ("SyntaxError", "Unexpected token 'export'", "code is no module"),
        ("TypeError", "A dynamic import callback was not specified.", "modules can't be loaded"),
        ("TypeError", "crypto.createHash is not a function", "crypto has randomUUID and getRandomValues only"),
        ("TypeError", "Cannot read properties of undefined (reading 'digest')", "crypto has randomUUID"),
        ("SyntaxError", "Unexpected token ';'", ""),
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


@pytest.mark.parametrize(
    "line",
    [
        "const m: string = 'a'; console.log(m)",
        "function add(a: number, b: number): number {",
        "interface Point { x: number }",
        "export interface Point {",
        "type Name = string | number",
        "enum Color { Red }",
        "const all: Array<number> = []",
        "let names: Name[] = []",
        "const x = value as unknown",
        "const found = find<string>('a')",
    ],
)
def test_typescript_is_recognized_at_the_line_that_failed(line: str) -> None:
    """Whatever V8 says of it: it depends on where it stops."""
    traceback = f"<code>:1\n{line}\n      ^\n\nSyntaxError: Unexpected token"
    assert find_hint("SyntaxError", "Unexpected token", traceback).startswith("this looks like TypeScript")


@pytest.mark.parametrize(
    "line", ["let o = {a: 1, b: }", "let type = ;", "x = a ? b : c :", "if (a < b", "throw 'a: string", ""]
)
def test_other_slips_are_none_of_typescript(line: str) -> None:
    """A hint that is wrong is worse than none."""
    assert find_hint("SyntaxError", "Unexpected token", f"<code>:1\n{line}\n^\n\nSyntaxError: Unexpected token") == ""
