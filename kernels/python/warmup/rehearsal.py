"""A rehearsal in the zygote: runs go through a kernel with dummy sockets, then every trace is removed.

What code does for the first time (imports, caches, the interpreter's own specialisation of bytecode) it then does once in
the zygote instead of in each kernel, where it would also copy the memory pages it writes to.
"""

from __future__ import annotations

import linecache
import os
import sys
from typing import Any

import zmq
from tornado.ioloop import IOLoop

from kernels.python.identity import rename
from kernels.python.parts import PythonParts
from kernels.python.shown import figures, tracebacks
from kernels.serving import identity
from kernels.serving.publisher import Attendant

ROUNDS = 12
_CODES = ("print(1)", "x = [1, 2]\nx", "1 / 0", "import math\nmath.pi", "def f(a):\n    return a\nf(2)")
_FIGURE = "import matplotlib.pyplot as plt\nplt.plot([1, 2], label='a')\nplt.title('t')\nplt.legend()\nplt.show()"


class Nowhere:
    """A socket that discards everything and receives nothing."""

    closed = False

    def getsockopt(self, _option: int) -> int:
        """No events."""
        return 0

    def send(self, _part: Any, *_flags: Any) -> None:
        """Forget a part of a message."""

    def send_multipart(self, _parts: Any, *_flags: Any, **_options: Any) -> None:
        """Forget the message."""

    def flush(self, *_flags: Any) -> None:
        """Nothing is waiting."""


def rehearse(parts: PythonParts) -> None:
    """Run every kind of request a few times and leave *parts* as they were."""
    kernel: Any = parts.kernel
    kept = sys.stdout, sys.stderr, sys.modules["__main__"]
    nowhere: Any = Nowhere()
    parts.publisher.open(nowhere)
    parts.record.own()
    kernel.shell_stream = None
    sys.stdout, sys.stderr = kernel.streams
    sys.modules["__main__"] = kernel.shell.user_module
    for _turn in range(ROUNDS):
        _be_born(parts)
    loop = IOLoop(make_current=False)
    kernel.io_loop = loop
    try:
        loop.run_sync(lambda: _play(parts))
    finally:
        loop.close()
        sys.stdout, sys.stderr, sys.modules["__main__"] = kept
        _forget(parts)


def _be_born(parts: PythonParts) -> None:
    """The steps of child.py before its first request that need no socket."""
    identity.environment("/", {})
    identity.reseed()
    rename(parts, "rehearsal", "rehearsal")
    Attendant().io_loop.close(all_fds=True)
    IOLoop(make_current=True).close(all_fds=True)


async def _play(parts: PythonParts) -> None:
    for turn in range(ROUNDS):
        for code in _CODES:
            await _request(parts, code, {"task": "python", "files": "new"})
        await _request(parts, "math.sqrt(2)", {"task": "math"})
        if turn % 4 == 0:
            await _request(parts, "plt.plot([1, 2])", {"task": "chart", "chart_bytes": 65_536})
            await _request(parts, _FIGURE, {"task": "python", "chart_bytes": 65_536})
            await _request(parts, "", {"task": "analyze", "inputs": _table(turn)})
            await _request(parts, "1 + 1", None)


def _table(turn: int) -> dict[str, Any]:
    kinds = ("summary", "correlation", "stats")
    rows = [{"a": 1, "b": 2.5, "c": "x"}, {"a": 2, "b": None, "c": "y"}, {"a": 4, "b": 1.0, "c": "2024-01-01"}]
    return {"analysisType": kinds[turn // 4 % 3], "format": "records", "data": rows}


async def _request(parts: PythonParts, code: str, omega: dict[str, Any] | None) -> None:
    session = parts.session
    content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": False}
    metadata = {} if omega is None else {"omega": omega}
    message = session.serialize(session.msg("execute_request", content, metadata=metadata), ident=b"rehearsal")
    await parts.kernel.shell_main(None, [zmq.Frame(part) for part in message])


def _forget(parts: PythonParts) -> None:
    kernel: Any = parts.kernel
    kernel.set_parent(b"", {})
    kernel._aborting = False
    shell = kernel.shell
    shell.reset()
    shell.compile.forget()
    shell.failure = None
    for name in [name for name in linecache.cache if name.startswith(tracebacks.CODE_NAME[:-1])]:
        del linecache.cache[name]
    for name in [name for name in linecache.cache if f"{os.sep}ipykernel_" in name]:
        del linecache.cache[name]
    figures.gallery.begin()
    parts.record.forget()
    parts.session.digest_history.clear()
    parts.session.message_count = 0
