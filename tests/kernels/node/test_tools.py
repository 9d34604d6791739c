"""The host's tools in JavaScript: promises of the code's own realm, whatever the code does to that realm."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernels.conftest import Start
from tests.kernels.python.harness import Reply, TestKernel

pytestmark = pytest.mark.kernel


def add(call: dict[str, Any]) -> dict[str, Any]:
    """A host whose tools all add."""
    given = call["input"]
    return {"output": given.get("a", 0) + given.get("b", 0)}


def echo(call: dict[str, Any]) -> dict[str, Any]:
    """A host whose tools answer with what they get."""
    return {"output": call["input"]}


def value(reply: Reply) -> Any:
    """What the code returned."""
    assert reply.status == "ok", reply.content
    return reply.metadata["omega"]["return_value"]


def hosted_cell(shared: TestKernel, code: str, host: Any, *names: str) -> Reply:
    """Run *code* as a cell of a session."""
    return shared.hosted(code, host, *names, inputs={"session": True})


def test_a_call_is_a_promise(shared: TestKernel) -> None:
    """One object is the input, other arguments have the names of the parameters."""
    reply = shared.hosted("console.log('a'); return [await tools.add({a: 1, b: 2}), await tools.add(3, 4)]", add, "add")
    assert value(reply) == [3, 7]
    assert [message["msg_type"] for message in reply.messages][1:3] == ["stream", "omega_tool_call"]
    assert [call["input"] for call in reply.of("omega_tool_call")] == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]


def test_calls_are_under_way_together(shared: TestKernel) -> None:
    """Each has its own answer, in whatever order they come."""
    held: list[dict[str, Any]] = []

    def host(call: dict[str, Any]) -> None:
        held.append(call)
        if len(held) == 40:
            for one in reversed(held):
                shared.answer(one, {"output": one["input"]["a"] * 10})

    code = "return Promise.all(Array.from({length: 40}, (_, n) => tools.times(n)))"
    assert value(shared.hosted(code, host, "times")) == [n * 10 for n in range(40)]


def test_an_error_of_the_host_can_be_caught(shared: TestKernel) -> None:
    """Uncaught it is the run's."""
    code = "try { await tools.f() } catch (e) { console.log(e instanceof Error, e.name, e.message) }\nawait tools.f()"
    reply = shared.hosted(code, lambda _call: {"error": "no"}, "f")
    assert reply.text() == "true ToolError no\n"
    assert (reply.content["ename"], reply.content["evalue"]) == ("ToolError", "no")
    assert "tools.cjs" not in reply.traceback


def test_a_name_that_was_not_given_does_not_exist(shared: TestKernel) -> None:
    """The error lists those there are; without tools there is no such name at all."""
    reply = shared.hosted("console.log(Object.keys(tools), String(await tools)); tools.sub(1)", add, "add", "mul")
    assert reply.text() == "[ 'add', 'mul' ] [object Object]\n"
    assert reply.content["evalue"] == "there is no tool 'sub'; the tools of this run are: add, mul"
    assert value(shared.run("return typeof tools")) == "undefined"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{a: NaN}", "a is the number NaN"),
        ("{a: [1, {k: 10n}]}", "a[1].k is a bigint"),
        ("{a: () => 1}", "a is a function"),
        ("{a: new Date()}", "a is a value of type Date"),
        ("{a: [undefined]}", "a[0] is a undefined"),
        ("{a: new Uint8Array(2)}", "a is a value of type Uint8Array"),
        ("{a: '\\ud800'}", "a has half a character"),
        ("{a: new Array(200_000).fill(0)}", "a is more than 90000 values"),
        ("1, 2, 3", "takes an object, or at most 2 arguments (a, b)"),
        ("[new Map()]", "a[0] is a value of type Map"),
        ("(() => { const a = {}; a.a = a; return a })()", "is more than 40 levels deep"),
    ],
)
def test_an_argument_that_is_no_json_is_an_error_of_the_code(shared: TestKernel, given: str, said: str) -> None:
    """It names the argument, and nothing is sent."""
    reply = shared.hosted(f"await tools.add({given})", add, "add")
    assert reply.content["ename"] == "TypeError"
    assert said in reply.content["evalue"]
    assert reply.of("omega_tool_call") == []


def test_values_arrive_as_they_are(shared: TestKernel) -> None:
    """Large numbers as numbers; a property without a value is missing; objects are of the code's realm."""
    code = (
        "const r = await tools.echo({t: 'ä\\u2028', n: [null, true, -1.5, 1e20, 0], o: {}, u: undefined});\n"
        "return [r, r instanceof Object, r.n instanceof Array, r.constructor.constructor === Function]"
    )
    told = {"t": "ä\u2028", "n": [None, True, -1.5, 1e20, 0], "o": {}}
    assert value(shared.hosted(code, echo, "echo")) == [told, True, True, True]


REACHES = """
const seen = [];
const note = (what) => { if (what !== null && (typeof what === 'object' || typeof what === 'function')) seen.push(what) };
Object.defineProperty(Object.prototype, 'then', { configurable: true, get() { note(this) } });
const p = tools.echo({a: 1});
delete Object.prototype.then;
note(p); note(tools.echo); note(await p);
try { await tools.echo({get a() { throw new RangeError('mine') }}) } catch (e) { note(e) }
try { await tools.echo(new Proxy({}, { getPrototypeOf() { throw new RangeError('mine') } })) } catch (e) { note(e) }
try { await tools.echo({a: 1n}) } catch (e) { note(e) }
try { await tools.fail() } catch (e) { note(e) }
try { tools.none } catch (e) { note(e) }
const functions = seen.map((one) => one.constructor.constructor);
return [seen.length, functions.every((one) => one === Function), typeof Function('return typeof process')()];
"""


def test_nothing_of_the_kernel_is_reached_through_a_tool(shared: TestKernel) -> None:
    """Promises, functions, values and errors are of the code's own realm."""

    def host(call: dict[str, Any]) -> dict[str, Any]:
        return {"error": "no"} if call["name"] == "fail" else echo(call)

    found, is_own, _ = value(shared.hosted(REACHES, host, "echo", "fail"))
    assert found >= 7
    assert is_own


@pytest.mark.parametrize(
    "code",
    [
        "JSON.parse = JSON.stringify = null; return tools.add(1, 1)",
        "globalThis.Promise = globalThis.Proxy = globalThis.Error = globalThis.JSON = null; return tools.add(1, 1)",
        "Array.prototype[Symbol.iterator] = null; Object.prototype.resolve = 1; return tools.add(1, 1)",
        "Object.freeze(globalThis); Object.freeze(Object.prototype); return tools.add(1, 1)",
        "delete globalThis.tools; globalThis.tools = {add: () => 2}; return tools.add(1, 1)",
    ],
)
def test_what_code_does_to_the_language_is_its_own_affair(start: Start, code: str) -> None:
    """Its tools still answer, and the next run is well."""
    kernel = start()
    assert value(kernel.hosted(code, add, "add")) == 2
    assert value(kernel.run("return 3")) == 3


def test_a_session_has_the_tools_for_one_run(shared: TestKernel) -> None:
    """A variable of the same name is back, and is no variable of the run; what was kept of them calls nobody."""
    hosted_cell(shared, "var tools = 'mine', kept", add)
    reply = hosted_cell(shared, "kept = tools; const sum = await tools.add(1, 1); sum", add, "add")
    assert reply.result["text/plain"] == "2"
    assert set(reply.variables) == {"kept", "sum"}
    assert hosted_cell(shared, "tools", add).result["text/plain"] == "'mine'"
    later = hosted_cell(shared, "await kept.add(1, 1)", add, "add")
    assert later.content["evalue"] == "the run that was given these tools is over"
    assert later.of("omega_tool_call") == []


def test_late_answers_change_nothing(shared: TestKernel) -> None:
    """Of a run that did not wait for them."""
    held: list[dict[str, Any]] = []
    assert value(shared.hosted("tools.add(1, 1); return 1", held.append, "add")) == 1
    for call in held * 2:
        shared.answer(call, {"output": "late"})
    shared.answer({"id": "none"}, {"error": "x"})
    assert value(shared.hosted("return await tools.add(2, 2)", add, "add")) == 4


def test_an_interrupt_ends_the_waiting(shared: TestKernel) -> None:
    """The kernel keeps its state, and the next run its calls."""

    def host(_call: dict[str, Any]) -> None:
        shared.interrupt()

    hosted_cell(shared, "var still = 1", add)
    assert hosted_cell(shared, "await tools.add(1, 1)", host, "add").content["ename"] == "KeyboardInterrupt"
    assert hosted_cell(shared, "still + await tools.add(1, 1)", add, "add").result["text/plain"] == "3"


def test_a_promise_that_nobody_settles_is_still_found(shared: TestKernel) -> None:
    """Once no call waits any more."""
    reply = shared.hosted("await tools.add(1, 1); await new Promise(() => {})", add, "add")
    assert reply.content["ename"] == "UnsettledPromiseError"


def test_answers_that_meet_a_flood_of_output(shared: TestKernel) -> None:
    """A large answer comes while the code prints more than the channel holds: neither side waits for the other."""
    text = "x" * 2_000_000
    code = (
        "const all = [tools.big(), tools.big()];\nfor (let n = 0; n < 200; n++) console.log('y'.repeat(10_000));\n"
        "return (await Promise.all(all)).map((one) => one.length)"
    )
    reply = shared.hosted(code, lambda _call: {"output": text}, "big")
    assert value(reply) == [2_000_000, 2_000_000]
    assert len(reply.text()) == 2_000_200


FORGED = """
let node;
console.log({ [Symbol.for('nodejs.util.inspect.custom')]: (depth, options, inspect) => {
  node = inspect.constructor('return process')();
  return 'out';
} });
const { Buffer } = node.mainModule.require('buffer');
const body = Buffer.from('t' + JSON.stringify({id: 'x', name: 'add', input: []}));
const head = Buffer.alloc(4);
head.writeUInt32BE(body.length);
for (const part of [head, body]) node.mainModule.require('fs').writeSync(3, part);
return await tools.add(1, 1);
"""


def test_forged_frames_are_calls_of_the_run_alone(start: Start) -> None:
    """Code that gets at the channel can make calls, which it could anyway."""
    reply = start().hosted(FORGED, lambda call: None if call["id"] == "x" else add(call), "add")
    assert value(reply) == 2
    assert reply.of("omega_tool_call")[0] == {"id": "x", "name": "add", "input": []}
