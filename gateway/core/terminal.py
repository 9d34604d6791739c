"""Text as a terminal would show it in the end: progress bars in their last state, without colours. Pure.

Carriage returns and backspaces overwrite; the escape sequences that progress bars use move the cursor and erase. All other
control characters and sequences are dropped, tabs are kept. A terminal here is as high and as wide as its text.
The work is linear in the length of the text, and no text comes out longer than it went in.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from typing import Final

STEP_TOKENS, STEP_CHARS = 2048, 256 * 1024
"""How much is read in one step."""
MAX_CHARS: Final = 16 * 1024 * 1024
"""Longer text stays as it is."""
_WIDTH, _CODING = 4, "utf-32-le"
"""Bytes of a character in a line that is being written, and their encoding."""
_TEXT = r"[^\x00-\x08\x0a-\x1f\x7f]"
_SPECIAL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_TOKEN: Final = re.compile(
    rf"(?P<text>{_TEXT}{{1,65536}})"
    r"|(?P<newline>\n)|(?P<start>\r+)|(?P<back>\x08+)"
    r"|\x1b\[(?P<parameter>[0-9:;<=>?]*)[ -/]*(?P<order>[@-~])?"
    r"|\x1b[\]PX^_][^\x07\x1b]*\x07?|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x1f\x7f]"
)


class _Thawed(bytearray):
    """A line that was stored as text and is written again."""


def shown(text: str) -> Generator[None, None, str]:
    """*text* as a terminal shows it in the end, in steps; the caller serves others between them."""
    if _SPECIAL.search(text) is None or len(text) > MAX_CHARS:
        return text
    screen = _Screen(spare=len(text))
    tokens = chars = 0
    for token in _TOKEN.finditer(text):
        screen.take(token)
        tokens, chars = tokens + 1, chars + token.end() - token.start()
        if tokens >= STEP_TOKENS or chars >= STEP_CHARS:
            tokens = chars = 0
            yield
    return screen.text()


class _Screen:
    """The lines so far and the cursor. *spare* bounds the spaces that are made by moving it past the end of a line.

    A line is text until it is written again; then it is never made text any more, so that no line is converted twice.
    """

    def __init__(self, spare: int) -> None:
        self._lines: list[str | bytearray] = [bytearray()]
        self._row = self._column = 0
        self._spare = spare

    def take(self, token: re.Match[str]) -> None:
        """Show the next piece of text, or obey the next control character or sequence."""
        match token.lastgroup:
            case "text":
                self._write(token["text"])
            case "newline":
                self._end_line()
            case "start":
                self._column = 0
            case "back":
                self._column = max(0, self._column - len(token["back"]))
            case "order":
                self._obey(token["order"], token["parameter"])
            case _:
                pass  # a bell, a title, a sequence that is cut off

    def text(self) -> str:
        """What is shown."""
        return "\n".join(line if isinstance(line, str) else line.decode(_CODING, "surrogatepass") for line in self._lines)

    def _write(self, text: str) -> None:
        cells = self._cells()
        self._fill(cells)
        at = _WIDTH * self._column
        cells[at : at + _WIDTH * len(text)] = text.encode(_CODING, "surrogatepass")
        self._column += len(text)

    def _end_line(self) -> None:
        """Go to the start of the next line."""
        line = self._lines[self._row]
        self._column = 0
        self._row += 1
        if self._row < len(self._lines):
            return
        if type(line) is bytearray:
            self._lines[-1] = line.decode(_CODING, "surrogatepass")
        self._lines.append(bytearray())

    def _obey(self, order: str, parameter: str) -> None:
        number = int(parameter[:6]) if parameter.isdigit() else 0
        match order:
            case "A" | "F":
                self._row = max(0, self._row - max(1, number))
            case "B" | "E":
                self._row = min(len(self._lines) - 1, self._row + max(1, number))
            case "C":
                self._column += max(1, number)
            case "D":
                self._column = max(0, self._column - max(1, number))
            case "G":
                self._column = max(1, number) - 1
            case "K":
                self._erase_in_line(number)
            case "J":
                self._erase_below(number)
            case _:
                pass  # colours, modes, and places on a screen whose height is not known
        if order in "EF":
            self._column = 0

    def _erase_in_line(self, what: int) -> None:
        """Erase the line from the cursor (0), up to it (1), or all of it (2)."""
        cells, at = self._cells(), _WIDTH * self._column
        if what != 1:
            del cells[0 if what == 2 else at :]
        elif self._spare > self._column:
            self._spare -= self._column
            ends_here = min(at + _WIDTH, len(cells))
            cells[:ends_here] = " ".encode(_CODING) * (ends_here // _WIDTH)

    def _erase_below(self, what: int) -> None:
        """Erase what follows the cursor (0), or everything (2, 3)."""
        if what in (2, 3):
            self._lines, self._row, self._column = [bytearray()], 0, 0
        elif what == 0:
            self._erase_in_line(0)
            del self._lines[self._row + 1 :]

    def _cells(self) -> bytearray:
        """The line of the cursor, to be written."""
        line = self._lines[self._row]
        if isinstance(line, str):
            line = self._lines[self._row] = _Thawed(line.encode(_CODING, "surrogatepass"))
        return line

    def _fill(self, cells: bytearray) -> None:
        """Bring the end of the line to the cursor; if there is too much between, the cursor to the end of the line."""
        missing = self._column - len(cells) // _WIDTH
        if missing <= 0:
            return
        if missing <= self._spare:
            self._spare -= missing
            cells += " ".encode(_CODING) * missing
        else:
            self._column -= missing
