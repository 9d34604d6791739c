"""Machines that allow less than this one does: `python setting.py NAME COMMAND...` runs COMMAND in the setting NAME.

Run as root. COMMAND gets a pid namespace with a first process and a /proc of its own, as in a container: whatever it does,
no signal of it reaches the machine's processes, and all it started is gone when it ends. Identity, mounts and filters are
changed for it alone.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from kernels.sandbox import capabilities, seccomp, sysc
from tests.kernels.sandbox import bpf

USER = 54_322
"""The ordinary user of these settings; it needs no account."""
SPAWNER_USER = 54_323
"""The user of a spawner that is started apart; its group is the gateway's."""
FIVE = (*capabilities.FOR_THE_ZYGOTE, capabilities.KILL)
IN_A_CONTAINER = (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27)
"""CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW, SYS_CHROOT, MKNOD."""
_NUMBERS: dict[str, int] = json.loads((Path(seccomp.__file__).parent / "table.json").read_text())["numbers"].get(
    sysc.ARCH, {}
)
_ROOT = Path(__file__).resolve().parents[2]


def own_mounts() -> None:
    """Have mounts of one's own, so that the machine's stay as they are."""
    sysc.unshare(sysc.CLONE_NEWNS)
    sysc.mount(None, "/", None, sysc.MS_REC | sysc.MS_PRIVATE)


def show(paths: Iterable[str]) -> None:
    """Let every user reach *paths* where they lie in somebody's private directory: the rest of that is hidden instead."""
    wanted: dict[Path, list[Path]] = {}
    for path in dict.fromkeys(Path(os.path.realpath(path)) for path in paths):
        private = next((place for place in reversed(path.parents) if not place.stat().st_mode & 0o001), None)
        if private is not None:
            wanted.setdefault(private, []).append(path)
    for private, below in wanted.items():
        opened = [(path, os.open(path, os.O_PATH)) for path in below]
        sysc.mount("shown", str(private), "tmpfs", sysc.MS_NOSUID | sysc.MS_NODEV, "size=1m,mode=0755")
        for path, fd in opened:
            path.mkdir(parents=True, exist_ok=True)
            sysc.mount(f"/proc/self/fd/{fd}", str(path), None, sysc.MS_BIND | sysc.MS_REC)
            os.close(fd)


def show_pythons() -> None:
    """Let every user reach this checkout and the interpreters of its environments."""
    bases = [sys.base_prefix, sys.prefix, str(_ROOT)]
    if kernel_python := os.environ.get("OMEGA_KERNEL_PYTHON"):
        bases += [str(Path(os.path.realpath(kernel_python)).parents[1]), str(Path(kernel_python).parents[1])]
    show(bases)


def mask_proc() -> None:
    """A /proc with one directory covered, as containers have it."""
    place = next(path for path in ("/proc/acpi", "/proc/bus", "/proc/fs") if os.path.isdir(path))
    sysc.mount("none", place, "tmpfs", sysc.MS_RDONLY)


def freeze_cgroups() -> None:
    """Control groups that can be looked at and not changed, as containers have them."""
    if os.path.ismount("/sys/fs/cgroup"):
        sysc.restrict_mounts("/sys/fs/cgroup", sysc.MOUNT_ATTR_RDONLY)


def become(uid: int, kept: tuple[int, ...] = (), gid: int = USER) -> None:
    """Be *uid* of one group, holding the capabilities *kept* also over exec."""
    sysc.prctl(8, 1)  # PR_SET_KEEPCAPS
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    mask = sum(1 << number for number in kept)
    sysc.capset(mask, mask, mask)
    for number in kept:
        sysc.prctl(sysc.PR_CAP_AMBIENT, sysc.PR_CAP_AMBIENT_RAISE, number)
    sysc.set_dumpable(dumpable=True)


def filter_as_containers_do() -> None:
    """Deny what Docker's default profile denies to a process without CAP_SYS_ADMIN."""
    sysc.set_no_new_privs()
    names = ("unshare", "setns", "mount", "umount2", "pivot_root", "sethostname", "setdomainname", "bpf")
    sysc.seccomp_load(bpf.deny([(_NUMBERS[name], None, errno.EPERM) for name in names]))
    sysc.seccomp_load(bpf.deny_flags(_NUMBERS["clone"], 0, 0x7E020000, errno.EPERM))
    sysc.seccomp_load(bpf.deny([(435, None, errno.ENOSYS)]))  # clone3


def _root() -> None:
    """Nothing in the way."""


def _user() -> None:
    own_mounts()
    show_pythons()
    become(USER)


def _masked() -> None:
    own_mounts()
    show_pythons()
    mask_proc()
    become(USER)


def _container() -> None:
    own_mounts()
    show_pythons()
    mask_proc()
    freeze_cgroups()


def _container_user() -> None:
    _container()
    become(USER)
    filter_as_containers_do()


def _container_root() -> None:
    _container()
    sysc.prctl(sysc.PR_SET_NO_NEW_PRIVS, 1)
    for number in range(41):
        if number not in IN_A_CONTAINER:
            sysc.prctl(sysc.PR_CAPBSET_DROP, number)
    mask = sum(1 << number for number in IN_A_CONTAINER)
    sysc.capset(mask, mask, 0)
    filter_as_containers_do()


def _nothing() -> None:
    _container()
    become(USER)
    filter_as_containers_do()
    sysc.seccomp_load(bpf.deny([(_NUMBERS["landlock_create_ruleset"], None, errno.EOPNOTSUPP)]))


def _five() -> None:
    own_mounts()
    show_pythons()
    become(USER, FIVE)


def _six() -> None:
    own_mounts()
    show_pythons()
    become(USER, (*FIVE, *capabilities.TO_JOIN))


def _spawner() -> None:
    own_mounts()
    show_pythons()
    become(SPAWNER_USER, FIVE)


def _spawner_without() -> None:
    own_mounts()
    show_pythons()
    become(SPAWNER_USER)


SETTINGS: dict[str, Callable[[], None]] = {
    "root": _root,
    "user": _user,
    "masked": _masked,
    "container-user": _container_user,
    "container-root": _container_root,
    "nothing": _nothing,
    "five": _five,
    "six": _six,
    "spawner": _spawner,
    "spawner-without": _spawner_without,
}


def _become(name: str, command: list[str]) -> None:
    try:
        SETTINGS[name]()
        os.execv(command[0], command)
    finally:
        os._exit(127)


def _wait_for(child: int) -> int:
    """The exit status of *child*, to which SIGTERM and SIGINT are passed on; everything else that ends is collected."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _frame: os.kill(child, got))
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def contain(name: str, command: list[str]) -> int:
    """Run *command* in the setting *name*, in a pid namespace of its own; its exit status."""
    sysc.unshare(sysc.CLONE_NEWPID | sysc.CLONE_NEWNS)
    first = os.fork()
    if first == 0:
        try:
            sysc.set_death_signal(signal.SIGKILL)
            if os.getpid() != 1:
                raise RuntimeError("not in a pid namespace of its own")
            sysc.mount(None, "/", None, sysc.MS_REC | sysc.MS_PRIVATE)
            sysc.mount("proc", "/proc", "proc", sysc.MS_NOSUID | sysc.MS_NODEV | sysc.MS_NOEXEC)
            child = os.fork()
            if child == 0:
                _become(name, command)
            os._exit(_wait_for(child))
        finally:
            os._exit(126)
    return _wait_for(first)


if __name__ == "__main__":
    sys.exit(contain(sys.argv[1], sys.argv[2:]))
