"""A kernel's own file systems: three bounded tmpfs and a /proc that shows only its own processes, without the facts
about the host.

Everything else it sees is the zygote's prepared root, which is read-only. The zygote's /proc is taken away first so
that nothing lies under the new one; before that a copy is put aside, because Linux grants a new /proc in a user
namespace only while another complete one is in sight.
"""

from __future__ import annotations

import contextlib
import os
from typing import Final

from kernels.contract import Policy
from kernels.sandbox import sysc

_WRITABLE: Final = sysc.MS_NOSUID | sysc.MS_NODEV
_PROC: Final = sysc.MS_NOSUID | sysc.MS_NODEV | sysc.MS_NOEXEC
_HOST_FILES: Final = (
    *("/proc/cmdline", "/proc/bootconfig", "/proc/config.gz", "/proc/kallsyms", "/proc/modules"),
    *("/proc/sys/kernel/random/boot_id", "/proc/cgroups", "/proc/diskstats", "/proc/interrupts", "/proc/partitions"),
)
"""Files about the machine's boot, identity, number of kernels and disks. Its load stays visible:
programs read stat, meminfo, loadavg, vmstat. Each of these costs the start of a kernel 5 to 10 microseconds."""
_HOST_FOLDERS: Final = tuple(f"/proc/{name}" for name in ("bus", "fs", "pressure"))
EMPTY_FILE: Final = "/opt/omega/empty"
_EMPTY_FOLDER: Final = "/run"
_NAMESPACES: Final = sysc.CLONE_NEWNS | sysc.CLONE_NEWNET | sysc.CLONE_NEWIPC | sysc.CLONE_NEWUTS | sysc.CLONE_NEWCGROUP


def leave_namespaces() -> None:
    """Create namespaces for mounts, network, IPC, host name and cgroups; the caller made the pid namespace."""
    sysc.unshare(_NAMESPACES)
    sysc.mount(None, "/", None, sysc.MS_REC | sysc.MS_PRIVATE)


def open_proc() -> int:
    """A descriptor of the current /proc that outlives its mount point."""
    return os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def mount_fresh_proc(staging: str) -> int:
    """Replace /proc by one of the caller's pid namespace; returns a descriptor of it.

    hidepid=2: a process sees those it could trace, so not the reaper, whose command line names host paths.
    """
    sysc.mount("proc", staging, "proc", _PROC, "hidepid=2")
    sysc.umount("/proc")
    sysc.mount(staging, "/proc", None, sysc.MS_MOVE)
    return open_proc()


def hide_host() -> None:
    """Cover the files of /proc that describe the host, as far as this Linux has them.

    The self-check finds a file that was missed, and fails the start.
    """
    for hidden, shown in ((_HOST_FILES, EMPTY_FILE), (_HOST_FOLDERS, _EMPTY_FOLDER)):
        for path in hidden:
            if os.access(path, os.F_OK):
                sysc.mount(shown, path, None, sysc.MS_BIND)


def shown_of_host() -> list[str]:
    """The files of hide_host() that are still visible."""
    proc, seen = os.stat("/proc").st_dev, []
    for path in (*_HOST_FILES, *_HOST_FOLDERS):
        with contextlib.suppress(FileNotFoundError):
            if os.lstat(path).st_dev == proc:
                seen.append(path)
    return seen


def mount_empty_proc() -> int:
    """Replace /proc by an empty directory; returns a descriptor of the old one, for the last set-up steps."""
    fd = open_proc()
    sysc.umount("/proc")
    sysc.mount("proc", "/proc", "tmpfs", _PROC | sysc.MS_RDONLY, "size=4k,nr_inodes=2,mode=0555")
    return fd


def mount_writable(work_dir: str, policy: Policy, uid: int, gid: int) -> None:
    """Mount the only writable places of a kernel, each bounded in bytes and files; they vanish with it.

    The zygote's own /tmp is taken away, not covered.
    """
    sysc.umount("/tmp")
    owner = f"uid={uid},gid={gid},nr_inodes={policy.inodes}"
    for target, size_bytes, mode in (
        (work_dir, policy.work_bytes, "0700"),
        ("/tmp", policy.tmp_bytes, "1777"),
        ("/dev/shm", policy.shm_bytes, "1777"),
    ):
        sysc.mount("tmpfs", target, "tmpfs", _WRITABLE, f"size={size_bytes},mode={mode},{owner}")
