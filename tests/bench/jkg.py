"""jupyter_kernel_gateway as its users have to use it for fresh runs: create a kernel, execute, delete it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import socket
import subprocess
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from tests.bench.plain import IMPORTS, KERNEL_PYTHON, ROOT

START_S = 60.0
RUN_S = 60.0


@dataclass(frozen=True, slots=True)
class Jkg:
    """A running jupyter_kernel_gateway."""

    port: int
    token: str

    async def run_fresh(self) -> None:
        """Create a kernel, import the data stack and print in it, wait for reply and idle, delete it."""
        answer = await self._ask("POST", "/api/kernels", json.dumps({"name": "bench"}))
        kernel_id = json.loads(answer)["id"]
        try:
            await asyncio.wait_for(self._execute(kernel_id, f"{IMPORTS}\nprint(1)"), RUN_S)
        finally:
            await self._ask("DELETE", f"/api/kernels/{kernel_id}", None)

    async def time_create(self) -> float:
        """How long creating a kernel takes, in ms, until the answer is there; it is deleted untimed."""
        begun = time.perf_counter()
        answer = await self._ask("POST", "/api/kernels", json.dumps({"name": "bench"}))
        took_ms = (time.perf_counter() - begun) * 1000
        await self._ask("DELETE", f"/api/kernels/{json.loads(answer)['id']}", None)
        return took_ms

    async def _ask(self, method: str, path: str, body: str | None) -> bytes:
        url = f"http://127.0.0.1:{self.port}{path}"
        request = HTTPRequest(url, method, self._headers(), body, request_timeout=RUN_S)
        return (await AsyncHTTPClient().fetch(request)).body

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"token {self.token}", "Content-Type": "application/json"}

    async def _execute(self, kernel_id: str, code: str) -> None:
        url = f"ws://127.0.0.1:{self.port}/api/kernels/{kernel_id}/channels"
        connection = await websocket_connect(HTTPRequest(url, headers=self._headers()))
        try:
            request = _execute_request(code)
            await connection.write_message(json.dumps(request))
            missing, printed = {"reply", "idle"}, False
            while missing or not printed:
                message = await connection.read_message()
                if message is None:
                    raise RuntimeError("the kernel gateway closed the connection")
                kind = _meaning(json.loads(message), request["header"]["msg_id"])
                missing.discard(kind)
                printed = printed or kind == "output"
        finally:
            connection.close()


def _execute_request(code: str) -> dict[str, Any]:
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": "execute_request",
        "session": uuid.uuid4().hex,
        "username": "bench",
        "version": "5.3",
    }
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    return {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell", "buffers": []}


def _meaning(message: dict[str, Any], msg_id: str) -> str:
    """Which of output, idle and reply *message* is for our request; anything else is empty text."""
    if message["parent_header"].get("msg_id") != msg_id:
        return ""
    match message["header"]["msg_type"]:
        case "stream":
            return "output" if message["content"]["text"].strip() == "1" else ""
        case "execute_reply":
            return "reply"
        case "error":
            raise RuntimeError(message["content"]["evalue"])
        case "status" if message["content"]["execution_state"] == "idle":
            return "idle"
    return ""


@contextlib.asynccontextmanager
async def kernel_gateway(folder: Path) -> AsyncIterator[Jkg]:
    """jupyter_kernel_gateway with one kernelspec: ipykernel in the environment of the gateway's own kernels."""
    spec = folder / "data/kernels/bench"
    spec.mkdir(parents=True)
    argv = [str(KERNEL_PYTHON), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "bench", "language": "python"}))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    jkg = Jkg(port, secrets.token_hex(16))
    options: dict[str, object] = {"ip": "127.0.0.1", "port": port, "auth_token": jkg.token, "default_kernel_name": "bench"}
    process = _start(folder, options)
    try:
        await _wait_ready(jkg, process)
        yield jkg
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _start(folder: Path, options: dict[str, object]) -> subprocess.Popen[bytes]:
    command = [str(ROOT / ".venv-bench/bin/jupyter-kernelgateway")]
    directories = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("DATA", "RUNTIME", "CONFIG")}
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [*command, *(f"--KernelGatewayApp.{name}={value}" for name, value in options.items())],
            env={**os.environ, **directories},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


async def _wait_ready(jkg: Jkg, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, HTTPClientError):
            await jkg._ask("GET", "/api/kernelspecs", None)
            return
        await asyncio.sleep(0.1)
    raise RuntimeError(f"jupyter_kernel_gateway did not start (exit {process.poll()})")
