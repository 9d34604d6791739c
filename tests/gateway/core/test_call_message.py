"""Calls of tools as kernels send them; code may have written every part."""

from __future__ import annotations

import pytest

from gateway.core.call_message import CallMessage, parse_call
from gateway.core.host_tools import HostCall
from gateway.core.json_limits import KERNEL_DEPTH
from gateway.core.strict_json import MAX_BYTES


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def test_a_call_is_repaired_and_weighed() -> None:
    """No NaN and no half character goes on to the client."""
    said = parse_call({"id": "a-1", "name": "f", "input": {"x": float("nan"), "y": "\ud800", "z": [1]}})
    assert said == CallMessage(HostCall("a-1", "f", {"x": None, "y": "\ufffd", "z": [1]}))
    assert said.call.size_bytes > 10


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"id": 1, "name": "f", "input": {}},
        {"id": "a b", "name": "f", "input": {}},
        {"id": "a", "name": None, "input": {}},
        {"id": "a", "name": "f"},
        {"id": "a", "name": "f", "input": []},
        {"id": "a", "name": "f", "input": "x"},
        {"id": "a", "name": "f", "input": nested(KERNEL_DEPTH + 1)},
        {"id": "a", "name": "f", "input": {"x": "y" * MAX_BYTES}},
    ],
)
def test_what_is_not_of_the_form_is_no_call(content: dict[object, object]) -> None:
    """Whatever stands in it."""
    assert parse_call(content) is None
