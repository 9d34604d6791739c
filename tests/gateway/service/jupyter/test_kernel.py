"""A kernel of the Jupyter API while there is no process behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

from gateway.core.errors import Unavailable
from gateway.core.jupyter import Relayed, read
from gateway.kernel.client import KernelClient
from gateway.service.jupyter.kernel import MAX_WAITING, MAX_WAITING_BYTES, JupyterKernel, KernelRecipe


@dataclass
class Client:
    """A client that notes what it gets; see jupyter_listener.Listener."""

    got: list[Relayed] = field(default_factory=list)
    listener_id: str = "ada"
    session_id: str = ""
    taken_bytes: int = 0
    is_served: bool = True

    def deliver(self, messages: Sequence[Relayed]) -> None:
        self.got += messages

    def take_back(self) -> Sequence[Relayed]:
        return ()

    def end(self, code: int, reason: str) -> None:
        raise AssertionError(f"closed with {code}: {reason}")


async def none_to_be_had() -> KernelClient:
    raise Unavailable("There are no kernels.")


def asking(msg_id: str, text: str = "") -> Relayed:
    header = {"msg_id": msg_id, "msg_type": "execute_request"}
    return read("shell", [orjson.dumps(part) for part in (header, {}, {}, {"code": text})])


def refused(client: Client) -> list[str]:
    """Which requests were answered with an error."""
    return [message.head.parent_id for message in client.got if message.head.msg_type == "execute_reply"]


async def test_what_waits_for_a_process_is_bounded() -> None:
    """In number and in bytes; what is over is answered at once, and the rest keeps its place."""
    for text, room in (("", MAX_WAITING), ("x" * (MAX_WAITING_BYTES // 3), 2)):
        kernel, client = (
            JupyterKernel("k", KernelRecipe("python3", none_to_be_had, lambda _kernel: None, 1000), lambda: None),
            Client(),
        )
        kernel.connect(client)
        for number in range(room):
            kernel.send(asking(f"r{number}", text), client)
        assert refused(client) == []
        kernel.send(asking("over", text), client)
        assert refused(client) == ["over"]
