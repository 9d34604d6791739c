"""Hostile messages are dropped, repaired or cut; none raises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.call_message import CallMessage
from gateway.core.files import FileChange
from gateway.core.host_tools import HostCall
from gateway.core.model import Raised
from gateway.core.validate import (
    MAX_MIME_ENTRIES,
    MAX_VARIABLES,
    Clear,
    ErrorMessage,
    ExecuteReply,
    Interrupted,
    Message,
    MessageHead,
    Shown,
    Status,
    StreamMessage,
    UnreadMessage,
    Welcome,
    parse_head,
    parse_message,
    shorten,
)

text = st.text(st.characters(exclude_categories=()), max_size=20)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | text
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4), max_leaves=20
)
KINDS = [
    "stream",
    "display_data",
    "execute_result",
    "update_display_data",
    "clear_output",
    "error",
    "status",
    "execute_reply",
    "execute_input",
    "iopub_welcome",
    "interrupt_reply",
    "comm_open",
    "input_request",
    "shutdown_reply",
]
FIELDS = [
    "name",
    "text",
    "data",
    "metadata",
    "transient",
    "display_id",
    "wait",
    "ename",
    "evalue",
    "traceback",
    "execution_state",
    "status",
    "omega",
    "variables",
    "usage",
    "cpu_s",
    "peak_bytes",
    "execution_count",
    "text/plain",
    "application/json",
    "stdout",
    "idle",
    "ok",
    "error",
]
shaped = st.recursive(
    scalars | st.sampled_from(FIELDS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS) | text, inner, max_size=6),
    max_leaves=30,
)


def parse(channel: Any, kind: str, content: object, metadata: object = None) -> Any:
    """The body of a message of run ``r``, or None."""
    message = parse_message(channel, MessageHead(kind, "r"), metadata, content)
    assert message is None or message.parent_id == "r"
    return message.body if message else None


@given(anything, anything)
def test_no_headers_raise(header: object, parent: object) -> None:
    """Whatever the headers hold, there is a head or there is none."""
    head = parse_head(header, parent)
    assert head is None or (isinstance(head.type, str) and isinstance(head.parent_id, str))


@given(st.sampled_from(["shell", "iopub", "control"]), st.sampled_from(KINDS), shaped, shaped)
def test_no_content_raises(channel: Any, kind: str, metadata: object, content: object) -> None:
    """Whatever a message holds, it is a message or it is none."""
    message = parse_message(channel, MessageHead(kind, "r"), metadata, content)
    assert message is None or isinstance(message, Message)


@pytest.mark.parametrize(
    ("header", "parent"),
    [
        (None, {}),
        ([], {}),
        ({}, {}),
        ({"msg_type": 3}, {}),
        ({"msg_type": "status"}, "r"),
        ({"msg_type": "status"}, {"msg_id": ["r"]}),
        ({"msg_type": "x" * 1000}, {}),
        ({"msg_type": "status"}, {"msg_id": "x" * 1000}),
    ],
)
def test_headers_of_another_form_are_dropped(header: object, parent: object) -> None:
    """Type and parent must be short texts."""
    assert parse_head(header, parent) is None


def test_a_head_needs_nothing_but_type_and_parent() -> None:
    """Session, user, date and version are the kernel's own words and are not read."""
    header = {"msg_type": "status", "date": "9999-99-99", "version": "x", "session": 7}
    assert parse_head(header, {"msg_id": "r"}) == MessageHead("status", "r")
    assert parse_head({"msg_type": "iopub_welcome"}, {}) == MessageHead("iopub_welcome", "")


def test_streams() -> None:
    """Only stdout and stderr, only text."""
    assert parse("iopub", "stream", {"name": "stdout", "text": "a\ud800"}) == StreamMessage("stdout", "a\ufffd")
    assert parse("iopub", "stream", {"name": "stderr", "text": ""}) == StreamMessage("stderr", "")
    assert parse("iopub", "stream", {"name": "stdin", "text": "a"}) is None
    assert parse("iopub", "stream", {"name": "stdout", "text": ["a"]}) is None
    assert parse("iopub", "stream", ["stdout", "a"]) is None


@pytest.mark.parametrize(
    ("channel", "kind", "content"),
    [
        ("shell", "stream", {"name": "stdout", "text": "a"}),
        ("shell", "status", {"execution_state": "idle"}),
        ("iopub", "execute_reply", {"status": "ok"}),
        ("control", "execute_reply", {"status": "ok"}),
        ("iopub", "interrupt_reply", {}),
        ("iopub", "comm_open", {}),
        ("iopub", "execute_input", {"code": "x"}),
    ],
)
def test_a_message_counts_only_on_its_own_channel(channel: str, kind: str, content: object) -> None:
    """User code can publish anything on iopub; a reply there is not a reply."""
    assert parse(channel, kind, content) is None


def test_bundles_keep_what_is_well_formed() -> None:
    """Types nobody knows are kept, as text or JSON. Entries of a wrong type name or shape are left out, and that is said."""
    data = {
        "text/plain": "1",
        "image/png": b"raw",
        "image/svg+xml": "<svg/>",
        "application/json": {"a": [1, float("nan")]},
        "application/vnd.x.v1+json": [1],
        "text/html": {"not": "text"},
        "Image/X": ["not text"],
        "image/x+json": {"a": 1},
        "e2b/data": {"a": [1]},
        "application/vnd.Unheard-Of;v=1": None,
        "x/y": "text",
        "no mime": "x",
        "../../etc": "x",
        "x/y\n": "x",
        "x/\x1b[31m": "x",
        "x/y;\x00": "x",
        "x/" + "y" * 200: "x",
        7: "x",
    }
    shown = parse("iopub", "display_data", {"data": data, "metadata": {"image/png": {"width": 3}}})
    assert isinstance(shown, Shown)
    assert dict(shown.display.data) == {
        "text/plain": "1",
        "image/svg+xml": "<svg/>",
        "application/json": {"a": [1, None]},
        "application/vnd.x.v1+json": [1],
        "image/x+json": {"a": 1},
        "e2b/data": {"a": [1]},
        "application/vnd.Unheard-Of;v=1": None,
        "x/y": "text",
    }
    assert shown.display.metadata == {"image/png": {"width": 3}}
    assert shown.is_cut
    assert shown.display.kind == "display"


def test_bundles_of_ten_thousand_types_are_cut() -> None:
    """A bundle is a few views of one value."""
    data = {f"text/x{number}": "x" for number in range(10_000)}
    shown = parse("iopub", "execute_result", {"data": data})
    assert len(shown.display.data) == MAX_MIME_ENTRIES
    assert shown.is_cut
    assert shown.display.kind == "result"


def test_json_too_deep_loses_its_entry_alone() -> None:
    """The other views of the value stay."""
    deep: object = 1
    for _ in range(200):
        deep = [deep]
    shown = parse("iopub", "display_data", {"data": {"application/json": deep, "text/plain": "deep"}})
    assert dict(shown.display.data) == {"text/plain": "deep"}
    assert shown.is_cut


def test_updates_carry_the_name_they_update() -> None:
    """update_display_data is for what was shown under the same name."""
    shown = parse("iopub", "update_display_data", {"data": {}, "transient": {"display_id": "d"}})
    assert shown.display.updates
    assert shown.display.display_id == "d"
    shown = parse("iopub", "display_data", {"data": {}, "transient": {"display_id": 5}})
    assert not shown.display.updates
    assert shown.display.display_id == ""


def test_the_size_of_a_bundle_counts_all_of_it() -> None:
    """The rich limit cannot be passed by putting the bulk elsewhere."""
    plain = parse("iopub", "display_data", {"data": {"text/plain": "x" * 1000}})
    elsewhere = parse("iopub", "display_data", {"data": {}, "metadata": {"a": ["x" * 1000]}})
    assert plain.size_bytes >= 1000
    assert elsewhere.size_bytes >= 1000


def test_errors_are_plain_text_of_bounded_length() -> None:
    """No terminal codes, no megabytes."""
    content = {"ename": "E", "evalue": "v" * 10**6, "traceback": ["\x1b[31mred\x1b[0m", "line", 3]}
    failure = parse("iopub", "error", content)
    assert failure.raised.traceback == "red\nline\n"
    assert len(failure.raised.message) < 70_000
    assert failure.is_cut
    assert parse("iopub", "error", {}) == ErrorMessage(Raised("Error", "", ""), is_cut=False)
    hinted = parse("iopub", "error", {"ename": "E", "hint": "\x1b[31mdo" + "o" * 10**6})
    assert hinted.raised.hint.startswith("dooo")
    assert (len(hinted.raised.hint) < 2000, hinted.is_cut) == (True, True)
    assert parse("iopub", "error", {"ename": "E", "hint": 5}).raised.hint == ""


def test_shortening_keeps_both_ends() -> None:
    """The end of a traceback says most."""
    cut = shorten("a" * 100 + "z" * 100, 20)
    assert cut.startswith("a" * 10)
    assert cut.endswith("z" * 10)
    assert "180 characters left out" in cut
    assert shorten("abc", 3) == "abc"


def test_small_messages() -> None:
    """States, clearing, welcome and the interrupt's answer."""
    for state in ("busy", "idle", "starting"):
        assert parse("iopub", "status", {"execution_state": state}) == Status(state)
    assert parse("iopub", "status", {"execution_state": "dead"}) is None
    assert parse("iopub", "clear_output", {"wait": True}) == Clear(wait=True)
    assert parse("iopub", "clear_output", {"wait": "yes"}) == Clear(wait=False)
    assert parse("iopub", "iopub_welcome", {}) == Welcome()
    assert parse("control", "interrupt_reply", {"status": "ok"}) == Interrupted()


def test_replies() -> None:
    """Status and report; the payload (set_next_input, page, ask_exit) is not read."""
    content = {"status": "ok", "execution_count": 3, "payload": [{"source": "ask_exit"}]}
    omega = {"variables": {"x": {"type": "int"}}, "usage": {"cpu_s": 0.5, "peak_bytes": 7}}
    reply = parse("shell", "execute_reply", content, {"omega": omega})
    assert reply.status == "ok"
    assert dict(reply.report.variables) == {"x": {"type": "int"}}
    assert (reply.report.cpu_s, reply.report.peak_bytes, reply.report.execution_count) == (0.5, 7, 3)
    reply = parse("shell", "execute_reply", {"status": "error", "ename": "E", "evalue": "v"})
    assert reply.failure == ErrorMessage(Raised("E", "v", ""), is_cut=False)
    assert parse("shell", "execute_reply", {"status": "aborted"}) == ExecuteReply("aborted")
    assert parse("shell", "execute_reply", {"status": "fine"}) is None


@pytest.mark.parametrize("metadata", [None, [], {"omega": 3}, {"omega": {"variables": [], "usage": []}}])
def test_reports_of_another_form_are_empty(metadata: object) -> None:
    """A reply counts even when its report is nonsense."""
    reply = parse("shell", "execute_reply", {"status": "ok", "execution_count": "many"}, metadata)
    assert dict(reply.report.variables) == {}
    assert reply.report.execution_count == 0


@pytest.mark.parametrize("number", [-1, float("nan"), float("inf"), 10**30, True, "7", None])
def test_usage_that_cannot_be_is_zero(number: object) -> None:
    """Numbers go into sums and databases."""
    usage = {"cpu_s": number, "peak_bytes": number}
    reply = parse("shell", "execute_reply", {"status": "ok"}, {"omega": {"usage": usage}})
    assert (reply.report.cpu_s, reply.report.peak_bytes) == (0, 0)


@pytest.mark.parametrize(
    ("said", "code"),
    [(3, 3), (0, 0), (255, 255), (256, None), (-1, None), (True, None), ("3", None), (2.0, None), (None, None)],
)
def test_an_exit_code_is_one_byte_or_not_there(said: object, code: int | None) -> None:
    """Anything else leaves the decision to the message."""
    reply = parse("shell", "execute_reply", {"status": "ok"}, {"omega": {"exit_code": said}})
    assert reply.report.exit_code == code


def test_a_returned_value_is_strict_json_or_left_out() -> None:
    """What only Python's JSON has is replaced; what is nested without end is left out, and that is said."""
    reply = parse("shell", "execute_reply", {"status": "ok"}, {"omega": {"return_value": {"a": [1, float("nan"), None]}}})
    assert (reply.report.return_value, reply.is_cut) == ({"a": [1, None, None]}, False)
    deep: object = 1
    for _ in range(100):
        deep = [deep]
    reply = parse("shell", "execute_reply", {"status": "ok"}, {"omega": {"return_value": deep}})
    assert (reply.report.return_value, reply.is_cut) == (None, True)


@pytest.mark.parametrize(("said", "is_last"), [(True, True), (False, False), (1, False), (None, False)])
def test_a_kernel_may_say_that_a_run_was_its_last(said: object, is_last: bool) -> None:
    """Only in so many words."""
    assert parse("shell", "execute_reply", {"status": "ok"}, {"omega": {"is_last": said}}).report.is_last is is_last


@pytest.mark.parametrize(("said", "is_cut"), [(True, True), (False, False), (1, False), ("yes", False), (None, False)])
def test_the_kernel_may_say_that_it_cut_something(said: object, is_cut: bool) -> None:
    """A text that ends early is not taken for a whole one."""
    assert parse("shell", "execute_reply", {"status": "ok"}, {"omega": {"truncated": said}}).is_cut == is_cut


def test_variables_are_bounded_in_number_and_size() -> None:
    """A million names are cut, and that is said."""
    many = {f"v{number}": {"type": "int"} for number in range(MAX_VARIABLES + 5)}
    reply = parse("shell", "execute_reply", {"status": "ok"}, {"omega": {"variables": many}})
    assert len(reply.report.variables) == MAX_VARIABLES
    assert reply.is_cut
    big = {f"v{number}": {"preview": "x" * 10**5} for number in range(50)}
    reply = parse("shell", "execute_reply", {"status": "ok"}, {"omega": {"variables": big}})
    assert 0 < len(reply.report.variables) < 11
    assert reply.is_cut
    odd = {"x" * 5000: {}, "y": 3, "z": {"type": "int"}}
    reply = parse("shell", "execute_reply", {"status": "ok"}, {"omega": {"variables": odd}})
    assert dict(reply.report.variables) == {"z": {"type": "int"}}


def test_a_reply_whose_metadata_was_not_read_is_cut() -> None:
    """Something of it is missing, and that is said."""
    reply = parse("shell", "execute_reply", {"status": "ok"}, UnreadMessage())
    assert (reply.status, reply.is_cut) == ("ok", True)
    assert parse("iopub", "status", {"execution_state": "idle"}, UnreadMessage()) == Status("idle")


def test_metadata_that_is_too_much_is_left_out_of_a_display() -> None:
    """Its data stays."""
    shown = parse("iopub", "display_data", {"data": {"text/plain": "x"}, "metadata": {"a": "x" * 2**21}})
    assert (shown.display.data, shown.display.metadata, shown.is_cut) == ({"text/plain": "x"}, {}, True)


def test_changes_of_files_are_told() -> None:
    """They stand in the reply."""
    said = {"files": [{"path": b"a".hex(), "change": "created", "size": 3}], "cut": True}
    reply = parse("shell", "execute_reply", {"status": "ok"}, {"omega": {"files": said}})
    assert (reply.report.files, reply.report.are_files_cut) == ((FileChange(b"a", "created", 3),), True)


def test_a_call_of_a_tool_is_read_on_iopub_alone() -> None:
    """What stands in it is for test_call_message."""
    content = {"id": "a", "name": "f", "input": {"x": 1}}
    assert parse("iopub", "omega_tool_call", content) == CallMessage(HostCall("a", "f", {"x": 1}))
    assert parse("shell", "omega_tool_call", content) is None
    assert parse("iopub", "omega_tool_call", {}) is None


def test_a_display_without_a_bundle_is_none() -> None:
    """There is nothing to show."""
    assert parse("iopub", "display_data", {"data": "x"}) is None
    assert parse("iopub", "execute_result", {}) is None
