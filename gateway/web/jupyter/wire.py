"""Jupyter messages as WebSocket messages, in the three forms clients speak: JSON text, JSON with buffers, and v1 binary.

The layouts are those of jupyter-server's documentation ("WebSocket protocols"). Pure. Whatever a client sends is decoded, or
raises Malformed.
"""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from gateway.core.jupyter import MAX_BUFFERS, MAX_VALUES, Channel, Malformed, Relayed, is_channel, read
from gateway.core.strict_json import clean_text, has_more_values
from gateway.web.edge.websocket_frames import LARGE_BYTES

V1 = "v1.kernel.websocket.jupyter.org"
MAX_OFFSETS = MAX_BUFFERS + 8
MAX_PIECES = 16
"""A message of more pieces is joined into one: each piece costs every client that waits for it."""
_WORD, _LONG = 4, 8


def encode(message: Relayed, protocol: str | None) -> Sequence[bytes]:
    """*message* in the form of *protocol* (None: the default one), as consecutive pieces.

    Large pieces are the message's own bytes: it is in memory once, however many clients wait for it.
    """
    if protocol == V1:
        pieces = _encode_v1(message)
    else:
        text = _envelope(message)
        pieces = _with_buffers(text, message.buffers) if message.buffers else text
    joined = list(_joined(pieces))
    return joined if len(joined) <= MAX_PIECES else [b"".join(joined)]


def _joined(pieces: Sequence[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces: small ones are joined, large ones stay as they are."""
    small: list[bytes] = []
    for piece in pieces:
        if len(piece) < LARGE_BYTES:
            small.append(piece)
            continue
        if small:
            yield b"".join(small)
            small = []
        yield piece
    if small:
        yield b"".join(small)


def is_binary(message: Relayed, protocol: str | None) -> bool:
    """Whether *message* is a binary WebSocket message in *protocol*, not a text message."""
    return protocol == V1 or bool(message.buffers)


def decode(data: str | bytes, protocol: str | None) -> Relayed:
    """The message that a client sent; raises Malformed."""
    if protocol == V1:
        if isinstance(data, str):
            raise Malformed("messages of this subprotocol are binary")
        return _decode_v1(data)
    if isinstance(data, str):
        return _open_envelope(data, ())
    text, *buffers = _split(data)
    try:
        return _open_envelope(text.decode(), buffers)
    except UnicodeDecodeError:
        raise Malformed("not UTF-8") from None


# ---- JSON ---------------------------------------------------------------------------------------------------------------


def _envelope(message: Relayed) -> tuple[bytes, ...]:
    """The message as one JSON object. Its parts are strict JSON already, and are inserted as they are."""
    head = message.head
    return (
        b'{"header":',
        message.header,
        b',"msg_id":',
        _quote(head.msg_id),
        b',"msg_type":',
        _quote(head.msg_type),
        b',"parent_header":',
        message.parent,
        b',"metadata":',
        message.metadata,
        b',"content":',
        message.content,
        b',"buffers":[],"channel":',
        _quote(message.channel),
        b"}",
    )


def _quote(text: str) -> bytes:
    return json.dumps(text).encode()


def _open_envelope(text: str, buffers: Sequence[bytes]) -> Relayed:
    if has_more_values(text.encode("utf-8", "surrogatepass"), MAX_VALUES):
        raise Malformed("too many values")
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed("not JSON") from None
    if not isinstance(value, dict):
        raise Malformed("not an object")
    return read(_channel(value.get("channel", "shell")), [_part(value, name) for name in _PARTS], buffers)


_PARTS = ("header", "parent_header", "metadata", "content")


def _part(value: dict[str, Any], name: str) -> bytes:
    try:
        return clean_text(json.dumps(value.get(name) or {}, ensure_ascii=False, separators=(",", ":"))).encode()
    except (ValueError, RecursionError):
        raise Malformed("nested too deep") from None


def _channel(name: object) -> Channel:
    if not is_channel(name):
        raise Malformed("the channel must be shell, control or stdin")
    return name  # type: ignore[return-value]  # just checked


# ---- JSON with buffers --------------------------------------------------------------------------------------------------


def _with_buffers(text: Sequence[bytes], buffers: Sequence[bytes]) -> Sequence[bytes]:
    """A count, that many offsets (32 bits, big-endian), the JSON text, the buffers."""
    sizes = (sum(map(len, text)), *map(len, buffers))
    offsets = [_WORD * (len(sizes) + 1)]
    for size in sizes[:-1]:
        offsets.append(offsets[-1] + size)
    return (struct.pack(f"!{len(sizes) + 1}I", len(sizes), *offsets), *text, *buffers)


def _split(data: bytes) -> list[bytes]:
    count = int.from_bytes(data[:_WORD], "big")
    if not 0 < count <= MAX_OFFSETS or len(data) < _WORD * (count + 1):
        raise Malformed("not a message with buffers")
    offsets = [*struct.unpack_from(f"!{count}I", data, _WORD), len(data)]
    return _cut(data, offsets, _WORD * (count + 1))


def _cut(data: bytes, offsets: Sequence[int], start: int) -> list[bytes]:
    """The bytes between the offsets, which must ascend and be inside *data*; each byte is copied at most once."""
    if offsets[0] < start or offsets[-1] > len(data) or any(low > high for low, high in itertools.pairwise(offsets)):
        raise Malformed("offsets out of order")
    return [data[low:high] for low, high in itertools.pairwise(offsets)]


# ---- v1 -----------------------------------------------------------------------------------------------------------------


def _encode_v1(message: Relayed) -> Sequence[bytes]:
    """A count, that many offsets (64 bits, little-endian), the channel's name, the four parts, the buffers."""
    parts = (message.channel.encode(), message.header, message.parent, message.metadata, message.content, *message.buffers)
    offsets = [_LONG * (len(parts) + 2)]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return (struct.pack(f"<{len(offsets) + 1}Q", len(offsets), *offsets), *parts)


def _decode_v1(data: bytes) -> Relayed:
    count = int.from_bytes(data[:_LONG], "little")
    if not 6 <= count <= MAX_OFFSETS or len(data) < _LONG * (count + 1):
        raise Malformed("not a message of this subprotocol")
    offsets = struct.unpack_from(f"<{count}Q", data, _LONG)
    name, *parts = _cut(data, offsets, _LONG * (count + 1))
    return read(_channel(name.decode("utf-8", "replace")), parts[:4], parts[4:])
