"""Corpus 8.8, sandboxes: commands that flood, stay or look around, and clients that ask for anything."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.service.sandboxes.command import READS
from tests.live import Gateway, Reply
from tests.promises.http import Knock
from tests.promises.invariants import memory_bytes
from tests.promises.watching import silent

SANDBOXES = "/code-interpreter/sandboxes"
SILENT, HELD_BYTES, OTHER_READS = 20, 48 * 2**20, 1000
FLOODS = (
    "yes",
    "yes >&2",
    "while :; do printf x; done",
    "exec python3 -uc 'while True: print(end=chr(0))'",
    "yes | tee /dev/stderr",
)
STAYS = (
    "trap '' TERM INT HUP; setsid sleep 1000 & exit 0",
    "(setsid sh -c 'trap \"\" TERM; sleep 1000 & sleep 1000' &) ; exit 0",
    "sleep 1000 & kill -STOP $! ; exit 0",
    "python3 -c 'import os, time\nfor _ in range(3):\n    if os.fork(): os._exit(0)\n    os.setsid()\ntime.sleep(1000)'",
)
LOOKS_AROUND = """
import os, pathlib
found = []
for entry in pathlib.Path("/proc").iterdir():
    if not entry.name.isdigit() or int(entry.name) in (1, os.getpid()): continue
    for name in ("environ", "mem", "fd", "maps", "cwd"):
        try: list((entry / name).iterdir()) if name == "fd" else (entry / name).open("rb").read(1)
        except OSError: continue
        found.append((entry.name, name))
print(found, [line for line in open("/proc/net/unix").read().split() if "/" in line])
"""
ODD: tuple[Any, ...] = (None, True, -1, 1e308, [], {}, [[[]]], "", "x" * 100_000, "\ud800", "\0", {"a": {"b": [None]}})
FIELDS = {
    "": ("name", "metadata", "env", "lifetime", "idleTimeout", "x"),
    "/extend": ("lifetime",),
    "/contexts": ("language", "name", "timeout", "env", "cwd"),
    "/commands": ("command", "env", "cwd", "stdin", "stdinOpen", "timeout", "background"),
}


@dataclass(frozen=True, slots=True)
class Sandbox:
    """One sandbox of the key that *gateway* holds the token of."""

    gateway: Gateway
    address: str
    python: str

    def ask(self, method: str, tail: str = "", body: object = None) -> Reply:
        """A request about it."""
        return self.gateway.ask(method, self.address + tail, body)

    def command(self, command: object, **others: object) -> Any:
        """The answer to a command."""
        reply = self.ask("POST", "/commands", {"command": command, **others})
        assert reply.status == 200, reply
        return reply.body

    def runs(self) -> None:
        """AssertionError unless its kernel does what it is told."""
        reply = self.gateway.ask("POST", f"/code-interpreter/sessions/{self.python}/execute", {"code": "print(6 * 7)"})
        assert (reply.status, reply.body["output"]) == (200, "42\n"), reply


@contextlib.contextmanager
def _sandbox(gateway: Gateway) -> Iterator[Sandbox]:
    """A new one, deleted afterwards."""
    reply = gateway.ask("POST", SANDBOXES, {})
    assert reply.status == 200, reply
    made = Sandbox(gateway, f"{SANDBOXES}/{reply.body['id']}", reply.body["contexts"][0]["id"])
    try:
        yield made
    finally:
        assert made.ask("DELETE").status == 200


def _bears_floods(gateway: Gateway) -> None:
    """Commands that write all they can, large or tiny pieces: the gateway answers, keeps little, and works little."""
    with _sandbox(gateway) as made:
        before = memory_bytes(gateway.pid)
        floods = [made.command(flood, background=True)["id"] for flood in FLOODS]
        for flood in floods:
            while not made.ask("GET", f"/commands/{flood}").body["truncated"]:
                made.runs()
        begun, reads = time.monotonic(), _reads(gateway.pid)
        assert made.command("sleep 1")["success"]
        allowed = READS.per_minute / 60 * (time.monotonic() - begun) + READS.burst + OTHER_READS
        assert _reads(gateway.pid) - reads <= allowed
        assert memory_bytes(gateway.pid) - before < HELD_BYTES


def _reads(pid: int) -> int:
    """How often a process has read from files and pipes."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("syscr"))


def _leaves_nothing_running(gateway: Gateway) -> None:
    """What a command leaves behind, however it hides, ends with the sandbox."""
    with _sandbox(gateway) as made:
        for stays in STAYS:
            made.command(stays)
        made.command("sleep 1000", background=True)
        made.runs()


def _keeps_kernels_apart(gateway: Gateway) -> None:
    """A command finds no kernel's memory, variables, descriptors or channels, and cannot stop a cell's answer."""
    with _sandbox(gateway) as made:
        said = made.command(["python3", "-c", LOOKS_AROUND])
        assert (said["stdout"], said["exitCode"]) == ("[] []\n", 0), said
        made.command("for pid in /proc/[0-9]*; do kill -9 ${pid#/proc/}; done; exit 0")
        made.runs()


def _waits_for_no_deaf_reader(gateway: Gateway) -> None:
    """Readers that do not read hold up their command, and neither the gateway's memory nor the sandbox's end."""
    before = memory_bytes(gateway.pid)
    with contextlib.ExitStack() as stack, _sandbox(gateway) as made:
        flood = made.command("yes", background=True)["id"]
        for _ in range(SILENT):
            stack.enter_context(silent(gateway, f"{made.address}/commands/{flood}/events"))
        made.runs()
        assert memory_bytes(gateway.pid) - before < HELD_BYTES


def _takes_no_odd_request(gateway: Gateway) -> None:
    """Whatever stands where another kind of value is wanted, the answer is no fault of the gateway."""
    with _sandbox(gateway) as made:
        for tail, names in FIELDS.items():
            for name, value in itertools.product(names, ODD):
                path = made.address + tail if tail else SANDBOXES
                body = {**({"command": "true"} if tail == "/commands" else {}), name: value}
                reply = gateway.ask("POST", path, json.dumps(body).encode(), headers={"Content-Type": "application/json"})
                assert reply.status in (200, 400, 413, 429), (tail, name, ascii(value), reply)
                if tail == "" and reply.status == 200:
                    gateway.ask("DELETE", f"{SANDBOXES}/{reply.body['id']}")
                if tail == "/contexts" and reply.status == 200:
                    made.ask("DELETE", f"/contexts/{reply.body['id']}")
        for odd in ("..%2f..", "%00", "x" * 5000, "%ff", "*"):
            for tail in (f"/commands/{odd}", f"/commands/{odd}/events", f"/contexts/{odd}"):
                method = "DELETE" if "contexts" in tail else "GET"
                assert made.ask(method, tail).status in (400, 404), tail
        made.ask("POST", "/extend", {"lifetime": None})
        made.runs()


SANDBOX_KNOCKS = (
    Knock("SB01", _bears_floods),
    Knock("SB02", _leaves_nothing_running),
    Knock("SB03", _keeps_kernels_apart),
    Knock("SB04", _waits_for_no_deaf_reader),
    Knock("SB05", _takes_no_odd_request),
)
