"""Cells: what a session and a plain Jupyter client send."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernels.python.harness import Reply, TestKernel

pytestmark = pytest.mark.kernel
SESSION = {"session": True}


def cell(kernel: TestKernel, code: str, **more: Any) -> Reply:
    """The reply to one run in a session."""
    return kernel.run(code, inputs=SESSION, **more)


def test_names_stay_and_may_be_declared_again(kernel: TestKernel) -> None:
    """const, let, class and function, with another value or as another kind."""
    assert (
        cell(kernel, "const x = 1; let y = [1, 2]; class A { f() { return 1 } }; function f() { return 1 }").status == "ok"
    )
    assert cell(kernel, "x + y.length + new A().f() + f()").result["application/json"] == 5
    assert cell(kernel, "const x = 2; const y = 'a'; class A { f() { return 2 } }; function f() { return 2 }").status == "ok"
    assert cell(kernel, "[x, y, new A().f(), f()]").result["application/json"] == [2, "a", 2, 2]
    assert cell(kernel, "let x = 3; x").result["text/plain"] == "3"
    assert cell(kernel, "x = 4; x").result["text/plain"] == "4"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("1 + 1", "2"),
        ("'a' + 'b'", "'ab'"),
        ("{a: 1}", "{ a: 1 }"),
        ("await Promise.resolve([1])", "[ 1 ]"),
        ("for (const n of [1, 2]) n * 2", "4"),
        ("return 7", "7"),
        ("new (class P { a = 1 })()", "P { a: 1 }"),
        ("null", "null"),
    ],
)
def test_the_last_value_is_the_result(shared: TestKernel, code: str, text: str) -> None:
    """Shown as Node shows it; also with await, also with return."""
    assert cell(shared, code).result["text/plain"] == text
    assert shared.plain(code).result == {"text/plain": text}


@pytest.mark.parametrize("code", ["undefined", "let unused", "console.log(1)", "if (false) 1", ""])
def test_undefined_is_no_result(shared: TestKernel, code: str) -> None:
    """There is nothing to show."""
    reply = cell(shared, code)
    assert (reply.status, reply.of("execute_result")) == ("ok", [])
    assert reply.metadata["omega"]["return_value"] is None


def test_variables_are_those_the_run_made_or_changed(kernel: TestKernel) -> None:
    """Type, length and preview; no getter of the caller's is called, nothing of the language is listed."""
    made = cell(
        kernel, "const n = 1.5; let s = 'abc'; var m = new Map([[1, {a: 1}]]); class A {}; function f() {}; _hidden = 1"
    )
    assert made.variables == {
        "n": {"type": "number", "preview": "1.5"},
        "s": {"type": "string", "length": 3, "preview": "'abc'"},
        "m": {"type": "Map", "length": 1, "preview": "Map(1) { 1 => { a: 1 } }"},
        "A": {"type": "function", "preview": "[class A]"},
        "f": {"type": "function", "preview": "[Function: f]"},
    }
    assert cell(kernel, "n + 1").variables == {}
    assert list(cell(kernel, "s = 'x'; const a = new A()").variables) == ["s", "a"]
    hostile = cell(
        kernel, "const h = {get x() { for (;;); }}; Object.defineProperty(globalThis, 'g', {get() { for (;;); }}); 1"
    )
    assert hostile.variables == {"h": {"type": "Object", "preview": "{ x: [Getter] }"}}
    assert set(kernel.run(task="variables").variables) == {"n", "s", "m", "A", "f", "a", "h"}


def test_a_failed_cell_leaves_the_rest_as_it_was(kernel: TestKernel) -> None:
    """Its own lines are counted by cell."""
    cell(kernel, "let kept = 1")
    reply = cell(kernel, "kept = 2;\nlet lost = missing.x;")
    assert reply.content["ename"] == "ReferenceError"
    assert reply.traceback == "ReferenceError: missing is not defined\n    at <code 2>:2:12"
    assert cell(kernel, "kept").result["text/plain"] == "2"
    assert cell(kernel, "for (;;\n  }").traceback == "<code 4>:2\n  }\n  ^\n\nSyntaxError: Unexpected token '}'"
    assert cell(kernel, "function later() {\n  throw new Error('x')\n}").status == "ok"
    assert cell(kernel, "later()").traceback == "Error: x\n    at later (<code 5>:2:9)\n    at <code 6>:1:1"


@pytest.mark.parametrize(
    "code",
    [
        "for (;;);",
        "await null; for (;;);",
        "for (;;) await null",
        "try { for (;;); } finally { for (;;); }",
        "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)",
        "/(a+)+$/.test('a'.repeat(50) + 'b')",
        "({get then() { for (;;); }})",
        "throw {__proto__: Error.prototype, get message() { for (;;); }}",
        "console.log({get [Symbol.toStringTag]() { for (;;); }})",
        "new Proxy({}, {ownKeys() { for (;;); }})",
    ],
)
def test_an_interrupt_ends_whatever_runs_and_keeps_the_state(shared: TestKernel, code: str) -> None:
    """Loops, waits, regular expressions, and code that runs while a value is looked at."""
    cell(shared, "var before = 1")
    request = shared.send("console.log('begun');" + code, {"task": "javascript", "inputs": SESSION})
    while shared._receive(shared.iopub)["msg_type"] != "stream":
        pass
    shared.interrupt()
    reply = shared.collect(request)
    assert (reply.content["ename"], reply.content["evalue"]) == ("KeyboardInterrupt", "Execution was interrupted")
    assert cell(shared, "before").result["text/plain"] == "1"


def test_interrupts_at_any_moment_never_end_the_kernel(kernel: TestKernel) -> None:
    """Also those that come before, between and after runs, by signal and by message."""
    for number in range(1, 201):
        request = kernel.send(f"let n{number} = {number}; n{number}", {"task": "javascript", "inputs": SESSION})
        for _ in range(number % 4):
            kernel.interrupt()
        assert kernel.collect(request).status in ("ok", "error")
    assert kernel.ask("interrupt_request", channel="control")["content"]["status"] == "ok"
    assert cell(kernel, "1").result["text/plain"] == "1"


def test_what_is_silent_leaves_no_trace(kernel: TestKernel) -> None:
    """No result, no count."""
    silent = kernel.plain("1 + 1", silent=True, store_history=False)
    assert silent.of("execute_result") == []
    shown = kernel.plain("2")
    assert shown.content["execution_count"] == 1


def test_editors_get_their_answers(kernel: TestKernel) -> None:
    """Completion without side effects, inspection, completeness; positions count characters."""
    cell(kernel, "const table = {rows: 1, get loud() { globalThis.called = true }, nest: {deep: 1}}")

    def complete(code: str) -> dict[str, Any]:
        return dict(kernel.ask("complete_request", {"code": code, "cursor_pos": len(code)})["content"])

    assert complete("'😀'; table.ro") | {"metadata": 0} == {
        "status": "ok", "matches": ["rows"], "cursor_start": 11, "cursor_end": 13, "metadata": 0
    }  # fmt: skip
    assert complete("table.nest.d")["matches"] == ["deep"]
    assert complete("table.loud.")["matches"] == []
    assert complete("tab")["matches"] == ["table"]
    assert "hypot" in complete("Math.")["matches"]
    assert complete("nothing.at.all.")["matches"] == []
    found = kernel.ask("inspect_request", {"code": "table.nest", "cursor_pos": 7, "detail_level": 0})["content"]
    assert (found["found"], found["data"]) == (True, {"text/plain": "table.nest: Object\n{ deep: 1 }"})
    assert kernel.ask("inspect_request", {"code": "nothing", "cursor_pos": 2})["content"]["found"] is False
    assert cell(kernel, "typeof called").result["text/plain"] == "'undefined'"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("1 + 1", "complete"),
        ("await f()", "complete"),
        ("function f() {\n  return 1\n}", "complete"),
        ("function f() {", "incomplete"),
        ("await (async () => {", "incomplete"),
        ("`text", "incomplete"),
        ("/* text", "incomplete"),
        ("f(1,", "incomplete"),
        ("let = 7q", "invalid"),
        ("'text", "invalid"),
    ],
)
def test_completeness(shared: TestKernel, code: str, status: str) -> None:
    """What a console asks at each line."""
    assert shared.ask("is_complete_request", {"code": code})["content"]["status"] == status


def test_the_kernel_says_what_it_is(shared: TestKernel) -> None:
    """kernel_info, an empty history, no comms."""
    info = shared.ask("kernel_info_request")["content"]
    assert info["language_info"]["name"] == "javascript"
    assert info["language_info"]["file_extension"] == ".js"
    assert info["implementation_version"] == info["language_info"]["version"]
    request = {"hist_access_type": "tail", "output": False, "raw": True, "n": 3}
    assert shared.ask("history_request", request)["content"]["history"] == []
    assert shared.ask("comm_info_request")["content"] == {"status": "ok", "comms": {}}


def test_shutdown_ends_both_halves(kernel: TestKernel) -> None:
    """With an exit code of 0."""
    assert kernel.ask("shutdown_request", {"restart": False}, channel="control")["content"]["status"] == "ok"
    assert kernel.wait()["code"] == 0
