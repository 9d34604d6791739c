"""Stacks of errors: the caller's frames with the caller's lines, wherever the code looks at them."""

from __future__ import annotations

import re

import pytest

from tests.kernels.conftest import Start

pytestmark = pytest.mark.kernel
LOOKS = {
    "printed": "console.log(make())",
    "printed in an object": "console.error({ error: make() })",
    "printed behind a proxy": "console.log(new Proxy(make(), {}))",
    "traced": "console.trace('here')",
    "read": "console.log(make().stack)",
    "captured": "const own = {}; Error.captureStackTrace(own); console.log(own.stack)",
    "of a cause": "console.log(new Error('outer', { cause: make() }))",
    "of several": "console.log(new AggregateError([make()], 'm'))",
    "shown": "display(make())",
    "thrown": "throw make()",
    "thrown behind a proxy": "throw new Proxy(make(), {})",
    "rejected": "await Promise.reject(make())",
    "thrown later": "await null; throw make()",
    "of too deep a recursion": "(function again() { return again(); })()",
    "of what Node refuses": "await import('fs')",
    "with a broken prototype of lists": "Array.prototype.map = Array.prototype.filter = null; console.log(make().stack)",
    "with a name that throws": "console.log(Object.defineProperty(make(), 'name', { get() { throw 1 } }).stack)",
}
FRAME = re.compile(r"^ *at (.*)$", re.MULTILINE)
PLACE = re.compile(r"<code(?: \d+)?>:\d+:\d+\)?(?: \{)?$")


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("mode", ["body", "cell"])
def test_no_frame_of_ours_is_seen(start: Start, mode: str, look: str) -> None:
    """In what is printed, shown and thrown; and there are frames of the code to be seen."""
    code = f"function make() {{\n  return new Error('a');\n}}\n{LOOKS[look]}"
    reply = start().run(code, inputs={"session": True} if mode == "cell" else {})
    shown = "\n".join([reply.text(), str(reply.of("display_data")), str(reply.content)]).replace("\\n", "\n")
    frames = FRAME.findall(shown)
    assert frames or look == "of what Node refuses", shown
    assert [frame for frame in frames if not PLACE.search(frame.split("'")[0])] == [], shown
    assert "/js/" not in shown
    assert "omega" not in shown
    assert "node:" not in shown


def test_lines_and_functions_are_the_callers(start: Start) -> None:
    """As Node writes them."""
    reply = start().run("function make() {\n  return new Error('a');\n}\nconsole.log(make())")
    assert reply.text() == "Error: a\n    at make (<code>:2:10)\n    at <code>:4:13\n"
