"""What to do about an error of JavaScript whose message does not say so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from kernels.serving import odd_characters

_NO_MODULES: Final = "modules can't be loaded: the language and its built-in objects are all there is"
_NO_NETWORK: Final = "kernels have no network: send data with the code"
_NO_NODE: Final = "code has no objects of Node's: data comes with the code and goes back by return or console.log"
_ABSENT: Final[Mapping[str, str]] = {
    **dict.fromkeys(("require", "module", "exports"), _NO_MODULES),
    **dict.fromkeys(("fetch", "XMLHttpRequest", "WebSocket"), _NO_NETWORK),
    **dict.fromkeys(("process", "Buffer", "__dirname", "__filename", "global"), _NO_NODE),
}
_MARKED: Final = re.compile(r"[^\n]*:(\d{1,9})\n([^\n]*)\n( *)\^\n")
_MARKED_CHARS: Final = 1000
_NOT_DEFINED: Final = re.compile(r"(\w{1,40}) is not defined")


def find_hint(ename: str, evalue: str, traceback: str = "") -> str:
    """What to do about the error *ename* with the message *evalue*; "" where nothing is known."""
    if ename == "ReferenceError" and (found := _NOT_DEFINED.fullmatch(evalue[:100])):
        return _ABSENT.get(found[1], "")
    if ename == "SyntaxError" and evalue.startswith("Cannot use import statement"):
        return _NO_MODULES
    if ename == "SyntaxError" and (marked := _MARKED.match(traceback[:_MARKED_CHARS])):
        return _of_character(int(marked[1]), marked[2], len(marked[3]))
    return ""


def _of_character(line: int, source: str, units: int) -> str:
    """What to do about the character at which V8 could not read *source*, so many UTF-16 units from its start."""
    rest = source.encode("utf-16-le", "surrogatepass")[2 * units :].decode("utf-16-le", "replace")
    character = odd_characters.closing_quote(rest[1:], rest[0]) if rest[:1] in ("'", '"') else rest[:1]
    return odd_characters.advice(character, line) if character else ""
