"""What of the host a confined process can reach - files, processes, sockets - tried from inside at each level."""

from __future__ import annotations

import os
import socket
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kernels.contract import Level
from kernels.sandbox import mounts, sysc
from tests.kernels.sandbox import trial
from tests.kernels.sandbox.trial import NAMESPACED, error_of, inside, places, write

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(os.geteuid() != 0, reason="these trials change their uid, which needs root"),
]


@pytest.mark.parametrize("level", NAMESPACED)
def test_a_kernel_sees_its_root_and_nothing_of_the_host(level: Level) -> None:
    """Only what was bound into the prepared root is there, and only three places can be written to."""

    def look() -> Any:
        unwritable = [error_of(partial(os.mkdir, path)) for path in ("/x", "/dev/x", "/etc/x", "/opt/omega/env/bin/x")]
        writable = [error_of(partial(os.mkdir, path)) for path in ("/work/x", "/tmp/x", "/dev/shm/x")]
        return sorted(os.listdir("/")), unwritable, writable, os.listdir("/home"), os.getresuid(), os.getgroups()

    names, unwritable, writable, homes, uids, groups = inside(level, look)
    assert names == sorted(["dev", "home", "opt", "proc", "root", "run", "tmp", "var", "work"])
    assert "done" not in unwritable
    assert writable == ["done"] * 3
    assert homes == []
    assert uids == [1000] * 3
    assert groups in ([], [65534] * len(groups))


@pytest.mark.parametrize("level", (Level.L3, Level.L2_PLUS))
def test_a_kernel_sees_its_own_processes_only(level: Level) -> None:
    """/proc is that of its own pid namespace."""

    def look() -> Any:
        return [name for name in os.listdir("/proc") if name.isdigit()], os.getpid(), os.readlink("/proc/self")

    assert inside(level, look) == [["1"], 1, "1"]


@pytest.mark.parametrize("level", (Level.L3, Level.L2_PLUS))
def test_proc_tells_nothing_of_the_host(level: Level) -> None:
    """Boot arguments can hold secrets, and a boot id names the machine; what programs need is still there."""

    def look() -> Any:
        hidden = ("cmdline", "config.gz", "diskstats", "sys/kernel/random/boot_id")
        there = [f"/proc/{name}" for name in hidden if os.path.exists(f"/proc/{name}")]
        needed = ("cpuinfo", "meminfo", "stat", "loadavg", "mounts", "self/status", "sys/kernel/osrelease")
        return (
            [path for path in there if sysc.read_whole(path)],
            [error_of(partial(os.open, path, os.O_WRONLY)) for path in there].count("done"),
            [name for name in needed if not sysc.read_whole(f"/proc/{name}")],
            mounts.shown_of_host(),
        )

    assert sysc.read_whole("/proc/cmdline"), "there is nothing to hide here"
    assert inside(level, look) == [[], 0, [], []]


def test_without_a_usable_proc_the_kernel_gets_an_empty_one() -> None:
    """Level L2: a masked /proc cannot be mounted anew, so nothing of the host's stays visible either."""
    assert inside(Level.L2, lambda: (os.listdir("/proc"), error_of(lambda: os.mkdir("/proc/x")))) == [[], "EROFS"]


@pytest.mark.parametrize("level", (Level.L3, Level.L2_PLUS))
def test_nothing_lies_under_the_mounts_of_a_kernel(level: Level) -> None:
    """The zygote's /proc and /tmp are taken away, not covered, and every mount denies set-user-id programs and devices.

    At L2 there is no /proc to read the mounts from.
    """
    lines = inside(level, lambda: Path("/proc/self/mountinfo").read_text().splitlines())
    points = [line.split()[4] for line in lines]
    assert len(points) == len(set(points))
    for line in lines:
        point, options = line.split()[4], line.split()[5].split(",")
        assert "nosuid" in options, line
        assert "nodev" in options or point in {f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom")}, (
            line
        )
        assert "ro" in options or point in ("/work", "/tmp", "/dev/shm", "/proc"), line


@pytest.mark.parametrize("level", NAMESPACED)
def test_the_network_is_a_loopback_of_its_own(level: Level) -> None:
    """A local server works; no other address can be reached and the host's listeners are not there."""
    with socket.create_server(("127.0.0.1", 0)) as host_server:
        port = host_server.getsockname()[1]

        def look() -> Any:
            with socket.socket() as server, socket.socket() as client:
                server.bind(("127.0.0.1", 0))
                server.listen()
                client.connect(server.getsockname())
            outside = error_of(lambda: socket.socket().connect(("192.0.2.1", 80)))
            host = error_of(lambda: socket.socket().connect(("127.0.0.1", port)))
            datagram = error_of(lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b"", ("192.0.2.1", 53)))
            return outside, host, datagram, socket.gethostname()

        assert inside(level, look) == ["ENETUNREACH", "ECONNREFUSED", "ENETUNREACH", "omega"]


@pytest.mark.parametrize("level", NAMESPACED)
def test_abstract_sockets_of_the_host_are_not_there(level: Level) -> None:
    """They live in the network namespace."""
    name = f"\0omega-test-abstract-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as host:
        host.bind(name)
        host.listen()
        assert inside(level, lambda: error_of(lambda: socket.socket(socket.AF_UNIX).connect(name))) in (
            "ECONNREFUSED",
            "EPERM",
        )


def test_a_kernel_is_the_host_uid_it_was_given_and_no_other_exists_inside() -> None:
    """The map has one line of one id."""
    assert inside(Level.L3, lambda: Path("/proc/self/uid_map").read_text().split()) == ["1000", str(trial.KERNEL_UID), "1"]


class TestWithoutNamespaces:
    """Level L1: Landlock, the filter and limits alone, as an ordinary user and with an own uid."""

    def test_files_outside_are_neither_read_nor_listed_nor_written(self, tmp_path: Path) -> None:
        """Only what is named is in reach."""
        secret = tmp_path / "secret"
        secret.write_text("x")
        secret.chmod(0o666)
        work = tmp_path / "work"
        work.mkdir()
        os.chown(work, trial.KERNEL_UID, trial.KERNEL_UID)
        for folder in (tmp_path, *tmp_path.parents[:-2]):
            folder.chmod(folder.stat().st_mode | 0o055)

        def look() -> Any:
            return {
                "read": error_of(lambda: os.open(secret, os.O_RDONLY)),
                "write": error_of(lambda: os.open(secret, os.O_WRONLY)),
                "list": error_of(lambda: os.listdir("/")),
                "list proc": error_of(lambda: os.listdir("/proc")),
                "parent": error_of(lambda: os.open("/proc/1/environ", os.O_RDONLY)),
                "own": error_of(lambda: write(f"{work}/x", b"x")),
                "usr": error_of(lambda: os.listdir("/usr")),
                "null": error_of(lambda: os.open("/dev/null", os.O_WRONLY)),
            }

        c = trial.confinement(Level.L1, work_dir=str(work), readable=("/usr", "/proc/self"))
        outcome = trial.run(c, look)
        assert outcome.answer == {
            "read": "EACCES",
            "write": "EACCES",
            "list": "EACCES",
            "list proc": "EACCES",
            "parent": "EACCES",
            "own": "done",
            "usr": "done",
            "null": "done",
        }, outcome.failure

    def test_no_socket_can_be_made(self) -> None:
        """So no pathname socket of the host can be reached either."""

        def look() -> Any:
            families = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, 40, 16)
            return [error_of(partial(socket.socket, family)) for family in families], error_of(socket.socketpair)

        sockets, pair = trial.run(trial.confinement(Level.L1, **places(Level.L1)), look).answer
        assert sockets == ["ENOSYS"] * 4 + ["ENOTSUP"]
        assert pair == "done"

    def test_processes_of_the_same_uid_cannot_be_signalled_or_traced(self) -> None:
        """Landlock's signal scope, where the gateway and the kernel share a uid."""

        def as_user() -> Any:
            trial.become_user()
            outside = trial.sleeper()
            try:
                c = trial.confinement(Level.L1, own_uid=False, work_dir="/dev/shm", readable=("/usr",))
                done = trial.run(
                    c, lambda: (error_of(lambda: os.kill(outside, 0)), error_of(lambda: os.kill(os.getpid(), 0)))
                )
                return done.answer, done.failure
            finally:
                trial.kill_quietly(outside)

        answer, failure = trial.in_child(as_user)
        assert answer == ["EPERM", "done"], failure

    def test_where_landlock_confines_no_signals_the_filter_does(self) -> None:
        """Before version 6; the price is that a kernel cannot end its own children."""

        def as_user() -> Any:
            trial.become_user()
            outside = trial.sleeper()

            def before() -> None:
                sysc.landlock_abi = lambda: 5

            def look() -> Any:
                own = error_of(lambda: os.kill(os.getpid(), 0))
                return (
                    error_of(lambda: os.kill(outside, 0)),
                    error_of(lambda: os.kill(-1, 0)),
                    error_of(lambda: os.kill(0, 0)),
                    own,
                )

            try:
                c = trial.confinement(Level.L1, own_uid=False, work_dir="/dev/shm", readable=("/usr",))
                done = trial.run(c, look, before=before)
                return done.answer, done.failure
            finally:
                trial.kill_quietly(outside)

        answer, failure = trial.in_child(as_user)
        assert answer == ["EPERM", "EPERM", "EPERM", "done"], failure
