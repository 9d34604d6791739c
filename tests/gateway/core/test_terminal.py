"""What a terminal shows in the end, for text of programs and for text that is meant to cost much."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core import terminal

ESC = "\x1b["


def ended(text: str) -> tuple[str, int]:
    """What is shown of *text*, and the number of steps it took."""
    steps = terminal.shown(text)
    count = 1
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value, count
        count += 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n\ttext  \n", "plain\n\ttext  \n"),
        ("", ""),
        ("\r10%\r20%\r100%\n", "100%\n"),
        ("\r10%\r\r\r9%", "9%%"),
        ("one\r\ntwo\r\n", "one\ntwo\n"),
        ("ab\bc\b\b\b\bd\n", "dc\n"),
        ("downloading\r\x1b[Kdone", "done"),
        (f"abc\r{ESC}Kx", "x"),
        (f"abc{ESC}2Kx", "   x"),
        (f"abcdef{ESC}3D{ESC}1K{ESC}Cx", "    xf"),
        (f"abc{ESC}1K\rx", "x  "),
        (f"ab{ESC}3Cc{ESC}2Gd", "ad   c"),
        (f"one\ntwo{ESC}A!{ESC}Bx{ESC}F1{ESC}E2", "1ne!\n2wo x"),
        (f"a\nb{ESC}9A{ESC}9Bc", "a\nbc"),
        (f"a\nb\nc{ESC}2A{ESC}Jx\ny", "ax\ny"),
        (f"a\nb{ESC}2Jc", "c"),
        (f"a\nb{ESC}1Jc", "a\nbc"),
        (f"a\n{ESC}A{ESC}Cb\nc", "ab\nc"),
        (f"{ESC}31mred{ESC}0m{ESC}?25l{ESC}H{ESC}x", "red"),
        ("\x1b]0;title\x07a\x1b]0;title\x1b\\b\x07\x1b(Bc\x1b7\x00\x7f", "abc"),
        (f"a{ESC}", "a"),
        ("0%\n  0%\x1b[A\r100%\n\r 50%\x1b[A\r\n", "100%\n 50%"),
        ("\U0001f600é\rx\ud800", "x\ud800"),
    ],
)
def test_what_a_terminal_shows(text: str, shown: str) -> None:
    """Progress bars in one line and in several, erased lines, colours, titles, and what is cut off."""
    assert ended(text) == (shown, 1)


MANY = 15_000


@pytest.mark.parametrize(
    "text",
    [
        "\r" * MANY,
        "\b" * MANY,
        "a\b" * MANY,
        "x" * MANY + f"{ESC}1K" * MANY,
        "x" * MANY + f"{ESC}2Ky" * MANY,
        "x" * MANY + "\n" + f"{ESC}Ay{ESC}J\n" * MANY,
        f"{ESC}999999999Cx\n" * MANY,
        f"{ESC}" + "9" * MANY + "A",
        ESC * MANY,
        "\x1b]" * MANY,
        "\x1b]" + "a" * 10 * MANY,
        "\n\r" * MANY,
        "ab\r" * MANY,
        ("x" * 10 * MANY + "\r") * 5,
    ],
)
def test_no_text_gets_longer_or_is_read_without_a_pause(text: str) -> None:
    """What it costs is bounded by its length: the text of one step, and what it makes."""
    shown, steps = ended(text)
    assert len(shown) <= 2 * len(text)
    tokens = len(terminal._TOKEN.findall(text))
    assert steps >= max(tokens // terminal.STEP_TOKENS, len(text) // (2 * terminal.STEP_CHARS))


def test_a_line_is_converted_at_most_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long line that is left and written again and again costs its length only once."""
    thawed: list[int] = []

    class Counting(terminal._Thawed):
        def __init__(self, data: bytes) -> None:
            thawed.append(len(data))
            super().__init__(data)

    monkeypatch.setattr(terminal, "_Thawed", Counting)
    text = "x" * 1000 + "\n" + f"{ESC}Ay{ESC}J\n" * 500
    assert ended(text)[0] == "y\n"
    assert max(thawed) == 4000
    assert sum(1 for size in thawed if size > 4) == 1


def test_text_beyond_the_limit_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take too much memory."""
    monkeypatch.setattr(terminal, "MAX_CHARS", 5)
    assert ended("ab\rc\n") == ("cb\n", 1)
    assert ended("abc\rd\n") == ("abc\rd\n", 1)


@given(st.text(st.sampled_from("ab \r\n\b\t\x1b[0129;KJABCDEFGm]\x07")))
@example(f"{ESC}9C{ESC}1K{ESC}Jx")
def test_any_text_has_an_end(text: str) -> None:
    """Nothing raises, no control character but tabs and line breaks is left, and showing it again changes nothing."""
    shown, _ = ended(text)
    assert set(shown) & {"\r", "\b", "\x1b", "\x07"} == set()
    assert ended(shown) == (shown, 1)
