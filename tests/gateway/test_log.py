"""Log lines: complete, private, and impossible to forge from outside."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from gateway.log import bind_run, set_up_log


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    """Logging is a process's own; leave it as it was."""
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    yield
    root.handlers[:], logging.raiseExceptions = handlers, raising
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def stream() -> io.StringIO:
    """Where the lines go."""
    return io.StringIO()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """The JSON lines written."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_each_line_has_time_level_logger_and_run(stream: io.StringIO) -> None:
    """So that a run can be followed through all of them."""
    set_up_log("info", "json", stream)
    bind_run("run-7")
    structlog.get_logger("omega.x").info("hello", answer=42)
    [line] = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "hello", "answer": 42, "run_id": "run-7", "level": "info", "logger": "omega.x"}


def test_lines_below_the_level_are_left_out(stream: io.StringIO) -> None:
    """Ours and other libraries'."""
    set_up_log("warning", "json", stream)
    structlog.get_logger("omega").info("no")
    logging.getLogger("tornado.general").info("no")
    structlog.get_logger("omega").warning("yes")
    assert [line["event"] for line in lines(stream)] == ["yes"]


@pytest.mark.parametrize("name", ["code", "token", "authorization", "body", "query"])
def test_private_fields_are_hidden_whoever_logs_them(stream: io.StringIO, name: str) -> None:
    """A slip somewhere must not leak."""
    set_up_log("info", "json", stream)
    structlog.get_logger("omega").info("x", **{name: "hunter2"})
    assert "hunter2" not in stream.getvalue()


def test_query_strings_and_passwords_of_other_libraries_are_cut(stream: io.StringIO) -> None:
    """Tornado logs whole addresses, a database driver whole URLs."""
    set_up_log("info", "json", stream)
    logging.getLogger("tornado.general").warning("404 GET /a?token=hunter2 (127.0.0.1)")
    logging.getLogger("other").warning("can't reach postgresql://user:hunter2@host/db")
    assert "hunter2" not in stream.getvalue()
    assert [line["event"] for line in lines(stream)] == [
        "404 GET /a?… (127.0.0.1)",
        "can't reach postgresql://user:…@host/db",
    ]


@pytest.mark.parametrize("form", ["json", "console"])
def test_nothing_from_outside_can_start_a_line_or_steer_a_terminal(stream: io.StringIO, form: Any) -> None:
    """Newlines, escape sequences, bidirectional overrides and lone surrogates are escaped."""
    set_up_log("info", form, stream)
    evil = "/x\n2026-01-01 [error] forged\r\x1b[31m\u202e\u2028\ud800\x9b"
    structlog.get_logger("omega").info("request", path=evil, more=[evil])
    logging.getLogger("other").warning(evil)
    written = stream.getvalue()
    written.encode()
    assert written.count("\n") == 2
    assert not any(char in written for char in "\x1b\u202e\u2028\r\x9b")


def test_an_exception_that_has_lines_cannot_forge_one(stream: io.StringIO) -> None:
    """Its lines are indented, whatever is in its message."""
    set_up_log("info", "console", stream)
    try:
        raise ValueError("bad\n2026-01-01T00:00:00Z [error] forged\x1b[0m")
    except ValueError:
        structlog.get_logger("omega").exception("failed")
    assert "\x1b[0m" not in stream.getvalue()
    assert not any(line.startswith("2026-01-01") for line in stream.getvalue().splitlines())


def test_long_values_are_cut(stream: io.StringIO) -> None:
    """A line stays a line."""
    set_up_log("info", "json", stream)
    structlog.get_logger("omega").info("x", value="y" * 10**6)
    assert len(stream.getvalue()) < 5000
