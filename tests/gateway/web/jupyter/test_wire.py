"""The three layouts of Jupyter's WebSockets."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.jupyter import MAX_VALUES, Malformed, Relayed, read
from gateway.web.jupyter import wire
from gateway.web.jupyter.wire import V1, decode

HEADER = {"msg_id": "a", "msg_type": "comm_msg"}


def encode(message: Relayed, protocol: str | None) -> bytes:
    """What a client that speaks *protocol* gets, in one piece."""
    return b"".join(wire.encode(message, protocol))


def envelope(**changed: object) -> str:
    """A client's message."""
    return json.dumps(
        {"channel": "shell", "header": HEADER, "parent_header": {}, "metadata": {}, "content": {"é": 1}} | changed
    )


def test_the_layout_of_v1_is_the_documented_one() -> None:
    """A count, offsets as 64-bit little-endian numbers, the channel's name, the parts, the buffers."""
    parts = [b"shell", json.dumps(HEADER).encode(), b"{}", b"{}", b'{"x":1}', b"\x00\x01", b""]
    offsets = [8 * 9]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    data = struct.pack("<9Q", 8, *offsets) + b"".join(parts)
    made = decode(data, V1)
    assert (made.channel, made.head.msg_type, made.content, made.buffers) == (
        "shell",
        "comm_msg",
        b'{"x":1}',
        (b"\x00\x01", b""),
    )
    assert encode(made, V1) == data


def test_json_is_text_unless_there_are_buffers() -> None:
    """Then a count, offsets as 32-bit big-endian numbers, the text, the buffers."""
    plain = decode(envelope(), None)
    assert json.loads(encode(plain, None))["content"] == {"é": 1}
    made = read("shell", [json.dumps(HEADER).encode(), b"{}", b"{}", b"{}"], [b"ab", b"c"])
    data = encode(made, None)
    assert isinstance(data, bytes)
    count, first, second, third = struct.unpack_from("!4I", data)
    assert (count, first, data[second:third], data[third:]) == (3, 16, b"ab", b"c")
    assert json.loads(data[first:second])["msg_id"] == "a"
    assert decode(data, None).buffers == (b"ab", b"c")


@pytest.mark.parametrize(
    ("data", "protocol"),
    [
        ("", None),
        ("[]", None),
        ("{", None),
        ("[" * 100_000, None),
        (envelope(channel="iopub"), None),
        (envelope(channel=["shell"]), None),
        (envelope(header=[]), None),
        (envelope(content="x"), None),
        (b"", None),
        (struct.pack("!2I", 1, 2) + b"{}", None),
        (struct.pack("!3I", 2, 99, 3), None),
        (struct.pack("!I", 2**32 - 1), None),
        ("text", V1),
        (b"", V1),
        (struct.pack("<2Q", 2**63, 0), V1),
        (struct.pack("<7Q", 6, 56, 57, 58, 59, 60, 2**62), V1),
        (struct.pack("<7Q", 6, 56, 55, 54, 53, 52, 51), V1),
    ],
)
def test_what_is_no_message_is_malformed(data: str | bytes, protocol: str | None) -> None:
    """Never anything else, and never more memory than was sent."""
    with pytest.raises(Malformed):
        decode(data, protocol)


def test_a_message_of_too_many_values_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take many times its length."""
    data = envelope(content={"x": [0] * (MAX_VALUES + 1)})
    monkeypatch.setattr("json.loads", None)
    for sent in (data, struct.pack("!2I", 1, 8) + data.encode()):
        with pytest.raises(Malformed, match="too many values"):
            decode(sent, None)


@given(st.one_of(st.text(), st.binary()), st.sampled_from([None, V1]))
def test_whatever_comes_is_a_message_or_malformed(data: str | bytes, protocol: str | None) -> None:
    """Nothing else is raised."""
    try:
        decode(data, protocol)
    except Malformed:
        return
