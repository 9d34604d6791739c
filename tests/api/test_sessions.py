"""Sessions on a live gateway: what is kept from run to run, what is not, and who may see it."""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests import live
from tests.api.test_keys import add
from tests.live import HANG_S, Gateway, Reply

pytestmark = pytest.mark.kernel

SESSIONS = "/code-interpreter/sessions"
RUN = "/code-interpreter/python"


@dataclass(frozen=True, slots=True)
class Session:
    """One session of a gateway, as its holder uses it."""

    gateway: Gateway
    id: str

    def ask(self, method: str, action: str = "", body: object = None) -> Reply:
        """A request about it."""
        return self.gateway.ask(method, f"{SESSIONS}/{self.id}{action}", body)

    def run(self, code: str, **fields: object) -> Any:
        """The answer of a run that was carried out."""
        reply = self.ask("POST", "/execute", {"code": code, **fields})
        assert reply.status == 200, reply
        return reply.body

    def value(self, code: str) -> Any:
        """What the last expression of *code* is."""
        answer = self.run(code)
        assert answer["success"], answer
        return answer["results"][-1]["data"]["application/json"]

    def wait_for(self, state: str) -> None:
        """Return once it is in this state."""
        until(lambda: self.ask("GET").body["state"] == state)


def until(condition: Callable[[], bool]) -> None:
    """Return when *condition* holds; AssertionError when it does not come true."""
    deadline = time.monotonic() + HANG_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)  # another process: there is nothing to wait on


def create(gateway: Gateway, **asked: object) -> Session:
    """A new session."""
    reply = gateway.ask("POST", SESSIONS, asked)
    assert reply.status == 200, reply
    return Session(gateway, reply.body["id"])


@pytest.fixture
def session(gateway: Gateway) -> Iterator[Session]:
    """A session of the session's gateway, deleted afterwards."""
    made = create(gateway)
    yield made
    made.ask("DELETE")


def test_state_is_kept_from_run_to_run(session: Session) -> None:
    """Names, modules, files and the working directory; each run is numbered, and only what it bound is told."""
    first = session.run("import os\nx = 40\nopen('note', 'w').write('n')\nos.mkdir('d'); os.chdir('d')")
    assert (first["executionCount"], first["sessionId"], first["kernelReplaced"]) == (1, session.id, False)
    second = session.run("x += 2\nx, open('../note').read(), os.path.basename(os.getcwd())")
    assert second["results"][0]["data"]["application/json"] == [42, "n", "d"]
    assert (second["executionCount"], list(second["variables"])) == (2, ["x"])
    assert 'File "<code 3>"' in session.run("1 / 0")["error"]["traceback"]
    shown = session.ask("GET").body
    assert (shown["state"], shown["executionCount"], shown["language"]) == ("idle", 3, "python")


def test_the_guides_endpoints_run_in_a_session(session: Session) -> None:
    """They see its names, and what they bind is there afterwards."""
    session.run("data = [3, 1, 2]")

    def post(endpoint: str, body: dict[str, object]) -> Any:
        reply = session.gateway.ask("POST", f"/code-interpreter/{endpoint}", {**body, "session": session.id})
        assert reply.status == 200, reply
        assert reply.body["success"], reply
        return reply.body

    assert post("python", {"code": "more = data + [4]\nlen(more)"})["executionCount"] == 2
    assert post("chart", {"code": "plt.plot(more)"})["chart"]["mimeType"] == "image/png"
    assert post("math", {"expression": "sum(more)"})["output"] == "Result: 10\n"
    assert "mean" in post("analyze", {"data": "a\n1\n3"})["output"]
    assert session.run("plt.plot(data)", type="chart")["chart"]["mimeType"] == "image/png"
    other = session.gateway.ask("POST", "/code-interpreter/javascript", {"code": "1", "session": session.id})
    assert (other.status, other.body["error"]["code"]) in ((409, "conflict"), (501, "not_implemented"))


def test_code_of_an_editor_that_begins_files_with_a_mark_runs_everywhere(gateway: Gateway, session: Session) -> None:
    """A byte order mark is taken, wherever code comes in."""

    def post(endpoint: str, **body: object) -> Any:
        return gateway.ask("POST", f"/code-interpreter/{endpoint}", body).body

    assert post("python", code="\ufeffprint(1)\r\nprint(2)\r\n")["output"] == "1\n2\n"
    assert post("javascript", code="\ufeffreturn 1")["returnValue"] == 1
    assert post("math", expression="\ufeff1 + 1")["output"] == "Result: 2\n"
    assert session.run("\ufeffx = 5\r\nprint(x)")["output"] == "5\n"
    cell = {"cell_type": "code", "source": ["\ufeffprint(1)\n", "2"], "metadata": {}, "outputs": []}
    notebook = {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [cell]}
    assert (post("notebook", notebook=notebook)["success"], post("python", code="\ufeff")["success"]) == (True, True)


def test_sessions_and_single_runs_do_not_meet(gateway: Gateway, session: Session) -> None:
    """Each has a kernel of its own."""
    session.run("x = 1\nopen('here', 'w')")
    other = create(gateway)
    for run in (other.run, gateway.run):
        answer = run("import os\n'x' in globals(), os.path.exists('here')")
        assert answer["results"][0]["data"]["application/json"] == [False, False]
    other.ask("DELETE")


def test_another_key_sees_nothing(gateway: Gateway, session: Session) -> None:
    """Alive or ended, a session of another key answers as one that never was; with its limit a key is told 429."""
    stranger = add(gateway, "sessions-stranger", "--sessions", "1")
    ended = create(gateway)
    ended.ask("DELETE")
    for session_id in (session.id, ended.id, "0" * 32, "..", "%00"):
        seen = Session(stranger, session_id)
        replies = [seen.ask("GET"), seen.ask("DELETE"), seen.ask("GET", "/variables"), seen.ask("GET", "/events")]
        replies += [seen.ask("POST", action, {}) for action in ("/interrupt", "/restart")]
        replies += [seen.ask("POST", "/execute", {"code": "1"})]
        replies += [stranger.ask("POST", RUN, {"code": "1", "session": session_id})]
        assert {reply.status for reply in replies} <= {404}, (session_id, replies)
        assert len({json.dumps(reply.body) for reply in replies}) == 1
    assert stranger.ask("GET", SESSIONS).body == {"sessions": []}
    assert session.ask("GET").status == 200
    own = create(stranger)
    refused = stranger.ask("POST", SESSIONS, {})
    assert (refused.status, refused.body["error"]["code"]) == (429, "too_many_requests")
    assert int(refused.headers["Retry-After"]) > 0
    own.ask("DELETE")
    create(stranger).ask("DELETE")


def test_a_timeout_keeps_the_state(session: Session) -> None:
    """The run is interrupted; the next one finds everything there."""
    session.run("x = 5")
    late = session.run("print('begun', flush=True)\nwhile True: pass", timeout=300)
    assert (late["error"]["type"], late["limits"], late["kernelReplaced"]) == ("TimeoutError", ["timeout"], False)
    assert late["output"] == "begun\n"
    assert session.value("x") == 5


@pytest.mark.parametrize(
    ("code", "limit"),
    [
        ("sum(range(10**12))", "timeout"),
        ("import os; os._exit(3)", "kernel_died"),
        ("x = []\nwhile True: x.append(bytearray(10**7))", "memory"),
        ("while True:\n    try:\n        while True: print('x' * 1000)\n    except BaseException: pass", "output"),
    ],
)
def test_a_lost_kernel_is_told_and_replaced(session: Session, code: str, limit: str) -> None:
    """Where nothing else helped the state is gone; the next run is an ordinary one."""
    session.run("y = 5")
    lost = session.run(code, timeout=300 if limit == "timeout" else 20_000)
    assert lost["limits"] == [limit]
    # Memory that is refused leaves the kernel alive; memory that was taken does not.
    if limit != "memory":
        assert lost["kernelReplaced"] is True
    after = session.run("'y' in globals()")
    assert after["success"] is True
    assert after["kernelReplaced"] is False
    assert after["results"][0]["data"]["application/json"] is not lost["kernelReplaced"]
    assert session.ask("GET").body["kernelsReplaced"] == int(lost["kernelReplaced"])


def test_runs_are_carried_out_in_order_of_arrival(gateway: Gateway, session: Session) -> None:
    """Five at once, one after another; another session is not held up."""
    session.run("order = []")
    with concurrent.futures.ThreadPoolExecutor(6) as threads:
        first = threads.submit(session.run, "import time\ntime.sleep(0.5)\norder.append(0)")
        session.wait_for("busy")
        others = []
        for number in range(1, 5):
            others.append(threads.submit(session.run, f"order.append({number})"))
            time.sleep(0.05)  # so that they arrive in this order
        other = create(gateway)
        assert other.value("1 + 1") == 2
        assert not first.done()
        other.ask("DELETE")
        counts = [run.result()["executionCount"] for run in (first, *others)]
    assert counts == [2, 3, 4, 5, 6]
    assert session.value("order") == [0, 1, 2, 3, 4]


def test_a_client_that_leaves_takes_its_run_with_it(session: Session) -> None:
    """One that waits gives up its place, one that runs is interrupted; the state is kept."""
    session.run("x = 5\nran = []")
    running = leaving(session, "import time\nran.append('running')\ntime.sleep(60)\nran.append('ended')")
    session.wait_for("busy")
    waiting = leaving(session, "ran.append('waiting')")
    time.sleep(0.1)  # until it stands in the queue
    waiting.close()
    running.close()
    assert session.value("x, ran") == [5, ["running"]]


def leaving(session: Session, code: str) -> http.client.HTTPConnection:
    """A connection that has asked for a run and will not wait for the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", session.gateway.port, timeout=HANG_S)
    headers = {"Authorization": f"Bearer {session.gateway.token}", "Content-Type": "application/json"}
    connection.request("POST", f"{SESSIONS}/{session.id}/execute", json.dumps({"code": code}), headers)
    return connection


def test_a_run_is_interrupted_and_the_state_kept(session: Session) -> None:
    """Without a run there is nothing to interrupt."""
    session.run("x = 5")
    assert session.ask("POST", "/interrupt").body == {"interrupted": False, "kernelReplaced": False}
    with concurrent.futures.ThreadPoolExecutor() as threads:
        running = threads.submit(session.run, "print('begun', flush=True)\nwhile True: pass")
        session.wait_for("busy")
        until(lambda: session.ask("POST", "/interrupt").body["interrupted"])
        answer = running.result()
    assert (answer["error"]["type"], answer["kernelReplaced"]) == ("KeyboardInterrupt", False)
    assert session.value("x") == 5


def test_code_that_catches_every_interrupt_ends_with_its_kernel(session: Session) -> None:
    """Both answers say so: the run's, and the interrupt's. The session goes on without its state."""
    session.run("x = 5")
    code = "while True:\n try:\n  open('inside', 'w').close()\n  while True: pass\n except BaseException: pass"
    with concurrent.futures.ThreadPoolExecutor() as threads:
        running = threads.submit(session.run, code)
        until(lambda: session.ask("GET", "/files/inside").status == 200)
        assert session.ask("POST", "/interrupt").body == {"interrupted": True, "kernelReplaced": True}
        answer = running.result()
    assert (answer["error"]["type"], answer["exitCode"], answer["limits"]) == ("KeyboardInterrupt", 130, [])
    assert answer["kernelReplaced"]
    assert session.run("x")["error"]["type"] == "NameError"


def test_a_restart_begins_anew_under_the_same_id(gateway: Gateway) -> None:
    """State and files are gone, environment and directory are not; what ran says why it ended."""
    session = create(gateway, env={"CITY": "Zürich", "LD_PRELOAD": "/tmp/x.so"}, cwd="data/raw", timeout=20_000)
    look = "import os\nos.environ['CITY'], os.path.relpath(os.getcwd(), os.path.expanduser('~')), os.listdir()"
    assert session.value(look) == ["Zürich", "data/raw", []]
    session.run("x = 5\nopen('note', 'w')")
    with concurrent.futures.ThreadPoolExecutor() as threads:
        running = threads.submit(session.run, "import time\ntime.sleep(60)")
        session.wait_for("busy")
        restarted = session.ask("POST", "/restart")
        assert (restarted.status, restarted.body["id"], restarted.body["executionCount"]) == (200, session.id, 0)
        assert restarted.body["state"] == "idle"
        assert restarted.body["expiresAt"]
        ended = running.result()
    assert (ended["error"]["type"], ended["kernelReplaced"]) == ("SessionRestarted", True)
    assert session.value(look) == ["Zürich", "data/raw", []]
    assert session.run("x")["error"]["type"] == "NameError"
    session.ask("DELETE")


@pytest.mark.parametrize("cwd", ["/etc", "../x", "/", "a\x00b"])
def test_a_directory_elsewhere_is_refused(gateway: Gateway, cwd: str) -> None:
    """400, and there is no session."""
    before = gateway.ask("GET", SESSIONS).body
    reply = gateway.ask("POST", SESSIONS, {"cwd": cwd})
    assert (reply.status, reply.body["error"]["code"]) == (400, "bad_request")
    assert gateway.ask("GET", SESSIONS).body == before


def test_the_variables_of_a_session(session: Session) -> None:
    """All of them, whichever run bound them; no code of theirs is run, however hostile."""
    session.run("import numpy as np\na = np.ones((2, 3))")
    session.run(
        "class Evil:\n"
        "    def __repr__(self):\n        while True: print('x' * 1000)\n"
        "    __len__ = __sizeof__ = __repr__\n"
        "    shape = property(__repr__)\n"
        "evil = Evil()\nbig = 'x' * 10**7"
    )
    answer = session.ask("GET", "/variables").body
    rows = {row["name"]: row for row in answer["variables"]}
    assert list(rows) == ["a", "Evil", "evil", "big"]
    assert (rows["a"]["type"], rows["a"]["shape"], rows["a"]["size"]) == ("ndarray", [2, 3], 48)
    assert rows["evil"]["preview"] == "<Evil object>"
    assert rows["big"]["length"] == 10**7
    assert len(rows["big"]["preview"]) <= 200
    assert (answer["success"], answer["truncated"], answer["kernelReplaced"]) == (True, False, False)
    assert session.ask("GET").body["executionCount"] == 2


def test_an_idle_session_is_culled_and_says_so(gateway: Gateway) -> None:
    """410 with when and why, not 404; a deleted one too. Its kernel is gone."""
    session = create(gateway, idleTimeout=300)
    session.run("import time\ntime.sleep(0.5)")  # busy for longer than it may be idle
    until(lambda: session.ask("GET").status == 410)
    told = session.ask("POST", "/execute", {"code": "1"})
    assert (told.status, told.body["error"]["code"]) == (410, "gone")
    assert told.body["error"]["message"].startswith("This session was ended after 0.3 seconds without a run, at 20")
    deleted = create(gateway)
    assert deleted.ask("DELETE").body == {"success": True, "id": deleted.id}
    assert deleted.ask("DELETE").status == 410
    single = gateway.ask("POST", RUN, {"code": "1", "session": deleted.id})
    assert (single.status, "was deleted" in single.body["error"]["message"]) == (410, True)
    assert gateway.ask("GET", SESSIONS).body == {"sessions": []}


def test_runs_in_sessions_are_in_the_history(session: Session) -> None:
    """As any other; a look at the variables is not."""
    session.run("written_down = 1")
    session.ask("GET", "/variables")
    until(lambda: _newest(session.gateway)["code"] == "written_down = 1")
    assert _newest(session.gateway)["type"] == "python"


def _newest(gateway: Gateway) -> Any:
    return gateway.ask("GET", "/code-interpreter/history?limit=1").body["history"][0]


def test_sessions_leave_room_for_single_runs_and_end_with_the_gateway() -> None:
    """Of three kernels one is kept ready: there are two sessions. At the shutdown a run in one is let end."""
    options = ("--pool-min", "1", "--pool-max", "1", "--max-kernels", "3", "--queue-limit", "1")
    with concurrent.futures.ThreadPoolExecutor() as threads:
        with live.serving(*options) as gateway:
            sessions = [create(gateway), create(gateway)]
            assert_busy(gateway.ask("POST", SESSIONS, {}))
            for _ in range(4):
                assert gateway.run("print(1)")["output"] == "1\n"
            metrics = gateway.ask("GET", "/metrics").body
            assert 'omega_sessions_live{language="python",state="idle"} 2.0' in metrics
            assert_full(gateway)
            running = threads.submit(sessions[0].run, "import time\ntime.sleep(1)\nprint('done')")
            sessions[0].wait_for("busy")
        assert running.result()["output"] == "done\n"


def assert_full(gateway: live.Gateway) -> None:
    """With one kernel for runs and a queue for one more, others are refused at once, with a time to come back."""
    sleep = {"code": "import time; time.sleep(2.5)"}
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        running = pool.submit(gateway.ask, "POST", RUN, sleep)
        until(lambda: 'state="leased"} 3.0' in str(gateway.ask("GET", "/metrics").body))
        rest = list(pool.map(lambda _: gateway.ask("POST", RUN, sleep), range(5)))
    assert running.result().status == 200
    assert [reply.status for reply in rest].count(200) == 1, rest
    refused = [reply for reply in rest if reply.status != 200]
    assert len(refused) == 4
    for reply in refused:
        assert_busy(reply)
    assert gateway.run("print(1)")["output"] == "1\n"


def assert_busy(refused: live.Reply) -> None:
    """503, and when to come back."""
    assert (refused.status, refused.body["error"]["code"]) == (503, "busy")
    assert int(refused.headers["Retry-After"]) >= 1
