"""A run as a model reads it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.core.files import FileChange
from gateway.core.model import Display, Json, Limit, Raised, Result
from gateway.service.tools.text import read_by_model, shortened, without_fence
from gateway.steps import in_turns

RAN = Result(success=True, output="", stdout="", stderr="", error=None, exit_code=0, wall_s=0.1)


def read(result: Result, limit_bytes: int = 20_000, *, is_kept: bool = True) -> str:
    return asyncio.run(in_turns(read_by_model(result, limit_bytes, is_kept=is_kept)))


def value(text: str, **data: Json) -> Display:
    return Display("result", {"text/plain": text, **data})


def test_it_has_output_value_and_error_in_the_order_they_came() -> None:
    """Once each, with nothing between that says nothing."""
    raised = Raised("ValueError", "no", "Traceback:\nValueError: no\n")
    assert read(replace(RAN, output="a\nb\n", displays=(value("3"),))) == "a\nb\n3"
    assert read(replace(RAN, output="a\n", error=raised)) == "a\nTraceback:\nValueError: no"
    assert read(RAN) == "(no output)"


def test_progress_is_read_in_its_last_state() -> None:
    """As on a terminal; colours are nothing to read."""
    assert read(replace(RAN, output="10%\r50%\r100%\n\x1b[31mred\x1b[0m\n")) == "100%\nred"


def test_an_error_without_a_traceback_has_its_name_and_its_hint() -> None:
    """The hint is told once, whether or not the traceback has it."""
    raised = Raised("TimeoutError", "over 1 s", "", "Use less.")
    assert read(replace(RAN, error=raised)) == "TimeoutError: over 1 s\nHint: Use less."
    whole = "TimeoutError: over 1 s\nUse less."
    assert read(replace(RAN, error=replace(raised, traceback=whole))) == whole


def test_a_limit_is_named_below_the_traceback_of_what_ended_the_code() -> None:
    """An interrupt alone reads as if a user had stopped it; Python's MemoryError says nothing."""
    late = Raised("TimeoutError", "Execution timeout exceeded", "Traceback\nKeyboardInterrupt\n")
    stopped = replace(RAN, error=late, limit=Limit.TIMEOUT, wall_s=1.04)
    note = "[The code was stopped at its time limit, after 1.0 s: the argument timeout sets another.]"
    assert read(stopped) == f"Traceback\nKeyboardInterrupt\nTimeoutError: Execution timeout exceeded\n{note}"
    full = Raised("MemoryError", "Memory limit of 512 MB exceeded", "Traceback\nMemoryError")
    assert read(replace(RAN, error=full)).endswith("\nMemoryError: Memory limit of 512 MB exceeded")
    named = replace(full, traceback="Traceback\nMemoryError: Memory limit of 512 MB exceeded")
    assert read(replace(RAN, error=named)).count("512 MB") == 1


def test_only_a_session_can_lose_its_state() -> None:
    """A model would look for a session that there never was."""
    lost = replace(RAN, kernel_replaced=True)
    assert "new kernel" in read(lost, is_kept=True)
    assert "new kernel" not in read(lost, is_kept=False)


def test_values_that_are_elsewhere_are_not_told_again() -> None:
    """An analysis prints its value; a picture stands beside the text, and so does what drew it."""
    picture = value("<Figure>", **{"image/png": "aWE="})
    assert read(replace(RAN, output="\nSummary\n", displays=(value("Summary"),))) == "Summary"
    drawn = (value("[<matplotlib.lines.Line2D at 0x7f>]"), picture, value("7"))
    assert read(replace(RAN, displays=drawn)) == "7"
    for plotted in (
        "Text(0.5, 1.0, 'title')",
        "<BarContainer object of 2 artists>",
        "<ErrorbarContainer object of 3 artists>",
    ):
        assert read(replace(RAN, displays=(value(plotted), picture))) == "(no output)"
    assert read(replace(RAN, displays=drawn[:1])) == "[<matplotlib.lines.Line2D at 0x7f>]"


def test_a_returned_value_is_its_json_and_text_is_itself() -> None:
    """JavaScript returns values."""
    assert read(replace(RAN, return_value={"a": 1})) == '{"a":1}'
    assert read(replace(RAN, return_value=["x" * 120])) == '[\n  "' + "x" * 120 + '"\n]'
    assert read(replace(RAN, return_value="text")) == "text"
    assert read(replace(RAN, return_value=[1], displays=(value("[ 1 ]"),))) == "[ 1 ]"


def test_what_changed_is_told() -> None:
    """A model that knows neither files nor a lost kernel goes on as if nothing had happened."""
    files = (FileChange(b"a.csv", "created", 12), FileChange(b"b\xff", "deleted", 0))
    told = read(replace(RAN, files=files, are_files_cut=True, truncated=True, kernel_replaced=True))
    assert told.splitlines() == [
        "[The output was over its limit: what is missing was not kept.]",
        "[The session has a new kernel: variables and files are gone.]",
        "[Files: a.csv (created, 12 bytes), b\ufffd (deleted), and more]",
    ]


def test_without_a_session_files_are_told_to_be_gone() -> None:
    """A model that reads only their names would go on with them."""
    files = (FileChange(b"a.csv", "created", 12),)
    lost = "[Without a session these files were not kept: a.csv (created, 12 bytes)]"
    assert read(replace(RAN, files=files), is_kept=False) == lost


def test_javascript_that_gave_nothing_is_told_how_to_give_a_value() -> None:
    """In a session its last value is the result, so that there nothing is missing."""
    nothing = replace(RAN, gave_nothing=True)
    assert read(nothing, is_kept=False) == "(no output: a value needs return, or console.log)"
    assert read(nothing) == "(no output)"


@pytest.mark.parametrize("text", ["x" * 30_000, "é" * 15_000, "\U0001f600" * 9_000])
def test_long_text_has_head_and_tail_and_says_how_much_is_between(text: str) -> None:
    """In bytes; no character is cut."""
    short = shortened(text, 20_000)
    head, note, tail = short.split("\n")
    left_out = int(note.removeprefix("[").removesuffix(" bytes left out]"))
    assert len(text.encode()) == len(head.encode()) + left_out + len(tail.encode())
    assert text.startswith(head)
    assert text.endswith(tail)
    assert 19_990 < len(head.encode()) + len(tail.encode()) <= 20_000
    assert shortened(text, 1_000_000) == text


@pytest.mark.parametrize(
    ("code", "bare"),
    [
        ("```python\nprint(1)\n```", "print(1)"),
        ("\n```\na\nb\n```\n", "a\nb"),
        ("print(1)", "print(1)"),
        ("````md\na\n````", "a"),
        ("~~~ js\na\n~~~", "a"),
        ("```python\r\na\r\n```", "a\r"),
        ("````\na\n```", "````\na\n```"),
        ("```", "```"),
        ("```python\nprint(1)", "```python\nprint(1)"),
        ("x = '''\n```\n'''", "x = '''\n```\n'''"),
    ],
)
def test_a_fence_around_code_goes(code: str, bare: str) -> None:
    """Models write Markdown; only a whole fence is one."""
    assert without_fence(code) == bare
