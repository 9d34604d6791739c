"""What to do about an error of JavaScript whose message does not say so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from kernels.serving import odd_characters

_NO_MODULES: Final = "modules can't be loaded: the language and its built-in objects are all there is"
_NO_EXPORTS: Final = "code is no module: leave out 'export', and use return or console.log"
_NO_NETWORK: Final = "kernels have no network: send data with the code"
_NO_NODE: Final = "code has no objects of Node's: data comes with the code and goes back by return or console.log"
_NO_TIMERS: Final = "there are no timers: call the function at once, or await a promise"
_NO_PAGE: Final = "there is no page: use console.log, display.html(text) or display.svg(text)"
_NO_BUFFER: Final = "Buffer is Node's: use Uint8Array, TextEncoder and TextDecoder, and atob and btoa for base64"
_NO_TYPES: Final = "this looks like TypeScript: send JavaScript, without types"
_NO_DIGESTS: Final = "crypto has randomUUID and getRandomValues only: Python has hashlib"
_ABSENT: Final[Mapping[str, str]] = {
    **dict.fromkeys(("require", "module", "exports"), _NO_MODULES),
    **dict.fromkeys(("fetch", "XMLHttpRequest", "WebSocket", "EventSource", "axios"), _NO_NETWORK),
    **dict.fromkeys(("process", "__dirname", "__filename"), _NO_NODE),
    **dict.fromkeys(("setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval"), _NO_TIMERS),
    **dict.fromkeys(("window", "document", "alert", "prompt", "confirm", "localStorage"), _NO_PAGE),
    "Buffer": _NO_BUFFER,
    "global": "the global object is globalThis",
}
_MARKED: Final = re.compile(r"[^\n]*:(\d{1,9})\n([^\n]*)\n( *)\^\n")
_MARKED_CHARS: Final = 1000
_NOT_DEFINED: Final = re.compile(r"(\w{1,40}) is not defined")
_TYPES: Final = re.compile(
    r"""^\s*(?:export\s+)?(?:declare|interface|type|enum|namespace|abstract\s+class)\s+\w
    |[\w)\]?]\s*:\s*(?:string|number|boolean|any|unknown|void|never|object|bigint)\b
    |[\w)\]?]\s*:\s*[A-Z]\w*(?:<|\[\])
    |\bas\s+(?:const|string|number|boolean|any|unknown|[A-Z])
    |\w<(?:string|number|boolean|any|unknown)\b""",
    re.VERBOSE,
)
_QUOTED: Final = re.compile(r"""'[^']*'?|"[^"]*"?|`[^`]*`?""")
_LINE_CHARS: Final = 500


def find_hint(ename: str, evalue: str, traceback: str = "") -> str:
    """What to do about the error *ename* with the message *evalue*; "" where nothing is known."""
    match ename:
        case "ReferenceError":
            found = _NOT_DEFINED.fullmatch(evalue[:100])
            return _ABSENT.get(found[1], "") if found else ""
        case "SyntaxError":
            return _of_source(evalue, traceback)
        case "TypeError" if evalue.startswith("A dynamic import callback"):
            return _NO_MODULES
        case "TypeError" if evalue.endswith("(reading 'digest')") or evalue.startswith("crypto.createH"):
            return _NO_DIGESTS
    return ""


def _of_source(evalue: str, traceback: str) -> str:
    """Code for another place: a module, or another language; or a character of none."""
    if evalue.startswith("Cannot use import statement"):
        return _NO_MODULES
    lines = traceback.split("\n", 2)  # the second one is the code's
    if len(lines) == 3 and _TYPES.search(_QUOTED.sub("''", lines[1][:_LINE_CHARS])):
        return _NO_TYPES
    if evalue == "Unexpected token 'export'":
        return _NO_EXPORTS
    marked = _MARKED.match(traceback[:_MARKED_CHARS])
    return _of_character(int(marked[1]), marked[2], len(marked[3])) if marked else ""


def _of_character(line: int, source: str, units: int) -> str:
    """What to do about the character at which V8 could not read *source*, so many UTF-16 units from its start."""
    rest = source.encode("utf-16-le", "surrogatepass")[2 * units :].decode("utf-16-le", "replace")
    character = odd_characters.closing_quote(rest[1:], rest[0]) if rest[:1] in ("'", '"') else rest[:1]
    return odd_characters.advice(character, line) if character else ""
