"""What a child says through its gate before any user code runs: read with a bound, and never believed more than that."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.spawner.events import Failed
from kernels.spawner.life import ENDED_EARLY
from kernels.spawner.member import parse_report


def test_a_full_report_is_the_time_of_each_step() -> None:
    """In milliseconds, for the bench."""
    assert parse_report(b'{"steps_ms": {"limits": 1, "mounts": 2.5}}') == {"limits": 1.0, "mounts": 2.5}


def test_a_failed_step_is_named() -> None:
    """With the name of the error."""
    assert parse_report(b'{"step": "mounts", "reason": "EPERM"}') == Failed("mounts", "EPERM")


WRONG_TIMES = (b'{"steps_ms": {"a": null}}', b'{"steps_ms": {"a": "x"}}', b'{"steps_ms": {"a": []}}')


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"1", b"\xff", b"[" * 4096, *WRONG_TIMES])
def test_nonsense_is_an_early_end(data: bytes) -> None:
    """As if the child had said nothing."""
    assert parse_report(data) == ENDED_EARLY


@given(st.binary(max_size=200) | st.text().map(lambda text: json.dumps({"step": text, "reason": [text]}).encode()))
def test_no_report_is_an_error_of_the_spawner(data: bytes) -> None:
    """Whatever the bytes."""
    assert isinstance(parse_report(data), Failed)
