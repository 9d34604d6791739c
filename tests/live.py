"""A real `omega serve` in its own state directory on a free port, for tests and the benchmark."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HANG_S = 240.0
"""Time that nothing takes on whatever machine: it ends what hangs, and no test fails for being slow."""
HANG_MS = int(HANG_S * 1000)
STREAMS: Mapping[str, list[str]] = {"include": ["streams"]}
"""The field of a run whose answer is to have stdout and stderr apart."""


def looks() -> Iterator[None]:
    """A loop's turns, for as long as anything takes: for what another process does, which there is nothing to wait on."""
    deadline = time.monotonic() + HANG_S
    while time.monotonic() < deadline:
        yield


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer: *body* is the decoded JSON, or the text when it is none."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway and how to ask it."""

    url: str
    token: str
    pid: int
    port: int
    state_dir: Path
    log: Path

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = HANG_S,
    ) -> Reply:
        """Ask over a connection of its own, with the token unless *headers* has another Authorization.

        *body* is sent as it is when it is bytes, else as JSON.
        """
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        data: bytes | None = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.getheaders()), _decode(answer.read()))
        finally:
            connection.close()

    def run(self, code: str, **fields: object) -> Any:
        """The answer's body for running Python *code*; anything but HTTP 200 is an AssertionError."""
        reply = self.ask("POST", "/code-interpreter/python", {"code": code, **fields}, timeout_s=patience_s(fields))
        assert reply.status == 200, reply
        return reply.body


def patience_s(fields: Mapping[str, object]) -> float:
    """How long to wait for the answer to a run with these *fields*: longer than the run may take."""
    asked = fields.get("timeout")
    return HANG_S + (asked / 1000 if isinstance(asked, int | float) else 0)


def _decode(data: bytes) -> Any:
    """Strict JSON, or text: NaN and infinities, which Python's reader would take, are a failure."""
    try:
        return json.loads(data, parse_constant=_refuse)
    except ValueError:
        return data.decode("utf-8", "replace")


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")


@contextlib.contextmanager
def serving(*options: str, env: Mapping[str, str] | None = None) -> Iterator[Gateway]:
    """A gateway with the command line *options*, ready to answer; stopped by SIGTERM, its directory removed."""
    with tempfile.TemporaryDirectory(prefix="omega-test-") as folder, contextlib.ExitStack() as stack:
        process, gateway = start(Path(folder), *options, env=env)
        stack.callback(stop, process)
        wait_ready(gateway, process)
        yield gateway
        stop(process)
        assert not (left := list((gateway.state_dir.parent / "tmp").iterdir())), f"files left behind: {left}"


def start(
    folder: Path,
    *options: str,
    env: Mapping[str, str | None] | None = None,
    launcher: Sequence[str] = (sys.executable,),
) -> tuple[subprocess.Popen[bytes], Gateway]:
    """Start a gateway whose files are all in *folder*; it may not answer yet. The caller stops it.

    *env* comes on top of this process's environment; None takes a variable away.
    """
    port, token = _free_port(), secrets.token_urlsafe(32)
    (temp := folder / "tmp").mkdir(exist_ok=True)
    log = folder / "log"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMEGA_", "XDG_"))}
    changed = {**kept, "TMPDIR": str(temp), "OMEGA_TOKEN": token, **(env or {})}
    command = [*launcher, "-m", "gateway", "serve", "--port", str(port), "--state-dir", str(folder / "state")]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, *options],
            cwd=Path(__file__).resolve().parents[1],
            env={name: value for name, value in changed.items() if value is not None},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    return process, Gateway(url, token, process.pid, port, folder / "state", log)


def wait_ready(gateway: Gateway, process: subprocess.Popen[bytes]) -> None:
    """Return once the gateway answers; AssertionError with its log when it ended or never came."""
    deadline = time.monotonic() + HANG_S
    while time.monotonic() < deadline:
        ended = process.poll()
        with contextlib.suppress(OSError, http.client.HTTPException):
            if ended is None and gateway.ask("GET", "/code-interpreter/health", timeout_s=5).status == 200:
                return
        if ended is not None:
            break
        time.sleep(0.05)  # another process: there is nothing to wait on before it listens
    raise AssertionError(f"the gateway did not start (exit {process.poll()}):\n{gateway.log.read_text()[-8000:]}")


def stop(process: subprocess.Popen[bytes]) -> int:
    """End the gateway as an operator would (SIGTERM) and answer its exit status; AssertionError when it hangs."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(HANG_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"the gateway did not end within {HANG_S} s of SIGTERM") from None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
