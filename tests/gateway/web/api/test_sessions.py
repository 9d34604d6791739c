"""The endpoints of sessions with everything behind them faked: bodies, answers and refusals."""

from __future__ import annotations

import orjson
import pytest

from gateway.core.errors import BadRequest
from gateway.core.limits import Timeouts
from gateway.core.model import Json, Result
from gateway.core.request import RunRequest
from gateway.service.sessions.session import NewSession
from gateway.web.api import session_bodies
from tests.gateway.web.world import TOKEN, Gateway, json_of

API = "/code-interpreter"
SESSIONS = f"{API}/sessions"


async def test_a_session_is_created_as_asked(gateway: Gateway) -> None:
    """Times are milliseconds in the API; what is left out has the server's defaults."""
    body: dict[str, Json] = {
        "name": "n",
        "timeout": 1500,
        "idleTimeout": 60_000,
        "env": {"A": "b"},
        "cwd": "data",
        "language": "python",
    }
    answer = json_of(await gateway.ask(SESSIONS, body))
    assert answer == {
        "success": True,
        "id": "there",
        "name": "n",
        "language": "python",
        "state": "idle",
        "createdAt": "1970-01-01T00:00:01.000Z",
        "lastActivity": "1970-01-01T00:00:02.000Z",
        "idleTimeout": 1_800_000,
        "timeout": 30_000,
        "executionCount": 3,
        "kernelsReplaced": 0,
        "cwd": "",
        "expiresAt": "1970-01-01T00:30:02.000Z",
        "currentRun": None,
    }
    await gateway.ask(SESSIONS, {})
    await gateway.ask(SESSIONS, {"language": "javascript"})
    assert gateway.sessions.asked == [
        ("create", NewSession("python", "n", 1.5, 60.0, {"A": "b"}, "data")),
        ("create", NewSession("python", "", 30.0, None, {}, "")),
        ("create", NewSession("javascript", "", 10.0, None, {}, "")),
    ]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"language": "ruby"}, "language must be 'python' or 'javascript', not 'ruby'."),
        ({"name": "x" * 129}, "name must be a string of at most 128 characters, not"),
        ({"name": "a\nb"}, "name must be a string without line breaks and other control characters."),
        ({"timeout": 300_001}, "timeout must be a number of milliseconds from 1 to 300000, not 300001."),
        ({"idleTimeout": 86_400_001}, "idleTimeout must be a number of milliseconds from 1 to 86400000, not 86400001."),
        ({"idleTimeout": 0}, "idleTimeout must be a number of milliseconds from 1 to the server's maximum, not 0."),
        ({"env": {"A": 5}}, "env must be an object of at most 64 strings: the environment variables to set, not 5."),
        ({"env": {f"A{n}": "" for n in range(65)}}, "env must be an object of at most 64 strings"),
        ({"env": {"": "x"}}, "env has the name ''"),
        ({"env": {"A=B": "x"}}, "env has the name 'A=B': use letters, digits and underscores"),
        ({"env": {"1A": "x"}}, "env has the name '1A'"),
        ({"env": {"Ä": "x"}}, "env has the name 'Ä'"),
        ({"env": {"A\n": "x"}}, "env has the name 'A\\n'"),
        ({"env": {"A": "a\0b"}}, "env has a NUL character in the value of A."),
        ({"env": []}, "env must be an object"),
        ({"cwd": "a/../.."}, "cwd must be a directory below the work directory: '..' is not allowed in it."),
        ({"cwd": "a\0b"}, "cwd must be a path without control characters."),
        ({"cwd": "x" * 513}, "cwd must be a directory below the work directory, at most 512 characters, not"),
        ({"user": 1}, "Unknown field 'user'"),
    ],
)
async def test_what_a_session_can_not_be_is_one_sentence(gateway: Gateway, body: dict[str, Json], sentence: str) -> None:
    """400, and nothing is created."""
    response = await gateway.ask(SESSIONS, body)
    assert response.code == 400
    assert orjson.loads(response.body)["error"]["message"].startswith(sentence)
    assert gateway.sessions.asked == []


async def test_a_session_needs_no_body(gateway: Gateway) -> None:
    """All of it is optional. What has a body has to declare it."""
    head = f"POST {SESSIONS} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n"
    for more in ("", "Content-Length: 0\r\n", "Content-Type: application/json\r\nContent-Length: 0\r\n"):
        assert (await gateway.raw(f"{head}{more}\r\n".encode())).startswith(b"HTTP/1.1 200 "), more
    response = await gateway.ask(SESSIONS, b"{}", headers={"Content-Type": "text/plain"})
    assert response.code == 415
    for path in ("/code-interpreter/python", f"{SESSIONS}/there/execute"):
        response = await gateway.ask(path, method="POST")
        assert response.code in (400, 415), "these do need one"


def test_an_environment_has_a_size() -> None:
    """It is kept for as long as the session."""
    body = orjson.dumps({"env": {"A": "x" * 20_000, "B": "x" * 20_000}})
    with pytest.raises(BadRequest, match="env is over the limit of 32768 characters in all"):
        session_bodies.parse_new_session(body, Timeouts(), Timeouts(), Timeouts())


async def test_code_is_run_in_the_sessions_language(gateway: Gateway) -> None:
    """Unless a type is named; without a timeout the session's own is meant. The answer says where it ran."""
    gateway.runner.answer = lambda _request: Result(True, "", "", "", None, 0, 0.1, execution_count=4)
    answer = json_of(await gateway.ask(f"{SESSIONS}/there/execute", {"code": "1"}))
    assert (answer["success"], answer["sessionId"], answer["executionCount"]) == (True, "there", 4)
    chart = json_of(await gateway.ask(f"{SESSIONS}/there/execute", {"code": "1", "type": "chart", "timeout": 500}))
    assert chart["chart"] is None
    gateway.sessions.language = "javascript"
    await gateway.ask(f"{SESSIONS}/there/execute", {"code": "1"})
    assert gateway.runner.asked == [
        RunRequest("python", "1", 0.0, session="there"),
        RunRequest("chart", "1", 0.5, {"format": "png", "dpi": 100}, session="there"),
        RunRequest("javascript", "1", 0.0, session="there"),
    ]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("python", {"code": "1"}),
        ("chart", {"code": "1"}),
        ("analyze", {"data": "a\n1"}),
        ("math", {"expression": "1"}),
    ],
)
async def test_the_guides_endpoints_take_a_session(gateway: Gateway, name: str, body: dict[str, Json]) -> None:
    """The run goes to its kernel, with the session's timeout unless another is asked for."""
    answer = json_of(await gateway.ask(f"{API}/{name}", {**body, "session": "there"}))
    assert (answer["sessionId"], answer["executionCount"]) == ("there", 0)
    await gateway.ask(f"{API}/{name}", {**body, "session": "there", "timeout": 5})
    await gateway.ask(f"{API}/{name}", body)
    assert [(asked.session, asked.timeout_s) for asked in gateway.runner.asked] == [
        ("there", 0.0),
        ("there", 0.005),
        ("", 30.0),
    ]
    assert "sessionId" not in json_of(await gateway.ask(f"{API}/{name}", body))
    for wrong in ("", "x" * 65, 5):
        assert (await gateway.ask(f"{API}/{name}", {**body, "session": wrong})).code == 400


@pytest.mark.parametrize("action", ["interrupt", "restart"])
async def test_an_action_needs_no_body(gateway: Gateway, action: str) -> None:
    """An empty object is the same; anything else is refused."""
    path = f"{SESSIONS}/there/{action}"
    assert (await gateway.ask(path, method="POST")).code == 200
    assert (await gateway.ask(path, {})).code == 200
    assert gateway.sessions.asked == [(action, "there")] * 2
    assert (await gateway.ask(path, {"force": True})).code == 400
    assert (await gateway.ask(path, b"a=b", headers={"Content-Type": "application/x-www-form-urlencoded"})).code == 400
    assert len(gateway.sessions.asked) == 2


async def test_sessions_are_listed_shown_and_deleted(gateway: Gateway) -> None:
    """One that is not there is 404."""
    listed = json_of(await gateway.ask(SESSIONS))["sessions"]
    shown = json_of(await gateway.ask(f"{SESSIONS}/there"))
    assert listed == [shown]
    assert json_of(await gateway.ask(f"{SESSIONS}/there", method="DELETE")) == {"success": True, "id": "there"}
    assert gateway.sessions.asked == [("delete", "there")]
    for path, method in (("", "GET"), ("", "DELETE"), ("/execute", "POST"), ("/interrupt", "POST"), ("/restart", "POST")):
        body = b'{"code": "1"}' if path == "/execute" else None
        response = await gateway.ask(f"{SESSIONS}/other{path}", body, method=method)
        assert (response.code, orjson.loads(response.body)["error"]["code"]) == (404, "not_found"), path
    assert gateway.runner.asked == []


async def test_variables_are_rows_with_their_names(gateway: Gateway) -> None:
    """Whatever a kernel calls its own fields, the name is the variable's."""
    rows: dict[str, Json] = {"x": {"type": "int", "size": 28, "preview": "1"}, "name": {"name": "y"}}
    gateway.runner.answer = lambda _request: Result(True, "", "", "", None, 0, 0.1, variables=rows, truncated=True)
    assert json_of(await gateway.ask(f"{SESSIONS}/there/variables")) == {
        "success": True,
        "error": None,
        "variables": [{"name": "x", "type": "int", "size": 28, "preview": "1"}, {"name": "name"}],
        "truncated": True,
        "kernelReplaced": False,
    }
    (asked,) = gateway.runner.asked
    assert (asked.task, asked.code, asked.session) == ("variables", "", "there")
