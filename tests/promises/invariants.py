"""What must hold after every line of the corpus: the six invariants, looked at from outside."""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from gateway.state import instance_name
from tests import traces
from tests.live import HANG_S, Gateway
from tests.promises.attempt import Place
from tests.promises.world import USER, Canaries

HEALTH_CPU_S, ANSWER_CPU_S = 0.1, 0.5
"""Processor time of the gateway, of which an answer takes some hundredth: it shows work that a line has left."""
RSS_GROWTH_BYTES = (64 + 32 + 64) * 2**20
"""What one key's finished runs and large pictures may keep (stream_bytes, tool_kept_bytes), and some room."""
LOG_GROWTH_BYTES, LOG_LINE_BYTES = 256 * 1024, 1024
FIRST_KERNEL_UID = 1_879_048_192
KERNEL_FAULT = re.compile(
    r"BUG:|WARNING:|Oops|Kernel panic|general protection fault.*\[#\d|KASAN|UBSAN|lockup|refcount_t"
    r"|list_(add|del) corruption|scheduling while atomic|blocked for more than|unable to handle"
)
"""Not: a program's segmentation fault, or the end of memory in a control group."""
WATCHED = ("env", "id", "python3")

NEIGHBOUR = """
import os, time
mine, text = 41, "of the neighbour"
open("/work/mine", "w").write(text); open("/tmp/mine", "w").write(text)
for _ in range(6):
    time.sleep(0.04)
    assert (mine, text) == (41, "of the neighbour")
assert os.listdir("/work") == ["mine"] and os.listdir("/tmp") == ["mine"], (os.listdir("/work"), os.listdir("/tmp"))
print(open("/work/mine").read(), open("/tmp/mine").read(), mine + 1)
"""
NEIGHBOUR_SAYS = "of the neighbour of the neighbour 42\n"


@dataclass(frozen=True, slots=True)
class Presence:
    """What a gateway has on the machine: each a thing that a line of the corpus could leave more of."""

    processes: int
    gateway_fds: int
    spawner_fds: int
    zygote_fds: int
    cgroups: int
    host_mounts: int
    zygote_mounts: int
    network_namespaces: int
    strangers: int

    def unlike(self, before: Presence) -> list[str]:
        """What is not as it was *before*."""
        pairs = ((item.name, getattr(before, item.name), getattr(self, item.name)) for item in fields(self))
        return [f"{name}: {was} before, {now} now" for name, was, now in pairs if was != now]


def look(gateway: Gateway) -> Presence:
    """What is there at this moment."""
    tree = traces.descendants(gateway.pid)
    spawner, zygote = helpers(gateway.pid)
    return Presence(
        processes=len(tree),
        gateway_fds=_count(gateway.pid, "fd"),
        spawner_fds=_count(spawner, "fd"),
        zygote_fds=_count(zygote, "fd"),
        cgroups=_cgroups(instance_name(gateway.state_dir)),
        host_mounts=_lines("self"),
        zygote_mounts=_lines(zygote),
        network_namespaces=len(_network_namespaces(tree)),
        strangers=len(_strangers({gateway.pid, *tree})),
    )


def helpers(gateway_pid: int) -> tuple[int, int]:
    """The pids of spawner and zygote; 0 for one that is not there."""
    spawner = _child(gateway_pid, b"kernels.spawner")
    return spawner, _child(spawner, b"kernels.zygote")


def _child(parent: int, mark: bytes) -> int:
    """The oldest child of *parent* whose command line holds *mark*."""
    try:
        children = sorted(map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split()))
    except OSError:
        return 0
    for pid in children:
        with contextlib.suppress(OSError):
            if mark in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
    return 0


def _count(pid: int, what: str) -> int:
    """How many entries a directory of /proc/PID has; -1 when that is not to be seen."""
    try:
        return len(os.listdir(f"/proc/{pid}/{what}"))
    except OSError:
        return -1


def _lines(pid: int | str) -> int:
    try:
        return len(Path(f"/proc/{pid}/mountinfo").read_bytes().splitlines())
    except OSError:
        return -1


def _cgroups(instance: str) -> int:
    """Groups of kernels, in every hierarchy."""
    root = Path("/sys/fs/cgroup")
    return sum(1 for depth in ("", "*/", "*/*/") for _ in root.glob(f"{depth}omega-{instance}/*/"))


def _network_namespaces(pids: Iterable[int]) -> set[str]:
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            found.add(os.readlink(f"/proc/{pid}/ns/net"))
    return found


def _strangers(tree: set[int]) -> list[int]:
    """Live processes with a kernel's uid that lost their parents and are below no spawner: they got away."""
    orphans = {pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if traces.parent(pid) in (1, os.getpid())}
    found = []
    for pid in orphans - tree:
        with contextlib.suppress(OSError, IndexError):
            status = Path(f"/proc/{pid}/status").read_text()
            uid = int(re.findall(r"^Uid:\s+(\d+)", status, re.MULTILINE)[0])
            is_over = re.search(r"^State:\s+[ZX]", status, re.MULTILINE) is not None
            if (uid >= FIRST_KERNEL_UID or uid == USER) and not is_over:
                found.append(pid)
    return found


def memory_bytes(pid: int) -> int:
    """What *pid* has in memory."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) * 1024 if found else 0


def digests(zygote: int) -> dict[str, str]:
    """What a few files of /usr hold, as the zygote reads them where we may look through its eyes."""
    folder = f"/proc/{zygote}/root/usr/bin"
    folder = folder if os.access(folder, os.X_OK) else "/usr/bin"
    paths = [Path(folder, name) for name in WATCHED]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.exists()}


class KernelLog:
    """What Linux itself says is wrong with it, from now on; where its log cannot be read, nothing."""

    def __init__(self) -> None:
        self._fd = -1
        with contextlib.suppress(OSError):
            self._fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self._fd, 0, os.SEEK_END)

    def alarms(self) -> list[str]:
        """The new lines that tell of a fault of the kernel's, not of a program's."""
        lines = []
        while self._fd >= 0:
            try:
                lines.append(os.read(self._fd, 8192).decode("utf-8", "replace"))
            except BrokenPipeError:
                continue  # some were overwritten before they were read
            except OSError:
                break
        return [f"Linux: {line}" for line in lines if KERNEL_FAULT.search(line)]

    def close(self) -> None:
        """Close it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Watch:
    """Remembers how things were at the start, and says after each line what is not as it should be."""

    def __init__(self, place: Place, canaries: Canaries) -> None:
        gateway = place.gateway
        self._gateway, self._canaries, self._beside = gateway, canaries, place.neighbour
        self._before = _settled(gateway)
        self._digests = digests(helpers(gateway.pid)[1])
        self._log_bytes = 0
        self._kernel_log = KernelLog()
        self._rss_bytes = memory_bytes(gateway.pid)

    def check(self, requests: int = 1) -> None:
        """AssertionError with everything that does not hold after so many *requests*."""
        wrong = [*self._slow(), *self._left(), *self._canaries.alarms(), *self._grown(requests)]
        wrong += self._kernel_log.alarms()
        if digests(helpers(self._gateway.pid)[1]) != self._digests:
            wrong.append("I6: a file of /usr has changed")
        assert not wrong, "\n".join(wrong)

    def close(self) -> None:
        """Nothing more is looked at."""
        self._kernel_log.close()

    def _slow(self) -> list[str]:
        """I1 and I2: everybody is answered, and the gateway works on nothing else; what is ending may take two tries."""
        asked = ((self._healthy, HEALTH_CPU_S), (self._computes, ANSWER_CPU_S), (self._is_there, ANSWER_CPU_S))
        return [
            f"the gateway works for more than {limit_s} s at {act.__name__}"
            for act, limit_s in asked
            if not any(self._cpu_s(act) < limit_s for _ in range(3))
        ]

    def _cpu_s(self, act: Callable[[], None]) -> float:
        """What the gateway's main thread, which has its event loop, computes during *act*."""
        begun = loop_cpu_s(self._gateway.pid)
        act()
        return loop_cpu_s(self._gateway.pid) - begun

    def _healthy(self) -> None:
        assert self._gateway.ask("GET", "/code-interpreter/health").status == 200

    def _computes(self) -> None:
        answer = self._gateway.run("print(1 + 1)")
        assert answer["output"] == "2\n", answer

    def _is_there(self) -> None:
        assert self._beside.is_intact(), "I2: the neighbour's session has lost something"

    def _left(self) -> list[str]:
        """I3: what is more, or less, than at the start, once everything has had time to end."""
        deadline = time.monotonic() + HANG_S
        while left := look(self._gateway).unlike(self._before):
            if time.monotonic() > deadline:
                return [f"I3: {item}" for item in left]
            time.sleep(0.05)  # Linux takes down namespaces in its own time, and a look takes some of it
        return []

    def _grown(self, requests: int) -> list[str]:
        """What a line may not make grow: the log beyond what requests cost, and the gateway's memory."""
        wrong = []
        size = self._gateway.log.stat().st_size
        if size - self._log_bytes > LOG_GROWTH_BYTES + requests * LOG_LINE_BYTES and self._log_bytes:
            wrong.append(f"the log has grown by {size - self._log_bytes} bytes")
        self._log_bytes = size
        rss = memory_bytes(self._gateway.pid)
        if rss - self._rss_bytes > RSS_GROWTH_BYTES:
            wrong.append(f"the gateway has grown from {self._rss_bytes} to {rss} bytes")
        return wrong

    def neighbour(self) -> concurrent.futures.Future[str]:
        """I2: a run beside the attempt, with variables and files of its own; what it printed."""
        pool = concurrent.futures.ThreadPoolExecutor(1)
        future = pool.submit(lambda: str(self._gateway.run(NEIGHBOUR)["output"]))
        pool.shutdown(wait=False)
        return future


def loop_cpu_s(pid: int) -> float:
    """Processor time that the main thread of *pid* has used."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def _settled(gateway: Gateway) -> Presence:
    """What is there once the pool is full and nothing changes any more."""
    for _ in range(3):
        gateway.run("print(1)")  # first times are over: threads, connections to the database
    deadline = time.monotonic() + HANG_S
    before = look(gateway)
    stable = 0
    while stable < 10:
        time.sleep(0.05)
        now = look(gateway)
        stable, before = (stable + 1, before) if now == before else (0, now)
        assert time.monotonic() < deadline, f"the gateway does not come to rest: {before}"
    return before
