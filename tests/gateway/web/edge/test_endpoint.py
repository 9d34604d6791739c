"""What every address promises: who may ask, one form for all errors, the same headers everywhere."""

from __future__ import annotations

import asyncio
import re
import weakref

import orjson
import pytest

from gateway.core import errors
from gateway.core.model import Result
from gateway.core.request import RunRequest
from gateway.web.api import run_bodies
from gateway.web.edge.failure import SECURITY_HEADERS
from gateway.web.routes import ROUTES, SOCKETS
from tests.gateway.web.world import TOKEN, Gateway
from tests.live import HANG_S

SERVED = [(route.path, route.endpoint) for route in (*ROUTES, *SOCKETS)]
ALL = [(path, method) for path, endpoint in SERVED for method in endpoint.allowed_methods()]
PRIVATE = [(path, method) for path, method in ALL if path != "/code-interpreter/health"]
BODY = b'{"code": "1"}'


def assert_failure(body: bytes, code: str) -> dict[str, str]:
    """*body* is the one form of a failure, with this code; its error. MCP's clients get theirs, with the same code."""
    answer = orjson.loads(body)
    if "jsonrpc" in answer:
        assert answer["error"]["data"]["code"] == code
        return dict(answer["error"]["data"])
    assert answer["success"] is False
    assert set(answer["error"]) == {"type", "message", "code", "traceback"}
    assert answer["error"]["code"] == code
    assert answer["error"]["traceback"] is None
    error: dict[str, str] = answer["error"]
    return error


def test_only_health_is_public() -> None:
    """A new address must need a token, unless this list says otherwise."""
    assert [path for path, endpoint in SERVED if endpoint.public] == ["/code-interpreter/health"]


@pytest.mark.parametrize(("path", "method"), PRIVATE)
@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic " + TOKEN}, {"Authorization": TOKEN}],
)
async def test_every_address_needs_a_token(gateway: Gateway, path: str, method: str, headers: dict[str, str]) -> None:
    """Without a right token nothing is told and nothing is run."""
    body = BODY if method == "POST" else None
    response = await gateway.ask(path, body, method=method, headers=headers, token=None)
    assert response.code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert_failure(response.body, "unauthorized")
    assert not gateway.runner.asked


@pytest.mark.parametrize(("path", "method"), ALL)
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "https://notebooks.example.evil.example"]
)
async def test_a_foreign_origin_is_refused_everywhere(gateway: Gateway, path: str, method: str, origin: str) -> None:
    """A web page elsewhere can't use the gateway, even one that got hold of a token."""
    response = await gateway.ask(path, BODY if method == "POST" else None, method=method, headers={"Origin": origin})
    assert response.code == 403
    assert_failure(response.body, "forbidden")
    assert not gateway.runner.asked


@pytest.mark.parametrize(("path", "method"), ALL)
@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example"])
async def test_a_foreign_host_is_refused_everywhere(gateway: Gateway, path: str, method: str, host: str) -> None:
    """A name rebound to our address (DNS rebinding) is not answered."""
    response = await gateway.ask(path, BODY if method == "POST" else None, method=method, headers={"Host": host})
    assert response.code == 421
    assert_failure(response.body, "misdirected")
    assert not gateway.runner.asked


@pytest.mark.parametrize(
    "path", [path for path, _ in ALL] + ["/nowhere", "/code-interpreter/health/", "/code-interpreter/healthx"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "PROPFIND"])
async def test_every_answer_has_the_security_headers(gateway: Gateway, path: str, method: str) -> None:
    """Errors too; and no answer tells which server it is."""
    response = await gateway.ask(path, BODY if method in ("POST", "PUT", "PATCH") else None, method=method)
    for name, value in SECURITY_HEADERS.items():
        assert response.headers.get_list(name) == [value]
    assert "Server" not in response.headers
    assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Run-Id"])
    if response.body and "json" in response.headers["Content-Type"]:
        assert response.body.endswith(b"\n")
    if response.code >= 400 and method != "HEAD":
        answer = orjson.loads(response.body)
        assert "error" in answer if path == "/mcp" else answer["success"] is False
    if response.code == 405:
        assert response.headers["Allow"] or path not in dict(ALL)


class Value(str):
    """What was read of a body, whose end can be seen."""


@pytest.mark.usefixtures("no_collector")
async def test_a_request_that_is_refused_leaves_nothing_behind(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its body, and what was read of it, are gone with the answer and not when garbage is collected."""
    seen: list[weakref.ref[Value]] = []

    def parse(_body: bytes, _timeouts: object, _uploads: object) -> None:
        value = Value("large")
        seen.append(weakref.ref(value))
        try:
            raise ValueError(value)
        except ValueError:
            raise errors.BadRequest("no") from None

    monkeypatch.setattr(run_bodies, "parse_python", parse)
    response = await gateway.ask("/code-interpreter/python", BODY)
    assert response.code == 400
    async with asyncio.timeout(HANG_S):
        while seen[0]() is not None:  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "token", "Token"])
async def test_the_token_may_come_as_bearer_or_as_token(gateway: Gateway, scheme: str) -> None:
    """Jupyter's clients say token, all others Bearer."""
    response = await gateway.ask(
        "/code-interpreter/python", BODY, headers={"Authorization": f"{scheme} {TOKEN}"}, token=None
    )
    assert response.code == 200


async def test_own_and_allowed_origins_are_let_in(gateway: Gateway) -> None:
    """Only an allowed foreign origin is told that it may read the answer."""
    own = await gateway.ask("/code-interpreter/examples", headers={"Origin": f"http://127.0.0.1:{gateway.port}"})
    assert own.code == 200
    assert "Access-Control-Allow-Origin" not in own.headers
    friend = await gateway.ask("/code-interpreter/examples", headers={"Origin": "https://notebooks.example"})
    assert friend.code == 200
    assert friend.headers["Access-Control-Allow-Origin"] == "https://notebooks.example"
    assert friend.headers["Vary"] == "Origin"


async def test_errors_too_can_be_read_by_an_allowed_origin(gateway: Gateway) -> None:
    """Otherwise a page could only say that something went wrong."""
    response = await gateway.ask("/code-interpreter/python", b"{", headers={"Origin": "https://notebooks.example"})
    assert response.code == 400
    assert response.headers.get_list("Access-Control-Allow-Origin") == ["https://notebooks.example"]


async def test_a_preflight_is_answered_for_allowed_origins_alone(gateway: Gateway) -> None:
    """A browser asks without a token whether it may send one."""
    asks = {"Origin": "https://notebooks.example", "Access-Control-Request-Method": "POST"}
    response = await gateway.ask("/code-interpreter/python", method="OPTIONS", headers=asks, token=None)
    assert response.code == 204
    assert response.headers["Access-Control-Allow-Methods"] == "POST"
    assert response.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type"
    foreign = await gateway.ask(
        "/code-interpreter/python", method="OPTIONS", headers={**asks, "Origin": "https://evil.example"}, token=None
    )
    assert foreign.code == 403


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/mixed", "application/jsonp"])
async def test_a_body_that_is_not_declared_as_json_is_refused(gateway: Gateway, kind: str) -> None:
    """The answer says which header to set."""
    response = await gateway.ask("/code-interpreter/python", BODY, headers={"Content-Type": kind})
    assert response.code == 415
    assert "Content-Type: application/json" in assert_failure(response.body, "unsupported_media_type")["message"]
    assert not gateway.runner.asked


@pytest.mark.parametrize(
    ("path", "status"), [("python", 400), ("chart", 400), ("notebook", 400), ("math", 415), ("javascript", 415)]
)
async def test_json_that_is_declared_as_a_form_does_not_run(gateway: Gateway, path: str, status: int) -> None:
    """A form is read as one where it may bring files, and refused elsewhere."""
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert (await gateway.ask(f"/code-interpreter/{path}", BODY, headers=form)).code == status
    unreadable = await gateway.ask("/code-interpreter/python", BODY, headers={"Content-Type": "multipart/form-data"})
    assert unreadable.code == 415
    assert not gateway.runner.asked


@pytest.mark.parametrize("sent", [{"Origin": "https://evil.example"}, {"Authorization": ""}])
async def test_a_form_of_another_page_is_refused(gateway: Gateway, sent: dict[str, str]) -> None:
    """Any web page can post a form: its Origin, or the token that it does not have, says that nobody meant it."""
    form = b'--x\r\nContent-Disposition: form-data; name="code"\r\n\r\n1\r\n--x--\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    token = None if "Authorization" in sent else TOKEN
    headers = {**kind, **{name: value for name, value in sent.items() if value}}
    assert (await gateway.ask("/code-interpreter/python", form, headers=headers, token=token)).code in (401, 403)
    assert not gateway.runner.asked
    assert (await gateway.ask("/code-interpreter/python", form, headers=kind)).code == 200
    assert gateway.runner.asked


async def test_json_may_name_its_charset(gateway: Gateway) -> None:
    """UTF-8 is the only one there is."""
    for kind, status in (
        ("application/json; charset=utf-8", 200),
        ('Application/JSON;charset="UTF-8"', 200),
        ("application/json; charset=latin-1", 415),
    ):
        response = await gateway.ask("/code-interpreter/python", BODY, headers={"Content-Type": kind})
        assert response.code == status


async def test_a_compressed_body_is_refused(gateway: Gateway) -> None:
    """A small one could become endless."""
    response = await gateway.ask("/code-interpreter/python", BODY, headers={"Content-Encoding": "gzip"})
    assert response.code == 415


@pytest.mark.parametrize(
    "kind", [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.GatewayError)]
)
async def test_each_expected_failure_has_its_status_and_code(gateway: Gateway, kind: type[errors.GatewayError]) -> None:
    """A client decides by status and code, and waits as long as it is told."""

    def fail(_request: RunRequest) -> Result:
        raise kind("So it is.", retry_after_s=1.2)

    gateway.runner.answer = fail
    response = await gateway.ask("/code-interpreter/python", BODY)
    assert response.code == kind.status
    error = assert_failure(response.body, kind.code)
    assert (error["type"], error["message"]) == (kind.__name__, "So it is.")
    assert response.headers["Retry-After"] == "2"


@pytest.mark.parametrize("fault", [ValueError("secret detail"), RecursionError("secret detail"), KeyError("secret detail")])
async def test_a_fault_of_ours_says_nothing_but_the_run_id(gateway: Gateway, fault: Exception) -> None:
    """The log has the rest."""

    def fail(_request: RunRequest) -> Result:
        raise fault

    gateway.runner.answer = fail
    response = await gateway.ask("/code-interpreter/python", BODY)
    assert response.code == 500
    assert assert_failure(response.body, "internal")["message"] == f"internal error (run {response.headers['X-Run-Id']})"
    assert b"secret" not in response.body


async def test_a_run_is_cancelled_when_its_client_goes_away(gateway: Gateway) -> None:
    """Nobody waits for the answer, so the kernel must not go on."""
    gateway.runner.waits_for = asyncio.Event()
    _reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request("POST", "/code-interpreter/python", BODY))
    await asyncio.wait_for(gateway.runner.started.wait(), HANG_S)
    assert not gateway.runner.cancelled.is_set()
    writer.close()
    await asyncio.wait_for(gateway.runner.cancelled.wait(), HANG_S)
    await asyncio.sleep(0)
    assert gateway.metrics.answered == [("/code-interpreter/python", "POST", 499)]


async def test_a_connection_serves_many_requests(gateway: Gateway) -> None:
    """Also after an error, as long as the body was read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    for body, status in ((BODY, 200), (b"{", 400), (b'{"code": ""}', 400), (BODY, 200)):
        writer.write(request("POST", "/code-interpreter/python", body))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HANG_S)
        assert int(head.split()[1]) == status
        length = re.search(rb"Content-Length: (\d+)", head)
        assert length is not None
        await reader.readexactly(int(length[1]))
    writer.close()
    await writer.wait_closed()


def request(method: str, path: str, body: bytes = b"", *more: str, length: str | None = None) -> bytes:
    """One request as bytes, with a right token."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {TOKEN}",
        "Content-Type: application/json",
        f"Content-Length: {len(body) if length is None else length}",
        *more,
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
