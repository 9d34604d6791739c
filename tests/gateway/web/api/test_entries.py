"""The addresses of names in a work directory, with the files themselves faked."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from gateway.core.files import parse_path
from gateway.core.model import Json
from tests.gateway.web.world import Gateway, json_of

ENTRIES = "/code-interpreter/sessions/there/entries"
JSON = {"Content-Type": "application/json"}
NAME = b"a b/\xff\n"


async def test_a_name_is_described(gateway: Gateway) -> None:
    """With its mode, owner and times; a digest is made if it is asked for."""
    gateway.files.held[NAME] = b"123"
    found: Any = json_of(await gateway.ask(f"{ENTRIES}/{quote(NAME)}"))
    assert found == {
        "path": "a b/\ufffd\n",
        "urlPath": "a%20b/%FF%0A",
        "type": "file",
        "size": 3,
        "modified": "2023-11-14T22:13:20.000Z",
        "sha256": "0" * 64,
        "mode": "0000",
        "owner": "session",
        "changed": "1970-01-01T00:00:00.000Z",
        "target": None,
    }
    await gateway.ask(f"{ENTRIES}/{quote(NAME)}?hashes=true")
    assert gateway.files.asked == [("stat", NAME, False), ("stat", NAME, True)]
    assert (await gateway.ask(f"{ENTRIES}/none")).code == 404
    assert (await gateway.ask(f"{ENTRIES}/{quote(NAME)}", method="HEAD")).code == 200


async def test_a_directory_is_made(gateway: Gateway) -> None:
    """With a body or without; a body that says something is refused."""
    for body in (b"", b"{}"):
        answer: Any = json_of(await gateway.ask(f"{ENTRIES}/{quote(NAME)}", body, method="PUT", headers=JSON))
        assert (answer["success"], answer["created"], answer["file"]["mode"]) == (True, True, "0755")
    assert gateway.files.asked == [("make", NAME)] * 2
    assert (await gateway.ask(f"{ENTRIES}/d", b'{"mode": "0700"}', method="PUT", headers=JSON)).code == 400
    assert len(gateway.files.asked) == 2


async def test_a_name_is_moved_or_gets_a_mode(gateway: Gateway) -> None:
    """What is asked for, and nothing is replaced unless it is asked."""
    gateway.files.held[b"f"] = b"1"
    changes: list[dict[str, Json]] = [{"path": "g/h"}, {"mode": "0644"}, {"mode": "600"}, {}]
    for sent in changes:
        address = "f" if "path" in sent else "g/h"
        answer: Any = json_of(await gateway.ask(f"{ENTRIES}/{address}", sent, method="PATCH"))
        assert (answer["success"], answer["file"]["path"]) == (True, "g/h")
    await gateway.ask(f"{ENTRIES}/g/h", {"path": "f", "replace": True}, method="PATCH")
    assert gateway.files.asked == [
        ("move", b"f", b"g/h", False),
        ("mode", b"g/h", 0o644),
        ("mode", b"g/h", 0o600),
        ("stat", b"g/h", False),
        ("move", b"g/h", b"f", True),
    ]


@pytest.mark.parametrize(
    "sent",
    [
        {"path": "../x"},
        {"path": "/x"},
        {"path": ""},
        {"path": "a\0"},
        {"path": "x" * 256},
        {"path": 1},
        {"path": "x", "mode": "0644"},
        {"mode": "0888"},
        {"mode": "4755"},
        {"mode": "644\n"},
        {"mode": 420},
        {"replace": "yes"},
        {"owner": "root"},
        b"[]",
        b"",
    ],
    ids=range(15),
)
async def test_a_change_that_can_not_be_meant_is_refused(gateway: Gateway, sent: Any) -> None:
    """In words; nothing is asked of the files."""
    gateway.files.held[b"f"] = b"1"
    answer = await gateway.ask(f"{ENTRIES}/f", sent, method="PATCH", headers=JSON)
    assert answer.code == 400
    assert gateway.files.asked == []


async def test_a_change_has_to_be_json(gateway: Gateway) -> None:
    """A form of another site is none."""
    gateway.files.held[b"f"] = b"1"
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        for method in ("PATCH", "PUT"):
            answer = await gateway.ask(f"{ENTRIES}/f", b"{}", method=method, headers={"Content-Type": kind})
            assert answer.code == 415
    assert gateway.files.asked == []


@pytest.mark.parametrize("name", ["..%2Fx", "a%2F..%2Fb", "%2Fx", "a//b", "a/", "a%00", "x" * 256])
async def test_a_name_that_could_mean_something_else_is_refused(gateway: Gateway, name: str) -> None:
    """By every method, before a session is looked for."""
    for method, body in (("GET", None), ("PUT", b""), ("PATCH", b"{}")):
        answer = await gateway.ask(f"{ENTRIES}/{name}", body, method=method, headers=JSON)
        assert answer.code == 400, method
    assert gateway.files.asked == []


@pytest.mark.parametrize("depth", ["0", "41", "-1", "1.5", "", "x", "1" * 5000, "\u0661"])
async def test_a_depth_is_a_small_number(gateway: Gateway, depth: str) -> None:
    """From 1 to the deepest listing."""
    files = ENTRIES.removesuffix("entries") + "files"
    assert (await gateway.ask(f"{files}?depth={quote(depth)}")).code == 400
    assert (await gateway.ask(f"{files}?depth=1&path=a")).code == 200
    assert (await gateway.ask(f"{files}?depth=40&depth=40")).code == 400
    assert gateway.files.asked == [("list", parse_path(b"a"), True, 1)]


async def test_deleting_what_is_not_there_can_be_asked_for(gateway: Gateway) -> None:
    """As a flag like others."""
    files = ENTRIES.removesuffix("entries") + "files"
    for query in ("", "?ignoreMissing=true", "?ignoreMissing=0&recursive=1"):
        assert (await gateway.ask(f"{files}/f{query}", method="DELETE")).code == 200
    assert gateway.files.asked == [
        ("delete", b"f", False, False),
        ("delete", b"f", False, True),
        ("delete", b"f", True, False),
    ]
    assert (await gateway.ask(f"{files}/f?ignoreMissing=maybe", method="DELETE")).code == 400
