"""What a confined process is left with - privileges, limits, descriptors, signals - tried from inside at each level."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import stat
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kernels.contract import MIB, Level, Policy
from kernels.sandbox import steps, sysc
from tests.kernels.sandbox import trial
from tests.kernels.sandbox.trial import NAMESPACED, error_of, inside, places, write

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(os.geteuid() != 0, reason="these trials change their uid, which needs root"),
]
SMALL = Policy(memory_bytes=256 * MIB, work_bytes=2 * MIB, tmp_bytes=MIB, shm_bytes=MIB, inodes=64, file_bytes=MIB)
LIBC = ctypes.CDLL(None, use_errno=True)


@pytest.mark.parametrize("level", NAMESPACED)
def test_disk_space_and_files_are_bounded(level: Level) -> None:
    """Filling a work directory ends in ENOSPC, not in the host's memory."""

    def fill(folder: str, size: int) -> str:
        for number in range(8):
            said = error_of(partial(write, f"{folder}/{number}", b"x" * size))
            if said != "done":
                return said
        return "never"

    def many() -> str:
        for number in range(100):
            said = error_of(partial(os.mkdir, f"/tmp/d{number}"))
            if said != "done":
                return said
        return "never"

    def look() -> Any:
        return [fill(folder, MIB // 2) for folder in ("/work", "/tmp", "/dev/shm")], many(), _file_size()

    assert inside(level, look, policy=SMALL) == [["ENOSPC"] * 3, "ENOSPC", "EFBIG"]


def _file_size() -> str:
    for name in os.listdir("/work"):
        os.unlink(f"/work/{name}")
    fd = os.open("/work/big", os.O_WRONLY | os.O_CREAT, 0o600)
    return error_of(lambda: os.ftruncate(fd, 1 << 40))


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

    assert inside(level, look, **places(level)) == {
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
            return [fd for fd in range(200) if error_of(partial(os.fstat, fd)) == "done"]

        found = inside(level, look, **places(level))
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
    assert len(names) == len(set(names)) == 15
