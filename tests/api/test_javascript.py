"""JavaScript over HTTP: the guide's requests with the answers it promises, limits, sessions, and what health tells."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import Caller

pytestmark = pytest.mark.kernel


def run(caller: Caller, code: str, **fields: object) -> Any:
    """The answer to a JavaScript run that was carried out."""
    reply = caller.post("javascript", {"code": code, **fields})
    assert reply.status == 200, reply
    return reply.body


def test_the_guides_request_gets_the_guides_answer(caller: Caller) -> None:
    """API reference: every field shown there, with the value shown there."""
    answer = run(caller, "const x = 5; const y = 10; return x + y;", timeout=10000)
    shown = {"success": True, "output": "", "returnValue": 15, "variables": {}}
    assert {name: answer[name] for name in shown} == shown
    assert isinstance(answer["executionTime"], int)
    assert (answer["error"], answer["exitCode"], answer["kernelReplaced"]) == (None, 0, False)


def test_output_comes_in_order_and_by_stream(caller: Caller) -> None:
    """console.error and console.warn go to stderr; values look as Node prints them."""
    answer = run(caller, "console.log('Hello from JS!'); console.error([64, 34]); console.log({a: 1}); return 42;")
    assert answer["output"] == "Hello from JS!\n[ 64, 34 ]\n{ a: 1 }\n"
    assert (answer["stdout"], answer["stderr"]) == ("Hello from JS!\n{ a: 1 }\n", "[ 64, 34 ]\n")
    assert answer["returnValue"] == 42


def test_an_error_has_the_callers_lines(caller: Caller) -> None:
    """HTTP 200, success false, type, message and traceback."""
    answer = run(caller, "\nfunction f() {\n  return missing;\n}\nf();")
    assert (answer["success"], answer["exitCode"], answer["returnValue"]) == (False, 1, None)
    assert answer["error"] == {
        "type": "ReferenceError",
        "message": "missing is not defined",
        "traceback": "ReferenceError: missing is not defined\n    at f (<code>:3:3)\n    at <code>:5:1",
    }


def test_what_is_missing_on_purpose_is_explained(caller: Caller) -> None:
    """In a field of its own."""
    error = run(caller, "const fs = require('fs');")["error"]
    assert (error["type"], error["message"]) == ("ReferenceError", "require is not defined")
    assert error["hint"].startswith("modules can't be loaded")
    assert "hint" not in run(caller, "missing")["error"]
    silent = run(caller, "1 + 2")
    assert (silent["success"], silent["returnValue"]) == (True, None)
    assert silent["hint"].startswith("the code returned and printed nothing")
    assert "hint" not in run(caller, "return 1 + 2")


def test_whole_numbers_beyond_what_json_readers_keep_are_text(caller: Caller) -> None:
    """As in every answer."""
    assert run(caller, "return [2 ** 53 - 1, 2 ** 53, 1e300]")["returnValue"] == [2**53 - 1, "9007199254740992", 1e300]


def test_a_picture_is_a_chart(caller: Caller) -> None:
    """display.png and display.svg are charts as those of Python."""
    answer = run(caller, "display.png('iVBORw0KGgo='); display.svg('<svg/>'); display.html('<b>x</b>')")
    assert [chart["mimeType"] for chart in answer["charts"]] == ["image/png", "image/svg+xml"]
    assert answer["charts"][0]["base64"] == "iVBORw0KGgo="
    assert answer["results"][2] == {"type": "display", "data": {"text/html": "<b>x</b>"}}


@pytest.mark.parametrize(
    ("code", "timeout", "error", "limit", "exit_code"),
    [
        ("while (true) {}", 300, ("TimeoutError", "Execution timeout exceeded"), "timeout", 124),
        ("await null; for (;;) await null", 300, ("TimeoutError", "Execution timeout exceeded"), "timeout", 124),
        ("for (;;) console.log('x'.repeat(1000))", 10000, ("ExecutionError", "Output size limit exceeded"), "output", 1),
        ("return 'x'.repeat(2 ** 23)", 10000, ("ExecutionError", "Output size limit exceeded"), "output", 1),
        ("return new Uint8Array(2 ** 30)", 10000, ("MemoryError", "Memory limit of 512 MB exceeded"), "memory", 1),
        (
            "const held = []; for (;;) held.push({a: [1]})",
            30000,
            ("MemoryError", "Memory limit of 512 MB exceeded"),
            "memory",
            1,
        ),
    ],
)
def test_limits_are_named_as_for_python(
    caller: Caller, code: str, timeout: int, error: tuple[str, str], limit: str, exit_code: int
) -> None:
    """Time, output, memory."""
    answer = run(caller, code, timeout=timeout)
    assert (answer["error"]["type"], answer["error"]["message"]) == error
    assert (answer["limits"], answer["exitCode"], answer["returnValue"]) == ([limit], exit_code, None)


def test_no_run_sees_another(caller: Caller) -> None:
    """Each has a process of its own."""
    run(caller, "globalThis.left = 1; Array.prototype.left = 1")
    assert run(caller, "return [typeof left, [].left === undefined]")["returnValue"] == ["undefined", True]


def test_a_session_keeps_names_and_state(caller: Caller) -> None:
    """Declared again, interrupted at the timeout, lost with the memory and told so."""
    made = caller.post("sessions", {"language": "javascript"}).body

    def execute(code: str, **fields: object) -> Any:
        return caller.post(f"sessions/{made['id']}/execute", {"code": code, **fields}).body

    assert list(execute("const x = 1; let y = [1, 2]")["variables"]) == ["x", "y"]
    answer = execute("let x = 2; x + y.length")
    assert (answer["returnValue"], answer["results"][0]["data"]["text/plain"]) == (4, "4")
    stopped = execute("for (;;);", timeout=300)
    assert (stopped["limits"], stopped["kernelReplaced"]) == (["timeout"], False)
    assert run(caller, "return x + 1", session=made["id"])["returnValue"] == 3
    lost = execute("const held = []; for (;;) held.push({a: [1]})", timeout=30000)
    assert (lost["limits"], lost["kernelReplaced"]) == (["memory"], True)
    assert execute("typeof x")["returnValue"] == "undefined"
    caller.gateway.ask("DELETE", f"/code-interpreter/sessions/{made['id']}")


def test_a_language_and_its_session_must_agree(caller: Caller) -> None:
    """409, and nothing is run."""
    made = caller.post("sessions", {"language": "python"}).body
    assert caller.post("javascript", {"code": "1", "session": made["id"]}).status == 409
    caller.gateway.ask("DELETE", f"/code-interpreter/sessions/{made['id']}")
