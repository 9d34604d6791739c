"""Files helpers as processes: what they hold, what they can't do, and how they end."""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kernels import filewire as wire
from kernels.contract import Policy
from kernels.filewire import Problem
from kernels.sandbox import seccomp, sysc
from kernels.sandbox.cgroup import KernelCgroup
from kernels.spawner import files_helpers
from kernels.spawner.files_helpers import FilesHelpers, HelperPlace
from kernels.spawner.loop import Loop
from tests.kernels.sandbox import trial
from tests.kernels.sandbox.trial import KERNEL_UID, error_of
from tests.live import HANG_S

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(os.geteuid() != 0, reason="these helpers change their uid, which needs root"),
]
KERNEL = "a-kernel"


@pytest.fixture
def place(tmp_path: Path) -> HelperPlace:
    """A work directory of a kernel's uid."""
    seccomp.program("files")
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        folder.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir(mode=0o700)
    os.chown(work, KERNEL_UID, KERNEL_UID)
    return HelperPlace(KERNEL_UID, KERNEL_UID, KernelCgroup(KERNEL, None), Policy(), str(work))


class World:
    """Helpers and the loop they are watched by."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.loop = Loop()
        self.helpers = FilesHelpers(self.loop, self._note)

    def _note(self, kernel_id: str) -> None:
        self.ended.append(kernel_id)
        self.loop.stop()

    def start(self, place: HelperPlace | None) -> socket.socket:
        """The gateway's end of the socket to a new helper."""
        ours, theirs = socket.socketpair()
        self.helpers.start(KERNEL, place, theirs.detach())
        ours.settimeout(HANG_S)
        return ours

    def end(self) -> None:
        """Wait until no helper is left."""
        self.loop._running = True
        self.loop.run()


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.helpers.kill(KERNEL)
    if KERNEL in made.helpers:
        made.end()


def hear(channel: socket.socket) -> tuple[bytes, bytes]:
    """One frame."""
    letter, length = wire.parse_header(channel.recv(wire.HEADER.size, socket.MSG_WAITALL))
    return letter, channel.recv(length, socket.MSG_WAITALL) if length else b""


def is_over(channel: socket.socket) -> bool:
    """Whether the other end is closed; with what it had not read, that is a reset."""
    try:
        return channel.recv(1) == b""
    except ConnectionResetError:
        return True


def problem_in(channel: socket.socket) -> Problem:
    letter, payload = hear(channel)
    assert letter == wire.FAILED
    return wire.parse_problem(payload)


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_a_helper_is_the_kernels_uid_without_privileges_and_holds_two_descriptors(world: World, place: HelperPlace) -> None:
    """Seen from outside, once it says that it listens."""
    with world.start(place) as channel:
        assert hear(channel)[0] == wire.READY
        (pid,) = world.helpers.pids()
        seen = status_of(pid)
        assert seen["Uid"].split() == seen["Gid"].split() == [str(KERNEL_UID)] * 4
        assert seen["Groups"] == ""
        assert {int(seen[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
        assert (seen["NoNewPrivs"], seen["Seccomp"]) == ("1", "2")
        held = sorted(os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
        assert held[:4] == ["/dev/null"] * 3 + [place.work_path]
        assert len(held) == 5
        assert held[4].startswith("socket:")
    world.end()
    assert not Path(f"/proc/{pid}").exists()


def _try_everything(channel: int, root: int) -> None:
    """What a helper would do that its own code no longer governs."""
    how = sysc._OpenHow(os.O_RDONLY, 0, 0)

    def freely(path: bytes) -> int:
        return sysc._raw("openat2", root, path, ctypes.pointer(how), ctypes.sizeof(how))

    attempts: dict[str, Callable[[], object]] = {
        "openat2 of a path outside": lambda: freely(b"/etc/passwd"),
        "openat2 upwards": lambda: freely(b"../canary"),
        "openat2 through a link": lambda: freely(b"link"),
        "open": lambda: os.open("/etc/passwd", os.O_RDONLY),
        "chmod": lambda: os.chmod("/tmp", 0o777),
        "socket": socket.socket,
        "fork": os.fork,
        "exec": lambda: os.execv("/bin/true", ["true"]),
        "kill": lambda: os.kill(os.getppid(), 0),
        "setuid": lambda: os.setuid(0),
        "mknod": lambda: os.mknod("x", 0o644, dir_fd=root),
    }
    os.write(channel, json.dumps({name: error_of(act) for name, act in attempts.items()}).encode())


def test_a_helper_that_was_taken_over_reaches_nothing_else(
    world: World, place: HelperPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even with openat2 told to follow everything: another lock is behind it."""
    monkeypatch.setattr(files_helpers, "serve", _try_everything)
    canary = tmp_path / "canary"
    canary.write_text("secret")
    os.symlink(canary, f"{place.work_path}/link")
    with world.start(place) as channel:
        tried = json.loads(channel.recv(4096))
    world.end()
    opened = {name: tried.pop(name) for name in list(tried) if name.startswith("openat2")}
    assert set(opened.values()) == {"EACCES"}
    assert set(tried.values()) == {"ENOSYS"}


def test_a_directory_that_is_not_the_kernels_is_not_served(world: World, place: HelperPlace, tmp_path: Path) -> None:
    """Whatever path the spawner was led to."""
    for path in (str(tmp_path), f"{place.work_path}/missing", "/proc/1/root/work"):
        wrong = HelperPlace(place.uid, place.gid, place.cgroup, place.policy, path)
        with world.start(wrong) as channel:
            assert problem_in(channel) is Problem.GONE
            assert is_over(channel)
        world.end()


def test_without_a_kernel_there_is_no_helper(world: World) -> None:
    """It is said on the socket, and nothing is forked."""
    with world.start(None) as channel:
        assert problem_in(channel) is Problem.GONE
        assert world.helpers.pids() == set()


def test_a_kernel_has_a_bounded_number_of_helpers(world: World, place: HelperPlace) -> None:
    """One more is told so at once."""
    channels = [world.start(place) for _ in range(files_helpers.MOST)]
    with world.start(place) as channel:
        assert problem_in(channel) is Problem.BUSY
    assert len(world.helpers.pids()) == files_helpers.MOST
    for channel in channels:
        channel.close()
    world.end()
    assert world.ended == [KERNEL]


def test_helpers_end_with_their_kernel(world: World, place: HelperPlace) -> None:
    """In the middle of an upload too; then the kernel's end may be told, and not before."""
    with world.start(place) as channel:
        assert hear(channel)[0] == wire.READY
        channel.sendall(wire.frame(wire.WRITE, wire.pack_write(b"f", 100)) + wire.frame(wire.DATA, b"12"))
        world.helpers.kill(KERNEL)
        assert KERNEL in world.helpers
        world.end()
        assert world.ended == [KERNEL]
        assert is_over(channel)


def test_a_helper_that_is_told_nonsense_ends(world: World, place: HelperPlace) -> None:
    """It has one way to behave."""
    for nonsense in (b"X" * 64, wire.frame(b"?"), wire.HEADER.pack(wire.LIST, 2**31), wire.frame(wire.WRITE, b"12")):
        with world.start(place) as channel:
            assert hear(channel)[0] == wire.READY
            channel.sendall(nonsense)
            assert is_over(channel)
        world.end()


def test_a_helper_dies_with_its_spawner(place: HelperPlace) -> None:
    """However that ends; it is in no namespace that would end with it, and the gateway need not hang up."""
    ours, theirs = socket.socketpair()

    def spawn() -> int:
        world = World()
        world.helpers.start(KERNEL, place, theirs.detach())
        ours.settimeout(HANG_S)
        assert hear(ours)[0] == wire.READY
        (pid,) = world.helpers.pids()
        return pid

    sysc.set_subreaper()
    with ours:  # held open here: the end of the spawner is all that the helper can notice
        pid = trial.in_child(spawn)
        theirs.close()
        pidfd = os.pidfd_open(pid)
        assert select.select([pidfd], [], [], 20)[0], "it lives on"
        os.close(pidfd)
        assert trial.wait_signal(os.waitpid(pid, 0)[1]) == signal.SIGKILL


def test_files_are_made_with_the_kernels_uid(world: World, place: HelperPlace) -> None:
    """So that its code can change and delete them."""
    with world.start(place) as channel:
        hear(channel)
        channel.sendall(
            wire.frame(wire.WRITE, wire.pack_write(b"a/f", 9)) + wire.frame(wire.DATA, b"1") + wire.frame(wire.END)
        )
        assert hear(channel)[0] == wire.ENTRY
        channel.sendall(wire.frame(wire.READ, b"a/f"))
        assert hear(channel)[0] == wire.ENTRY
        channel.sendall(wire.frame(wire.LIST, wire.pack_list(b"", wants_digests=False)))
        assert is_over(channel), "what a file is followed by is which part of it is wanted"
    world.end()
    for name in ("a", "a/f"):
        assert os.stat(f"{place.work_path}/{name}").st_uid == KERNEL_UID


def test_what_the_kernels_code_has_closed_stays_closed(world: World, place: HelperPlace) -> None:
    """The helper reads as the kernel's uid, not as root."""
    file = Path(place.work_path, "f")
    file.write_text("1")
    os.chown(file, KERNEL_UID, KERNEL_UID)
    file.chmod(0)
    with world.start(place) as channel:
        hear(channel)
        channel.sendall(wire.frame(wire.READ, b"f"))
        assert problem_in(channel) is Problem.DENIED
    world.end()
