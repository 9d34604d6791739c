"""Stands in for the conftest of jupyter_kernel_gateway's own tests: the fixtures they use, all about a gateway that runs.

Copied beside those tests, which it does not change. Which of them are kept test_jkg_suite.py says.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import types
from collections.abc import Iterator
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.websocket import WebSocketClientConnection, websocket_connect

URL, TOKEN = os.environ["GATEWAY_URL"], os.environ["GATEWAY_TOKEN"]
THEIR_TOKEN = "fake-token"
"""What the tests call the configured token."""
KEPT, LEFT_OUT = (set(os.environ[name].split()) for name in ("KEPT_TESTS", "LEFT_OUT_TESTS"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that are not about what a client sees; every test must be on one of the lists."""
    if unknown := {_name(item) for item in items} ^ (KEPT | LEFT_OUT):
        raise pytest.UsageError(f"tests that are on no list, or not there: {sorted(unknown)}")
    config.hook.pytest_deselected(items=[item for item in items if _name(item) not in KEPT])
    items[:] = [item for item in items if _name(item) in KEPT]


def _name(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[2].partition("[")[0].replace("::", ".")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine in a loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters if name != "self"}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture
def jp_argv() -> list[str]:
    """Options of their server; here the gateway is configured once, in the way those say."""
    return []


@pytest.fixture
def jp_http_port() -> int:
    """Where the gateway listens."""
    return int(URL.rpartition(":")[2])


@pytest.fixture
def jp_base_url() -> str:
    """What stands before every address."""
    return "/"


@pytest.fixture
def jp_web_app() -> types.SimpleNamespace:
    """What they set to list kernels, and to configure what does not matter to the tests that are kept."""
    return types.SimpleNamespace(settings={})


@pytest.fixture
def jp_fetch() -> Any:
    """A function that asks the gateway, raising HTTPClientError."""

    async def fetch(*parts: str, headers: dict[str, str] | None = None, **options: Any) -> HTTPResponse:
        request = HTTPRequest(
            "/".join((URL, *parts)), headers=_with_token(headers), allow_nonstandard_methods=True, **options
        )
        return await AsyncHTTPClient().fetch(request)

    return fetch


@pytest.fixture
def jp_ws_fetch() -> Any:
    """A function that opens a WebSocket, raising HTTPClientError."""

    async def connect(*parts: str, headers: dict[str, str] | None = None) -> WebSocketClientConnection:
        url = "/".join((URL.replace("http:", "ws:", 1), *parts))
        return await websocket_connect(HTTPRequest(url, headers=_with_token(headers)))

    return connect


def _with_token(headers: dict[str, str] | None) -> dict[str, str]:
    if headers is None or "Authorization" not in headers:
        return {**(headers or {}), "Authorization": f"token {TOKEN}"}
    return {name: value.replace(THEIR_TOKEN, TOKEN) for name, value in headers.items()}


@pytest.fixture(autouse=True)
def _no_kernels() -> Iterator[None]:
    """Each test begins without kernels and sessions, as with a server of its own."""
    asyncio.run(_end_kernels())
    yield
    asyncio.run(_end_kernels())


async def _end_kernels() -> None:
    client, headers = AsyncHTTPClient(), _with_token(None)
    for what in ("sessions", "kernels"):
        found = json.loads((await client.fetch(f"{URL}/api/{what}", headers=headers)).body)
        for item in found:
            await client.fetch(f"{URL}/api/{what}/{item['id']}", method="DELETE", headers=headers)
