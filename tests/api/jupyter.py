"""A plain Jupyter client: the REST calls and the WebSocket of one kernel, with nothing of Jupyter's own code."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import struct
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from tests.live import Gateway

WAIT_S = 20.0
V1 = "v1.kernel.websocket.jupyter.org"

Message = dict[str, Any]


def request(kind: str, content: dict[str, Any], channel: str = "shell", session: str = "test") -> Message:
    """A message as a client sends it."""
    header = {
        "msg_id": uuid.uuid4().hex,
        "msg_type": kind,
        "username": "ada",
        "session": session,
        "date": "2026-01-01T00:00:00.000000Z",
        "version": "5.3",
    }
    return {"channel": channel, "header": header, "parent_header": {}, "metadata": {}, "content": content, "buffers": []}


def execute(code: str, **content: object) -> Message:
    """An execute_request."""
    usual = {"silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": True, "stop_on_error": True}
    return request("execute_request", {"code": code, **usual, **content})


@dataclass
class Channels:
    """One WebSocket of one kernel; *seen* is all it got."""

    socket: WebSocketClientConnection
    protocol: str | None = None
    seen: list[Message] = field(default_factory=list)
    has_ended: bool = False

    async def send(self, message: Message) -> str:
        """Send, and answer with the message's id."""
        data = _pack_v1(message) if self.protocol == V1 else json.dumps(message)
        await self.socket.write_message(data, binary=self.protocol == V1)
        return str(message["header"]["msg_id"])

    async def next(self) -> Message:
        """The next message; EOFError when the connection is closed."""
        data = await asyncio.wait_for(self.socket.read_message(), WAIT_S)
        if data is None:
            self.has_ended = True
            raise EOFError(f"{self.socket.close_code} {self.socket.close_reason}")
        message = _unpack(data, self.protocol)
        self.seen.append(message)
        return message

    async def until(self, is_wanted: Callable[[Message], bool]) -> list[Message]:
        """What comes, up to and with the first message that is wanted."""
        got = [await self.next()]
        while not is_wanted(got[-1]):
            got.append(await self.next())
        return got

    async def run(self, code: str, **content: object) -> list[Message]:
        """All messages about one execution, its reply the last."""
        msg_id = await self.send(execute(code, **content))
        got = await self.until(lambda message: is_reply(message, msg_id))
        return [message for message in got if message["parent_header"].get("msg_id") == msg_id]

    async def close(self) -> None:
        """Close it, and wait until the gateway knows."""
        self.socket.close()
        if not self.has_ended:
            with contextlib.suppress(EOFError):
                while True:
                    await self.next()


def is_reply(message: Message, msg_id: str) -> bool:
    """Whether it is the reply to the request *msg_id*."""
    return str(message["msg_type"]).endswith("_reply") and message["parent_header"].get("msg_id") == msg_id


def texts(messages: list[Message], name: str = "stdout") -> str:
    """What was printed."""
    return "".join(
        message["content"]["text"]
        for message in messages
        if message["msg_type"] == "stream" and message["content"]["name"] == name
    )


def kinds(messages: list[Message]) -> list[str]:
    """Channel and type of each, states with what they say."""
    return [":".join((message["channel"], message["msg_type"], *_state(message))) for message in messages]


def _state(message: Message) -> list[str]:
    return [message["content"]["execution_state"]] if message["msg_type"] == "status" else []


@dataclass(frozen=True)
class Jupyter:
    """A caller of one gateway's Jupyter API; *opened* are its WebSockets."""

    gateway: Gateway
    opened: list[Channels] = field(default_factory=list)

    async def close(self) -> None:
        """Close all of them."""
        for channels in self.opened:
            await channels.close()

    def start(self, body: object = b"", **options: Any) -> str:
        """The id of a new kernel."""
        reply = self.gateway.ask("POST", "/api/kernels", body, **options)
        assert reply.status == 201, reply
        return str(reply.body["id"])

    @contextlib.asynccontextmanager
    async def kernel(self, body: object = b"") -> AsyncIterator[str]:
        """A kernel, deleted afterwards."""
        kernel_id = self.start(body)
        try:
            yield kernel_id
        finally:
            self.gateway.ask("DELETE", f"/api/kernels/{kernel_id}")

    def model(self, kernel_id: str) -> Any:
        """The kernel as the API shows it."""
        reply = self.gateway.ask("GET", f"/api/kernels/{kernel_id}")
        assert reply.status == 200, reply
        return reply.body

    async def connect(
        self, kernel_id: str, session_id: str = "", protocol: str | None = None, *, prefix: str = "", query: str = ""
    ) -> Channels:
        """A WebSocket of the kernel."""
        url = f"ws://127.0.0.1:{self.gateway.port}{prefix}/api/kernels/{kernel_id}/channels?{query}"
        url += f"&session_id={session_id}" if session_id else ""
        is_plain = not prefix and not query
        headers = {"Authorization": f"token {self.gateway.token}"} if is_plain else {}
        socket = await websocket_connect(
            HTTPRequest(url, headers=headers),
            subprotocols=[protocol] if protocol else None,
            max_message_size=64 * 1024 * 1024,
        )
        channels = Channels(socket, protocol)
        self.opened.append(channels)
        assert socket.selected_subprotocol == protocol
        return channels


# ---- the layouts of the documentation, written down a second time -----------------------------------------------------


def _pack_v1(message: Message) -> bytes:
    names = ("header", "parent_header", "metadata", "content")
    parts = [message["channel"].encode(), *(json.dumps(message[name]).encode() for name in names), *message["buffers"]]
    start = 8 * (len(parts) + 2)
    offsets = [start + sum(map(len, parts[:count])) for count in range(len(parts) + 1)]
    return b"".join([struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets), *parts])


def _unpack(data: str | bytes, protocol: str | None) -> Message:
    if isinstance(data, str):
        return dict(json.loads(data, parse_constant=_refuse))
    if protocol != V1:
        count = int.from_bytes(data[:4], "big")
        offsets = [*struct.unpack_from(f"!{count}I", data, 4), len(data)]
        text, *buffers = [data[low:high] for low, high in itertools.pairwise(offsets)]
        return {**json.loads(text), "buffers": buffers}
    count = int.from_bytes(data[:8], "little")
    offsets = list(struct.unpack_from(f"<{count}Q", data, 8))
    channel, *parts = [data[low:high] for low, high in itertools.pairwise(offsets)]
    header, parent, metadata, content = (json.loads(part, parse_constant=_refuse) for part in parts[:4])
    return {
        "channel": channel.decode(),
        "msg_type": header["msg_type"],
        "header": header,
        "parent_header": parent,
        "metadata": metadata,
        "content": content,
        "buffers": parts[4:],
    }


def _refuse(word: str) -> None:
    raise AssertionError(f"{word} is not JSON")
