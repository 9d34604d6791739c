"""Wire frames: only what is signed and well-formed becomes a message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_client.session import DELIM, Session

from gateway.core import jupyter
from gateway.core.collect import UNREADABLE
from gateway.core.model import KernelReport
from gateway.core.strict_json import MAX_VALUES, STEP_BYTES, run_out
from gateway.core.validate import READ, ExecuteReply, Message, MessageHead, Shown, StreamMessage, UnreadMessage
from gateway.kernel.wire.codec import MAX_FRAMES, Codec

KEY = "secret"
peer = Session(key=KEY.encode(), username="kernel")
codec = Codec(KEY)


def signed(*parts: bytes) -> list[bytes]:
    """A message of these four parts with a right signature."""
    return [b"topic", DELIM, peer.sign(list(parts)), *parts]


def message(kind: str, content: object, parent_id: str = "r") -> list[bytes]:
    """A well-formed, signed message."""
    parts: tuple[object, ...] = ({"msg_type": kind, "msg_id": "m"}, {"msg_id": parent_id}, {}, content)
    return signed(*(json.dumps(part).encode() for part in parts))


STREAM = {"name": "stdout", "text": "a"}


def test_what_it_encodes_a_kernel_can_read() -> None:
    """Signed by the Session, as any Jupyter kernel expects."""
    msg_id, frames = codec.encode("execute_request", {"code": "π"}, {"omega": {"task": "python"}})
    identities, rest = peer.feed_identities(frames)
    read = peer.deserialize(rest)
    assert identities == []
    assert read["header"]["msg_id"] == msg_id
    assert read["content"] == {"code": "π"}
    assert read["metadata"] == {"omega": {"task": "python"}}


def test_requests_do_not_name_the_user_of_the_gateway() -> None:
    """Kernels need not know who runs them."""
    _, frames = codec.encode("execute_request", {}, {})
    assert peer.deserialize(peer.feed_identities(frames)[1])["header"]["username"] == "omega"


def test_a_message_of_the_run_is_read() -> None:
    """Topic frames before the delimiter do not matter."""
    assert codec.decode("iopub", message("stream", STREAM), "r") == Message("r", StreamMessage("stdout", "a"))


def test_of_a_message_of_another_request_only_the_head_is_read() -> None:
    """Its content is not even decoded."""
    frames = message("stream", STREAM, "other")
    frames[-1] = b"{broken"
    frames[2] = peer.sign(frames[3:7])
    assert codec.decode("iopub", frames, "r") == MessageHead("stream", "other")


def test_a_forged_signature_is_dropped() -> None:
    """Whoever has not the key is not the kernel."""
    frames = message("stream", STREAM)
    assert codec.decode("iopub", [*frames[:2], b"0" * 64, *frames[3:]], "r") is None
    assert codec.decode("iopub", [*frames[:2], b"", *frames[3:]], "r") is None
    changed = [*frames[:-1], frames[-1].replace(b"a", b"b")]
    assert codec.decode("iopub", changed, "r") is None


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b""],
        [DELIM],
        [b"x"] * 10,
        [DELIM, b"sig", b"{}", b"{}", b"{}"],
        [b"x"] * 2000,
    ],
)
def test_frames_of_another_shape_are_dropped(frames: list[bytes]) -> None:
    """No delimiter, too few, too many."""
    assert codec.decode("iopub", frames, "r") is None


def test_two_thousand_frames_are_dropped_though_signed() -> None:
    """Buffers are for widgets; nobody needs so many."""
    assert codec.decode("iopub", message("stream", STREAM) + [b""] * MAX_FRAMES, "r") is None


@pytest.mark.parametrize(
    "bad", [b"", b"{", b"\xff\xfe", b"nul", b"[" * 100_000, b'{"a":' * 100_000, b"1" * 10**6, b"[]", b"3", b'"r"']
)
def test_parts_that_are_not_an_object_are_dropped(bad: bytes) -> None:
    """Not JSON, not UTF-8, nested without end, or another type: in any of the four places, nothing raises."""
    good = [b'{"msg_type":"stream"}', b'{"msg_id":"r"}', b"{}", json.dumps(STREAM).encode()]
    for place in (0, 1, 3):
        parts = [*good[:place], bad, *good[place + 1 :]]
        assert codec.decode("iopub", signed(*parts), "r") is None
    in_metadata = codec.decode("iopub", signed(good[0], good[1], bad, good[3]), "r")
    assert in_metadata == Message("r", StreamMessage("stdout", "a"))


def of_values(many: int) -> bytes:
    """A list of so many values as JSON."""
    return b"[" + b",".join([b"[]"] * (many // 2)) + b"]"


def test_a_message_of_too_many_values_is_not_read() -> None:
    """That it came is known, and of which run it was; in text they may be."""
    for kind in READ["iopub"] - {"iopub_welcome"}:
        parts = (b'{"msg_type":"%s"}' % kind.encode(), b'{"msg_id":"r"}', b"{}", b'{"data":%s}' % of_values(MAX_VALUES + 2))
        assert codec.decode("iopub", signed(*parts), "r") == Message("r", UnreadMessage())
    told = of_values(MAX_VALUES + 2).decode()
    read = codec.decode("iopub", message("stream", {"name": "stdout", "text": told}), "r")
    assert isinstance(read, Message)
    assert read.body == StreamMessage("stdout", told)


def test_a_reply_whose_report_is_too_much_ends_its_run_all_the_same() -> None:
    """Only the report is missing, and that is told."""
    report = b'{"omega":{"return_value":%s}}' % of_values(MAX_VALUES + 2)
    parts = (b'{"msg_type":"execute_reply"}', b'{"msg_id":"r"}', report, b'{"status":"ok"}')
    assert codec.decode("shell", signed(*parts), "r") == Message("r", ExecuteReply("ok", KernelReport(), None, is_cut=True))


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b"\xff", b'{"evalue": "\xed\xa0\x80"}', b'{"status": 5}', b"[" + b"0," * MAX_VALUES + b"0]"],
)
def test_a_reply_that_can_not_be_read_ends_its_run(content: bytes) -> None:
    """No other one comes: a run that waited for it would last until its deadline. Of other runs it ends nothing."""
    head = (b'{"msg_type": "execute_reply", "msg_id": "m"}', b'{"msg_id": "r"}', b"{}")
    read = codec.decode("shell", signed(*head, content), "r")
    assert isinstance(read, Message)
    assert (read.parent_id, read.body) == ("r", UNREADABLE)
    assert UNREADABLE.failure is not None
    assert UNREADABLE.failure.raised.message == "The kernel's answer can't be read"
    assert codec.decode("shell", signed(*head, content), "other") == MessageHead("execute_reply", "r")
    assert codec.decode("iopub", signed(*head, content), "r") in (None, Message("r", UnreadMessage()))


def test_of_messages_that_nobody_reads_the_content_is_not_decoded() -> None:
    """Widgets' messages, for example."""
    parts = (b'{"msg_type":"comm_msg"}', b'{"msg_id":"r"}', b"{", b"[" * MAX_VALUES)
    assert codec.decode("iopub", signed(*parts), "r") is None


def test_for_clients_of_a_kernel_a_line_stands_in_for_too_many_values() -> None:
    """Nothing is left out silently; what it answers stays."""
    parts = (b'{"msg_type":"display_data","msg_id":"m","session":"s"}', b'{"msg_id":"r"}', b"{}", b'{"data":%s}')
    many = signed(*parts[:3], parts[3] % of_values(jupyter.MAX_VALUES + 2))
    told = codec.open("iopub", many)
    assert told is not None
    assert (told.head.msg_type, told.head.parent_id, told.head.session) == ("stream", "r", "s")
    assert b"too many values was dropped" in told.content
    assert codec.open("shell", many) is None
    half = signed(*parts[:3], parts[3] % (b"[" + b",".join([rb'"\ud800"'] * (MAX_VALUES // 2 + 1)) + b"]"))
    assert codec.open("iopub", half) == told
    few = codec.open("iopub", signed(*parts[:3], parts[3] % of_values(jupyter.MAX_VALUES - 10)))
    assert few is not None
    assert few.head.msg_type == "display_data"


def test_a_message_read_in_steps_is_the_same() -> None:
    """However long; each step tells what it cost."""
    text = 'é\\",' * 2**20
    frames = message("stream", {"name": "stdout", "text": text})
    steps, costs = codec.decoding("iopub", frames, "r"), []
    while True:
        try:
            costs.append(next(steps))
        except StopIteration as end:
            assert end.value.body == StreamMessage("stdout", text)
            break
    assert sum(costs) >= 3 * len(frames[-1]) > 3 * STEP_BYTES
    assert run_out(codec.opening("iopub", frames)) == codec.open("iopub", frames)


def decoded_json(text: str) -> Any:
    """What becomes of a JSON text in a bundle."""
    content = b'{"data":{"application/json":%s}}' % text.encode()
    parts = (b'{"msg_type":"display_data"}', b'{"msg_id":"r"}', b"{}", content)
    read = codec.decode("iopub", signed(*parts), "r")
    assert isinstance(read, Message)
    assert isinstance(read.body, Shown)
    return read.body.display.data["application/json"]


def test_numbers_survive_as_strict_json() -> None:
    """Not finite: null. Beyond what doubles hold: text, digit by digit. Quickly, even with a million digits."""
    assert decoded_json("[NaN, Infinity, -Infinity, 1e999, 0.5]") == [None, None, None, None, 0.5]
    assert decoded_json(str(2**53 - 1)) == 2**53 - 1
    assert decoded_json(str(2**53)) == str(2**53)
    assert decoded_json("18446744073709551615") == "18446744073709551615"
    assert decoded_json("18446744073709551616") == "18446744073709551616"
    assert decoded_json("123456789012345678901234567890") == "123456789012345678901234567890"
    assert decoded_json("9" * 10**6) == "9" * 10**6


def test_surrogates_are_repaired() -> None:
    """A lone half of a character cannot be encoded again."""
    assert decoded_json(r'"\ud800"') == "\ufffd"
    assert decoded_json(r'"\ud83d\ude00"') == "\U0001f600"


@given(st.lists(st.binary(max_size=40), min_size=4, max_size=6))
def test_any_signed_bytes_are_a_message_or_none(parts: list[bytes]) -> None:
    """Nothing a kernel signs raises here."""
    result = codec.decode("iopub", [DELIM, peer.sign(parts[:4]), *parts], "r")
    assert result is None or isinstance(result, MessageHead | Message)
