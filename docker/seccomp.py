"""Write seccomp.json, the container's system call profile: what kernels may call, and what isolating them takes.

Docker's default profile lets nobody without CAP_SYS_ADMIN make a namespace. This one does, and allows little else beyond
what the kernels' own filter (kernels/sandbox/seccomp/policy.py) allows. Run `python -m docker.seccomp` after a change there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kernels.sandbox.seccomp import policy

TARGET = Path(__file__).with_name("seccomp.json")
ISOLATING = """
unshare setns clone clone3 mount umount2 pivot_root chroot move_mount open_tree mount_setattr fsopen fsconfig fsmount
sethostname setdomainname setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups capset
capget prctl seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self pidfd_open pidfd_send_signal
pidfd_getfd
"""
"""Setting a kernel up: namespaces, mounts, identities, locks, and ending it by a handle."""
SERVING = """
socket socketpair bind listen connect ioctl personality memfd_create sched_setscheduler sched_setparam sync syncfs fsync
fdatasync sync_file_range splice tee name_to_handle_at mknodat mbind set_mempolicy get_mempolicy io_setup io_submit
io_getevents io_destroy io_cancel
"""
"""What the gateway, its Python and its database call without the limits on arguments that a kernel has."""
DENIED_ERRNO = 1


def profile() -> dict[str, Any]:
    """The profile as Docker reads it: everything refused with EPERM but the names listed."""
    allowed = {rule.name for rule in policy.rules("kernel") if rule.action == policy.ALLOW}
    names = sorted(allowed | set(ISOLATING.split()) | set(SERVING.split()))
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": DENIED_ERRNO,
        "archMap": [
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []},
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
        ],
        "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}],
    }


if __name__ == "__main__":
    TARGET.write_text(json.dumps(profile(), indent=1) + "\n")
