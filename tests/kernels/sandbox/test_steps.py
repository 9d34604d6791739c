"""What code in a confined process can no longer do, tried from inside at each level."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import stat
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kernels.contract import MIB, Level, Policy
from kernels.sandbox import steps, sysc
from tests.kernels.sandbox import trial
from tests.kernels.sandbox.trial import error_of

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(os.geteuid() != 0, reason="these trials change their uid, which needs root"),
]
NAMESPACED = (Level.L3, Level.L2_PLUS, Level.L2)
SMALL = Policy(memory_bytes=256 * MIB, work_bytes=2 * MIB, tmp_bytes=MIB, shm_bytes=MIB, inodes=64, file_bytes=MIB)
LIBC = ctypes.CDLL(None, use_errno=True)


def inside(level: Level, code: trial.Code, **changes: Any) -> Any:
    """What *code* answers in a kernel at *level*; the namespace levels below L3 run as an ordinary user throughout."""
    c = trial.confinement(level, **changes)
    if level in (Level.L2, Level.L2_PLUS):
        outcome = trial.in_child(lambda: _as_user(c, code))
        outcome = trial.Outcome(**outcome)
    else:
        outcome = trial.run(c, code)
    assert not outcome.failure, outcome.failure
    return outcome.answer


def _as_user(c: steps.Confinement, code: trial.Code) -> dict[str, Any]:
    trial.become_user()
    done = trial.run(c, code)
    return {"answer": done.answer, "failure": done.failure, "status": done.status}


@pytest.mark.parametrize("level", NAMESPACED)
def test_a_kernel_sees_its_root_and_nothing_of_the_host(level: Level) -> None:
    """Only what was bound into the prepared root is there, and only three places can be written to."""

    def look() -> Any:
        unwritable = [error_of(lambda p=path: os.mkdir(p)) for path in ("/x", "/dev/x", "/etc/x", "/opt/omega/env/bin/x")]
        writable = [error_of(lambda p=path: os.mkdir(p)) for path in ("/work/x", "/tmp/x", "/dev/shm/x")]
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


def test_without_a_usable_proc_the_kernel_gets_an_empty_one() -> None:
    """Level L2: a masked /proc cannot be mounted anew, so nothing of the host's stays visible either."""
    assert inside(Level.L2, lambda: (os.listdir("/proc"), error_of(lambda: os.mkdir("/proc/x")))) == [[], "EROFS"]


@pytest.mark.parametrize("level", NAMESPACED)
def test_nothing_lies_under_the_mounts_of_a_kernel(level: Level) -> None:
    """The zygote's /proc and /tmp are taken away, not covered, and every mount denies set-user-id programs and devices."""
    if level is Level.L2:
        pytest.skip("there is no /proc to read the mounts from at L2")
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
def test_disk_space_and_files_are_bounded(level: Level) -> None:
    """Filling a work directory ends in ENOSPC, not in the host's memory."""

    def fill(folder: str, size: int) -> str:
        for number in range(8):
            said = error_of(lambda n=number: _write(f"{folder}/{n}", b"x" * size))
            if said != "done":
                return said
        return "never"

    def many() -> str:
        for number in range(100):
            said = error_of(lambda n=number: os.mkdir(f"/tmp/d{n}"))
            if said != "done":
                return said
        return "never"

    def look() -> Any:
        return [fill(folder, MIB // 2) for folder in ("/work", "/tmp", "/dev/shm")], many(), _file_size()

    assert inside(level, look, policy=SMALL) == [["ENOSPC"] * 3, "ENOSPC", "EFBIG"]


def _write(path: str, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        while data:
            data = data[os.write(fd, data) :]
    finally:
        os.close(fd)


def _file_size() -> str:
    for name in os.listdir("/work"):
        os.unlink(f"/work/{name}")
    fd = os.open("/work/big", os.O_WRONLY | os.O_CREAT, 0o600)
    return error_of(lambda: os.ftruncate(fd, 1 << 40))


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
    with socket.socket(socket.AF_UNIX) as host:
        host.bind("\0omega-test-abstract")
        host.listen()
        assert inside(level, lambda: error_of(lambda: socket.socket(socket.AF_UNIX).connect("\0omega-test-abstract"))) in (
            "ECONNREFUSED",
            "EPERM",
        )


@pytest.mark.parametrize("level", (Level.L3, Level.L2_PLUS, Level.L2, Level.L1))
def test_no_privilege_is_left_and_none_can_be_had(level: Level) -> None:
    """No capability, no change of identity, no namespace, no mount, whatever is asked."""

    def look() -> Any:
        return {
            "caps": sysc.capget(),
            "setuid": error_of(lambda: os.setuid(0)),
            "unshare user": error_of(lambda: sysc.unshare(sysc.CLONE_NEWUSER)),
            "unshare mount": error_of(lambda: sysc.unshare(sysc.CLONE_NEWNS)),
            "umount": error_of(lambda: sysc.umount("/proc")),
            "chroot": error_of(lambda: os.chroot("/")),
            "mknod": error_of(lambda: os.mknod("/dev/shm/null", stat.S_IFCHR, os.makedev(1, 3))),
            "raise": _raise_limit(),
        }

    assert inside(level, look, **_plain(level)) == {
        "caps": [0, 0, 0],
        "setuid": "EPERM",
        "unshare user": "EPERM",
        "unshare mount": "EPERM",
        "umount": "EPERM",
        "chroot": "EPERM",
        "mknod": "EPERM",
        "raise": "refused",
    }


def _raise_limit() -> str:
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    except ValueError:
        return "refused"
    return "done"


def _plain(level: Level) -> dict[str, Any]:
    """Level L1 has no root of its own: its places are named."""
    return {"work_dir": "/dev/shm", "readable": ("/usr", "/proc/self")} if level is Level.L1 else {}


def test_a_kernel_is_the_host_uid_it_was_given_and_no_other_exists_inside() -> None:
    """The map has one line of one id."""
    assert inside(Level.L3, lambda: Path("/proc/self/uid_map").read_text().split()) == ["1000", str(trial.KERNEL_UID), "1"]


def test_memory_past_the_limit_is_a_memory_error_and_not_a_kill() -> None:
    """RLIMIT_DATA counts from what the zygote had at the fork."""

    def look() -> Any:
        try:
            data = bytearray(400 * MIB)
        except MemoryError:
            small = bytearray(100 * MIB)
            return ["MemoryError", len(small)]
        return ["none", len(data)]

    baseline = _own_data_bytes()
    assert inside(Level.L3, look, policy=SMALL, data_baseline_bytes=baseline) == ["MemoryError", 100 * MIB]


def _own_data_bytes() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData"))
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("level", (Level.L3, Level.L2_PLUS))
def test_the_number_of_processes_is_bounded(level: Level) -> None:
    """A fork bomb ends in EAGAIN; at L2+ the user's other processes are not counted."""

    def bomb() -> Any:
        children: list[int] = []
        try:
            for _ in range(64):
                pid = os.fork()
                if pid == 0:
                    signal.pause()
                children.append(pid)
        except BlockingIOError:
            return len(children)
        return "never"

    made = inside(level, bomb, policy=replace(SMALL, processes=20))
    assert made == 19


def test_memory_files_cannot_be_executed_even_without_the_filter() -> None:
    """The pid namespace's own switch, where real root could set it."""
    if not Path("/proc/sys/vm/memfd_noexec").exists():
        pytest.skip("this Linux has no memfd_noexec")
    assert inside(Level.L3, lambda: Path("/proc/sys/vm/memfd_noexec").read_text().strip()) == "2"


def test_user_namespaces_are_switched_off_inside() -> None:
    """The second lock beside the filter."""
    for level in (Level.L3, Level.L2_PLUS):
        assert inside(level, lambda: Path("/proc/sys/user/max_user_namespaces").read_text().strip()) == "0"


@pytest.mark.parametrize("level", (*NAMESPACED, Level.L1))
def test_no_descriptor_is_inherited_but_the_named_ones(level: Level) -> None:
    """Whatever the zygote had open is closed; only the trial's pipe and the standard three stay."""
    extra = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    os.set_inheritable(extra, True)
    try:

        def look() -> Any:
            return [fd for fd in range(200) if error_of(lambda f=fd: os.fstat(f)) == "done"]

        found = inside(level, look, **_plain(level))
    finally:
        os.close(extra)
    assert found[:3] == [0, 1, 2]
    assert len(found) == 5


@pytest.mark.parametrize("what", ("a directory", "a regular file"))
def test_a_kept_descriptor_that_leads_into_a_file_system_stops_the_start(what: str, tmp_path: Path) -> None:
    """An open directory is a way out of any root."""
    (tmp_path / "file").touch()
    fd = os.open(tmp_path if what == "a directory" else tmp_path / "file", os.O_RDONLY)
    try:
        outcome = trial.run(trial.confinement(Level.L3, keep_fds=(fd,)), lambda: "ran")
    finally:
        os.close(fd)
    assert outcome.answer is None
    assert outcome.failure.startswith("descriptors: EBADF")


def test_signals_are_back_at_pythons_defaults() -> None:
    """The zygote's handlers and mask are not the kernel's."""

    def before() -> None:
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGCHLD})

    def look() -> Any:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        return (
            signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
            len(blocked),
            signal.getsignal(signal.SIGINT) == DEFAULT_INT,
        )

    outcome = trial.run(trial.confinement(Level.L3), look, before=before)
    assert outcome.answer == [True, 0, True], outcome.failure


DEFAULT_INT = signal.default_int_handler


def test_a_system_call_of_another_abi_kills_the_kernel() -> None:
    """getpid through the x32 entry ends with SIGSYS."""
    if sysc.ARCH != "x86_64":
        pytest.skip("x32 belongs to x86-64")
    outcome = trial.run(trial.confinement(Level.L3), lambda: LIBC.syscall(ctypes.c_long(0x40000000 | 39)))
    assert trial.wait_signal(outcome.status) == signal.SIGSYS


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
                "own": error_of(lambda: _write(f"{work}/x", b"x")),
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
            return [error_of(lambda f=family: socket.socket(f)) for family in families], error_of(socket.socketpair)

        sockets, pair = trial.run(trial.confinement(Level.L1, **_plain(Level.L1)), look).answer
        assert sockets == ["ENOSYS"] * 4 + ["ENOTSUP"]
        assert pair == "done"

    def test_processes_of_the_same_uid_cannot_be_signalled_or_traced(self) -> None:
        """Landlock's signal scope, where the gateway and the kernel share a uid."""

        def as_user() -> Any:
            trial.become_user()
            outside = os.fork()
            if outside == 0:
                time.sleep(30)
                os._exit(0)
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
            outside = os.fork()
            if outside == 0:
                time.sleep(30)
                os._exit(0)

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


def test_programs_can_be_started_from_a_confined_process() -> None:
    """no_new_privs and the filter leave ordinary exec alone (the bare root has none, so the host's root is used at L1)."""

    def look() -> Any:
        return subprocess.run(["/usr/bin/id", "-u"], capture_output=True, check=True, env={}).stdout.decode().strip()

    readable = tuple(path for path in ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache") if os.path.exists(path))
    outcome = trial.run(trial.confinement(Level.L1, work_dir="/dev/shm", readable=readable), look)
    assert outcome.answer == str(trial.KERNEL_UID), outcome.failure


def test_a_level_that_isolates_nothing_is_refused() -> None:
    """confine() never returns for level none."""
    with pytest.raises(steps.StepFailed, match="isolates nothing"):
        steps.confine(trial.confinement(Level.NONE))


def test_the_time_of_each_step_is_told() -> None:
    """The bench shows them one by one."""
    names = [step.name for step in steps.STEPS if Level.L3 in step.levels]

    def before() -> None:
        return None

    outcome = trial.run(trial.confinement(Level.L3), lambda: "ran", before=before)
    assert outcome.answer == "ran"
    assert len(names) == len(set(names)) == 14
