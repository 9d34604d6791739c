"""What the gateway itself says to Jupyter clients in a kernel's name: notes about lost output, states, errors."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from gateway.core.backlog import Lost
from gateway.core.fold import cause_of
from gateway.core.jupyter import Channel, Head, Relayed, compose
from gateway.core.model import Death
from gateway.core.request_routing import EVERYBODY, RoutedRequest


class Words:
    """Messages in the name of one kernel."""

    def __init__(self, kernel_id: str) -> None:
        self._kernel_id = kernel_id

    def compose(
        self, channel: Channel, kind: str, content: dict[str, object], parent: Head | None, header: bytes
    ) -> Relayed:
        """A message of the type *kind*; *parent* with its *header* is the request it is about."""
        asked = parent or Head("", "")
        head = Head(uuid.uuid4().hex, kind, asked.msg_id, asked.msg_type, self._kernel_id)
        return compose(channel, head, datetime.now(UTC).isoformat().replace("+00:00", "Z"), header, content)

    def mark(self, lost: Lost) -> Relayed:
        """The note about output of one request that was not kept."""
        text = (
            f"[omega] {lost.messages} messages of output ({lost.size_bytes} bytes) are missing here: "
            "more came while no client was connected than is kept.\n"
        )
        return self.compose("iopub", "stream", {"name": "stderr", "text": text}, None, lost.parent)

    def failure(self, request: RoutedRequest, name: str, reason: str) -> list[tuple[str, Relayed]]:
        """What ends *request* with an error, each message with the client it is for."""
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
    """How a kernel died, for its user."""
    if death.out_of_memory:
        return "The kernel used more memory than it may and was ended."
    if death.signal:
        return f"The kernel died: {cause_of(death)}."
    return f"The kernel ended with exit code {death.code}."
