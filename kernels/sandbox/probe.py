"""Measures the isolation that this machine allows by trying it; never infers it from a version, a uid or a file.

For each level, best first, a throwaway process goes through the same steps a kernel goes through and is looked at from
outside in the same way. The first level that holds is the level. Single facilities are tried too, to say what a lower
level lacks.
"""

from __future__ import annotations

import errno
import os
import signal
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

from kernels.contract import Level, Policy
from kernels.sandbox import attest, capabilities, cgroup, identity, landlock, mounts, network, root, seccomp, steps, sysc

_TRIAL_UID: Final = 1_879_048_191
"""An id outside every range that systems hand out, used for throwaway processes only."""
_ANSWER_BYTES: Final = 4096
_DESCENDING: Final = (Level.L3, Level.L2_PLUS, Level.L2, Level.L1)
_OK: Final = "ok"


@dataclass(frozen=True, slots=True)
class Measurement:
    """The result. *facilities*: each name with "ok" or the reason. *lacking*: what a higher level would add."""

    level: Level
    facilities: dict[str, str]
    cgroup: cgroup.Kind
    own_uid: bool
    lacking: tuple[str, ...] = field(default=())


def measure(trial_uid: int = _TRIAL_UID, *, cgroup_prefix: str = "omega-probe") -> Measurement:
    """Try everything in forked children and return the level; the caller is unchanged.

    Call it while the process has one thread.
    """
    for profile in seccomp.PROFILES:
        seccomp.program(profile)  # read before a trial leaves this root
    facilities = {name: _try(act) for name, act in _FACILITIES.items()}
    own_uid = facilities["own uid"] == _OK
    level, refusals = _best_level(trial_uid, own_uid=own_uid)
    groups = cgroup.Cgroups.open(f"{cgroup_prefix}-{os.getpid()}")
    groups.close()
    facilities["control groups"] = groups.kind if groups.kind != "none" else "; ".join(groups.refused) or "not mounted"
    facilities |= {f"level {name.label}": said for name, said in refusals.items()}
    return Measurement(level, facilities, groups.kind, own_uid, _lacking(level, groups.kind, own_uid=own_uid))


def _best_level(trial_uid: int, *, own_uid: bool) -> tuple[Level, dict[Level, str]]:
    """The first level whose full trial succeeds, and the result of each trial."""
    said: dict[Level, str] = {}
    for level in _DESCENDING:
        said[level] = _try_level(level, trial_uid, own_uid=own_uid)
        if said[level] == _OK:
            return level, said
    return Level.NONE, said


def _lacking(level: Level, kind: cgroup.Kind, *, own_uid: bool) -> tuple[str, ...]:
    """Sentences for the operator: what this machine's level lacks."""
    missing: list[str] = []
    if level in (Level.L2, Level.L2_PLUS):
        missing.append("all kernels share one host uid")
    if level is Level.L2:
        missing.append("/proc is empty inside a kernel")
    if level is Level.L1:
        missing.append("no namespaces: kernels have no /tmp, no /dev/shm and no sockets; only Landlock hides processes")
        if not own_uid:
            missing.append(
                "gateway and kernels share one uid: kernels can see and change names and modes of the gateway's files"
            )
    if level is Level.NONE:
        missing.append("no isolation at all")
    if kind == "none":
        missing.append("no control groups: memory is bounded per process and by the watchdog, not per kernel")
    return tuple(missing)


def _in_child(act: Callable[[], str]) -> str:
    """The result of *act* in a forked process that exits afterwards, whatever it did to itself."""
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        os.close(read_fd)
        _answer(act, write_fd)
    os.close(write_fd)
    with closing(os.fdopen(read_fd, "rb")) as pipe:
        said = pipe.read(_ANSWER_BYTES).decode(errors="replace")
    _pid, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return said or "exited without a result"


def _answer(act: Callable[[], str], write_fd: int) -> None:
    """The child's whole life: act, report the result, exit without running code of the parent."""
    try:
        said = act()
    except OSError as error:
        said = f"{errno.errorcode.get(error.errno or 0, 'error')}: {error.strerror or error}"
    except BaseException as error:  # noqa: BLE001 - nothing may return into the parent's code from here
        said = f"{type(error).__name__}: {error}"
    finally:
        try:
            os.write(write_fd, said.encode()[:_ANSWER_BYTES])
        finally:
            os._exit(0)


def _try(act: Callable[[], None]) -> str:
    """ "ok", or the reason why *act* fails here."""

    def attempt() -> str:
        act()
        return _OK

    return _in_child(attempt)


def _try_level(level: Level, trial_uid: int, *, own_uid: bool) -> str:
    """ "ok" if a throwaway kernel reaches *level* and passes attestation, otherwise the first failure."""
    return _in_child(lambda: _spawner(level, trial_uid, own_uid=own_uid))


def _spawner(level: Level, trial_uid: int, *, own_uid: bool) -> str:
    """Act as the spawner: fork a zygote that forks one kernel, then attest that kernel."""
    if level in (Level.L2, Level.L2_PLUS):
        identity.enter_user_namespace()
    if level > Level.L1:
        root.build_bare_root()
        sysc.unshare(sysc.CLONE_NEWPID)
    with tempfile.TemporaryDirectory(prefix="omega-probe-") if level is Level.L1 else _NoDirectory() as work_dir:
        if level is Level.L1 and own_uid:
            os.chown(work_dir, trial_uid, trial_uid)
        c = steps.Confinement(
            level, Policy(), trial_uid, trial_uid, work_dir=work_dir, own_uid=own_uid, readable=("/usr", "/proc/self")
        )
        return _confine_and_attest(c)


class _NoDirectory:
    """Replaces the work directory of the prepared root."""

    def __enter__(self) -> str:
        return root.WORK

    def __exit__(self, *_error: object) -> None:
        return None


def _confine_and_attest(c: steps.Confinement) -> str:
    ready_read, ready_write = os.pipe2(os.O_CLOEXEC)
    hold_read, hold_write = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        os.close(hold_write)
        _kernel(c, ready_write, hold_read)
    os.close(ready_write)
    os.close(hold_read)
    said = os.read(ready_read, _ANSWER_BYTES).decode(errors="replace")
    try:
        if said == _OK:
            attest.attest(pid, _expectation(c))
    finally:
        os.close(hold_write)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return said or "exited without a result"


def _expectation(c: steps.Confinement) -> attest.Expectation:
    uid = c.uid if steps.changes_uid(c) else os.getuid()
    gid = c.gid if steps.changes_uid(c) else os.getgid()
    return attest.expect(c.level, uid, gid)


def _kernel(c: steps.Confinement, ready_write: int, hold_read: int) -> None:
    """The throwaway kernel: confine, say so, wait to be killed."""
    try:
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        kept = steps.Confinement(
            c.level, c.policy, c.uid, c.gid, (ready_write, hold_read), c.work_dir, 1 << 40, c.own_uid, c.readable
        )
        try:
            steps.confine(kept)
            said = _OK
        except steps.StepFailed as error:
            said = str(error)
        os.write(ready_write, said.encode()[:_ANSWER_BYTES])
        os.read(hold_read, 1)
    finally:
        os._exit(0)


def _user_namespace() -> None:
    identity.enter_user_namespace()


def _mount_in_user_namespace() -> None:
    identity.enter_user_namespace()
    root.build_bare_root()


def _privileged_mount() -> None:
    root.build_bare_root()


def _fresh_proc() -> None:
    if not capabilities.is_effective(capabilities.SYS_ADMIN):
        identity.enter_user_namespace()
    root.build_bare_root()
    sysc.unshare(sysc.CLONE_NEWPID)
    said = _try(_mount_proc)
    if said != _OK:
        raise RuntimeError(said)


def _mount_proc() -> None:
    mounts.leave_namespaces()
    os.close(mounts.mount_fresh_proc(root.WORK))


def _own_uid() -> None:
    if not identity.may_change():
        raise PermissionError(errno.EPERM, "CAP_SETUID and CAP_SETGID are not held")
    identity.become(_TRIAL_UID, _TRIAL_UID)


def _loopback() -> None:
    if not capabilities.is_effective(capabilities.SYS_ADMIN):
        identity.enter_user_namespace()
    sysc.unshare(sysc.CLONE_NEWNET)
    network.raise_loopback()


def _landlock() -> None:
    sysc.set_no_new_privs()
    landlock.restrict(("/usr",), (), deny_tcp=True)


def _signals_scoped() -> None:
    if sysc.landlock_abi() < landlock.SCOPES_SINCE:
        raise OSError(errno.EOPNOTSUPP, f"Landlock version {sysc.landlock_abi()} does not confine signals")


def _system_call_filter() -> None:
    sysc.set_no_new_privs()
    seccomp.load("kernel")
    try:
        os.mkfifo("/proc/omega")
    except PermissionError:
        return
    raise OSError(errno.EINVAL, "the filter was loaded but denied nothing")


_FACILITIES: Final[dict[str, Callable[[], None]]] = {
    "user namespace": _user_namespace,
    "mounts in a user namespace": _mount_in_user_namespace,
    "mounts with privileges": _privileged_mount,
    "own /proc": _fresh_proc,
    "own loopback": _loopback,
    "own uid": _own_uid,
    "landlock": _landlock,
    "landlock signal scope": _signals_scoped,
    "system call filter": _system_call_filter,
}
