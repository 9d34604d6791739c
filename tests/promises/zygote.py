"""Corpus 8.6, side effects on the zygote and on what it shares."""

from __future__ import annotations

import time
from pathlib import Path

from tests import traces
from tests.promises.attempt import Attempt, Denied, Place, Prints
from tests.promises.beacon import BEACON, lit
from tests.promises.invariants import helpers


def kernels_have_their_own_uids(place: Place) -> None:
    """At L3 no two live kernels share a host uid; else all are the gateway's user, and none is root."""
    gateway = Path(f"/proc/{place.gateway.pid}").stat().st_uid
    with lit(place):
        while len(uids := _uids_of_kernels(place.gateway.pid)) < 2:
            time.sleep(0.01)  # another process fills the pool: there is nothing to wait on
    if gateway == 0:
        assert len(set(uids)) == len(uids), f"kernels share uids: {uids}"
    assert 0 not in uids


def _uids_of_kernels(gateway_pid: int) -> list[int]:
    _spawner, zygote = helpers(gateway_pid)
    return [uid for pid in traces.children(zygote) if (uid := _uid_once_confined(pid)) is not None]


def _uid_once_confined(pid: int) -> int | None:
    """The uid of a kernel; None while it is taking its isolation steps, and when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    facts = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    return int(facts["Uid"][1]) if facts.get("Seccomp") == ["2"] else None


ZYGOTE = (
    Attempt(
        "Z02",
        """
import signal
print(os.getppid(), open("/proc/self/stat").read().rpartition(")")[2].split()[1])
""",
        Prints("0 0"),
        batch="zygote",
    ),
    Attempt(
        "Z03",
        """
import socket
strange = []
for name in os.listdir("/proc/self/fd"):
    try:
        one = socket.socket(fileno=os.dup(int(name)))
    except OSError:
        continue
    try:
        if one.type == socket.SOCK_SEQPACKET or (one.family != socket.AF_UNIX and one.family != 0):
            strange.append((name, one))
        address = one.getsockname()
        if address and not isinstance(address, tuple) and "control" in str(address) and "spawner" in str(address):
            strange.append((name, address))
    except OSError:
        pass
    one.close()
print(strange)
""",
        Prints("[]"),
        batch="zygote",
    ),
    Attempt(
        "Z04",
        """
import fcntl
owners = []
for name in os.listdir("/proc/self/fd"):
    try:
        owners.append(fcntl.fcntl(int(name), fcntl.F_GETOWN))
    except OSError:
        pass
print(set(owners) - {0}, open("/proc/locks").read().strip() if os.path.exists("/proc/locks") else "")
import signal
for number in (0, 1, signal.SIGIO, signal.SIGKILL):
    for name in os.listdir("/proc/self/fd"):
        for owner in (1, 0, -1, HOST["pid"], 3):
            try: fcntl.fcntl(int(name), fcntl.F_SETOWN, owner)
            except OSError: pass
        try: fcntl.fcntl(int(name), fcntl.F_SETOWN, 0)
        except OSError: pass
""",
        Prints("set() "),
        batch="zygote",
    ),
    Attempt(
        "Z05",
        BEACON + "while not told: time.sleep(0.01)\nprint(os.getuid() != 0)",
        Prints("True"),
        during=kernels_have_their_own_uids,
    ),
    Attempt(
        "Z09",
        """
import mmap
for line in open("/proc/self/maps"):
    area, rights = line.split()[:2]
    if "w" in rights and "[stack" not in line:
        start, end = (int(part, 16) for part in area.split("-"))
        call("madvise", start, end - start, 8)  # FREE, the zygote's own pages: a copy of them
        break
print("on")
""",
        Denied("on"),
        case="madvise",
    ),
)
