"""Which system calls code in a kernel may make: the policy as data, read by the generator and by the tests.

A call that no rule allows answers ENOSYS, as if this Linux did not have it, so that libraries fall back. Calls that
are known to be dangerous and whose absence would surprise answer EPERM. A call made through another architecture's
entry kills the process. Start of the list: Docker's default profile; what is taken away from it is named below with
the reason.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Profile = Literal["kernel", "confined", "init", "files"]
PROFILES: Final[tuple[Profile, ...]] = ("kernel", "confined", "init", "files")
"""kernel: own namespaces (L2 and up). confined: no namespaces, so no socket() at all (L1). init: the reaper, pid 1.
files: the helper that takes files out of a kernel's work directory and puts them in."""

ALLOW: Final = -1
"""The action of a rule that lets the call through; every other action is the errno answered."""
DEFAULT: Final = errno.ENOSYS


@dataclass(frozen=True, slots=True)
class Check:
    """Argument number *argument*, masked, equals *value*; with *negated*, differs from it. Compared as 64 bits."""

    argument: int
    value: int
    mask: int = 0xFFFF_FFFF_FFFF_FFFF
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """*action* for the system call *name* when all *checks* hold."""

    name: str
    action: int = ALLOW
    checks: tuple[Check, ...] = ()


_FILES = """
read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 open openat openat2 creat close close_range lseek
stat fstat lstat newfstatat statx access faccessat faccessat2 getdents getdents64 getcwd chdir fchdir rename renameat
renameat2 mkdir mkdirat rmdir link linkat unlink unlinkat symlink symlinkat readlink readlinkat chmod fchmod fchmodat
fchmodat2 chown fchown lchown fchownat umask truncate ftruncate fallocate flock dup dup2 dup3 pipe pipe2 sendfile
copy_file_range readahead cachestat utime utimes utimensat futimesat statfs fstatfs getxattr lgetxattr fgetxattr listxattr
llistxattr flistxattr setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
"""
_MEMORY = """
mmap mprotect munmap brk mremap mincore madvise mlock mlock2 munlock mlockall munlockall membarrier pkey_alloc
pkey_free pkey_mprotect map_shadow_stack
"""
_PROCESSES = """
fork vfork execve execveat exit exit_group wait4 waitid kill tkill tgkill getpid getppid gettid getpgid getpgrp getsid
setpgid setsid getuid geteuid getgid getegid getresuid getresgid getgroups capget getrlimit setrlimit getrusage
times sysinfo uname getpriority sched_yield sched_getparam sched_getscheduler sched_getattr sched_getaffinity
sched_get_priority_max sched_get_priority_min sched_rr_get_interval set_tid_address set_robust_list
get_robust_list rseq futex futex_waitv futex_wake futex_wait futex_requeue arch_prctl getcpu restart_syscall ioprio_get
"""
_SIGNALS_AND_TIME = """
rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigqueueinfo rt_tgsigqueueinfo rt_sigsuspend rt_sigtimedwait
sigaltstack pause signalfd signalfd4 alarm getitimer setitimer nanosleep clock_nanosleep clock_gettime clock_getres
gettimeofday time timerfd_create timerfd_settime timerfd_gettime timer_create timer_settime timer_gettime
timer_getoverrun timer_delete getrandom
"""
_WAITING = """
poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2
eventfd eventfd2
"""
_CONNECTED = "accept accept4 getsockname getpeername shutdown"
_UNCONNECTED = "connect bind listen"

_REFUSED = """
ptrace process_vm_readv process_vm_writev process_madvise kcmp bpf perf_event_open userfaultfd keyctl add_key request_key
unshare setns mount umount2 pivot_root chroot move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr
name_to_handle_at open_by_handle_at fanotify_init fanotify_mark kexec_load kexec_file_load reboot init_module
finit_module delete_module swapon swapoff acct quotactl quotactl_fd settimeofday clock_settime adjtimex clock_adjtime
iopl ioperm modify_ldt mknod mknodat setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups
capset sethostname setdomainname syslog vhangup lookup_dcookie mbind set_mempolicy migrate_pages move_pages
set_mempolicy_home_node ioprio_set sched_setattr sched_setparam seccomp landlock_create_ruleset landlock_add_rule
landlock_restrict_self shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl mq_open
mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr
"""
"""Answered with EPERM. Not named and so ENOSYS: io_uring, aio, splice, tee, vmsplice (page-cache writes), pidfd_*,
memfd_secret, remap_file_pages, clone3 (its flags sit behind a pointer), lsm_*, statmount, listmount, inotify (it tells what
neighbours and the host open and start of the files that all share), and all that is newer than this list."""

_NEW_NAMESPACES = (
    0x00020000,  # mount
    0x02000000,  # cgroup
    0x04000000,  # uts
    0x08000000,  # ipc
    0x10000000,  # user
    0x20000000,  # pid
    0x40000000,  # net
)
_CLONE_PARENT = 0x00008000
"""A sibling would be the zygote's child. The zygote neither counts nor reaps it, so its pid namespace never ends."""
_CLONE_PIDFD = 0x00001000
"""The inode of such a descriptor counts the processes that the whole machine has started."""
_CLONE_FILES, _CLONE_THREAD = 0x00000400, 0x00010000
"""A descriptor table shared with another process keeps that process's locks after its end, and then they have no known
owner (see spawner/locks.py). Threads share one all the time; no program needs it otherwise."""
_FCNTLS = (*range(12), 1025, *range(1030, 1035))
"""DUPFD to GETSIG, GETLEASE, DUPFD_CLOEXEC, pipe sizes, seals. Not NOTIFY, which is inotify under another name, and not
SETLEASE, which keeps others from writing to a file of the same uid."""
_LOCKS_OF_OPEN_FILES = (36, 37, 38)
"""Answered as by a Linux before 3.15: such a lock has no known owner."""
_TERMINAL_IOCTLS = (0x5401, 0x802C542A, 0x5413)  # TCGETS, TCGETS2, TIOCGWINSZ: what isatty() asks
_FD_IOCTLS = (0x541B, 0x5421, 0x5450, 0x5451)  # FIONREAD, FIONBIO, FIONCLEX, FIOCLEX
_HARMLESS_PRCTLS = (1, 2, 3, 15, 16, 21, 23, 27, 29, 30, 36, 37, 38, 39, 41, 42, 0x53564D41)
"""PDEATHSIG, GET_DUMPABLE, NAME, GET_SECCOMP, CAPBSET_READ, GET_SECUREBITS, TIMERSLACK, SUBREAPER, NO_NEW_PRIVS, THP and
the names of memory areas."""

_INT = 0xFFFF_FFFF
"""Linux takes an int from the low half of a register, whatever the high half holds."""
_FLUSHES = ("sync", "syncfs", "fsync", "fdatasync", "sync_file_range")
"""Reported as done and not done. Linux flushes the disk even for a read-only descriptor: code could block every
writer of the host. What a kernel writes is memory, or (confined) ends with the kernel: it need not outlive a power cut."""
_MS_SYNC = 4
_ADVICE, _FORGET = (0, 1, 2, 3, 5), 4
"""POSIX_FADV_DONTNEED would drop shared files from memory, so that all processes read them from the disk again."""
_DSYNC, _SYNC = 0x1000, 0x100000
_RWF_DSYNC, _RWF_SYNC = 2, 4

_SOL_IP, _SOL_SOCKET, _SOL_TCP, _SOL_IPV6 = 0, 1, 6, 41
# REUSEADDR, BROADCAST, SNDBUF, RCVBUF, KEEPALIVE, PRIORITY, LINGER, REUSEPORT, RCVLOWAT, RCVTIMEO, SNDTIMEO
_SOCKET_OPTIONS = (2, 6, 7, 8, 9, 12, 13, 15, 18, 20, 21)
_OPTIONS_TO_SET: Final[Mapping[int, tuple[int, ...]]] = {
    _SOL_SOCKET: _SOCKET_OPTIONS,
    _SOL_TCP: (1, 3, 4, 5, 6, 12, 18),  # NODELAY, CORK, KEEPIDLE, KEEPINTVL, KEEPCNT, QUICKACK, USER_TIMEOUT
    _SOL_IP: (1, 2),  # TOS, TTL
    _SOL_IPV6: (16, 26, 67),  # UNICAST_HOPS, V6ONLY, TCLASS
}
OPTIONS: Final[Mapping[str, Mapping[int, tuple[int, ...]]]] = {
    "setsockopt": _OPTIONS_TO_SET,
    # Also TYPE, ERROR, SNDLOWAT, ACCEPTCONN, PROTOCOL, DOMAIN.
    "getsockopt": {**_OPTIONS_TO_SET, _SOL_SOCKET: (*_SOCKET_OPTIONS, 3, 4, 19, 30, 38, 39)},
}
"""The options of sockets there are, by level: what the standard library, libzmq, tornado, urllib3 and Node set and ask, and
what keeps a connection alive. All others answer ENOPROTOOPT, as a Linux without them would. Among those: filter programs
(uncounted memory, and the machine's one allowance for code of filters), IPv6 flow labels (one table for the machine),
congestion control, encapsulation, multicast, zero copy, time stamps, busy polling. And what tells of the host on sockets the
gateway made: interfaces (BINDTODEVICE, BINDTOIFINDEX), namespace (NETNS_COOKIE), processes (PEERPIDFD, PEERCRED)."""

_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_STREAM, _DGRAM, _SEQPACKET = 1, 2, 5
_TYPE_MASK = 0xFFFF_FFFF_FFFF_F7FF & ~0x80000  # all but SOCK_NONBLOCK and SOCK_CLOEXEC
_MSG_OOB = 1
_PRIO_PROCESS = 0
_MFD_NOEXEC_SEAL, _MFD_HUGETLB, _MFD_EXEC = 8, 4, 16
_READS_PERSONALITY = 0xFFFFFFFF


def _allowed(names: str) -> list[Rule]:
    return [Rule(name) for name in names.split()]


def _sockets() -> list[Rule]:
    """Unix sockets, TCP and UDP by family, type and protocol: MPTCP, raw, packet, vsock and the rest do not exist."""
    rules = [
        Rule("socket", ALLOW, (Check(0, _AF_UNIX), Check(1, kind, _TYPE_MASK), Check(2, 0)))
        for kind in (_STREAM, _DGRAM, _SEQPACKET)
    ]
    for family in (_AF_INET, _AF_INET6):
        for kind, protocols in ((_STREAM, (0, 6)), (_DGRAM, (0, 17))):
            for protocol in protocols:
                checks = (Check(0, family), Check(1, kind, _TYPE_MASK), Check(2, protocol))
                rules.append(Rule("socket", ALLOW, checks))
    return rules


def _connected_sockets() -> list[Rule]:
    """Pairs that cannot name another socket (a datagram pair could), and no out-of-band data."""
    pairs = [
        Rule("socketpair", ALLOW, (Check(0, _AF_UNIX), Check(1, kind, _TYPE_MASK), Check(2, 0)))
        for kind in (_STREAM, _SEQPACKET)
    ]
    flags_at = {"sendto": 3, "recvfrom": 3, "sendmsg": 2, "recvmsg": 2, "sendmmsg": 3, "recvmmsg": 3}
    transfers = [Rule(name, ALLOW, (Check(at, 0, _MSG_OOB),)) for name, at in flags_at.items()]
    # libzmq aborts when a netlink socket answers ENOSYS; this errno it takes as "no netlink here".
    netlink = Rule("socket", errno.EOPNOTSUPP, (Check(0, _AF_NETLINK),))
    return [*pairs, *transfers, netlink]


def _by_argument() -> list[Rule]:
    """Calls allowed for some arguments only."""
    refused, sharing = (*_NEW_NAMESPACES, _CLONE_PARENT, _CLONE_PIDFD), _CLONE_FILES | _CLONE_THREAD
    return [
        *(Rule("clone", ALLOW, (Check(0, kind, sum(refused) | sharing),)) for kind in (0, _CLONE_THREAD, sharing)),
        *(Rule("clone", errno.EPERM, (Check(0, flag, flag),)) for flag in refused),
        Rule("clone", errno.EPERM, (Check(0, _CLONE_FILES, sharing),)),
        *(Rule("ioctl", ALLOW, (Check(1, number),)) for number in (*_TERMINAL_IOCTLS, *_FD_IOCTLS)),
        *(Rule("fcntl", ALLOW, (Check(1, command),)) for command in _FCNTLS),
        *(Rule("fcntl", errno.EINVAL, (Check(1, command),)) for command in _LOCKS_OF_OPEN_FILES),
        *(Rule("prctl", ALLOW, (Check(0, option),)) for option in _HARMLESS_PRCTLS),
        Rule("prctl", ALLOW, (Check(0, 4), Check(1, 0))),  # SET_DUMPABLE, only to off
        Rule("prctl", ALLOW, (Check(0, 47), Check(1, 1))),  # CAP_AMBIENT, only to ask
        Rule("memfd_create", ALLOW, (Check(1, _MFD_NOEXEC_SEAL, _MFD_NOEXEC_SEAL | _MFD_HUGETLB | _MFD_EXEC),)),
        # libzmq asks for the normal policy and aborts when refused.
        Rule("sched_setscheduler", ALLOW, (Check(1, 0),)),
        Rule("sched_setscheduler", errno.EPERM, (Check(1, 0, negated=True),)),
        Rule("personality", ALLOW, (Check(0, 0),)),
        Rule("personality", ALLOW, (Check(0, _READS_PERSONALITY),)),
        # A process sets its own limits; another's, such as the reaper's, it may only read.
        # Its own priority and processors only: where a uid is shared (L1), others' would stay changed after the run.
        Rule("setpriority", ALLOW, (Check(0, _PRIO_PROCESS), Check(1, 0))),
        Rule("setpriority", errno.EPERM, (Check(0, _PRIO_PROCESS, negated=True),)),
        Rule("setpriority", errno.EPERM, (Check(0, _PRIO_PROCESS), Check(1, 0, negated=True))),
        Rule("sched_setaffinity", ALLOW, (Check(0, 0),)),
        Rule("sched_setaffinity", errno.EPERM, (Check(0, 0, negated=True),)),
        Rule("prlimit64", ALLOW, (Check(0, 0),)),
        Rule("prlimit64", ALLOW, (Check(2, 0),)),
        Rule("prlimit64", errno.EPERM, (Check(0, 0, negated=True), Check(2, 0, negated=True))),
        *(Rule(name, 0) for name in _FLUSHES),
        Rule("msync", 0, (Check(2, _MS_SYNC, _MS_SYNC),)),
        Rule("msync", ALLOW, (Check(2, 0, _MS_SYNC),)),
        *(Rule("fadvise64", ALLOW, (Check(3, advice, _INT),)) for advice in _ADVICE),
        Rule("fadvise64", 0, (Check(3, _FORGET, _INT),)),
    ]


def _options() -> list[Rule]:
    """Of each pair of level and option in OPTIONS, and then of the rest."""
    made: list[Rule] = []
    for name, levels in OPTIONS.items():
        pairs = [(level, option) for level, options in levels.items() for option in options]
        made += [Rule(name, ALLOW, (Check(1, level, _INT), Check(2, option, _INT))) for level, option in pairs]
        made.append(Rule(name, errno.ENOPROTOOPT))
    return made


_REAPER = """
read write close poll ppoll select pselect6 wait4 waitid exit exit_group rt_sigaction rt_sigprocmask rt_sigreturn
rt_sigtimedwait rt_sigsuspend pause sigaltstack futex mmap munmap mprotect madvise brk mremap nanosleep clock_nanosleep
clock_gettime gettimeofday time getpid gettid getrandom restart_syscall sched_yield set_robust_list rseq
epoll_wait epoll_pwait
"""


_FILE_KEEPER = """
read write close openat2 fstat newfstatat statx lseek getdents64 mkdirat unlinkat renameat renameat2 readlinkat fchmod fcntl
poll ppoll exit exit_group rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack setitimer alarm futex mmap munmap mprotect
madvise brk mremap clock_gettime gettimeofday time getpid gettid geteuid getrandom restart_syscall sched_yield
"""
"""openat2 is its only way to open anything: the one call that can be told to follow no link and to stay below a directory.
No chown, and of chmod only the form for an open file: a path could be led astray by a link."""


def _opened_on_the_hosts_disk() -> list[Rule]:
    """Landlock learned to deny truncation late (version 3): without namespaces it must not work by path at all.

    And nothing opened or written in a way that flushes with each write: there the work directory is on the host's disk.
    """
    read_only_truncation, flushing = 0x200, _DSYNC | _SYNC
    accessed_how = 0x203 | flushing
    kept = [value for value in (*range(4), *range(0x200, 0x204)) if value != read_only_truncation]
    opened = (("open", 1), ("openat", 2))
    return [
        *(Rule(name, ALLOW, (Check(at, value, accessed_how),)) for name, at in opened for value in kept),
        *(Rule(name, errno.EINVAL, (Check(at, flag, flag),)) for name, at in opened for flag in (_DSYNC, _SYNC)),
        Rule("pwritev2", ALLOW, (Check(5, 0, _RWF_DSYNC | _RWF_SYNC),)),
        *(Rule("pwritev2", errno.EOPNOTSUPP, (Check(5, flag, flag),)) for flag in (_RWF_DSYNC, _RWF_SYNC)),
    ]


def rules(profile: Profile) -> tuple[Rule, ...]:
    """Every rule of *profile*. The first that matches decides; a call without a matching rule answers DEFAULT."""
    if profile == "init":
        return tuple(_allowed(_REAPER))
    if profile == "files":
        return tuple(_allowed(_FILE_KEEPER))
    by_argument = "open openat openat2 truncate pwritev2"
    files = " ".join(name for name in _FILES.split() if profile == "kernel" or name not in by_argument.split())
    shared = _allowed(" ".join((files, _MEMORY, _PROCESSES, _SIGNALS_AND_TIME, _WAITING, _CONNECTED)))
    shared += [Rule(name, errno.EPERM) for name in _REFUSED.split()]
    shared += _by_argument() + _connected_sockets() + _options()
    if profile == "kernel":
        shared += _allowed(_UNCONNECTED) + _sockets()
    else:
        shared += _opened_on_the_hosts_disk()
    return tuple(shared)
