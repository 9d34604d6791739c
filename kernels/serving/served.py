"""What the kernels of all languages share as subclasses of ipykernel's base class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zmq

from kernels.serving import attribution

if TYPE_CHECKING:
    from ipykernel.kernelbase import Kernel as Base

    from kernels.serving.streams import OutputRecord
else:
    Base = object  # a mixin


ANSWER = b'"omega_tool_result"'


class NoShellThread:
    """Replaces ipykernel's shell channel thread: without subshells there is no such thread."""

    parent_thread: Any = None

    def __bool__(self) -> bool:
        return False


class Served(Base):
    """Attributes output to its request, marks omega requests in the reply's metadata, and sends in order."""

    _supports_kernel_subshells = False
    record: OutputRecord
    _omega: dict[str, Any] | None = None

    def _publish_status(self, status: str, *args: Any, **kwargs: Any) -> None:
        # "starting" would come before or after iopub_welcome by chance; without it the welcome is always the first.
        if status != "starting":
            super()._publish_status(status, *args, **kwargs)

    def set_parent(self, ident: Any, parent: Any, channel: str = "shell") -> None:
        """Attribute later output to the request *parent*."""
        super().set_parent(ident, parent, channel)
        if channel == "shell":
            self.record.begin(parent)

    async def execute_request(self, stream: Any, ident: Any, parent: Any) -> None:
        """Run one request, with or without omega metadata."""
        self._omega = None
        await super().execute_request(stream, ident, parent)

    def finish_metadata(self, parent: Any, metadata: Any, reply_content: Any) -> Any:
        """Metadata of the reply."""
        metadata = super().finish_metadata(parent, metadata, reply_content)
        if self._omega is not None:
            metadata["omega"] = self._omega
        return metadata

    async def process_control(self, msg: Any) -> None:
        """Handle a control request; or hand on an answer of the run's host, which is no request and gets no reply."""
        _identities, parts = self.session.feed_identities(msg, copy=False)
        if len(parts) < 2 or ANSWER not in parts[1].bytes:  # of its header: who sends it signs it
            await super().process_control(msg)
            return
        try:
            self.take_answer(self.session.deserialize(parts, content=False, copy=False)["content"])
        except ValueError:
            self.log.error("an answer of the host can't be read")

    def take_answer(self, content: bytes) -> None:
        """Hand *content*, which is JSON, to the call that it answers: in the thread of control requests."""

    async def _at_shutdown(self) -> None:
        """Send the answer to the request before the process ends: the base class leaves it in the stream's queue."""
        await super()._at_shutdown()
        if self.control_stream is not None:
            self.control_stream.flush(zmq.POLLOUT)

    def publish(self, message: str, content: dict[str, Any]) -> None:
        """Send one rich message after all text written before it, as an answer to the request that text belongs to.

        The base class uses a context variable only, which callbacks of the event loop may not see.
        """
        self.record.flush()
        request = attribution.request_here(self.record.parent)
        self.session.send(self.iopub_socket, message, content, request, self._topic(message))
