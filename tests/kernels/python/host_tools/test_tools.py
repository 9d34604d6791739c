"""The host's tools as the code of a run finds them: called, awaited, from threads, and refused where they must be."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kernels.python.harness import TestKernel

pytestmark = pytest.mark.kernel


def add(call: dict[str, Any]) -> dict[str, Any]:
    """A host whose tools all add."""
    given = call["input"]
    return {"output": given.get("a", 0) + given.get("b", 0)}


def echo(call: dict[str, Any]) -> dict[str, Any]:
    """A host whose tools answer with what they get."""
    return {"output": call["input"]}


def refuse(call: dict[str, Any]) -> dict[str, Any]:
    """A host whose tools all fail."""
    return {"error": f"no {call['name']} today"}


def test_a_call_waits_for_its_answer(shared: TestKernel) -> None:
    """Named or in order; what was printed before it goes out before it."""
    reply = shared.hosted("print('before')\nprint(tools.add(1, b=2), tools.add(3, 4))", add, "add")
    assert reply.text() == "before\n3 7\n"
    assert [message["msg_type"] for message in reply.messages][1:3] == ["stream", "omega_tool_call"]
    (first, second) = reply.of("omega_tool_call")
    assert (first["name"], first["input"], second["input"]) == ("add", {"a": 1, "b": 2}, {"a": 3, "b": 4})
    assert first["id"] != second["id"]
    assert reply.variables == {}


AWAITED = """
import asyncio
async def many(): return await asyncio.gather(*[tools.add(n, 1) for n in range(20)], *map(tools.add, [7]))
first = await many()
async with asyncio.TaskGroup() as group:
    task = group.create_task(tools.add(5, 5))
print(first, task.result(), await asyncio.to_thread(tools.add, 2, 2), await (lambda: tools.add(1, 1))())
print(await asyncio.wait_for(tools.add.start(8, 1), 60), tools.add.wait(6, 6))
"""


def test_a_call_in_a_coroutine_is_awaited(shared: TestKernel) -> None:
    """All of a gather are under way at once, and each has its own answer."""
    reply = shared.hosted(AWAITED, add, "add")
    assert reply.text() == f"{[*range(1, 21), 7]} 10 4 2\n9 12\n"


def test_answers_come_in_any_order(shared: TestKernel) -> None:
    """Four threads, each with calls of its own, answered in the opposite order."""
    held: list[dict[str, Any]] = []

    def host(call: dict[str, Any]) -> None:
        held.append(call)
        if len(held) == 4:
            for one in reversed(held):
                shared.answer(one, {"output": one["input"]["a"] * 10})
            held.clear()

    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(4) as pool: print(list(pool.map(tools.times, range(8))))"
    )
    assert shared.hosted(code, host, "times").text() == f"{[n * 10 for n in range(8)]}\n"


def test_asyncio_run_awaits_too(shared: TestKernel) -> None:
    """In a loop of the code's own."""
    code = "import asyncio\nasync def main(): return await tools.add(1, 2)\nprint(asyncio.run(main()), tools.add(4, 4))"
    assert shared.hosted(code, add, "add").text() == "3 8\n"


def test_an_error_of_the_host_is_raised_at_the_call(shared: TestKernel) -> None:
    """Code can catch it; uncaught it ends the run, in the caller's own lines."""
    code = (
        "try:\n    tools.add.wait()\nexcept ToolError as error:\n    print('caught', error)\n"
        "async def wait(): await tools.add()\n"
        "try:\n    await wait()\nexcept tools.ToolError as error:\n    print('again', error)\n"
        "tools.add.wait()"
    )
    reply = shared.hosted(code, refuse, "add")
    assert reply.text() == "caught no add today\nagain no add today\n"
    assert (reply.content["ename"], reply.content["evalue"]) == ("ToolError", "no add today")
    assert "    tools.add.wait()\n" in reply.traceback
    assert "kernels" not in reply.traceback
    assert "host_tools" not in reply.traceback


def test_a_name_that_was_not_given_does_not_exist(shared: TestKernel) -> None:
    """The error lists those there are; without tools there is no such name at all."""
    reply = shared.hosted("print(dir(tools), tools, tools.add, tools.add.__doc__)\ntools.sub(1)", add, "add", "mul")
    assert reply.text() == "['ToolError', 'add', 'mul'] <tools: add, mul> <tools.add(a, b)> Does add.\n"
    assert reply.content["evalue"] == "there is no tool 'sub'; the tools of this run are: add, mul"
    assert shared.run("tools").content["ename"] == "NameError"


def test_a_variable_of_the_same_name_is_not_lost(shared: TestKernel) -> None:
    """It is back after the run, unless the code has put something else there."""
    shared.run("tools = 'mine'")
    assert shared.hosted("print(tools.add(1, 1))", add, "add").text() == "2\n"
    assert shared.run("print(tools)").text() == "mine\n"
    assert shared.hosted("tools = tools.add(2, 2)", add, "add").variables["tools"]["preview"] == "4"
    assert shared.run("print(tools); del tools").text() == "4\n"


SENT = """
import enum, numpy as np
class Size(enum.IntEnum): BIG = 3
numbers = {'x': np.int64(4), 'y': np.float32(0.5), 'z': np.True_, 's': Size.BIG}
print(tools.echo(t='\\u00e4', n=[None, True, 1.5, -2**53 + 1], d={'k': (1, [])}, **numbers))
"""


def test_arguments_are_strict_json(shared: TestKernel) -> None:
    """Numbers of numpy count as numbers; the host gets what the code gave, and the code what the host gave."""
    reply = shared.hosted(SENT, echo, "echo")
    told = {"t": "ä", "n": [None, True, 1.5, 1 - 2**53], "d": {"k": [1, []]}, "x": 4, "y": 0.5, "z": True, "s": 3}
    assert reply.of("omega_tool_call")[0]["input"] == told
    assert reply.text() == f"{told}\n"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("a=float('nan')", "the argument 'a' has the number nan:"),
        ("a=[1, {'k': b'x'}]", "the argument 'a' has a value of type bytes at a[1]['k']:"),
        ("b=object()", "the argument 'b' has a value of type object:"),
        ("a={1: 2}", "the argument 'a' has a key of type int:"),
        ("a=2**53", "the argument 'a' has a whole number beyond 2**53"),
        ("a='\\ud800'", "the argument 'a' has text with half a character"),
        ("a=[0] * 200_000", "the argument 'a' has more than 90000 values"),
        ("1, 2, 3", "tools.add() takes at most 2 arguments without a name (a, b)"),
        ("1, a=2", "tools.add() got the argument 'a' twice"),
        ("a=deep", "the argument 'a' has more than 40 levels"),
    ],
)
def test_an_argument_that_is_no_json_is_an_error_of_the_code(shared: TestKernel, given: str, said: str) -> None:
    """It names the argument, and nothing is sent."""
    reply = shared.hosted(f"deep = []\nfor _ in range(50): deep = [deep]\ntools.add({given})", add, "add")
    assert reply.content["ename"] == "TypeError"
    assert said in reply.content["evalue"]
    assert reply.of("omega_tool_call") == []


@pytest.mark.parametrize("use", ["call['a']", "call + 1", "f'{call}'", "list(call)", "call.rows", "bool(call)", "int(call)"])
def test_what_should_have_been_awaited_says_so(shared: TestKernel, use: str) -> None:
    """An awaitable that is used as the result."""
    reply = shared.hosted(f"import asyncio\nawait asyncio.sleep(0)\ncall = tools.add(1, 1)\n{use}", add, "add")
    assert "tools.add(...) is not awaited here: write await tools.add(...)" in reply.content["evalue"]


def test_only_the_run_itself_calls(shared: TestKernel) -> None:
    """Not a process it forked, not a thread of an earlier run, nobody by a name that was kept or sent elsewhere."""
    forked = (
        "import os, sys\npid = os.fork()\nif pid == 0:\n    try: tools.add(1, 1)\n"
        "    except ToolError as error: os.write(1, str(error).encode())\n    os._exit(0)\nos.waitpid(pid, 0)\n"
    )
    assert "in a forked process" in shared.hosted(forked, add, "add").text()
    assert "can't be pickled" in shared.hosted("import pickle\npickle.dumps(tools.add)", add, "add").content["evalue"]
    left = (
        "import threading\nkept, go, said = tools, threading.Event(), []\ndef late():\n    go.wait()\n"
        "    try: said.append(tools.add(1, 1))\n    except Exception as error: said.append(str(error))\n"
        "thread = threading.Thread(target=late); thread.start()"
    )
    assert shared.hosted(left, add, "add").status == "ok"
    later = "go.set(); thread.join(); print(said)\ntry: kept.add(1, 1)\nexcept Exception as error: print(error)"
    reply = shared.hosted(later, add, "add")
    ended = "the run that was given these tools is over"
    assert reply.text() == f"['{ended}']\n{ended}\n"
    assert reply.of("omega_tool_call") == []


def test_a_run_that_ends_lets_its_threads_go(shared: TestKernel) -> None:
    """A thread that still waits gets an error, and late answers change nothing."""
    held: list[dict[str, Any]] = []

    def host(call: dict[str, Any]) -> None:
        held.append(call)

    code = (
        "import threading, time\nsaid = []\ndef wait():\n"
        "    try: tools.add(1, 1)\n    except Exception as error: said.append(error)\n"
        "thread = threading.Thread(target=wait); thread.start()\n"
        "while not tools.add._begin.__self__._waiting: time.sleep(0.001)"
    )
    assert shared.hosted(code, host, "add").status == "ok"
    for call in held:
        shared.answer(call, {"output": "late"})
    assert shared.run("thread.join(); print(said)").text() == "[ToolError('the run that was given these tools is over')]\n"


@pytest.mark.parametrize("call", ["tools.add(1, 1)", "await tools.add(1, 1)"])
def test_an_interrupt_ends_the_waiting(shared: TestKernel, call: str) -> None:
    """The kernel keeps its state."""

    def host(_call: dict[str, Any]) -> None:
        shared.interrupt()

    reply = shared.hosted(f"kept = 1\n{call}", host, "add")
    assert reply.content["ename"] == "KeyboardInterrupt"
    assert "threading.py" not in reply.traceback
    assert shared.run("print(kept)").text() == "1\n"


def test_five_hundred_calls_and_a_large_answer(shared: TestKernel) -> None:
    """Each has its own answer."""
    assert shared.hosted("print(sum(tools.add(n, 1) for n in range(500)))", add, "add").text() == "125250\n"
    text = "x" * 2_000_000
    assert shared.hosted("print(len(tools.big()))", lambda _call: {"output": text}, "big").text() == "2000000\n"


def test_plain_clients_have_no_tools(shared: TestKernel) -> None:
    """Nor does whoever sends definitions that are none."""
    assert shared.plain("tools").status == "error"
    assert shared.hosted("tools", add, tools=[{"name": 1}]).content["ename"] == "NameError"
