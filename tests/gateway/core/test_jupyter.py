"""Messages of kernels and clients, checked and otherwise unchanged."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import jupyter
from gateway.core.jupyter import NO_PARENT, Head, Malformed, Relayed, compose, read

HEADER = b'{"msg_id": "a", "msg_type": "stream", "session": "s"}'


def test_a_good_message_is_passed_on_byte_for_byte() -> None:
    """Whatever spaces, key order or numbers it is written with."""
    content = b'{ "b" : 1e400, "a": [1.0, 123456789012345678901234567890, "\\u00e9"] }'.replace(b"1e400", b"1e4")
    made = read("iopub", [HEADER, b'{"msg_id": "p", "msg_type": "execute_request"}', b"{}", content], [b"\x00\xff"])
    assert (made.header, made.content, made.buffers) == (HEADER, content, (b"\x00\xff",))
    assert made.head == Head("a", "stream", "p", "execute_request", "s")


@pytest.mark.parametrize(
    ("content", "repaired"),
    [
        (b'{"a": NaN, "b": Infinity, "c": -Infinity}', {"a": None, "b": None, "c": None}),
        (b'{"a": "\\ud800x"}', {"a": "\ufffdx"}),
    ],
)
def test_what_strict_json_can_not_carry_is_repaired(content: bytes, repaired: object) -> None:
    """NaN, infinities and halves of characters would break clients in browsers."""
    assert orjson.loads(read("iopub", [HEADER, NO_PARENT, b"{}", content]).content) == repaired


@pytest.mark.parametrize(
    "parts",
    [
        [HEADER, b"{}", b"{}"],
        [b"{}", b"{}", b"{}", b"{}"],
        [b"[]", b"{}", b"{}", b"{}"],
        [b'{"msg_id": 5, "msg_type": "x"}', b"{}", b"{}", b"{}"],
        [b'{"msg_id": "", "msg_type": "x"}', b"{}", b"{}", b"{}"],
        [b'{"msg_id": "' + b"x" * 300 + b'", "msg_type": "x"}', b"{}", b"{}", b"{}"],
        [HEADER + b" " * jupyter.MAX_HEADER_BYTES, b"{}", b"{}", b"{}"],
        [HEADER, b"[]", b"{}", b"{}"],
        [HEADER, b"{}", b'"x"', b"{}"],
        [HEADER, b"{}", b"{}", b"[]"],
        [HEADER, b"{}", b"{}", b""],
        [HEADER, b"{}", b"{}", b'{}, "channel": "shell"'],
        [HEADER, b"{}", b"{}", b'{"a": "\xff"}'],
        [HEADER, b"{}", b"{}", b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}"],
        [HEADER, b"{}", b"{}", b'{"a": [' + b"{}," * 1_100_000 + b"0]}"],
        [HEADER, b"{}", b"{}", b'{"a": [' + b"1," * 4_100_000 + b"0]}"],
    ],
)
def test_what_is_no_message_is_refused(parts: list[bytes]) -> None:
    """And nothing of it is repeated."""
    with pytest.raises(Malformed):
        read("iopub", parts)


def shutdown(content: bytes, kind: bytes = b"shutdown_request") -> Relayed:
    """A client's request to end its kernel, with its content written as given."""
    return read("control", [b'{"msg_id": "a", "msg_type": "%s"}' % kind, b"{}", b"{}", content])


@pytest.mark.parametrize(
    ("content", "asks_restart"),
    [
        (b'{"restart":true}', True),
        (b'{"restart": true}', True),
        (b'{"restart":\ttrue}', True),
        (b'{\n\t"restart"\r\n:\n true\t}', True),
        (b'{"r\\u0065start":true}', True),
        (b'{"\\u0072\\u0065\\u0073\\u0074\\u0061\\u0072\\u0074":true}', True),
        (b'{"restart":false,"restart":true}', True),
        (b'{"restart":true,"r\\u0065start":false}', False),
        (b'{"restart":false}', False),
        (b"{}", False),
        (b'{"restart":"true"}', False),
        (b'{"restart":1}', False),
        (b'{"restart":null}', False),
        (b'{"Restart":true}', False),
        (b'{"note":"\\"restart\\":true"}', False),
        (b'{"note":{"restart":true}}', False),
        (b'{"note":[{"restart":true}],"restart":false}', False),
        (b'{"note":NaN,"restart":\ttrue}', True),
        (b'{"note":"\\ud800","r\\u0065start":true}', True),
    ],
)
def test_a_restart_is_told_by_what_the_request_means(content: bytes, asks_restart: bool) -> None:
    """However JSON lets a client write it; of a key that comes twice the last one counts, as for the kernel."""
    assert shutdown(content).asks_restart is asks_restart
    assert shutdown(content, b"execute_request").asks_restart is False


def spelled(text: str) -> st.SearchStrategy[str]:
    """All ways to write *text* as a JSON string of escapes and plain characters."""
    ways = [st.sampled_from([letter, f"\\u{ord(letter):04x}", f"\\u{ord(letter):04X}"]) for letter in text]
    return st.tuples(*ways).map(lambda letters: '"' + "".join(letters) + '"')


SPACE = st.text(" \t\r\n", max_size=3)
MEMBER = st.tuples(
    SPACE,
    st.one_of(spelled("restart"), spelled("reason"), spelled("restarT")),
    SPACE,
    st.just(":"),
    SPACE,
    st.sampled_from(["true", "false", "null", "1", '"true"', "[true]", '{"restart":true}']),
    SPACE,
).map("".join)


@given(st.lists(MEMBER, max_size=4))
def test_a_restart_is_what_any_json_reader_finds(members: list[str]) -> None:
    """The kernel reads the same bytes with Python's reader; both have to come to the same."""
    content = "{" + ",".join(members) + "}"
    assert shutdown(content.encode()).asks_restart is (json.loads(content).get("restart") is True)


def test_too_many_buffers_are_refused() -> None:
    """Each costs more than its bytes."""
    with pytest.raises(Malformed):
        read("iopub", [HEADER, b"{}", b"{}", b"{}"], [b""] * (jupyter.MAX_BUFFERS + 1))


@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([HEADER, b"{}", b"", b'{"a":NaN}'])), max_size=5))
def test_whatever_comes_is_a_message_or_refused(parts: list[bytes]) -> None:
    """Nothing else is raised, and what passes is strict JSON."""
    try:
        made = read("shell", parts)
    except Malformed:
        return
    for part in (made.header, made.parent, made.metadata, made.content):
        assert isinstance(orjson.loads(part), dict)


def test_own_messages_have_all_fields() -> None:
    """As the protocol wants them."""
    made = compose("iopub", Head("i", "status", session="s"), "2026", b'{"msg_id":"p"}', {"execution_state": "dead"})
    assert isinstance(made, Relayed)
    assert made.state == "dead"
    header = orjson.loads(made.header)
    assert header == {
        "msg_id": "i",
        "msg_type": "status",
        "username": "omega",
        "session": "s",
        "date": "2026",
        "version": "5.3",
    }


def test_a_message_of_too_many_values_is_stood_in_for_by_a_line() -> None:
    """It answers the same request, so that a client shows it in the same cell."""
    parent = b'{"msg_id": "p", "msg_type": "execute_request"}'
    made = jupyter.stand_in(HEADER, parent)
    assert (made.head.msg_type, made.head.parent_id, made.channel) == ("stream", "p", "iopub")
    assert orjson.loads(made.content) == {"name": "stderr", "text": "[A message with too many values was dropped here.]\n"}
    with pytest.raises(Malformed):
        jupyter.stand_in(b"[]", parent)


@pytest.mark.parametrize(
    ("name", "is_one"), [("shell", True), ("control", True), ("stdin", True), ("iopub", False), (5, False)]
)
def test_clients_send_on_three_channels(name: object, is_one: bool) -> None:
    """On iopub the kernel speaks alone."""
    assert jupyter.is_channel(name) is is_one


def test_what_takes_longer_to_repair_is_bounded_more_tightly() -> None:
    """NaN means that orjson can't read it, and Python takes far longer."""
    with pytest.raises(jupyter.TooMany):
        read("iopub", [HEADER, NO_PARENT, b"{}", b'{"a": [NaN' + b",1" * jupyter.strict_json.MAX_VALUES + b"]}"])
    with pytest.raises(Malformed):
        read("iopub", [HEADER, NO_PARENT, b"{}", b"[NaN]"])


def test_a_message_weighs_what_its_parts_do() -> None:
    """Buffers count."""
    made = read("iopub", [HEADER, NO_PARENT, b"{}", b'{"a": 1}'], [b"xyz"])
    assert made.size_bytes == len(HEADER) + len(NO_PARENT) + 2 + 8 + 3


def test_values_of_all_parts_count_together() -> None:
    """None of them is too much alone."""
    half = b'{"a": [' + b"[]," * (jupyter.MAX_VALUES // 4 + 10) + b"0]}"
    with pytest.raises(jupyter.TooMany):
        read("iopub", [HEADER, NO_PARENT, half, half])


def test_no_line_stands_in_for_what_has_no_header() -> None:
    """Nobody would know whose it is."""
    with pytest.raises(Malformed):
        jupyter.stand_in(b"{NaN", NO_PARENT)


def test_a_long_message_of_few_values_is_passed_on() -> None:
    """Its length alone is no reason."""
    content = b'{"text": "%s"}' % (b"x" * (jupyter.MAX_VALUES + 1))
    assert read("iopub", [HEADER, NO_PARENT, b"{}", content]).content == content
