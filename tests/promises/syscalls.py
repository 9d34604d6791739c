"""Corpus 8.3, system calls: each called for real, with arguments by which nothing would happen if it were let through.

A call that got through answers EBADF, EFAULT or EINVAL, or works; a denied one answers EPERM or ENOSYS before it looks.
"""

from __future__ import annotations

from tests.promises.attempt import Attempt, Denied, Either, Ends, Prints, Verdict

REFUSED = Denied("EPERM", "ENOSYS")

_NATIVE = """
import mmap
def run(code):
    area = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    area.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    return ctypes.CFUNCTYPE(ctypes.c_long)(address)()
"""


def _line(line: str, program: str, verdict: Verdict = REFUSED) -> Attempt:
    return Attempt(line, program, verdict, batch="syscalls")


def _calls(line: str, *rows: str, verdict: Verdict = REFUSED) -> Attempt:
    return _line(line, f"calls({', '.join(f'({row},)' for row in rows)})", verdict)


_NAMESPACES = "(0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)"

SYSCALLS = (
    _calls("S01", '"ptrace", 0, 0, None, None', '"ptrace", 16, 1, None, None', '"ptrace", 0x4206, 1, None, None'),
    _calls("S02", '"process_vm_readv", 1, None, 0, None, 0, 0', '"process_vm_writev", 1, None, 0, None, 0, 0'),
    _calls(
        "S03",
        '"keyctl", 0, -3, 1',
        '"keyctl", 0, -1, 0',
        '"add_key", b"user", b"x", b"x", 1, -2',
        '"request_key", b"user", b"x", None, 0',
    ),
    _calls("S04", *(f'"bpf", {command}, None, 0' for command in range(6)), '"bpf", 5, bytes(128), 128'),
    _line("S05", f'for flag in {_NAMESPACES}: report("unshare %x" % flag, call("unshare", flag))\ncalls(("unshare", 0))'),
    _line("S06", f'for flag in (0, *{_NAMESPACES}): report("setns %x" % flag, call("setns", 0, flag))'),
    # 0x100: a child that would share memory, so that a clone let through has no copy to go on with; no stack is given.
    _line(
        "S07",
        f'for flag in {_NAMESPACES}[1:]: report("clone %x" % flag, call("clone", flag | 0x10000, None, None, None, 0))',
        Denied("EPERM", "ENOSYS"),
    ),
    _line(
        "S08",
        """
for flag in (0, 0x10000000, 0x40000000):
    report("clone3 %x" % flag, call("clone3", flag.to_bytes(8, "little") + bytes(80), 88))
report("short", call("clone3", None, 0))
""",
        Denied("ENOSYS"),
    ),
    _line(
        "S09",
        'calls(("userfaultfd", 0), ("userfaultfd", 1), ("userfaultfd", -1))\nopens("/dev/userfaultfd")',
        Denied("EPERM", "ENOSYS", "ENOENT"),
    ),
    _calls(
        "S10",
        '"io_uring_setup", 8, bytes(120)',
        '"io_uring_setup", 0, None',
        '"io_uring_enter", -1, 0, 0, 0, None, 0',
        '"io_uring_register", -1, 0, None, 0',
        verdict=Denied("ENOSYS", "EPERM"),
    ),
    _calls("S11", '"perf_event_open", bytes(128), 0, -1, -1, 0', '"perf_event_open", None, 0, 0, -1, 0'),
    _calls(
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
    _calls(
        "S13",
        '"kexec_load", 0, 0, None, 0',
        '"kexec_file_load", -1, -1, 0, None, 0',
        '"reboot", 0, 0, 0, None',
        '"init_module", None, 0, None',
        '"finit_module", -1, None, 0',
        '"delete_module", None, 0',
    ),
    _calls(
        "S14",
        '"swapon", None, 0',
        '"swapoff", None',
        '"acct", None',
        '"quotactl", 0x80000000, None, 0, None',
        '"quotactl_fd", -1, 0, 0, None',
    ),
    _calls(
        "S15",
        '"settimeofday", None, None',
        '"clock_settime", 0, None',
        '"adjtimex", bytes(208)',
        '"clock_adjtime", 0, bytes(208)',
    ),
    _calls(
        "S16", '"iopl", 0', '"iopl", 3', '"ioperm", 0, 1, 1', '"modify_ldt", 0, None, 0', '"modify_ldt", 1, bytes(16), 16'
    ),
    _calls(
        "S17",
        '"personality", 0x40000',
        '"personality", 0x400000',
        '"personality", 0x8',
        '"personality", (1 << 32) | 0x40000',
    ),
    _calls(
        "S18",
        '"memfd_create", b"x", 0',
        '"memfd_create", b"x", 4',
        '"memfd_create", b"x", 0x10',
        '"memfd_create", b"x", 0x18',
        '"memfd_secret", 0',
        '"memfd_secret", -1',
    ),
    _calls(
        "S19",
        '"pidfd_open", 1, 0',
        '"pidfd_open", 2, 0',
        '"pidfd_getfd", -1, 0, 0',
        '"pidfd_send_signal", -1, 0, None, 0',
        '"process_madvise", -1, None, 0, 0, 0',
        '"kcmp", 1, 2, 0, 0, 0',
        '"process_mrelease", -1, 0',
    ),
    _calls("S20", '"splice", -1, None, -1, None, 1, 0', '"splice", 0, None, 1, None, 1, 0'),
    _calls("S21", '"vmsplice", -1, None, 0, 0', '"vmsplice", 1, bytes(16), 1, 8'),
    _calls("S22", '"tee", -1, -1, 1, 0', '"tee", 0, 1, 1, 2'),
    _calls(
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
    _calls("S24", '"io_setup", 1, bytes(8)', '"io_destroy", 0', '"io_submit", 0, 0, None'),
    _calls(
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
    _calls(
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
    _calls(
        "S27",
        '"mbind", None, 0, 0, None, 0, 0',
        '"set_mempolicy", 0, None, 0',
        '"move_pages", 1, 0, None, None, None, 0',
        '"migrate_pages", 1, 0, None, None',
        '"set_mempolicy_home_node", None, 0, 0, 0',
    ),
    _line(
        "S28",
        """
for number in (*range(470, 601), 1000, 4000, 2**29):
    report(number, call(number, -1, -1, -1, -1, -1, -1))
""",
        Denied("ENOSYS"),
    ),
    Attempt(
        "S28",
        "report('minus one', call(-1, 0, 0, 0, 0, 0, 0))",
        Either(Denied("ENOSYS"), Ends("kernel_died", "SIGSYS")),  # as the other ABI's numbers on x86_64
        case="minus-one",
    ),
    Attempt(
        "S29",
        _NATIVE + "print('calling', flush=True)\nrun(bytes.fromhex('b814000000cd80c3'))\nprint('back')",
        Ends("kernel_died", "SIGSYS"),
        case="int80",
    ),
    Attempt("S30", "print('calling', flush=True)\ncall(0x40000000 | 39)\nprint('back')", Ends("kernel_died", "SIGSYS")),
    _calls(
        "S31",
        '"fanotify_init", 0, 0',
        '"fanotify_mark", -1, 0, 0, -1, None',
        '"name_to_handle_at", -1, None, None, None, 0',
        '"lookup_dcookie", 0, None, 0',
        '"lsm_get_self_attr", 100, None, None, 0',
        '"lsm_set_self_attr", 100, None, 0, 0',
        '"lsm_list_modules", None, None, 0',
        '"statmount", None, None, 0, 0',
        '"listmount", None, None, 0, 0',
    ),
    _line(
        "S32",
        """
for policy in (1, 2, 6, 0x40000001, (1 << 32) | 1):
    report("policy %x" % policy, call("sched_setscheduler", 0, policy, (10).to_bytes(4, "little")))
calls(("sched_setattr", 0, (48).to_bytes(4, "little") + (6).to_bytes(4, "little") + bytes(40), 0), ("sched_setparam", 0,
                                                                                                    bytes(4)),
      ("ioprio_set", 1, 0, 1 << 13), ("setpriority", 0, 0, -20))
""",
        Denied("EPERM", "ENOSYS", "EACCES"),
    ),
    _line(
        "S33",
        """
import time
started = time.monotonic()
done = {call("sync") for _ in range(20_000)} | {call("syncfs", 1) for _ in range(20_000)}
print(done, time.monotonic() - started < 3)
""",
        Prints("{'ok'} True"),
    ),
    _line(
        "S34",
        """
for option, value in ((35, 8), (35, 12), (4, 1), (4, 2), (0x59616d61, 1), (22, 2), (24, 0), (28, 0), (28, 0x2f), (47, 2),
                      (8, 1), (14, 1),
                      (26, 2), (33, 1), (57, 1), (59, 1), (62, 0), (65, 1), (71, 1)):
    report("prctl %s %s" % (option, value), call("prctl", option, value, 0, 0, 0))
""",
        Denied("EPERM", "ENOSYS"),
    ),
    _line(
        "S35",
        """
for number in (0x5412, 0x541C, 0x5423, 0x5424, 0x540E, 0x5410, 0x541D, 0x80045430, 0x40045431, 0x5402, 0x4B3A, 0x4B4E,
               0xC0189436,
               0x40049409, 0x6686, 0x40086602, 0x5309, 0x1260, 0xAE00, 0xB701):
    for descriptor in (0, 1):
        report("ioctl %x" % number, call("ioctl", descriptor, number, bytes(64)))
""",
        Denied("ENOSYS", "EPERM"),
    ),
    _line(
        "S36",
        """
high = 1 << 32
calls(("socket", high | 40, 1, 0), ("socket", high | 38, 5, 0), ("socket", high | 2, 1, 262), ("socket", 2, high | 3, 1),
      ("socket", 2, 1, high | 262),
      ("socket", high | 16, 3, 0), ("clone", high | 0x10010000, None, None, None, 0), ("unshare", high | 0x10000000),
      ("memfd_create", b"x", high), ("memfd_create", b"x", high | 16), ("ioctl", 0, high | 0x5412, bytes(8)), ("prctl",
                                                                                                               high | 22, 2, bytes(16), 0, 0),
      ("prctl", high | 4, 1, 0, 0, 0), ("sendto", 1, b"x", 1, high | 1, None, 0), ("socketpair", high | 1, 2, 0, bytes(8)))
""",
        Denied("EPERM", "ENOSYS", "ENOTSUP"),
    ),
    _line(
        "S37",
        """
import resource
for kind in range(16):
    soft, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        limit = soft.to_bytes(8, "little") + (hard + 1).to_bytes(8, "little")
        report("raise %s" % kind, call("prlimit64", 0, kind, limit, None))
        report("raise the parent's %s" % kind, call("prlimit64", 1, kind, limit, None))
""",
        Denied("EPERM", "ESRCH"),
    ),
    _line(
        "S38",
        """
for _ in range(3000):
    call("membarrier", 0, 0, 0); call("membarrier", 8, 0, 0); call("rseq", None, 0, 0, 0); call("arch_prctl", 0x1003,
                                                                                                bytes(8))
    call("arch_prctl", 0x1011, 0); call("arch_prctl", 0x5001, 1); call("rseq", bytes(32), 32, 0, 1)
print("harmless")
""",
        Prints("harmless"),
    ),
    Attempt(
        "S39",
        """
import random, time
scratch = ctypes.create_string_buffer(1 << 16)
where = ctypes.addressof(scratch)
values = [0, 1, 2, 3, 7, 8, 64, 4096, 2**31, 2**32 - 1, 2**63, -1, -2, -100, where, where + 4096]
skipped = {SYS[name] for name in ("exit", "exit_group", "fork", "vfork", "clone", "pause", "alarm",
                                  "rt_sigsuspend") if name in SYS}
def fuzz(seed):
    chance = random.Random(seed)
    for _ in range(25_000):
        number = chance.choice((chance.randrange(0, 470), chance.randrange(470, 700), chance.getrandbits(31)))
        if number not in skipped:
            call(number, *(chance.choice(values) if chance.random() < 0.7 else chance.getrandbits(64) for _ in range(6)))
    os._exit(0)
ended = time.monotonic() + 6
children = []
for seed in range(1000):
    if time.monotonic() > ended:
        break
    while len(children) >= 4 and time.monotonic() < ended:
        children = [pid for pid in children if os.waitpid(pid, os.WNOHANG)[0] == 0]
        time.sleep(0.01)
    pid = os.fork()
    if pid == 0:
        call("alarm", 2)
        fuzz(seed)
    children.append(pid)
print("fuzzed")
""",
        Either(Prints("fuzzed"), Ends("kernel_died"), Ends("timeout"), Ends("memory"), Ends("output"), Denied("fuzzed")),
        timeout_ms=12_000,
        slow=True,
    ),
)
