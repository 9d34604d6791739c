"""Notebooks on real kernels: a session becomes one, one becomes an execution, and nothing of it is left behind."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

import nbformat
import pytest

from tests.api.caller import Caller
from tests.live import HANG_S, looks

pytestmark = pytest.mark.kernel

AMPLIFIER = """
from IPython.display import display
for _ in range(3000):
    display({"text/plain": ""}, raw=True, display_id="x")
display({"text/plain": "y" * 5_000_000}, raw=True, display_id="x", update=True)
"""


def notebook(*sources: str) -> dict[str, Any]:
    """A notebook with a code cell for each source."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    written: dict[str, Any] = json.loads(json.dumps(nbformat.v4.new_notebook(cells=cells)))
    return written


def execute(caller: Caller, *sources: str, **options: object) -> Any:
    """The answer to a notebook that was executed; what it gave back is valid."""
    reply = caller.post("notebook", {"notebook": notebook(*sources), **options})
    assert reply.status == 200, reply
    nbformat.validate(nbformat.from_dict(reply.body["notebook"]))
    return reply.body


def sessions(caller: Caller) -> list[str]:
    """The names of the sessions there are."""
    return [session["name"] for session in caller.get("sessions").body["sessions"]]


def test_a_session_is_a_notebook_that_can_be_executed_again(caller: Caller) -> None:
    """Jupyter's library finds it valid, and the second time the same comes out."""
    session = caller.post("sessions", {}).body["id"]
    for source in (
        "x = 20\nprint('made')",
        "x + 1",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
        "1 / 0",
    ):
        caller.post(f"sessions/{session}/execute", {"code": source})
    exported = caller.get(f"sessions/{session}/notebook").body
    caller.gateway.ask("DELETE", f"/code-interpreter/sessions/{session}")
    nbformat.validate(nbformat.from_dict(json.loads(json.dumps(exported))))
    told = [cell["outputs"] for cell in exported["cells"]]
    assert [output["output_type"] for outputs in told for output in outputs] == [
        "stream",
        "execute_result",
        "display_data",
        "error",
    ]
    assert told[1][0]["data"] == {"text/plain": ["21"]}
    assert (told[3][0]["ename"], told[3][0]["evalue"]) == ("ZeroDivisionError", "division by zero")
    again = caller.post("notebook", exported).body
    assert (again["success"], again["stoppedAt"], again["error"]["type"]) == (False, 3, "ZeroDivisionError")
    assert again["notebook"]["cells"][1]["outputs"][0]["data"] == {"text/plain": "21"}
    assert "image/png" in again["notebook"]["cells"][2]["outputs"][0]["data"]
    assert sessions(caller) == []


def test_a_cell_out_of_time_leaves_the_state_to_the_next(caller: Caller) -> None:
    """It is interrupted; where errors are allowed the notebook goes on."""
    answer = execute(caller, "x = 1", "while True: x = 2", "x", timeout=500, allowErrors=True)
    assert (answer["success"], answer["cellsRun"], answer["cellsFailed"]) == (True, 3, 1)
    outputs = [cell["outputs"] for cell in answer["notebook"]["cells"]]
    assert outputs[1][-1]["ename"] == "TimeoutError"
    assert outputs[2][0]["data"]["text/plain"] == "2"


def test_a_lost_kernel_ends_the_notebook(caller: Caller) -> None:
    """Whatever is allowed: the rest would run without what was made before."""
    answer = execute(caller, "import os\nos._exit(3)", "print('on')", allowErrors=True)
    assert (answer["success"], answer["stoppedAt"], answer["limits"]) == (False, 0, ["kernel_died"])
    assert answer["error"]["type"] == "KernelDied"
    assert answer["notebook"]["cells"][1]["outputs"] == []


def test_small_displays_made_large_do_not_outgrow_the_limit(caller: Caller) -> None:
    """Three thousand displays of one id, updated to five megabytes, would be fifteen gigabytes."""
    answer = execute(caller, AMPLIFIER)
    assert answer["limits"] == ["output"]
    assert len(json.dumps(answer)) < 64 * 1024 * 1024


def test_the_session_ends_with_a_caller_that_leaves(caller: Caller) -> None:
    """In the middle of a cell, with progress asked for or not."""
    for accept in ("application/json", "text/event-stream"):
        connection = http.client.HTTPConnection("127.0.0.1", caller.gateway.port, timeout=HANG_S)
        headers = {"Authorization": f"Bearer {caller.gateway.token}", "Content-Type": "application/json", "Accept": accept}
        connection.request("POST", "/code-interpreter/notebook", json.dumps(notebook("while True: pass")), headers)
        _wait_for(caller, ["notebook"])
        connection.close()
        _wait_for(caller, [])


def _wait_for(caller: Caller, names: list[str]) -> None:
    for _ in looks():
        if (found := sessions(caller)) == names:
            return
        time.sleep(0.05)  # another process does it: there is nothing to wait on
    raise AssertionError(f"the sessions stay {found}")
