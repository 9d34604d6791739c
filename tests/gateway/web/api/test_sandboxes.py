"""The endpoints of sandboxes and contexts: what bodies may say, and what is answered."""

from __future__ import annotations

from contextlib import nullcontext

import orjson
import pytest

from gateway.core.errors import BadRequest
from gateway.core.limits import Timeouts
from gateway.core.model import Json
from gateway.core.request import Caller
from gateway.web.api.sandbox_bodies import METADATA_CHARS, parse_new_sandbox
from gateway.web.caller_limits import CallerLimits
from gateway.web.services import WebSettings
from tests.gateway.web.world import Gateway, json_of

SANDBOXES = "/code-interpreter/sandboxes"


async def create(gateway: Gateway, **asked: Json) -> str:
    """The address of a new sandbox."""
    answer = json_of(await gateway.ask(SANDBOXES, asked))
    return f"{SANDBOXES}/{answer['id']}"


async def test_a_sandbox_is_created_shown_extended_and_deleted(gateway: Gateway) -> None:
    """With what was asked of it; an empty body asks for the defaults."""
    response = await gateway.ask(SANDBOXES, b"")
    plain = json_of(response)
    assert (response.code, plain["name"], plain["metadata"], plain["endsAt"], plain["state"]) == (200, "", {}, None, "idle")
    asked: dict[str, Json] = {
        "name": "n",
        "metadata": {"user": "ada"},
        "env": {"A": "1"},
        "lifetime": 60_000,
        "idleTimeout": 5000,
    }
    address = await create(gateway, **asked)
    shown = json_of(await gateway.ask(address))
    assert (shown["name"], shown["metadata"], shown["idleTimeout"]) == ("n", {"user": "ada"}, 5000)
    listed = json_of(await gateway.ask(SANDBOXES))["sandboxes"]
    assert isinstance(listed, list)
    assert [one["name"] for one in listed if isinstance(one, dict)] == ["", "n"]
    extended = json_of(await gateway.ask(f"{address}/extend", {"lifetime": 120_000}))
    assert str(extended["endsAt"]) > str(shown["endsAt"])
    assert json_of(await gateway.ask(address, method="DELETE")) == {"success": True, "id": shown["id"]}
    assert (await gateway.ask(address)).code == 410


async def test_contexts_are_made_listed_restarted_and_deleted(gateway: Gateway) -> None:
    """Each is described as a session is, with its sandbox."""
    address = await create(gateway)
    contexts = f"{address}/contexts"
    made = json_of(await gateway.ask(contexts, {"language": "javascript", "name": "x", "timeout": 500}))
    assert (made["language"], made["name"], made["timeout"]) == ("javascript", "x", 500)
    assert address.endswith(str(made["sandboxId"]))
    assert json_of(await gateway.ask(contexts, b""))["language"] == "python"
    listed = json_of(await gateway.ask(contexts))["contexts"]
    assert isinstance(listed, list)
    assert [(one["language"], one["state"]) for one in listed if isinstance(one, dict)] == [
        ("python", "idle"),
        ("javascript", "unused"),
        ("javascript", "idle"),
        ("python", "idle"),
    ]
    assert json_of(await gateway.ask(f"{contexts}/{made['id']}/restart", b""))["id"] == made["id"]
    assert json_of(await gateway.ask(f"{contexts}/{made['id']}", method="DELETE"))["success"] is True
    assert (await gateway.ask(f"{contexts}/{made['id']}", method="DELETE")).code == 410
    assert (await gateway.ask(f"{contexts}/none/restart", b"")).code == 404


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("", {"name": "a\nb"}, "name must be a string without line breaks"),
        ("", {"metadata": {"": "x"}}, "metadata has the name ''"),
        ("", {"metadata": {"a": 1}}, "metadata"),
        ("", {"env": {"1": "x"}}, "env has the name '1'"),
        ("", {"lifetime": 0}, "lifetime must be a number of milliseconds from 1"),
        ("", {"idleTimeout": 1e12}, "idleTimeout must be a number of milliseconds from 1 to 86400000"),
        ("/extend", {}, "lifetime"),
        ("/extend", {"lifetime": 1e12}, "lifetime must be a number of milliseconds from 1 to 86400000"),
        ("/contexts", {"language": "bash"}, "language must be 'python' or 'javascript'"),
        ("/contexts", {"cwd": "/etc"}, "cwd must be relative"),
        ("/contexts", {"timeout": 1e9}, "timeout must be a number of milliseconds from 1 to 300000"),
        ("/commands", {"command": " "}, "command is empty"),
        ("/commands", {"command": "a\0"}, "command has a NUL character at position 1"),
        ("/commands", {"command": []}, "command must be a line for bash, or a list"),
        ("/commands", {"command": ["a", "\0"]}, "command has a NUL character in one of its arguments"),
        ("/commands", {"command": "a", "cwd": "\0"}, "cwd has a NUL character"),
        ("/commands", {"command": "a", "background": 1}, "background must be true"),
        ("/commands", {"command": "a", "stdin": "x" * (1024 * 1024 + 1)}, ""),
    ],
)
async def test_a_wrong_body_is_told(gateway: Gateway, path: str, body: dict[str, Json], says: str) -> None:
    """By its field and what is allowed; nothing changes."""
    address = (await create(gateway)) if path else SANDBOXES
    response = await gateway.ask(address + path, body)
    assert response.code == (400 if says else 413), response.body
    error = json_of(response)["error"]
    assert isinstance(error, dict)
    assert str(error["message"]).startswith(says)


def test_metadata_is_bounded_as_a_whole() -> None:
    """Each value alone may be long."""
    limits = CallerLimits.of(WebSettings(), Caller("k", "k"))
    for chars, is_right in ((METADATA_CHARS - 1, True), (METADATA_CHARS, False)):
        body = orjson.dumps({"metadata": {"a": "x" * chars}})
        with nullcontext() if is_right else pytest.raises(BadRequest, match="metadata is over the limit"):
            parse_new_sandbox(body, limits, Timeouts(1.0, 1.0))


async def test_a_token_is_needed_everywhere(gateway: Gateway) -> None:
    """Before anything is looked at."""
    for path in ("", "/x", "/x/contexts", "/x/commands", "/x/commands/y", "/x/commands/y/events"):
        assert (await gateway.ask(SANDBOXES + path, token=None)).code == 401
        assert (await gateway.ask(SANDBOXES + path)).code == (404 if path else 200)
