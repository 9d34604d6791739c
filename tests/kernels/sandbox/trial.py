"""Throwaway kernels for tests: real forks through the real steps, with a function of the test as user code.

The function runs in a confined fork of the test process, in a bare root: it may use what is imported already and nothing
else. Its answer comes back as JSON. Nothing is left when run() returns.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from kernels.contract import Level, Policy
from kernels.sandbox import identity, root, seccomp, steps, sysc

UID = 54_321
"""The ordinary user of these tests; it needs no account."""
KERNEL_UID = 1_879_048_190
NAMESPACED = (Level.L3, Level.L2_PLUS, Level.L2)
Code = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a trial: the code's *answer*, or the *failure* that kept it from running, and the wait status.

    *seen* is what the look from outside answered.
    """

    answer: Any = None
    failure: str = ""
    status: int = 0
    seen: Any = None


def in_child(code: Code) -> Any:
    """What *code* answers in a forked process of its own; AssertionError with its traceback if it raises."""
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            said = json.dumps([code(), None])
        except BaseException:  # noqa: BLE001 - the child's entry: all is told to the parent
            said = json.dumps([None, traceback.format_exc()])
        try:
            _write_all(write_fd, said.encode())
        finally:
            os._exit(0)
    os.close(write_fd)
    text = _read_all(read_fd)
    _pid, status = os.waitpid(pid, 0)
    assert text, f"the child ended without an answer, status {status}"
    answer, error = json.loads(text)
    assert error is None, error
    return answer


def become_user() -> None:
    """Be an ordinary user of no groups."""
    os.setgroups([])
    os.setresgid(UID, UID, UID)
    os.setresuid(UID, UID, UID)
    sysc.set_dumpable(dumpable=True)


def confinement(level: Level, **changes: Any) -> steps.Confinement:
    """A usual confinement for a trial at *level*."""
    data = resource.getrlimit(resource.RLIMIT_DATA)[1]
    baseline = 1 << 40 if data == resource.RLIM_INFINITY else data
    made = steps.Confinement(level, Policy(), KERNEL_UID, KERNEL_UID, data_baseline_bytes=baseline)
    return replace(made, **changes)


def run(
    c: steps.Confinement,
    code: Code,
    *,
    before: Callable[[], object] = lambda: None,
    outside: Callable[[int], Any] | None = None,
) -> Outcome:
    """Confine a fork as *c* says and run *code* in it; *before* runs in it just ahead of confine().

    *outside* is called in the parent with the pid while the confined process is alive, after *code*.
    """
    for profile in seccomp.PROFILES:
        seccomp.program(profile)
    return Outcome(**in_child(lambda: _zygote(c, code, before, outside)))


def _zygote(
    c: steps.Confinement, code: Code, before: Callable[[], object], outside: Callable[[int], Any] | None
) -> dict[str, Any]:
    if c.level in (Level.L2, Level.L2_PLUS):
        identity.enter_user_namespace()
    if c.level > Level.L1:
        root.build_bare_root()
        sysc.unshare(sysc.CLONE_NEWPID)
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
    hold_read, hold_write = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        os.close(hold_write)
        _kernel(replace(c, keep_fds=(*c.keep_fds, write_fd, hold_read)), code, before, write_fd)
    os.close(write_fd)
    os.close(hold_read)
    text = _read_line(read_fd)
    seen = outside(pid) if outside else None
    os.close(hold_write)
    _pid, status = os.waitpid(pid, 0)
    said = json.loads(text or "{}")
    return {**said, "status": status, "seen": seen}


def _kernel(c: steps.Confinement, code: Code, before: Callable[[], object], write_fd: int) -> None:
    said: dict[str, Any] = {}
    try:
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.close(null)
        before()
        steps.confine(c)
        said = {"answer": code()}
    except steps.StepFailed as failed:
        said = {"failure": str(failed)}
    except BaseException:  # noqa: BLE001 - the child's entry: all is told to the parent
        said = {"failure": "code: " + traceback.format_exc()}
    finally:
        try:
            _write_all(write_fd, json.dumps(said).encode() + b"\n")
            os.read(max(c.keep_fds), 1)
        finally:
            os._exit(0)


def inside(level: Level, code: Code, **changes: Any) -> Any:
    """What *code* answers in a kernel at *level*; the namespace levels below L3 run as an ordinary user throughout."""
    c = confinement(level, **changes)
    outcome = Outcome(**in_child(lambda: _as_user(c, code))) if level in (Level.L2, Level.L2_PLUS) else run(c, code)
    assert not outcome.failure, outcome.failure
    return outcome.answer


def _as_user(c: steps.Confinement, code: Code) -> dict[str, Any]:
    become_user()
    done = run(c, code)
    return {"answer": done.answer, "failure": done.failure, "status": done.status}


def error_of(act: Callable[[], object]) -> str:
    """The name of the errno *act* fails with, or "done"."""
    try:
        act()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "?")
    return "done"


def places(level: Level) -> dict[str, Any]:
    """What a confinement at *level* needs to be told of its places: L1 has no root of its own, so they are named."""
    return {"work_dir": "/dev/shm", "readable": ("/usr", "/proc/self")} if level is Level.L1 else {}


def write(path: str, data: bytes) -> None:
    """Make a file of *data*, by system calls alone."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        _write_all(fd, data)
    finally:
        os.close(fd)


def wait_signal(status: int) -> int:
    """The signal a process died of, 0 for none."""
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def sleeper() -> int:
    """A forked process that does nothing for half a minute."""
    pid = os.fork()
    if pid == 0:
        time.sleep(30)
        os._exit(0)
    return pid


def kill_quietly(pid: int) -> None:
    """SIGKILL and reap."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _read_line(fd: int) -> str:
    """Up to the line's end: children of the code may keep the pipe open."""
    with closing(os.fdopen(fd, "rb")) as pipe:
        return pipe.readline().decode()


def _read_all(fd: int) -> str:
    with closing(os.fdopen(fd, "rb")) as pipe:
        return pipe.read().decode()
