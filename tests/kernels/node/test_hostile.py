"""Code that attacks what runs it: it can spoil its own run, and gains nothing."""

from __future__ import annotations

import os
import select
import signal

import pytest

from tests.kernels.conftest import Start
from tests.kernels.python.harness import TestKernel

pytestmark = pytest.mark.kernel

ESCAPE = """
let node;
console.log({ [Symbol.for('nodejs.util.inspect.custom')]: (depth, options, inspect) => {
  node = inspect.constructor('return process')();
  return 'out';
} });
const fs = node.mainModule.require('fs');
"""
"""A way out of the realm that is there because console.log formats as Node does. Outside, there is the sandbox."""


@pytest.mark.parametrize(
    "code",
    [
        "Object.prototype.then = function (done) { done('hijacked') }; return {a: 1}.a",
        "Object.prototype.toJSON = () => 'hijacked'; return 1",
        "for (const key of ['id', 'kind', 'failure', 'value']) Object.prototype[key] = 'hijacked'; return 1",
        "Array.prototype[Symbol.iterator] = null; Array.prototype.push = null; Array.prototype.map = null; return 1",
        "JSON.stringify = JSON.parse = null; console.log = null; return 1",
        "globalThis.JSON = globalThis.console = globalThis.Promise = globalThis.Error = undefined; return 1",
        "Promise.prototype.then = null; Object.defineProperty(Promise, Symbol.species, {get() { throw 1 }}); return 1",
        "Function.prototype.call = Function.prototype.apply = null; Reflect.apply = null; return 1",
        "String.prototype.slice = String.prototype.replaceAll = null; RegExp.prototype.exec = null; return 1",
        "Error.prepareStackTrace = () => { throw 1 }; Error.stackTraceLimit = 0; return 1",
        "Object.freeze(globalThis); Object.freeze(Object.prototype); return 1",
        "delete globalThis.console; delete globalThis.display; return 1",
    ],
)
def test_what_code_does_to_the_language_is_its_own_affair(start: Start, code: str) -> None:
    """The run is answered, and so are the next ones and other questions."""
    kernel = start()
    reply = kernel.run(code)
    assert (reply.status, reply.metadata["omega"]["return_value"]) == ("ok", 1)
    assert kernel.run("return 2").metadata["omega"]["return_value"] == 2
    assert kernel.run("throw 3").content["evalue"] == "3"
    assert kernel.plain("let four = 4; four").status == "ok"
    assert kernel.ask("complete_request", {"code": "fou", "cursor_pos": 3})["content"]["matches"] == ["four"]


def test_writing_to_the_descriptors_is_output(start: Start) -> None:
    """In one stream with the console's."""
    reply = start().run(ESCAPE + "fs.writeSync(1, 'one\\n'); console.log('two'); fs.writeSync(2, 'three\\n'); return 4")
    assert sorted(reply.text().splitlines()) == ["one", "out", "three", "two"]
    assert reply.text("stderr") == "three\n"
    assert reply.metadata["omega"]["return_value"] == 4


@pytest.mark.parametrize(
    ("code", "ended"),
    [
        ("node.exit(3)", {3}),
        ("node.reallyExit(0)", {0}),
        ("node.kill(node.pid, 'SIGKILL')", {-signal.SIGKILL}),
        ("node.kill(node.pid, 'SIGSEGV')", {-signal.SIGSEGV}),
        ("node.abort()", {-signal.SIGABRT}),
        ("fs.writeSync(3, 'no frame at all')", {-signal.SIGKILL}),
        ("fs.writeSync(3, Buffer.from([0, 0, 0, 2, 114, 91]))", {-signal.SIGKILL}),
        ("fs.closeSync(3); node.exit(5)", {-signal.SIGKILL, 5}),  # killed for the first, if not ended by the second before
    ],
)
def test_a_process_that_ends_itself_ends_the_kernel_in_the_same_way(start: Start, code: str, ended: set[int]) -> None:
    """What was printed before arrives; nothing of V8's own report does; who watches from outside sees what happened."""
    kernel = start()
    code = code.replace("Buffer", "node.mainModule.require('buffer').Buffer")
    request = kernel.send("console.log('said before');" + ESCAPE + code, {"task": "javascript"})
    assert kernel.wait()["code"] in ended
    with pytest.raises(TimeoutError, match="said before") as told:
        kernel.collect(request, 1.0)
    assert "stack trace" not in str(told.value)


def test_forged_answers_concern_the_forgers_run_only(start: Start) -> None:
    """The request it answers was its own; the next one gets its own answer."""
    kernel = start()
    forged = '{"id":1,"return_value":"forged","is_last":false,"variables":{"a":"b"}}'
    code = (
        ESCAPE
        + f"""
const text = Buffer.from('r' + {forged!r});
const head = Buffer.alloc(4);
head.writeUInt32BE(text.length);
fs.writeSync(3, Buffer.concat([head, text]));
return 'true';
""".replace("Buffer", "node.mainModule.require('buffer').Buffer")
    )
    assert kernel.run(code).metadata["omega"]["return_value"] == "forged"
    assert kernel.run("return 'mine'").metadata["omega"]["return_value"] == "mine"


def test_too_many_objects_are_a_memory_error_and_the_end_of_the_kernel(start: Start) -> None:
    """The reply says so, that it is the last one, and nothing of V8's report."""
    kernel = start()
    reply = kernel.run("console.log('x'); const held = []; for (;;) held.push({a: [1, 2, 3]})", patience_s=60)
    assert (reply.content["ename"], reply.content["evalue"]) == ("MemoryError", "")
    assert reply.metadata["omega"]["is_last"] is True
    assert reply.text() == "x\n"
    assert kernel.wait()["code"] in (-signal.SIGABRT, -signal.SIGTRAP, -signal.SIGILL)


def test_nothing_is_left_when_the_python_half_is_killed(kernel: TestKernel) -> None:
    """Node ends at the end of its socket."""
    pid = kernel.run(ESCAPE + "return node.pid").metadata["omega"]["return_value"]
    gone = os.pidfd_open(pid)
    kernel.close()
    assert select.select([gone], [], [], 10)[0]
    os.close(gone)
