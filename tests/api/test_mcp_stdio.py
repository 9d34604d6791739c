"""``omega mcp``: the same protocol on stdin and stdout."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway import mcp_stdio
from gateway.mcp_stdio import Address, Bridge
from tests.live import HANG_S, Gateway

pytestmark = pytest.mark.kernel

META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}


@dataclass(frozen=True)
class Talk:
    """A running ``omega mcp``."""

    process: subprocess.Popen[str]

    def send(self, message: object) -> None:
        """Write one line."""
        assert self.process.stdin is not None
        self.process.stdin.write((message if isinstance(message, str) else json.dumps(message)) + "\n")
        self.process.stdin.flush()

    def read(self) -> Any:
        """The next line."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def ask(self, method: str, about: object = 1, **params: object) -> Any:
        """The answer to a request, when no other is under way."""
        self.send({"jsonrpc": "2.0", "id": about, "method": method, "params": params})
        return self.read()

    def end(self) -> int:
        """The exit code, once stdin has ended."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(HANG_S)


@contextlib.contextmanager
def talking(*options: str, env: Mapping[str, str]) -> Iterator[Talk]:
    """``omega mcp`` with the command line *options*."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OMEGA_") or name.endswith("_PYTHON")}
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "mcp", *options],
        cwd=Path(__file__).resolve().parents[2],
        env={**kept, **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Talk(process)
        finally:
            process.kill()


@pytest.fixture
def talk(gateway: Gateway) -> Iterator[Talk]:
    """A talk with the session's gateway."""
    with talking("--url", gateway.url, env={"OMEGA_TOKEN": gateway.token}) as made:
        yield made


def call(code: str, about: object, **more: object) -> dict[str, object]:
    """A request to run *code*."""
    params = {"name": "code_execute_python", "arguments": {"code": code, **more}}
    return {"jsonrpc": "2.0", "id": about, "method": "tools/call", "params": params}


def cancel(about: object) -> dict[str, object]:
    """The message that cancels a request."""
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": about}}


def text_of(answer: Any) -> str:
    """What a model reads."""
    return str(answer["result"]["content"][0]["text"])


def test_both_eras_are_spoken_a_line_each(talk: Talk) -> None:
    """A modern client has its headers made of its messages; names need not be ASCII."""
    assert talk.ask("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo={})["result"]["serverInfo"]
    talk.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert talk.ask("ping", "é")["id"] == "é"
    assert talk.ask("server/discover", _meta=META)["result"]["supportedVersions"][0] == "2026-07-28"
    arguments = {"code": "print('hé\\n' * 2)"}
    answer = talk.ask("tools/call", 7, _meta=META, name="code_execute_python", arguments=arguments)
    assert (answer["id"], text_of(answer)) == (7, "hé\nhé")
    refused = talk.ask("resources/read", 8, _meta=META, uri="omega://sessions/é/files")
    assert (refused["id"], refused["error"]["code"]) == (8, -32602)
    assert talk.ask("nothing", 9)["error"]["code"] == -32601
    assert talk.end() == 0


def test_a_line_that_is_no_message_is_answered_and_the_next_one_too(talk: Talk) -> None:
    """An agent's mistake does not end its server."""
    talk.send("{")
    assert talk.read()["error"]["code"] == -32700
    talk.send("[" * 100_000)
    assert talk.read()["error"]["code"] == -32700
    talk.send("\n[1]")
    assert talk.read()["error"]["code"] == -32600
    assert talk.ask("ping")["result"] == {}


def test_calls_run_beside_one_another_and_can_be_cancelled(talk: Talk) -> None:
    """A short one is answered before a long one that began earlier."""
    talk.send(call("import time; time.sleep(200)", 1, timeout=250_000))
    talk.send(call("print('short')", 2))
    answer = talk.read()
    assert (answer["id"], text_of(answer)) == (2, "short")
    talk.send(cancel(1))
    assert talk.read()["id"] == 1
    talk.send(call("import time; time.sleep(200)", 3, timeout=250_000))
    assert talk.end() == 0, "the end of stdin cancels what is under way"


@dataclass(frozen=True)
class HeldAddress(Address):
    """An address whose connections open once a test lets them."""

    is_asked: threading.Event = field(default_factory=threading.Event)
    may_open: threading.Event = field(default_factory=threading.Event)

    def connect(self) -> http.client.HTTPConnection:
        self.is_asked.set()
        self.may_open.wait(HANG_S)
        return super().connect()


def test_a_call_is_cancelled_before_its_connection_is_open() -> None:
    """The gateway never hears of it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = HeldAddress("127.0.0.1", server.getsockname()[1], is_tls=False, path="/mcp", token="t")

        def lines() -> Iterator[str]:
            yield json.dumps(call("1", 5))
            address.is_asked.wait(HANG_S)
            yield json.dumps(cancel(5))
            address.may_open.set()

        Bridge(address, output := io.StringIO()).run(lines())
        server.settimeout(HANG_S)
        connection, _address = server.accept()
        with connection:
            assert connection.recv(1) == b""
    assert json.loads(output.getvalue())["id"] == 5


def held(*calls: object) -> tuple[HeldAddress, Iterator[str]]:
    """An address where nobody listens, and the lines of *calls*: it lets them find that out after the last one."""
    address = HeldAddress("127.0.0.1", 1, is_tls=False, path="/mcp", token="t")

    def lines() -> Iterator[str]:
        yield from map(json.dumps, calls)
        address.may_open.set()

    return address, lines()


def test_a_cancellation_is_read_while_all_threads_are_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a call under way, and of one that waits; the one between them is carried out."""
    monkeypatch.setattr(mcp_stdio, "MAX_CALLS", 1)
    address, lines = held(call("1", 1), call("2", 2), call("3", 3), cancel(1), cancel(3))
    Bridge(address, output := io.StringIO()).run(lines)
    told = {answer["id"]: answer["error"]["message"] for answer in map(json.loads, output.getvalue().splitlines())}
    assert (told[1], told[3]) == ("The request was cancelled.", "The request was cancelled.")
    assert "is it running?" in told[2]


def test_more_than_may_wait_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that asks without end fills no memory."""
    monkeypatch.setattr(mcp_stdio, "MAX_CALLS", 0)
    monkeypatch.setattr(mcp_stdio, "MAX_WAITING", 0)
    address, lines = held(call("1", 1))
    Bridge(address, output := io.StringIO()).run(lines)
    assert json.loads(output.getvalue())["error"]["message"] == "0 requests wait already."


def test_a_gateway_that_is_not_there_is_told_to_the_agent() -> None:
    """As an answer to each request."""
    with talking("--url", "http://127.0.0.1:1", env={"OMEGA_TOKEN": "t" * 40}) as talk:
        answer = talk.ask("ping")
    assert (answer["id"], answer["error"]["code"]) == (1, 1000)
    assert "127.0.0.1:1" in answer["error"]["message"]


def test_a_wrong_token_is_told_to_the_agent(gateway: Gateway) -> None:
    """With the id of its request."""
    with talking("--url", gateway.url, env={"OMEGA_TOKEN": "t" * 43}) as talk:
        answer = talk.ask("ping", "a")
    assert (answer["id"], answer["error"]["data"]["code"]) == ("a", "unauthorized")


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://a", "http://", "http://a:0", "http://a:x"])
def test_a_wrong_address_is_refused_at_the_start(url: str) -> None:
    """In one sentence."""
    with talking("--url", url, env={"OMEGA_TOKEN": "t" * 40}) as talk:
        _, told = talk.process.communicate(timeout=HANG_S)
        assert talk.process.returncode == 2
    assert told == f"omega: --url is {url!r}: it must be like http://127.0.0.1:8080\n"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_gateway_of_its_own_ends_with_it(how: signal.Signals, tmp_path: Path) -> None:
    """However it ends."""
    with talking("--serve", env={"TMPDIR": str(tmp_path)}) as talk:
        assert text_of(talk.ask("tools/call", name="code_execute_python", arguments={"code": "1 + 1"})) == "2"
        (own,) = _children(talk.process.pid)
        talk.process.send_signal(how)
        deadline = time.monotonic() + HANG_S
        while Path(f"/proc/{own}").exists() and "State:\tZ" not in Path(f"/proc/{own}/status").read_text():
            assert time.monotonic() < deadline, "the gateway goes on"
            time.sleep(0.05)
        if how == signal.SIGTERM:
            assert talk.process.wait(HANG_S) == 128 + how
            assert list(tmp_path.iterdir()) == []


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
