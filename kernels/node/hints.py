"""What to do about an error of JavaScript whose message does not say so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_NO_MODULES: Final = "modules can't be loaded: the language and its built-in objects are all there is"
_NO_NETWORK: Final = "kernels have no network: send data with the code"
_NO_NODE: Final = "code has no objects of Node's: data comes with the code and goes back by return or console.log"
_ABSENT: Final[Mapping[str, str]] = {
    **dict.fromkeys(("require", "module", "exports"), _NO_MODULES),
    **dict.fromkeys(("fetch", "XMLHttpRequest", "WebSocket"), _NO_NETWORK),
    **dict.fromkeys(("process", "Buffer", "__dirname", "__filename", "global"), _NO_NODE),
}
_NOT_DEFINED: Final = re.compile(r"(\w{1,40}) is not defined")


def find_hint(ename: str, evalue: str) -> str:
    """What to do about the error *ename* with the message *evalue*; "" where nothing is known."""
    if ename == "ReferenceError" and (found := _NOT_DEFINED.fullmatch(evalue[:100])):
        return _ABSENT.get(found[1], "")
    if ename == "SyntaxError" and evalue.startswith("Cannot use import statement"):
        return _NO_MODULES
    return ""
