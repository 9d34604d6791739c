"""Corpus 8.3, system calls: each called for real, with arguments by which nothing would happen if it were let through.

A call that got through answers EBADF, EFAULT or EINVAL, or works; a denied one answers EPERM or ENOSYS before it looks.
"""

from __future__ import annotations

from tests.promises.attempt import Attempt, Denied, Verdict

REFUSED = Denied("EPERM", "ENOSYS")


def line(name: str, program: str, verdict: Verdict = REFUSED, case: str = "") -> Attempt:
    """The line *name*, batched with the others."""
    return Attempt(name, program, verdict, case=case, batch="syscalls")


def calls(name: str, *rows: str, verdict: Verdict = REFUSED) -> Attempt:
    """The line *name*: each of *rows* is the name and the arguments of one call, as source."""
    return line(name, f"calls({', '.join(f'({row},)' for row in rows)})", verdict)


_NAMESPACES = "(0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)"

SYSCALLS = (
    calls("S01", '"ptrace", 0, 0, None, None', '"ptrace", 16, 1, None, None', '"ptrace", 0x4206, 1, None, None'),
    calls("S02", '"process_vm_readv", 1, None, 0, None, 0, 0', '"process_vm_writev", 1, None, 0, None, 0, 0'),
    calls(
        "S03",
        '"keyctl", 0, -3, 1',
        '"keyctl", 0, -1, 0',
        '"add_key", b"user", b"x", b"x", 1, -2',
        '"request_key", b"user", b"x", None, 0',
    ),
    calls("S04", *(f'"bpf", {command}, None, 0' for command in range(6)), '"bpf", 5, bytes(128), 128'),
    line("S05", f'for flag in {_NAMESPACES}: report("unshare %x" % flag, call("unshare", flag))\ncalls(("unshare", 0))'),
    line("S06", f'for flag in (0, *{_NAMESPACES}): report("setns %x" % flag, call("setns", 0, flag))'),
    # 0x10000: a thread, which needs flags that are not given, so that a clone let through makes nothing.
    line(
        "S07",
        f'for flag in {_NAMESPACES}[1:]: report("clone %x" % flag, call("clone", flag | 0x10000, None, None, None, 0))',
        Denied("EPERM", "ENOSYS"),
    ),
    # Its inode would count the processes that the whole machine has started.
    line(
        "S07",
        'for flag in (0x1000, 0x1000 | (1 << 32)): report(flag, call("clone", flag | 0x10000, None, bytes(8), None, 0))',
        Denied("EPERM"),
        case="pidfd",
    ),
    line(
        "S08",
        """
for flag in (0, 0x10000000, 0x40000000):
    report("clone3 %x" % flag, call("clone3", flag.to_bytes(8, "little") + bytes(80), 88))
report("short", call("clone3", None, 0))
""",
        Denied("ENOSYS"),
    ),
    line(
        "S09",
        'calls(("userfaultfd", 0), ("userfaultfd", 1), ("userfaultfd", -1))\nopens("/dev/userfaultfd")',
        Denied("EPERM", "ENOSYS", "ENOENT"),
    ),
    calls(
        "S10",
        '"io_uring_setup", 8, bytes(120)',
        '"io_uring_setup", 0, None',
        '"io_uring_enter", -1, 0, 0, 0, None, 0',
        '"io_uring_register", -1, 0, None, 0',
        verdict=Denied("ENOSYS", "EPERM"),
    ),
    calls("S11", '"perf_event_open", bytes(128), 0, -1, -1, 0', '"perf_event_open", None, 0, 0, -1, 0'),
    calls(
        "S12",
        '"mount", None, None, None, 0, None',
        '"umount2", None, 0',
        '"pivot_root", None, None',
        '"move_mount", -1, None, -1, None, 0',
        '"fsopen", None, 0',
        '"fsmount", -1, 0, 0',
        '"fspick", -1, None, 0',
        '"fsconfig", -1, 0, None, None, 0',
        '"mount_setattr", -1, None, 0, None, 0',
        '"open_tree", -1, None, 0',
        "467, -1, None, 0",
    ),
    calls(
        "S13",
        '"kexec_load", 0, 0, None, 0',
        '"kexec_file_load", -1, -1, 0, None, 0',
        '"reboot", 0, 0, 0, None',
        '"init_module", None, 0, None',
        '"finit_module", -1, None, 0',
        '"delete_module", None, 0',
    ),
    calls(
        "S14",
        '"swapon", None, 0',
        '"swapoff", None',
        '"acct", None',
        '"quotactl", 0x80000000, None, 0, None',
        '"quotactl_fd", -1, 0, 0, None',
    ),
    calls(
        "S15",
        '"settimeofday", None, None',
        '"clock_settime", 0, None',
        '"adjtimex", bytes(208)',
        '"clock_adjtime", 0, bytes(208)',
    ),
    calls(
        "S16", '"iopl", 0', '"iopl", 3', '"ioperm", 0, 1, 1', '"modify_ldt", 0, None, 0', '"modify_ldt", 1, bytes(16), 16'
    ),
    calls(
        "S17",
        '"personality", 0x40000',
        '"personality", 0x400000',
        '"personality", 0x8',
        '"personality", (1 << 32) | 0x40000',
    ),
    calls(
        "S18",
        '"memfd_create", b"x", 0',
        '"memfd_create", b"x", 4',
        '"memfd_create", b"x", 0x10',
        '"memfd_create", b"x", 0x18',
        '"memfd_secret", 0',
        '"memfd_secret", -1',
    ),
    calls(
        "S19",
        '"pidfd_open", 1, 0',
        '"pidfd_open", 2, 0',
        '"pidfd_getfd", -1, 0, 0',
        '"pidfd_send_signal", -1, 0, None, 0',
        '"process_madvise", -1, None, 0, 0, 0',
        '"kcmp", 1, 2, 0, 0, 0',
        '"process_mrelease", -1, 0',
    ),
    calls("S20", '"splice", -1, None, -1, None, 1, 0', '"splice", 0, None, 1, None, 1, 0'),
    calls("S21", '"vmsplice", -1, None, 0, 0', '"vmsplice", 1, bytes(16), 1, 8'),
    calls("S22", '"tee", -1, -1, 1, 0', '"tee", 0, 1, 1, 2'),
    calls(
        "S23",
        '"seccomp", 0, 0, None',
        '"seccomp", 1, 0, bytes(16)',
        '"seccomp", 1, 8, bytes(16)',
        '"seccomp", 2, 0, bytes(4)',
        '"landlock_create_ruleset", bytes(8), 8, 0',
        '"landlock_create_ruleset", None, 0, 1',
        '"landlock_restrict_self", -1, 0',
        '"landlock_add_rule", -1, 0, None, 0',
        '"prctl", 22, 2, bytes(16), 0, 0',
        '"prctl", 22, 1, 0, 0, 0',
    ),
    calls("S24", '"io_setup", 1, bytes(8)', '"io_destroy", 0', '"io_submit", 0, 0, None'),
    calls(
        "S25",
        '"shmget", 0, 4096, 0o1600',
        '"shmat", 0, None, 0',
        '"shmctl", 0, 0, None',
        '"msgget", 0, 0o1600',
        '"msgsnd", 0, None, 0, 0',
        '"semget", 0, 1, 0o1600',
        '"semop", 0, None, 0',
        '"mq_open", b"x", 0o102, 0o600, None',
        '"mq_unlink", b"x"',
        '"mq_timedsend", -1, None, 0, 0, None',
        '"mq_notify", -1, None',
    ),
    calls(
        "S26",
        '"setuid", 0',
        '"setgid", 0',
        '"setreuid", -1, -1',
        '"setregid", 0, 0',
        '"setresuid", 0, 0, 0',
        '"setresgid", 0, 0, 0',
        '"setfsuid", 0',
        '"setfsgid", 0',
        '"setgroups", 0, None',
        '"capset", bytes(8), bytes(24)',
        '"sethostname", b"x", 1',
        '"setdomainname", b"x", 1',
    ),
    calls(
        "S27",
        '"mbind", None, 0, 0, None, 0, 0',
        '"set_mempolicy", 0, None, 0',
        '"move_pages", 1, 0, None, None, None, 0',
        '"migrate_pages", 1, 0, None, None',
        '"set_mempolicy_home_node", None, 0, 0, 0',
    ),
)
