"""Links to files and the address they lead to, with the files and the signatures faked."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from gateway.core.model import Json
from tests.gateway.web.world import TOKEN, Gateway, json_of

LINKS = "/code-interpreter/sessions/there/links"
NAME = b"a b/\xff\n"


async def linked(gateway: Gateway, sent: dict[str, Json] | None = None) -> Any:
    """The answer to a request for a link to NAME."""
    gateway.files.held[NAME] = b"0123456789"
    return json_of(await gateway.ask(f"{LINKS}/{quote(NAME)}", b"" if sent is None else sent, method="POST"))


async def test_a_link_works_without_a_token(gateway: Gateway) -> None:
    """As a download does with one: whole, in part, and as an attachment; the file's name ends the address."""
    answer = await linked(gateway)
    assert answer["expiresAt"] == "2023-11-14T22:23:20.000Z"
    assert answer["url"].startswith("/code-interpreter/downloads/")
    assert answer["url"].endswith("/a%20b/%FF%0A")
    got = await gateway.ask(answer["url"], token=None)
    assert (got.code, got.body) == (200, b"0123456789")
    assert got.headers["Content-Disposition"].startswith("attachment;")
    part = await gateway.ask(answer["url"], token=None, headers={"Range": "bytes=2-4"})
    assert (part.code, part.body) == (206, b"234")
    assert (await gateway.ask(answer["url"], token=None, method="HEAD")).code == 200
    del gateway.files.held[NAME]
    assert (await gateway.ask(answer["url"], token=None)).code == 404


async def test_a_link_is_for_one_file_and_to_read_it(gateway: Gateway) -> None:
    """Not for another, and not for another method; a token does not make up for a wrong link."""
    url = (await linked(gateway))["url"]
    gateway.files.held[b"other"] = b"1"
    for address in (url.rpartition("/a%20b")[0] + "/other", url + "2", "/code-interpreter/downloads/x/other"):
        for token in (None, TOKEN):
            assert (await gateway.ask(address, token=token)).code == 401
    for method in ("PUT", "DELETE", "POST", "PATCH"):
        body = None if method == "DELETE" else b""
        assert (await gateway.ask(url, body, token=None, method=method)).code == 405
    assert gateway.files.held == {NAME: b"0123456789", b"other": b"1"}


async def test_a_link_is_bound_by_the_other_rules(gateway: Gateway) -> None:
    """No page of another origin reads by it, no other name of this server leads to it, and no token is in the query."""
    url = (await linked(gateway))["url"]
    for headers, status in (({"Origin": "https://evil.example"}, 403), ({"Host": "evil.example"}, 421)):
        assert (await gateway.ask(url, token=None, headers=headers)).code == status
    assert (await gateway.ask(f"{url}?token=x", token=None)).code == 400


async def test_a_link_is_made_only_for_a_file_that_is_there(gateway: Gateway) -> None:
    """By who has a token, for a bounded time."""
    assert (await gateway.ask(f"{LINKS}/none", b"", method="POST")).code == 404
    gateway.files.held[b"f"] = b"1"
    assert (await gateway.ask(f"{LINKS}/f", b"{}", method="POST", token=None)).code == 401
    assert (await gateway.ask(f"{LINKS}/..%2Ff", b"{}", method="POST")).code == 400
    for sent, status in (
        ({"expiresIn": 1000}, 200),
        ({"expiresIn": 86_400_000}, 200),
        ({"expiresIn": 999}, 400),
        ({"expiresIn": 86_400_001}, 400),
        ({"expiresIn": "60"}, 400),
        ({"path": "f"}, 400),
    ):
        answer = await gateway.ask(f"{LINKS}/f", sent, method="POST")  # type: ignore[arg-type]  # whatever a client sends
        assert answer.code == status, sent


@pytest.mark.parametrize("form", ["{}", "%41{}", "x"])
async def test_no_link_is_logged(gateway: Gateway, form: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither one that works, nor one that is written differently or wrong."""
    url = (await linked(gateway))["url"]
    _, _, link, *rest = url.strip("/").split("/")
    capfd.readouterr()
    await gateway.ask("/".join(["/code-interpreter/downloads", form.format(link), *rest]), token=None)
    logged = "".join(capfd.readouterr())
    assert "/downloads/***/a%20b" in logged
    assert link not in logged
