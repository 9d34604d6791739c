"""Corpus 8.3, second half: numbers, arguments and limits of system calls, other entries to the kernel, and chance."""

from __future__ import annotations

from tests.promises.attempt import Attempt, Denied, Either, Ends, Prints
from tests.promises.syscalls import calls, line

_NATIVE = """
import mmap
def run(code):
    area = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    area.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    return ctypes.CFUNCTYPE(ctypes.c_long)(address)()
"""

ARGUMENTS = (
    line(
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
    calls(
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
    line(
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
    line(
        "S33",
        """
import resource
def waits(): return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
before, calls = waits(), 20_000
done = {call("sync") for _ in range(calls)} | {call("syncfs", number) for number in (1, -1) for _ in range(calls)}
print(done, waits() - before < calls)  # who has a disk written waits for it
""",
        Prints("{'ok'} True"),
    ),
    # Each would be EBADF or EINVAL if Linux looked at it, so nothing is flushed or dropped on the host's disk.
    line(
        "S40",
        """
print({call(name, -1, 0, 0, 7) for name in ("fsync", "fdatasync", "sync_file_range")},
      {call("msync", 1, 1, flags) for flags in (4, 6, (1 << 32) | 4)},
      {call("fadvise64", -1, 0, 0, advice) for advice in (4, (1 << 32) | 4)})
""",
        Prints("{'ok'} {'ok'} {'ok'}"),
    ),
    line(
        "S34",
        """
for option, value in ((35, 8), (35, 12), (4, 1), (4, 2), (0x59616d61, 1), (22, 2), (24, 0), (28, 0), (28, 0x2f), (47, 2),
                      (8, 1), (14, 1),
                      (26, 2), (33, 1), (57, 1), (59, 1), (62, 0), (65, 1), (71, 1)):
    report("prctl %s %s" % (option, value), call("prctl", option, value, 0, 0, 0))
""",
        Denied("EPERM", "ENOSYS"),
    ),
    line(
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
    line(
        "S36",
        """
high = 1 << 32
calls(("socket", high | 40, 1, 0), ("socket", high | 38, 5, 0), ("socket", high | 2, 1, 262), ("socket", 2, high | 3, 1),
      ("socket", 2, 1, high | 262),
      ("socket", high | 16, 3, 0), ("clone", high | 0x10010000, None, None, None, 0), ("unshare", high | 0x10000000),
      ("memfd_create", b"x", high), ("memfd_create", b"x", high | 16), ("ioctl", 0, high | 0x5412, bytes(8)),
      ("prctl", high | 22, 2, bytes(16), 0, 0),
      ("prctl", high | 4, 1, 0, 0, 0), ("sendto", 1, b"x", 1, high | 1, None, 0), ("socketpair", high | 1, 2, 0, bytes(8)))
""",
        Denied("EPERM", "ENOSYS", "ENOTSUP"),
    ),
    line(
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
    line(
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
import mmap, random, signal, socket, struct, time
CALLS, AT_ONCE = 100_000, 4
counts = mmap.mmap(-1, 8 * AT_ONCE)
scratch = ctypes.create_string_buffer(1 << 16)
where = ctypes.addressof(scratch)
values = [0, 1, 2, 3, 7, 8, 64, 4096, 2**31, 2**32 - 1, 2**63, -1, -2, -100, where, where + 4096]
kept = []
# What only ends or stops the one that calls it, or (signals, limits: E01, S37) the one that counts.
skipped = {SYS[name] for name in ("exit", "exit_group", "fork", "vfork", "clone", "pause", "alarm", "rt_sigsuspend",
    "munmap", "mremap", "brk", "mprotect", "rt_sigreturn", "setitimer", "kill", "tkill", "tgkill", "rt_sigqueueinfo",
    "rt_tgsigqueueinfo", "prlimit64") if name in SYS}
def fuzz(seed, place):
    chance = random.Random(seed)
    while made(place) < CALLS // AT_ONCE:
        number = chance.choice((chance.randrange(0, 470), chance.randrange(470, 700), chance.getrandbits(30)))  # x32: S30
        if number not in skipped:
            struct.pack_into("q", counts, 8 * place, made(place) + 1)
            call(number, *(chance.choice(values) if chance.random() < 0.7 else chance.getrandbits(64) for _ in range(6)))
    os._exit(0)
def begin(seed, place):
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        os.closerange(0, 512)
        os.open("/dev/null", os.O_RDWR), os.dup(0), os.dup(0), os.pipe()
        kept.extend(socket.socketpair())
        fuzz(seed, place)
    return pid
def made(place):
    return struct.unpack_from("q", counts, 8 * place)[0]
def state(pid):
    return open("/proc/%s/stat" % pid).read().rpartition(")")[2].split()[0]
seeds = iter(range(10**6))
running, seen = {place: begin(next(seeds), place) for place in range(AT_ONCE)}, {}
while running:
    time.sleep(0.05)
    for place, pid in list(running.items()):
        if made(place) == seen.get(place) and state(pid) not in "RZ":
            os.kill(pid, signal.SIGKILL)  # some calls wait
        seen[place] = made(place)
        if os.waitpid(pid, os.WNOHANG)[0]:
            running.pop(place)
            if made(place) < CALLS // AT_ONCE:
                running[place] = begin(next(seeds), place)
print(next(seeds), file=sys.stderr)
print("calls", sum(map(made, range(AT_ONCE))) >= CALLS)
""",
        Prints("calls True"),
        slow=True,
    ),
)
