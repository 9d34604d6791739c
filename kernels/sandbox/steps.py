"""The isolation of a kernel as one ordered list of steps, all of them before any user code.

The zygote calls confine() in the forked child, which is already in its own pid namespace and in the zygote's prepared
root. Each step either does what it says or raises StepFailed, and then the child must _exit: there is no way to run
with a step missing. The order is that of privilege: what needs a privilege comes before it is given up, and the
namespaces come before the user namespace, so that they belong to the parent and not even full capabilities inside
could change them.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kernels.contract import Level, Policy
from kernels.sandbox import capabilities, descriptors, identity, join, landlock, limits, mounts, network, seccomp, sysc
from kernels.sandbox.selfcheck import check_self

_NAMESPACED: Final = frozenset((Level.L2, Level.L2_PLUS, Level.L3))
_PROC_SHOWN: Final = frozenset((Level.L2_PLUS, Level.L3))
_ALL: Final = frozenset((Level.L1, *_NAMESPACED))
_WRITABLE_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full")


class StepFailed(Exception):
    """One isolation step failed; no user code may run in this process."""

    def __init__(self, step: str, errno_name: str, detail: str) -> None:
        super().__init__(f"{step}: {errno_name}: {detail}")
        self.step = step
        self.errno_name = errno_name
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Confinement:
    """The input of confine(). *uid* and *gid* are host ids, used if the spawner can assign them (own_uid)."""

    level: Level
    policy: Policy
    uid: int
    gid: int
    keep_fds: tuple[int, ...] = ()
    work_dir: str = "/work"
    data_baseline_bytes: int = 0
    own_uid: bool = True
    readable: tuple[str, ...] = ("/",)
    """Level L1 only: the host paths a kernel may read; above that the prepared root holds nothing else."""
    is_grouped: bool = True
    """Whether a control group bounds it. Without one no process would account for the memory of a memory file."""
    joined: tuple[int, ...] = ()
    """A guest's, above level L1: the open namespaces of its place (join.KINDS), with their mounts, instead of new ones."""


@dataclass(slots=True)
class _Progress:
    """The results of a step for the next ones."""

    proc_fd: int = -1


@dataclass(frozen=True, slots=True)
class Step:
    """One step: *denies* says what code in the kernel can no longer have or do because of it; SECURITY.md shows it."""

    name: str
    denies: str
    levels: frozenset[Level]
    act: Callable[[Confinement, _Progress], None]


def _leave_namespaces(c: Confinement, p: _Progress) -> None:
    if not c.joined:
        mounts.leave_namespaces()
        return
    if c.level is Level.L2:
        p.proc_fd = mounts.open_proc()  # the place has none
    join.enter(c.joined)


def _mount(c: Confinement, p: _Progress) -> None:
    if c.joined:
        p.proc_fd = mounts.open_proc() if p.proc_fd < 0 else p.proc_fd
        return
    uid, gid = (c.uid, c.gid) if changes_uid(c) else (os.geteuid(), os.getegid())
    p.proc_fd = mounts.mount_empty_proc() if c.level is Level.L2 else mounts.mount_fresh_proc(c.work_dir)
    mounts.mount_writable(c.work_dir, c.policy, uid, gid)


def _hide_host(c: Confinement, _p: _Progress) -> None:
    if not c.joined:  # the self-check finds what a place would still show
        mounts.hide_host()


def _name_network(c: Confinement, _p: _Progress) -> None:
    if c.joined:
        return
    network.raise_loopback()
    network.hide_host_name()


def _forbid_memory_files(_c: Confinement, p: _Progress) -> None:
    """Only real root may write this file, and only newer kernels have it; seccomp denies the same."""
    if os.geteuid() == 0:
        try:
            sysc.write_whole("sys/vm/memfd_noexec", "2", dir_fd=p.proc_fd)
        except FileNotFoundError:
            return


def _limit_resources(c: Confinement, _p: _Progress) -> None:
    limits.limit_resources(c.policy, c.data_baseline_bytes)


def _change_identity(c: Confinement, _p: _Progress) -> None:
    if changes_uid(c):
        identity.become(c.uid, c.gid)
    # The zygote is not, and a change of uid clears it: /proc/self would belong to root, for the kernel itself and for the
    # spawner's look from outside.
    sysc.set_dumpable(dumpable=True)


def _enter_user_namespace(_c: Confinement, p: _Progress) -> None:
    identity.enter_user_namespace(p.proc_fd)


def _forbid_user_namespaces(_c: Confinement, p: _Progress) -> None:
    identity.forbid_user_namespaces(p.proc_fd)


def _limit_processes(c: Confinement, _p: _Progress) -> None:
    is_shared = c.level is Level.L1 and not c.own_uid
    limits.limit_processes(c.policy, sharers=limits.MOST_SHARERS if is_shared else 1)
    if c.level is Level.L1:
        sysc.set_subreaper()  # what it starts stays below it, where it is counted and found


def _drop_privileges(_c: Confinement, _p: _Progress) -> None:
    capabilities.drop_all()
    sysc.set_no_new_privs()


def _landlock(c: Confinement, _p: _Progress) -> None:
    if c.level is Level.L1:
        landlock.restrict(c.readable, (c.work_dir, *_WRITABLE_DEVICES), deny_tcp=True)
    else:
        landlock.restrict(("/",), (c.work_dir, "/tmp", "/dev/shm", *_WRITABLE_DEVICES), deny_tcp=False)


def _close_descriptors(c: Confinement, _p: _Progress) -> None:
    descriptors.close_all_but(c.keep_fds)
    descriptors.reset_signals()


def _filter_system_calls(c: Confinement, _p: _Progress) -> None:
    if c.level is Level.L1 and not c.own_uid and sysc.landlock_abi() < landlock.SCOPES_SINCE:
        seccomp.confine_signals(os.getpid())
    if not c.is_grouped:
        seccomp.forbid_memory_files()
    seccomp.load("confined" if c.level is Level.L1 else "kernel")


def _check_self(c: Confinement, _p: _Progress) -> None:
    check_self(c.level, identity.INNER_ID if c.level in _NAMESPACED else c.uid if c.own_uid else None)


STEPS: Final[tuple[Step, ...]] = (
    Step("namespaces", "host mounts, network, IPC, host name and cgroup tree", _NAMESPACED, _leave_namespaces),
    Step(
        "mounts",
        "files of the host and of other kernels; more disk than allowed (three tmpfs with size and inode limits)",
        _NAMESPACED,
        _mount,
    ),
    Step(
        "host_facts",
        "what `/proc` tells of the host: boot arguments, configuration, addresses of Linux's code, boot id, disks, "
        "devices, pressure",
        _PROC_SHOWN,
        _hide_host,
    ),
    Step("network", "any address but its own loopback; the host's name", _NAMESPACED, _name_network),
    Step("memory_files", "executing code from a memory file", frozenset((Level.L3,)), _forbid_memory_files),
    Step("limits", "more memory, files or CPU time per process than allowed; core dumps", _ALL, _limit_resources),
    Step("identity", "files and signals of every other uid, neighbours included", _ALL, _change_identity),
    Step("user_namespace", "any privilege over the namespaces made before", _NAMESPACED, _enter_user_namespace),
    Step("no_more_namespaces", "a user namespace of its own", _PROC_SHOWN, _forbid_user_namespaces),
    Step("processes", "more processes, threads and waiting signals than allowed", _ALL, _limit_processes),
    Step("privileges", "every capability, also by executing a privileged program", _ALL, _drop_privileges),
    Step("landlock", "writing outside its own directories; signals and abstract sockets outside", _ALL, _landlock),
    Step("descriptors", "whatever the zygote had open; inherited signal handling", _ALL, _close_descriptors),
    Step(
        "system_calls",
        "kernel interfaces it has no need for; options of sockets that are not on a list; flushes of the host's disk; "
        "siblings (`CLONE_PARENT`), which would be the zygote's children; "
        "locks without an owner",
        _ALL,
        _filter_system_calls,
    ),
    Step("self_check", "running when a step did not take", _ALL, _check_self),
)
"""In this order; each is done at its levels and none of those is ever skipped."""


def changes_uid(c: Confinement) -> bool:
    """Whether this kernel gets a host uid of its own: always at L3, at L1 where that is possible."""
    return c.level is Level.L3 or (c.level is Level.L1 and c.own_uid)


def confine(c: Confinement) -> dict[str, float]:
    """Confine the calling process for good; returns the milliseconds that each step took.

    Raises StepFailed at the first step that fails; the caller must then end the process at once.
    """
    if c.level not in _ALL:
        raise StepFailed("level", "EINVAL", f"level {c.level.label} isolates nothing")
    progress = _Progress()
    took_ms: dict[str, float] = {}
    for step in STEPS:
        if c.level in step.levels:
            started = time.perf_counter()
            _perform(step, c, progress)
            took_ms[step.name] = round((time.perf_counter() - started) * 1000, 3)
    return took_ms


def _perform(step: Step, c: Confinement, progress: _Progress) -> None:
    try:
        step.act(c, progress)
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, "EIO")
        raise StepFailed(step.name, name, error.strerror or str(error)) from error
    except (ValueError, RuntimeError, LookupError) as error:
        raise StepFailed(step.name, "EINVAL", str(error)) from error
