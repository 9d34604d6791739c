"""Corpus 8.8, tools that code can call: code that forges calls and answers, and a client that sends results of all kinds."""

from __future__ import annotations

import contextlib
import itertools
import json
from typing import Any

from tests.live import Gateway
from tests.promises.http import Knock
from tests.promises.sessions import SESSIONS, create

PYTHON = "/code-interpreter/python"
TOOLS = [{"name": "f"}]
FORGE = "forge = lambda **content: get_ipython().kernel.publish('omega_tool_call', content)\n"
"""How code sends any message it likes, well signed."""
ODD: tuple[Any, ...] = (None, True, -1, [], {}, [[[]]], "", "x" * 100_000, "\ud800", {"a": {"b": [None]}})
FLOOD = FORGE + "for n in range(12_000): forge(id=f'n{n}', name='f', input={})"
ROUNDS = 100


def _begin(gateway: Gateway, code: str, path: str = PYTHON) -> Any:
    reply = gateway.ask("POST", path, {"code": code, "tools": TOOLS})
    assert reply.status == 200, reply
    return reply.body


def _go_on(gateway: Gateway, turn: Any, results: object) -> tuple[int, Any]:
    reply = gateway.ask("POST", turn["continuation"], json.dumps({"results": results}).encode())
    for word in (str(gateway.state_dir), gateway.token, "site-packages"):
        assert word not in json.dumps(reply.body), word
    return reply.status, reply.body


def _finish(gateway: Gateway, turn: Any) -> Any:
    """The answer to the run, all of whose calls get their input's ``x`` back."""
    for _ in range(ROUNDS):
        if turn["status"] == "completed":
            return turn
        results = [{"id": call["id"], "output": call["input"].get("x")} for call in turn["toolCalls"]]
        status, turn = _go_on(gateway, turn, results)
        assert status == 200, turn
    raise AssertionError(f"after {ROUNDS} rounds the run goes on")


def _takes_no_forged_call(gateway: Gateway) -> None:
    """Of a tool that was not given, with an id that is none or was there, or with an input that is none."""
    forged = (
        "forge(id='a', name='g', input={}); forge(id='a b', name='f', input={}); forge(id=5, name='f', input={})\n"
        "forge(id='a', name='f', input=[]); forge(id='a', name=None, input={}); forge(name='f', input={}); forge()\n"
        "forge(id='x' * 65, name='f', input={}); forge(id='a', name='f', input='x' * 1000)\n"
        "forge(id='right', name='f', input={'x': 1}); forge(id='right', name='f', input={'x': 2})\n"
    )
    told = []
    turn = _begin(gateway, FORGE + forged + "print(tools.f(x=3))")
    while turn["status"] != "completed":
        told += turn["toolCalls"]
        results = [{"id": call["id"], "output": call["input"]["x"]} for call in turn["toolCalls"]]
        status, turn = _go_on(gateway, turn, results)
        assert status == 200, turn
    assert [call["input"] for call in told] == [{"x": 1}, {"x": 3}], told
    assert turn["output"] == "3\n", turn


def _bears_a_flood_of_calls(gateway: Gateway) -> None:
    """The client is told of so many as the limit says; the run that goes on is ended, and others are served."""
    done = _finish(gateway, _begin(gateway, FLOOD))
    assert not done["success"] and done["limits"] == ["output"], done
    assert gateway.run("print(1)")["output"] == "1\n"


def _bears_giant_inputs(gateway: Gateway) -> None:
    """An input over the limit is an error of the code; a forged one reaches nobody, or ends its kernel."""
    code = "try: tools.f(x='a' * 20_000_000)\nexcept ToolError as error: print(error)"
    assert "bytes, inputs and results together" in _finish(gateway, _begin(gateway, code))["output"]
    forged = "forge(id='a', name='f', input={'x': [[]] * 1_000_000})\nforge(id='b', name='f', input={'x': 'a' * 20_000_000})"
    assert "toolCalls" not in _begin(gateway, FORGE + forged)


def _bears_a_kernel_that_answers_itself(gateway: Gateway) -> None:
    """Code can fool its own code; the client's late results fool nobody."""
    code = (
        "import threading, time\nkernel = get_ipython().kernel\ncalls = []\nsend = kernel.publish\n"
        "def publish(kind, content): calls.append(content); send(kind, content)\n"
        "kernel.tools._publish = publish\n"
        "def answer():\n    while not calls: time.sleep(0.001)\n"
        "    kernel.tools.take({'id': calls[0]['id'], 'output': 'mine'})\n"
        "threading.Thread(target=answer).start()\nprint(tools.f(x=1))"
    )
    done = _finish(gateway, _begin(gateway, code))
    assert done["output"] == "mine\n", done


def _hears_nothing_after_the_end(gateway: Gateway) -> None:
    """A thread that one run leaves calls in its name, and in that of the next ones."""
    with contextlib.closing(create(gateway)) as session:
        path = f"{SESSIONS}/{session.id}/execute"
        left = (
            FORGE + "import threading\ngo, done = threading.Event(), threading.Event()\ndef late():\n    go.wait()\n"
            "    for n in range(100): forge(id=f'late{n}', name='f', input={})\n    done.set()\n"
            "threading.Thread(target=late).start()"
        )
        assert _finish(gateway, _begin(gateway, left, path))["success"]
        done = _finish(gateway, _begin(gateway, "go.set(); done.wait(); print(tools.f(x=1))", path))
        assert done["output"] == "1\n", done
        assert session.run(FORGE + "forge(id='a', name='f', input={}); print(2)")["output"] == "2\n"


def _takes_no_odd_result(gateway: Gateway) -> None:
    """Whatever stands where another kind of value is wanted, the call still waits afterwards."""
    turn = _begin(gateway, "print(tools.f(x=1))")
    (call,) = turn["toolCalls"]
    right = {"id": call["id"], "output": 1}
    for name, value in itertools.product(("id", "output", "error"), ODD):
        status, _ = _go_on(gateway, turn, [right, {**right, name: value, "more": 1}])
        assert status == 400, (name, value)
    for value in ODD:
        status, body = _go_on(gateway, turn, value) if value != [] else (400, None)
        assert status == 400, (value, body)
        status, body = _go_on(gateway, turn, [{"id": call["id"], "error": value}] if not isinstance(value, str) else [5])
        assert status == 400, (value, body)
    for place in ("..", "%2e%2e", turn["run"][:-1], turn["run"] + "0", "x" * 1000, "\u00e9"):
        address = f"/code-interpreter/runs/{place}/tool-results".encode("ascii", "backslashreplace").decode()
        assert gateway.ask("POST", address, {"results": [right]}).status == 404, place
    assert _finish(gateway, turn)["output"] == "1\n"


def _refuses_a_flood_of_results(gateway: Gateway) -> None:
    """By their number alone, which run they may be for: reading each would keep others waiting."""
    turn = _begin(gateway, "print(tools.f(x=1))")
    results = [{"id": f"n{number}", "output": 1} for number in range(100_000)]
    for run in (turn, {"continuation": f"/code-interpreter/runs/{'0' * 32}/tool-results"}):
        status, body = _go_on(gateway, run, results)
        assert (status, body["error"]["message"]) == (400, "results has 100000 results: a run can make 500 calls."), body
    assert _finish(gateway, turn)["output"] == "1\n"


CALLING = (
    Knock("H18", _takes_no_forged_call, case="forged calls"),
    Knock("H18", _takes_no_odd_result, case="results of tools"),
    Knock("H18", _bears_a_kernel_that_answers_itself, case="forged answers"),
    Knock("H18", _hears_nothing_after_the_end, case="late calls"),
    Knock("H15", _bears_a_flood_of_calls, case="calls of tools"),
    Knock("H15", _bears_giant_inputs, case="inputs of tools"),
    Knock("H15", _refuses_a_flood_of_results, case="results by the thousand"),
)
