"""Real kernels for tests: forked from a real preloaded process, spoken to through jupyter_client's Session over ipc."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import zmq
from jupyter_client.session import Session

from tests.live import HANG_S

ROOT = Path(__file__).resolve().parents[3]
PYTHON = Path(os.environ.get("OMEGA_KERNEL_PYTHON", ROOT / ".venv-kernels" / "bin" / "python"))
Host = Callable[[dict[str, Any]], dict[str, Any] | None]
"""Answers a call with its output or an error, or not at all."""
CHANNELS = ("shell", "iopub", "stdin", "control")
PATIENCE_S = 60.0
"""How long a kernel may be silent; what it says takes as long as it takes on this machine."""
LONGEST_S = 300.0
"""When a run that goes on and on is given up."""


@dataclass
class Reply:
    """Everything one request was answered with."""

    content: dict[str, Any]
    metadata: dict[str, Any]
    messages: list[dict[str, Any]] = field(default_factory=list)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The contents of all iopub messages of *kind*, in order."""
        return [message["content"] for message in self.messages if message["msg_type"] == kind]

    def text(self, stream: str | None = None) -> str:
        """What was written, of one stream or of both in order."""
        return "".join(part["text"] for part in self.of("stream") if stream in (None, part["name"]))

    @property
    def status(self) -> str:
        """ok, error or aborted."""
        return str(self.content["status"])

    @property
    def traceback(self) -> str:
        """The plain traceback."""
        return "\n".join(self.content["traceback"])

    @property
    def variables(self) -> dict[str, Any]:
        """The variables of the omega metadata."""
        return dict(self.metadata["omega"]["variables"])

    @property
    def result(self) -> dict[str, Any]:
        """The MIME bundle of the last expression; empty when there was none."""
        found = self.of("execute_result")
        return dict(found[-1]["data"]) if found else {}

    def images(self, mime: str = "image/png") -> list[bytes]:
        """All pictures of a type, in order."""
        bodies = [part["data"][mime] for part in self.of("display_data") if mime in part["data"]]
        return [base64.b64decode(body) if mime == "image/png" else body.encode() for body in bodies]


class ForkServer:
    """A preloaded process that kernels are forked from."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        script = Path(__file__).with_name("forkserver.py")
        self._process = subprocess.Popen(
            [PYTHON, "-I", script, str(theirs.fileno())], pass_fds=[theirs.fileno()], env={"PATH": "/usr/bin:/bin"}
        )
        theirs.close()
        self._socket = ours
        self.ready = self._answer()

    def _answer(self) -> dict[str, Any]:
        data = self._socket.recv(1024 * 1024)
        if not data:
            raise RuntimeError("the fork server died")
        return dict(json.loads(data))

    def start(self, request: dict[str, Any], fds: list[int]) -> int:
        """Fork a kernel; answers with its pid."""
        socket.send_fds(self._socket, [json.dumps({"op": "start", **request}).encode()], fds)
        return int(self._answer()["pid"])

    def wait(self, pid: int) -> dict[str, Any]:
        """How the kernel ended and what it used."""
        self._socket.send(json.dumps({"op": "wait", "pid": pid}).encode())
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._socket.close()
        self._process.wait(HANG_S)


class TestKernel:
    """One kernel and a client of it."""

    __test__ = False

    def __init__(
        self, server: ForkServer, directory: Path, env: dict[str, str] | None = None, language: str = "python"
    ) -> None:
        self._server = server
        self.language = language
        self.work = directory / "work"
        self.work.mkdir()
        self.key = uuid4().hex
        self.ended: dict[str, Any] | None = None
        listeners = [_listen(directory / channel) for channel in CHANNELS]
        self.context = zmq.Context()
        self.session = Session(key=self.key.encode(), username="test")
        self.iopub = self._connect(zmq.SUB, directory / "iopub")
        self.iopub.subscribe(b"")
        self.shell = self._connect(zmq.DEALER, directory / "shell")
        self.control = self._connect(zmq.DEALER, directory / "control")
        request = {
            "kernel_id": uuid4().hex,
            "key": self.key,
            "env": env or {},
            "work_dir": str(self.work),
            "language": language,
        }
        self.pid = server.start(request, [listener.fileno() for listener in listeners])
        for listener in listeners:
            listener.close()
        self.welcome = self._receive(self.iopub)
        assert self.welcome["msg_type"] == "iopub_welcome"

    def _connect(self, kind: int, path: Path) -> zmq.Socket[bytes]:
        made = self.context.socket(kind)
        made.linger = 0
        made.connect(f"ipc://{path}")
        return made

    def _receive(self, source: zmq.Socket[bytes], patience_s: float = PATIENCE_S) -> dict[str, Any]:
        if not source.poll(int(patience_s * 1000)):
            raise TimeoutError("the kernel did not answer")
        _idents, message = self.session.recv(source)
        assert message is not None
        return dict(message)

    def send(self, code: str, omega: dict[str, Any] | None = None, **content: Any) -> str:
        """Send an execute request; answers with its id."""
        body = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": False}
        metadata = {} if omega is None else {"omega": omega}
        message = self.session.send(self.shell, "execute_request", {**body, **content}, metadata=metadata)
        assert message is not None
        return str(message["header"]["msg_id"])

    def collect(self, request: str, patience_s: float = PATIENCE_S, host: Host | None = None) -> Reply:
        """Everything up to reply and idle of *request*; raises TimeoutError where none comes for so long."""
        reply, is_idle = None, False
        messages: list[dict[str, Any]] = []
        ends_at = time.monotonic() + LONGEST_S
        poller = zmq.Poller()
        for source in (self.shell, self.iopub):
            poller.register(source, zmq.POLLIN)
        while reply is None or not is_idle:
            ready = dict(poller.poll(int(patience_s * 1000)))
            if not ready or time.monotonic() > ends_at:
                raise TimeoutError(f"no end of the run; {len(messages)} messages so far, the last {messages[-3:]}")
            for source in ready:
                message = self._receive(source)
                if message["parent_header"].get("msg_id") != request:
                    continue
                if source is self.shell:
                    reply = message
                elif message["msg_type"] == "status":
                    is_idle = message["content"]["execution_state"] == "idle"
                else:
                    messages.append(message)
                    self._serve(message, host)
        return Reply(reply["content"], reply["metadata"], messages)

    def _serve(self, message: dict[str, Any], host: Host | None) -> None:
        if message["msg_type"] == "omega_tool_call" and host is not None:
            said = host(message["content"])
            if said is not None:
                self.answer(message["content"], said)

    def run(self, code: str = "", task: str = "", inputs: dict[str, Any] | None = None, **more: Any) -> Reply:
        """Run *code* as one of our tasks."""
        omega = {"task": task or self.language, "inputs": inputs or {}, "variables": more.pop("variables", True)}
        omega["chart_bytes"] = more.pop("chart_bytes", 0)
        omega["picture_bytes"] = more.pop("picture_bytes", 0)
        return self.collect(self.send(code, omega), **more)

    def hosted(self, code: str, host: Host, *names: str, **omega: Any) -> Reply:
        """Run *code* with tools of these names, each with the parameters a and b; *host* answers their calls."""
        tools = [{"name": name, "description": f"Does {name}.", "order": ["a", "b"]} for name in names]
        task = {"task": self.language, "inputs": {}, "variables": True, "chart_bytes": 0}
        return self.collect(self.send(code, {**task, "tools": tools, **omega}), host=host)

    def answer(self, call: dict[str, Any], said: dict[str, Any]) -> None:
        """Answer a *call* as the gateway does."""
        self.session.send(self.control, "omega_tool_result", {"id": call["id"], **said})

    def plain(self, code: str, **content: Any) -> Reply:
        """Run *code* as a plain Jupyter client does."""
        return self.collect(self.send(code, None, **content))

    def ask(self, kind: str, content: dict[str, Any] | None = None, channel: str = "shell") -> dict[str, Any]:
        """The reply to a request of another kind."""
        source = self.shell if channel == "shell" else self.control
        self.session.send(source, kind, content or {})
        return self._receive(source)

    def interrupt(self) -> None:
        """SIGINT, as the spawner sends it."""
        os.kill(self.pid, signal.SIGINT)

    def wait(self) -> dict[str, Any]:
        """How the kernel ended, once it has."""
        if self.ended is None:
            self.ended = self._server.wait(self.pid)
        return self.ended

    def close(self) -> dict[str, Any]:
        """End the kernel and the client."""
        if self.ended is None:
            os.kill(self.pid, signal.SIGKILL)
        self.context.destroy(linger=0)
        return self.wait()


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(16)
    return listener
