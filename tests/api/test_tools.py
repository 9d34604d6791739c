"""Tools for agents over HTTP: their definitions, what a call answers, and how wrong calls are told."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from tests.api.test_keys import add
from tests.live import Gateway, Reply

pytestmark = pytest.mark.kernel

TOOLS = "/code-interpreter/tools"
SEED = ["code_execute_python", "code_execute_javascript", "code_generate_chart", "code_analyze_data"]
MORE = ["code_session_files", "code_session_variables"]


def call(gateway: Gateway, tool: str, arguments: object, query: str = "") -> Reply:
    """The answer to a call."""
    return gateway.ask("POST", f"{TOOLS}/{tool}{query}", arguments)


def said(gateway: Gateway, tool: str, **arguments: object) -> tuple[str, bool]:
    """What a model reads, and whether it was an error."""
    reply = call(gateway, tool, arguments)
    assert reply.status == 200, reply
    body: Any = reply.body
    assert body["content"][0] == {"type": "text", "text": body["text"]}
    assert body["success"] is not body["isError"]
    return body["text"], body["isError"]


def test_definitions_come_in_the_form_that_is_asked_for(gateway: Gateway) -> None:
    """By default that of OpenAI's chat completions, all of them; otherwise those that are named, in that order."""
    listed: Any = gateway.ask("GET", TOOLS).body
    assert [tool["function"]["name"] for tool in listed] == [*SEED, *MORE]
    named: Any = gateway.ask("GET", f"{TOOLS}?format=anthropic&names=code_generate_chart,code_execute_python").body
    assert [tool["name"] for tool in named] == ["code_generate_chart", "code_execute_python"]
    assert all(tool["input_schema"]["type"] == "object" for tool in named)


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("?format=x", 400, "format must be one of openai, openai-responses, anthropic, gemini, mcp, not 'x'."),
        ("?names=code_run", 404, "There is no tool 'code_run': the tools are code_execute_python, "),
        ("?names=", 404, "There is no tool '': "),
    ],
)
def test_a_wrong_question_about_tools_is_refused(gateway: Gateway, query: str, status: int, says: str) -> None:
    """With what is right."""
    reply = gateway.ask("GET", TOOLS + query)
    assert reply.status == status
    assert reply.body["error"]["message"].startswith(says)


def test_the_small_description_is_for_clients_that_make_tools_of_it(gateway: Gateway) -> None:
    """Its operations have the names of the tools, and their addresses are there."""
    described: Any = gateway.ask("GET", f"{TOOLS}/openapi.json").body
    names = {path: methods["post"]["operationId"] for path, methods in described["paths"].items()}
    assert list(names.values()) == [*SEED, *MORE]
    for path, name in names.items():
        assert gateway.ask("POST", path, {"wrong": 1}).body["isError"] is True, name


def test_each_tool_of_the_guide_answers_in_words(gateway: Gateway) -> None:
    """Output, values, errors with the caller's lines; fences and carriage returns are gone."""
    assert said(gateway, "code_execute_python", code="print('10%\\r100%'); 1 + 2") == ("100%\n3", False)
    failed, is_error = said(gateway, "code_execute_python", code="```python\nx = 1\n1 / 0\n```")
    assert is_error
    assert 'File "<code>", line 2' in failed
    assert failed.endswith("ZeroDivisionError: division by zero")
    assert said(gateway, "code_execute_javascript", code="console.log(1); return [2]") == ("1\n[2]", False)
    analyzed, _ = said(gateway, "code_analyze_data", data=[{"sales": 1200}, {"sales": 1500}], analysisType="stats")
    assert "mean: 1350\n" in analyzed
    assert said(gateway, "code_analyze_data", data='[{"sales": 1200}, {"sales": 1500}]', analysisType="stats")[0] == analyzed


def test_a_chart_is_a_picture_beside_the_text(gateway: Gateway) -> None:
    """With a format, the message that this API wants appended is there as well."""
    reply = call(gateway, "code_generate_chart", {"code": "plt.plot([1, 2])"}, "?format=anthropic&call_id=c1")
    text, image = reply.body["content"]
    assert "matplotlib" not in text["text"]
    assert image["mimeType"] == "image/png"
    assert base64.b64decode(image["data"], validate=True).startswith(b"\x89PNG")
    message = reply.body["message"]
    assert (message["type"], message["tool_use_id"], message["is_error"]) == ("tool_result", "c1", False)
    assert message["content"][1]["source"]["data"] == image["data"]
    assert "charts" not in reply.body["run"]


LARGE = """
import numpy as np
from IPython.display import Image, display
from PIL import Image as Pillow
plt.figure(figsize=(12, 9))
plt.imshow(np.random.default_rng(0).random((900, 1200)), aspect='auto')
plt.show()
plt.plot([1, 2])
"""
"""Draws a figure that is too large for a model, and one that is not."""
LONG = "iVBORw0KGgoAAAANSUhEUgAACDQAAAABAQAAAAADd1EdAAAAD0lEQVR4nGNgGAUMDAwMAAEIAAGRKR9tAAAAAElFTkSuQmCC"
"""A PNG of 2100 by 1 pixels."""


def test_a_picture_that_is_too_large_is_smaller_and_has_a_link(gateway: Gateway) -> None:
    """The link shows it in full without a token, and without the link only its own key sees it."""
    other = add(gateway, "looks-at-pictures")
    body: Any = call(gateway, "code_generate_chart", {"code": LARGE}, "?format=anthropic").body
    text, small, _whole = body["content"]
    assert len(small["data"]) <= 200_000
    (link,) = body["links"]
    note = re.search(
        r"^\[Picture 1 is (\d+)x(\d+) pixels here. In full, \d+x\d+, for the user: (\S+)\]$", text["text"], re.M
    )
    assert note is not None, text
    assert note[3] == link["uri"]
    assert [part["type"] for part in body["message"]["content"]] == ["text", "image", "image"]
    path, _, secret = link["uri"].removeprefix(gateway.url).partition("?")
    nobody = {"Authorization": ""}
    full = gateway.ask("GET", f"{path}?{secret}", headers=nobody)
    assert (full.status, full.headers["Content-Type"]) == (200, "image/png")
    assert int(full.headers["Content-Length"]) == link["size"] > 200_000
    assert full.headers["Content-Disposition"] == 'inline; filename="chart-0.png"'
    assert "sandbox" in full.headers["Content-Security-Policy"]
    assert gateway.ask("GET", path).status == 200
    assert gateway.ask("GET", path, headers=nobody).status == 401
    for asks, asked in ((other, path), (gateway, path[:-1] + "1"), (gateway, f"{path}?secret=x"), (gateway, path + "x")):
        assert asks.ask("GET", asked).status == 404, asked
    assert small["data"] not in str(body["run"])


@pytest.mark.parametrize(
    ("tool", "code", "kinds", "says"),
    [
        (
            "code_execute_python",
            "from PIL import Image; Image.effect_noise((900, 900), 90).save('a.png')",
            ["image/png"],
            " pixels here. In full, 900x900, for the user: ",
        ),
        (
            "code_execute_python",
            "from PIL import Image; Image.new('RGB', (30, 20), 'red').save('a.gif')",
            ["image/png"],
            "[Picture 1 is 30x20 pixels here. In full, 30x20, for the user: ",
        ),
        (
            "code_execute_python",
            "from IPython.display import SVG; SVG('<svg/>')",
            [],
            "[Picture 1 (image/svg+xml, 6 bytes) can't be shown here. For the user: ",
        ),
        (
            "code_execute_python",
            "display({'image/png': 'iVBORw0KGgo' + 'A' * 400_001}, raw=True)",
            [],
            "[Picture 1 (image/png, 300009 bytes) can't be shown here. For the user: ",
        ),
        (
            "code_execute_javascript",
            f"display({{'image/png': '{LONG}'}})",
            ["image/png"],
            "[Picture 1 is 2000x1 pixels here. In full, 2100x1, for the user: ",
        ),
        (
            "code_execute_javascript",
            "display({'image/png': 'aGk='})",
            [],
            "[Picture 1 is no valid image/png and not shown.]",
        ),
    ],
)
def test_any_picture_is_one_that_a_model_can_take(
    gateway: Gateway, tool: str, code: str, kinds: list[str], says: str
) -> None:
    """Whatever made it; of what can't be shown the model is told."""
    body: Any = call(gateway, tool, {"code": code}).body
    text, *images = body["content"]
    assert [image["mimeType"] for image in images] == kinds, text
    assert says in text["text"]


def test_a_session_goes_on_from_call_to_call(gateway: Gateway) -> None:
    """With its variables and files, and only for its own key."""
    begun: Any = call(
        gateway, "code_execute_python", {"code": "x = 5; open('a.txt', 'w').write('hi')", "session": "new"}
    ).body
    session = begun["session"]
    assert begun["text"].endswith(f"[Files: a.txt (created, 2 bytes)]\n[New session: {session}]")
    try:
        assert said(gateway, "code_execute_python", code="x", session=session) == ("5", False)
        assert said(gateway, "code_session_variables", session=session) == ("x: int = 5", False)
        assert said(gateway, "code_session_files", session=session, action="list") == ("a.txt (2 bytes)", False)
        assert said(gateway, "code_session_files", session=session, action="read", path="a.txt") == ("hi", False)
        said(gateway, "code_session_files", session=session, action="write", path="b/c.txt", text="é")
        assert said(gateway, "code_execute_python", code="open('b/c.txt').read()", session=session) == ("'é'", False)
        wrong, is_error = said(gateway, "code_execute_javascript", code="1", session=session)
        assert is_error
        assert "python" in wrong
    finally:
        assert gateway.ask("DELETE", f"/code-interpreter/sessions/{session}").status == 200
    ended, is_error = said(gateway, "code_execute_python", code="x", session=session)
    assert is_error
    assert "deleted" in ended


def test_a_session_is_its_own_keys(gateway: Gateway) -> None:
    """To any other it is not there, by whatever tool and as a resource."""
    other = add(gateway, "another-agent")
    session: Any = call(gateway, "code_execute_python", {"code": "x = 5", "session": "new"}).body["session"]
    for tool, more in (
        ("code_execute_python", {"code": "x"}),
        ("code_session_variables", {}),
        ("code_session_files", {"action": "list"}),
        ("code_session_files", {"action": "read", "path": "a"}),
        ("code_session_files", {"action": "write", "path": "a", "text": "b"}),
    ):
        text, is_error = said(other, tool, session=session, **more)
        assert is_error and text.startswith(f"There is no such session. (session {session!r}")
    for method, params in (("resources/list", {}), ("resources/read", {"uri": f"omega://sessions/{session}/variables"})):
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        assert session not in str(other.ask("POST", "/mcp", message).body)
    assert gateway.ask("DELETE", f"/code-interpreter/sessions/{session}").status == 200


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("code_execute_python", {}, "The argument code is missing; the arguments are code, session (optional), "),
        ("code_execute_python", {"code": "1", "timeout": 10**9}, "timeout must be at most "),
        ("code_execute_python", {"code": "1", "session": "no"}, "There is no such session. (session 'no')"),
        ("code_execute_python", {"code": "a\0"}, "code has a NUL character at position 1."),
        ("code_analyze_data", {"data": "[1"}, "data looks like JSON, but is not: "),
        ("code_session_files", {"session": "no", "action": "read"}, "path is missing: "),
        ("code_session_files", {"session": "no", "action": "write", "path": "a"}, "text is missing: give what to write"),
        ("code_session_variables", {"session": "no"}, "There is no such session. (session 'no')"),
    ],
)
def test_a_wrong_call_is_an_answer_that_says_what_is_right(
    gateway: Gateway, tool: str, arguments: dict[str, object], says: str
) -> None:
    """The model reads it; the program around it need not know."""
    text, is_error = said(gateway, tool, **arguments)
    assert is_error
    assert text.startswith(says)


@pytest.mark.parametrize(
    ("tool", "arguments", "query", "status"),
    [
        ("code_run", {"code": "1"}, "", 404),
        ("code_execute_python", [], "", 400),
        ("code_execute_python", {"code": "1"}, "?format=x", 400),
        ("code_execute_python", {"code": "1"}, f"?format=openai&call_id={'x' * 257}", 400),
    ],
)
def test_what_the_program_around_the_model_does_wrong_is_an_http_error(
    gateway: Gateway, tool: str, arguments: object, query: str, status: int
) -> None:
    """No model can mend it."""
    assert call(gateway, tool, arguments, query).status == status


def test_long_output_is_read_by_its_head_and_tail(gateway: Gateway) -> None:
    """What is left out is told."""
    text, _ = said(gateway, "code_execute_python", code="print('a' * 50_000 + 'z' * 50_000)")
    head, note, tail = text.split("\n")
    assert note == "[80000 bytes left out]"
    assert set(head) == {"a"}
    assert set(tail) == {"z"}


def test_without_a_token_there_are_no_tools(gateway: Gateway) -> None:
    """They run code."""
    for method, path in (("GET", TOOLS), ("GET", f"{TOOLS}/openapi.json"), ("POST", f"{TOOLS}/code_execute_python")):
        assert gateway.ask(method, path, {} if method == "POST" else None, headers={"Authorization": ""}).status == 401
