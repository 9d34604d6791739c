"""Messages that the gateway sends to Jupyter clients for a kernel: lost output, states, errors."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from gateway.core.backlog import Lost
from gateway.core.fold import cause_of
from gateway.core.jupyter import Channel, Head, Relayed, compose
from gateway.core.model import Death
from gateway.core.request_routing import EVERYBODY, RoutedRequest


class Words:
    """Makes the gateway's messages for one kernel."""

    def __init__(self, kernel_id: str) -> None:
        self._kernel_id = kernel_id

    def compose(
        self, channel: Channel, kind: str, content: dict[str, object], parent: Head | None, header: bytes
    ) -> Relayed:
        """A message of type *kind* about the request *parent*, whose header is *header*."""
        asked = parent or Head("", "")
        head = Head(uuid.uuid4().hex, kind, asked.msg_id, asked.msg_type, self._kernel_id)
        return compose(channel, head, datetime.now(UTC).isoformat().replace("+00:00", "Z"), header, content)

    def mark(self, lost: Lost) -> Relayed:
        """A note that output of one request was lost."""
        text = (
            f"[omega] {lost.messages} messages of output ({lost.size_bytes} bytes) were dropped here: "
            "they exceeded the buffer for disconnected clients.\n"
        )
        return self.compose("iopub", "stream", {"name": "stderr", "text": text}, None, lost.parent)

    def failure(self, request: RoutedRequest, name: str, reason: str) -> list[tuple[str, Relayed]]:
        """The messages that end *request* with an error, each with the client it is for."""
        asked, header = request.head, request.header
        content: dict[str, object] = {"ename": name, "evalue": reason, "traceback": [f"{name}: {reason}"]}
        kind = asked.msg_type.removesuffix("_request") + "_reply"
        reply = self.compose(request.channel, kind, {"status": "error", "execution_count": 0, **content}, asked, header)
        if asked.msg_type != "execute_request":
            return [(request.asker, reply)]
        return [
            (EVERYBODY, self.compose("iopub", "error", content, asked, header)),
            (EVERYBODY, self.compose("iopub", "status", {"execution_state": "idle"}, asked, header)),
            (request.asker, reply),
        ]


def explain(death: Death) -> str:
    """How a kernel died, in a sentence for its user."""
    if death.out_of_memory:
        return "The kernel exceeded its memory limit and was killed."
    if death.signal:
        return f"The kernel died: {cause_of(death)}."
    return f"The kernel exited with code {death.code}."
