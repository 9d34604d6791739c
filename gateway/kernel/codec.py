"""Signed Jupyter messages to and from wire frames, through one `jupyter_client` Session a kernel.

Signing, serialising and the signature check are the Session's. Reading is done here because `Session.deserialize`
trusts its peer: it accepts NaN, parses dates, adapts versions and raises whatever those steps raise on hostile input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hmac import compare_digest

from jupyter_client.session import DELIM, Session

from gateway.core import jupyter
from gateway.core.jupyter import Relayed
from gateway.core.strict import decode
from gateway.core.validate import Channel, Head, Message, parse_head, parse_message

MAX_HEADER_BYTES = 64 * 1024
MAX_FRAMES = 64
"""Identities, six parts and buffers; messages of more frames are dropped unread."""
MAX_RELAYED_FRAMES = jupyter.MAX_BUFFERS + 16
USERNAME = "omega"


class Codec:
    """Encodes requests to one kernel and decodes what it sends."""

    def __init__(self, key: str) -> None:
        self._session = Session(key=key.encode(), username=USERNAME, digest_history_size=0)

    def encode(self, kind: str, content: Mapping[str, object], metadata: Mapping[str, object]) -> tuple[str, list[bytes]]:
        """The id and the frames of a new request."""
        message = self._session.msg(kind, content=dict(content), metadata=dict(metadata))
        return message["msg_id"], self._session.serialize(message)

    def decode(self, channel: Channel, frames: Sequence[bytes], parent_id: str) -> Message | Head | None:
        """The message in *frames* if it answers *parent_id*; its head if it does not; None if it is malformed.

        The content of a message that answers another request is not looked at.
        """
        parts = _strip_identities(frames)
        if parts is None or not self._is_signed(parts):
            return None
        if max(len(parts[1]), len(parts[2])) > MAX_HEADER_BYTES:
            return None
        head = parse_head(_load(parts[1]), _load(parts[2]))
        if head is None or head.parent_id not in (parent_id, ""):
            return head
        return parse_message(channel, head, _load(parts[3]), _load(parts[4]))

    def seal(self, message: Relayed) -> list[bytes]:
        """The frames of a client's message, signed with this kernel's key."""
        parts = [message.header, message.parent, message.metadata, message.content]
        return [DELIM, self._session.sign(parts), *parts, *message.buffers]

    def open(self, channel: Channel, frames: Sequence[bytes]) -> Relayed | None:
        """The message in *frames* to hand on to clients; None if it is malformed or not signed by the kernel."""
        parts = _strip_identities(frames, MAX_RELAYED_FRAMES)
        if parts is None or not self._is_signed(parts):
            return None
        try:
            return jupyter.read(channel, parts[1:5], parts[5:])
        except jupyter.Malformed:
            return None

    def _is_signed(self, parts: Sequence[bytes]) -> bool:
        return compare_digest(self._session.sign(list(parts[1:5])), parts[0])


def _strip_identities(frames: Sequence[bytes], most: int = MAX_FRAMES) -> Sequence[bytes] | None:
    """Signature, header, parent, metadata, content (and buffers), or None when that is not what came."""
    if len(frames) > most or DELIM not in frames:
        return None
    parts = frames[frames.index(DELIM) + 1 :]
    return parts if len(parts) >= 5 else None


def _load(data: bytes) -> object:
    """The JSON value in *data*, or None: a malformed part is as good as none."""
    try:
        return decode(data)
    except (ValueError, RecursionError):
        return None
