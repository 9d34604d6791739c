"""Code as the body of an async function: what it returns, prints and shows, and how its failures look."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.kernels.conftest import Start
from tests.kernels.python.harness import Reply, TestKernel

pytestmark = pytest.mark.kernel


def value(reply: Reply) -> Any:
    """What the code returned."""
    assert reply.status == "ok", reply.content
    return reply.metadata["omega"]["return_value"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("const x = 5; const y = 10; return x + y;", 15),
        ("1 + 1", None),
        ("return undefined", None),
        ("return null", None),
        ("return 'é😀'", "é😀"),
        ("return true", True),
        ("return [NaN, Infinity, -Infinity, -0, 0.5]", [None, None, None, 0, 0.5]),
        ("return 10n ** 20n", "100000000000000000000"),
        ("return [undefined, , 3]", [None, None, 3]),
        ("return {a: undefined, b: null, [Symbol('s')]: 1}", {"a": None, "b": None}),
        ("return Symbol('s')", "Symbol(s)"),
        ("return [function f() {}, () => {}, class A {}]", ["[Function: f]", "[Function (anonymous)]", "[class A]"]),
        ("return new Map([['a', 1], [{}, new Map()]])", [["a", 1], [{}, []]]),
        ("return new Set([1, 'a'])", [1, "a"]),
        ("return new Date(0)", "1970-01-01T00:00:00.000Z"),
        ("return new Date(NaN)", None),
        ("return /a+/gi", "/a+/gi"),
        ("return [new Uint8Array([1, 255]), new Float64Array([0.5, NaN])]", [[1, 255], [0.5, None]]),
        ("return new BigInt64Array([-1n])", ["-1"]),
        ("return [new Uint8Array([1, 2]).buffer, new DataView(new Uint8Array([1, 2, 3]).buffer, 1)]", [[1, 2], [2, 3]]),
        ("class P { constructor() { this.a = 1; this.#b = 2 } #b; get c() { return 3 } }; return new P()", {"a": 1}),
        ("return new TypeError('no')", {"name": "TypeError", "message": "no"}),
        ("return [Object(1), Object('a'), Object(false), Object(1n)]", [1, "a", False, "1"]),
        ("return {toJSON() { return {as: 'told'} }}", {"as": "told"}),
        ("return {get a() { return 1 }, get b() { throw new RangeError('no') }}", {"a": 1, "b": "<threw RangeError: no>"}),
        ("return new Proxy({a: 1}, {})", {"a": 1}),
        ("const a = {b: []}; a.b.push(a); return a", {"b": ["[Circular]"]}),
        ("const a = {}; return [a, a]", [{}, {}]),
        ("return {['__proto__']: 1, constructor: 2}", {"__proto__": 1, "constructor": 2}),
        ("return [Promise.resolve(1), new WeakMap()]", ["Promise { 1 }", "WeakMap { <items unknown> }"]),
        ("return await (async () => 7)()", 7),
        ("\ufeffconst\u00a0x = 7\r\nreturn x", 7),
        ("return (async () => 8)()", 8),
        ("return {then(done) { done(9) }}", 9),
        (
            "const all = []; for await (const n of (async function* () { yield 1; yield 2 })()) all.push(n); return all",
            [1, 2],
        ),
        ("return this === globalThis", True),
        ("return typeof arguments", "object"),
        (
            "return String(await WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])))",
            "[object WebAssembly.Module]",
        ),
    ],
)
def test_what_is_returned_is_json(shared: TestKernel, code: str, expected: object) -> None:
    """Each kind of value as docs/javascript.md defines it."""
    assert value(shared.run(code)) == expected


def test_what_nests_too_deep_is_cut_where_it_does(shared: TestKernel) -> None:
    """Fifty levels arrive; below them stands that there is more."""
    found = value(shared.run("let a = 1; for (let i = 0; i < 60; i++) a = [a]; return a"))
    for _ in range(50):
        (found,) = found
    assert found == "… (nested too deep)"


@pytest.mark.parametrize(
    "code", ["return 'x'.repeat(5e6)", "return new Array(3e6).fill('abc')", "return new Uint8Array(9e6)"]
)
def test_a_value_that_is_too_large_fails_and_says_so(shared: TestKernel, code: str) -> None:
    """Nothing is cut without a word."""
    reply = shared.run(code)
    assert (reply.content["ename"], reply.content["evalue"]) == ("ExecutionError", "Output size limit exceeded")


def test_the_console_writes_as_nodes_does(shared: TestKernel) -> None:
    """In order; errors and warnings to stderr."""
    reply = shared.run(
        "console.log('Unsorted:', [64, 34]); console.error('e %d', 1.5); console.warn('w');\n"
        "console.info({a: {b: {c: {}}}});\n"
        "console.group('g'); console.debug(new Map([[1, 'a']])); console.groupEnd(); console.log('%s|%o', 'x', [1]);\n"
        "console.table([{a: 1}]); console.assert(false, 'no'); console.count(); console.log()"
    )
    assert reply.text("stderr") == "e 1.5\nw\nAssertion failed: no\n"
    assert reply.text("stdout").splitlines() == [
        "Unsorted: [ 64, 34 ]",
        "{ a: { b: { c: {} } } }",
        "g",
        "  Map(1) { 1 => 'a' }",
        "x|[ 1, [length]: 1 ]",
        "┌─────────┬───┐",
        "│ (index) │ a │",
        "├─────────┼───┤",
        "│ 0       │ 1 │",
        "└─────────┴───┘",
        "default: 1",
        "",
    ]
    assert reply.text().startswith("Unsorted: [ 64, 34 ]\ne 1.5\nw\n{ a:")


BLOCKED = (
    *("setTimeout", "setInterval", "setImmediate", "clearTimeout", "require", "process", "global", "module", "exports"),
    *("Buffer", "fetch", "URL", "queueMicrotask", "structuredClone", "performance", "crypto", "navigator", "__dirname"),
)


def test_nothing_of_node_is_there(shared: TestKernel) -> None:
    """The guide's list of what is blocked, and all else that is not the language."""
    names = ", ".join(f"typeof {name}" for name in BLOCKED)
    assert value(shared.run(f"return [{names}]")) == ["undefined"] * len(BLOCKED)
    for name in ("setTimeout", "setInterval", "require", "process", "global"):
        reply = shared.run(f"\n  {name}(1)")
        assert (reply.content["ename"], reply.content["evalue"]) == ("ReferenceError", f"{name} is not defined")
        assert re.search(r"\n    at <code \d+>:2:3$", reply.traceback)
    assert shared.run("await import('fs')").content["ename"] == "TypeError"


def test_the_language_is_there(shared: TestKernel) -> None:
    """The guide's list of what is available, and the rest of ECMAScript."""
    names = [
        "Math",
        "Date",
        "JSON",
        "Array",
        "Object",
        "String",
        "Number",
        "Boolean",
        "Map",
        "Set",
        "Promise",
        "RegExp",
        "Symbol",
        "BigInt",
        "Intl",
        "Proxy",
        "Reflect",
    ]
    assert "undefined" not in value(shared.run(f"return [{', '.join(f'typeof {name}' for name in names)}]"))
    assert value(shared.run("return [Math.max(1, 2), JSON.stringify({a: [1]}), new Date(0).getFullYear()]")) == [
        2,
        '{"a":[1]}',
        1970,
    ]


@pytest.mark.parametrize(
    ("code", "ename", "evalue", "traceback"),
    [
        (
            "\n\nfunction f() {\n  null.x;\n}\nf();",
            "TypeError",
            "Cannot read properties of null (reading 'x')",
            "TypeError: Cannot read properties of null (reading 'x')\n    at f (<code>:4:8)\n    at <code>:6:1",
        ),
        (
            "let z = ;",
            "SyntaxError",
            "Unexpected token ';'",
            "<code>:1\nlet z = ;\n        ^\n\nSyntaxError: Unexpected token ';'",
        ),
        (
            "\nif (1) {",
            "SyntaxError",
            "Unexpected end of input",
            "<code>:2\nif (1) {\n        ^\n\nSyntaxError: Unexpected end of input",
        ),
        ("throw 5", "ThrownValue", "5", "Uncaught 5"),
        ("throw undefined", "ThrownValue", "undefined", "Uncaught undefined"),
        ("throw {code: 1}", "ThrownValue", "{ code: 1 }", "Uncaught { code: 1 }"),
        ("class MyError extends Error {}\nthrow new MyError('m')", "MyError", "m", "MyError: m\n    at <code>:2:7"),
        (
            "throw new Error('a', {cause: new RangeError('b')})",
            "Error",
            "a",
            "Error: a\n    at <code>:1:7\n  [cause]: RangeError: b\n      at <code>:1:30",
        ),
        (
            "await Promise.any([Promise.reject(new Error('x'))])",
            "AggregateError",
            "All promises were rejected",
            "AggregateError: All promises were rejected\n  [error]: Error: x\n      at <code>:1:35",
        ),
        ("Promise.reject(new Error('unseen')); return 1", "Error", "unseen", "Error: unseen\n    at <code>:1:16"),
        ("await null;\nthrow new Error('later')", "Error", "later", "Error: later\n    at <code>:2:7"),
        ("throw Object.assign(new Error('a'), {stack: 3, name: {}})", "Error", "a", "Error: a"),
        (
            "throw Object.defineProperty(new Error('a'), 'message', {get() { throw 1 }})",
            "Error",
            "<threw 1>",
            "Error: <threw 1>\n    at <code>:1:29",
        ),
    ],
)
def test_failures_are_told_in_the_callers_terms(
    shared: TestKernel, code: str, ename: str, evalue: str, traceback: str
) -> None:
    """Type, message, the caller's lines and columns; no frame of ours, no path."""
    reply = shared.run(code)
    told = re.sub(r"<code \d+>", "<code>", reply.traceback)  # one kernel for all of these: it numbers what it runs
    assert (reply.content["ename"], reply.content["evalue"], told) == (ename, evalue, traceback)
    assert reply.of("error") == [{name: reply.content[name] for name in ("ename", "evalue", "traceback")}]


def test_endless_recursion_is_a_range_error(shared: TestKernel) -> None:
    """And the kernel goes on."""
    reply = shared.run("function f() { return f() }\nf()")
    assert (reply.content["ename"], reply.content["evalue"]) == ("RangeError", "Maximum call stack size exceeded")
    assert value(shared.run("return 1")) == 1


@pytest.mark.parametrize("mode", ["run", "plain"])
def test_what_no_parser_takes_is_named_with_its_line(shared: TestKernel, mode: str) -> None:
    """Which character it is can't be seen."""
    for code, hint in {
        "let x = 1;\nlet s = '\U0001f600' + \u201cno\u201d": "line 2 has \u201c (left double quotation mark, U+201C)",
        "let x\u200b = 1": "line 1 has an invisible character (zero width space, U+200B): delete it",
        "let s = 'no\u2019": "line 1 has \u2019 (right single quotation mark, U+2019): replace it by '",
    }.items():
        assert getattr(shared, mode)(code).content["hint"].startswith(hint)
    assert "hint" not in getattr(shared, mode)("let s = 'no").content


def test_a_rejection_that_is_handled_is_none(shared: TestKernel) -> None:
    """Also when the handler comes a step later."""
    code = "const p = Promise.reject(new Error('x')); await null; try { await p } catch (error) { return error.message }"
    assert value(shared.run(code)) == "x"


def test_code_cannot_close_our_function_and_open_its_own(shared: TestKernel) -> None:
    """It is a body or it is nothing."""
    reply = shared.run("return 1 })(); (async () => {")
    assert reply.content["ename"] == "SyntaxError"


def test_waiting_for_what_never_comes_is_found_at_once(shared: TestKernel) -> None:
    """There are no timers and no input here: nothing else can settle it."""
    reply = shared.run("console.log('before'); await new Promise(() => {})")
    assert reply.text() == "before\n"
    assert reply.content["ename"] == "UnsettledPromiseError"
    assert value(shared.run("return 2")) == 2


def test_display_gives_mime_bundles(shared: TestKernel) -> None:
    """HTML, SVG, PNG as bytes or base64, JSON, Markdown, bundles and plain values, in order with the text."""
    reply = shared.run(
        "display.html('<b>x</b>'); display.svg('<svg/>'); display.png(new Uint8Array([137, 80]));\n"
        "console.log('between');\n"
        "display.png('data:image/png;base64,iVA='); display.json({a: [1n]}); display.markdown('*x*');\n"
        "display({'text/html': 'h', 'application/json': [1]}); display({a: 1}); display(new Map([[1, 2]]))"
    )
    assert [part["data"] for part in reply.of("display_data")] == [
        {"text/html": "<b>x</b>"},
        {"image/svg+xml": "<svg/>"},
        {"image/png": "iVA="},
        {"image/png": "iVA="},
        {"application/json": {"a": ["1"]}},
        {"text/markdown": "*x*"},
        {"text/html": "h", "application/json": [1]},
        {"text/plain": "{ a: 1 }"},
        {"text/plain": "Map(1) { 1 => 2 }"},
    ]
    kinds = [message["msg_type"] for message in reply.messages]
    assert kinds[1:6] == ["display_data", "display_data", "display_data", "stream", "display_data"]


def test_usage_is_that_of_node(shared: TestKernel) -> None:
    """Processor time of the run in seconds, memory of the process in bytes: the bounds tell units apart, no more."""
    reply = shared.run("let n = 0; for (let i = 0; i < 2e7; i++) n += i % 7; return n")
    usage = reply.metadata["omega"]["usage"]
    assert 0 < usage["cpu_s"] < 20
    assert 20 * 2**20 < usage["peak_bytes"] < 512 * 2**20


def test_time_zone_and_files_are_the_kernels(start: Start) -> None:
    """TZ of the environment holds; options for Node there do not."""
    kernel = start(env={"TZ": "America/New_York", "NODE_OPTIONS": "--no-such-option"})
    assert value(kernel.run("return new Date(0).getTimezoneOffset()")) == 300


def test_half_a_character_is_shown_as_one_that_is_missing(shared: TestKernel) -> None:
    """JavaScript's text may have one anywhere, a message of Jupyter nowhere: U+FFFD stands for it; pairs stay whole."""
    reply = shared.run(r"display.html('a\ud800b'); return {'\udc00': '\ud83d\ude00', b: '\\ud800'}")
    assert [part["data"]["text/html"] for part in reply.of("display_data")] == ["a\ufffdb"]
    assert reply.metadata["omega"]["return_value"] == {"\ufffd": "\U0001f600", "b": "\\ud800"}
    reply = shared.run(r"const error = new Error('\ud800'); error.name = '\udfff'; throw error")
    assert (reply.status, reply.content["ename"], reply.content["evalue"]) == ("error", "\ufffd", "\ufffd")
