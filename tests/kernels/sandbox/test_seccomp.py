"""The shipped filters do what the policy says, call by call, whoever compiled them."""

from __future__ import annotations

import errno
import functools
import itertools
import json
import re
from pathlib import Path

import pytest

from kernels.sandbox import seccomp
from kernels.sandbox.seccomp import policy
from tests.kernels.sandbox import bpf

FOLDER = Path(seccomp.__file__).parent
TABLE = json.loads((FOLDER / "table.json").read_text())
EVERY = [(profile, arch) for profile in policy.PROFILES for arch in bpf.ARCHES]
HIGH = 1 << 40
NUMBERS = (*range(700), 999, 4000, 0x3FFFFFFF)
INTERESTING = (0, 1, 2, 3, 4, 5, 6, 8, 10, 16, 17, 31, 40, 47, 132, 136, 262, 0x8, 0x18, 0x80800, 0x10000000, 0x20000011)


_program = functools.cache(seccomp.program)


@functools.cache
def _rules(profile: policy.Profile, arch: str) -> dict[int, list[policy.Rule]]:
    """The rules of each call number, in the policy's order."""
    found: dict[int, list[policy.Rule]] = {}
    for rule in policy.rules(profile):
        if rule.name in TABLE["numbers"][arch]:
            found.setdefault(TABLE["numbers"][arch][rule.name], []).append(rule)
    return found


def expected(profile: policy.Profile, arch: str, number: int, arguments: tuple[int, ...]) -> int:
    """What the policy, read as a table, says of one call."""
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    for rule in _rules(profile, arch).get(number, ()):
        if all(_holds(check, padded) for check in rule.checks):
            return bpf.ALLOW if rule.action == policy.ALLOW else bpf.ERRNO | rule.action
    return bpf.ERRNO | errno.ENOSYS


def _holds(check: policy.Check, arguments: tuple[int, ...]) -> bool:
    equal = arguments[check.argument] & check.mask == check.value
    return equal != check.negated


def verdict(profile: policy.Profile, name: str, *arguments: int, arch: str = "x86_64") -> int:
    """What the shipped filter answers for the call *name*."""
    number = TABLE["numbers"][arch].get(name, -2)
    assert number >= 0, f"{name} is not in the table"
    return bpf.run(_program(profile, arch), number, arguments, arch=bpf.ARCHES[arch])


@pytest.mark.thorough
@pytest.mark.parametrize(("profile", "arch"), EVERY)
def test_every_call_number_gets_the_verdict_of_the_policy(profile: policy.Profile, arch: str) -> None:
    """The compiled program and the table must agree, or one of the two lies to the reader."""
    program = seccomp.program(profile, arch)
    for number in NUMBERS:
        for arguments in ((), (HIGH,) * 6, (0xFFFFFFFF,) * 6):
            said = bpf.run(program, number, arguments, arch=bpf.ARCHES[arch])
            assert said == expected(profile, arch, number, arguments), (number, arguments)


@pytest.mark.thorough
@pytest.mark.parametrize(("profile", "arch"), EVERY)
def test_calls_with_checked_arguments_get_the_verdict_of_the_policy(profile: policy.Profile, arch: str) -> None:
    """Each argument a rule looks at is tried with every interesting value, alone and with its high half set."""
    program, numbers = seccomp.program(profile, arch), TABLE["numbers"][arch]
    checked = {rule.name: rule for rule in policy.rules(profile) if rule.checks and rule.name in numbers}
    for name in checked:
        rules = [rule for rule in policy.rules(profile) if rule.name == name]
        known = {check.value for rule in rules for check in rule.checks}
        values = sorted({*INTERESTING, *known, *(value | HIGH for value in known)})
        places = sorted({check.argument for rule in rules for check in rule.checks})
        for chosen in itertools.product(values, repeat=len(places)) if len(places) < 3 else _sockets():
            arguments = [0] * 6
            for place, value in zip(places, chosen, strict=True):
                arguments[place] = value
            said = bpf.run(program, numbers[name], tuple(arguments), arch=bpf.ARCHES[arch])
            assert said == expected(profile, arch, numbers[name], tuple(arguments)), (name, arguments)


def _sockets() -> list[tuple[int, int, int]]:
    """Every family and kind with the usual protocols, and the families that exist with every oddity."""
    odd_kinds = [kind | flags for kind in (1, 2, 3, 5) for flags in (0, 0x800, 0x80000, 0x80800, 0x1000, HIGH)]
    odd_families = [*(1, 2, 10, 16), *(family | HIGH for family in (1, 2, 10, 16))]
    protocols = (0, 1, 6, 17, 58, 132, 136, 262, 6 | HIGH)
    plain = itertools.product(range(48), range(8), (0, 6, 17))
    return [*plain, *itertools.product(odd_families, odd_kinds, protocols)]


@pytest.mark.parametrize(("profile", "arch"), EVERY)
def test_a_call_of_another_architecture_kills_the_process(profile: policy.Profile, arch: str) -> None:
    """32-bit and x32 entries have their own numbers, which would otherwise mean other calls."""
    program = seccomp.program(profile, arch)
    for foreign in {bpf.ARCH_I386, *bpf.ARCHES.values(), 0} - {bpf.ARCHES[arch]}:
        assert bpf.run(program, 0, arch=foreign) == bpf.KILL_PROCESS
    if arch == "x86_64":
        assert bpf.run(program, 0x40000000 | 1) == bpf.KILL_PROCESS


_DANGEROUS = """
ptrace process_vm_readv process_vm_writev bpf perf_event_open userfaultfd keyctl add_key request_key
unshare setns mount umount2 pivot_root chroot move_mount open_tree fsopen fsmount mount_setattr
open_by_handle_at name_to_handle_at fanotify_init kexec_load reboot init_module finit_module
delete_module swapon acct quotactl clock_settime mknodat setuid setgid setresuid setgroups capset
syslog mbind move_pages migrate_pages ioprio_set sched_setattr seccomp landlock_restrict_self shmget
mq_open
"""
# Numbers from the kernel's own table, for calls the policy deliberately does not name.
ABSENT = {
    "splice": 275, "tee": 276, "vmsplice": 278, "io_setup": 206, "io_uring_setup": 425, "io_uring_enter": 426,
    "io_uring_register": 427, "pidfd_open": 434, "pidfd_send_signal": 424, "pidfd_getfd": 438, "clone3": 435,
    "inotify_init": 253, "inotify_add_watch": 254, "inotify_rm_watch": 255, "inotify_init1": 294,
    "memfd_secret": 447, "remap_file_pages": 216, "statmount": 457, "listmount": 458, "lsm_set_self_attr": 460,
}  # fmt: skip


@pytest.mark.parametrize("arch", bpf.ARCHES)
@pytest.mark.parametrize("profile", policy.PROFILES)
def test_dangerous_calls_are_denied_whatever_their_arguments(profile: policy.Profile, arch: str) -> None:
    """The list is kept here a second time, so that a careless edit of the policy fails."""
    for name in _DANGEROUS.split():
        if name in TABLE["numbers"][arch]:
            for arguments in ((), (1,) * 6, (HIGH,) * 6):
                assert verdict(profile, name, *arguments, arch=arch) >> 16 == bpf.ERRNO >> 16, name


@pytest.mark.parametrize("profile", policy.PROFILES)
def test_page_cache_and_asynchronous_interfaces_look_absent(profile: policy.Profile) -> None:
    """splice and io_uring were the way to write to read-only files; ENOSYS makes libraries fall back."""
    for name, number in ABSENT.items():
        assert bpf.run(seccomp.program(profile), number) == bpf.ERRNO | errno.ENOSYS, name


@pytest.mark.parametrize("profile", ("kernel", "confined"))
@pytest.mark.parametrize("flag", (*policy._NEW_NAMESPACES, policy._CLONE_PARENT, policy._CLONE_PIDFD))
def test_clone_makes_threads_and_children_but_no_namespace_no_sibling_and_no_descriptor(
    flag: int, profile: policy.Profile
) -> None:
    """A flag hidden among a thread's flags is refused like the flag alone."""
    thread_flags = 0x3D0F00
    assert verdict(profile, "clone", thread_flags) == bpf.ALLOW
    assert verdict(profile, "clone", 17) == bpf.ALLOW
    for others in (0, 17, thread_flags, HIGH):
        assert verdict(profile, "clone", flag | others) == bpf.ERRNO | errno.EPERM


def test_no_socket_family_but_unix_and_internet_exists() -> None:
    """vsock reaches the hypervisor from an empty network namespace: only the filter stops it."""
    for family in range(64):
        for kind, protocol in itertools.product(range(1, 11), (0, 1, 6, 17, 58, 132, 136, 262)):
            said = verdict("kernel", "socket", family, kind, protocol)
            ours = family == 1 and kind in (1, 2, 5) and protocol == 0
            internet = family in (2, 10) and (kind, protocol) in ((1, 0), (1, 6), (2, 0), (2, 17))
            if ours or internet:
                assert said == bpf.ALLOW
            else:
                assert said == bpf.ERRNO | (errno.EOPNOTSUPP if family == 16 else errno.ENOSYS)


def test_without_namespaces_no_socket_can_be_made_bound_or_connected() -> None:
    """At level L1 a pathname socket of the gateway would be in reach; inherited listeners still accept."""
    for family, kind in itertools.product(range(64), range(1, 11)):
        assert verdict("confined", "socket", family, kind, 0) != bpf.ALLOW
    for name in ("connect", "bind", "listen"):
        assert bpf.run(seccomp.program("confined"), TABLE["numbers"]["x86_64"][name]) == bpf.ERRNO | errno.ENOSYS
    assert verdict("confined", "accept4") == bpf.ALLOW


def test_without_namespaces_no_file_can_be_cut_short_by_its_path() -> None:
    """Landlock before version 3 lets truncation pass, so a file of the same uid could be emptied."""
    truncate, append = 0x200, 0x400
    for name, place in (("open", 1), ("openat", 2)):
        arguments = [0] * 6
        for flags, allowed in (
            (0, True),
            (1 | truncate, True),
            (2 | truncate | append, True),
            (truncate, False),
            (HIGH, True),
        ):
            arguments[place] = flags
            assert (verdict("confined", name, *arguments) == bpf.ALLOW) == allowed, (name, flags)
    for name in ("truncate", "openat2"):
        assert verdict("confined", name) == bpf.ERRNO | errno.ENOSYS
        assert verdict("kernel", name) == bpf.ALLOW


def test_datagram_pairs_and_out_of_band_data_are_refused() -> None:
    """A datagram pair can name any socket; out-of-band data had a use-after-free."""
    assert verdict("kernel", "socketpair", 1, 1 | 0x80000, 0) == bpf.ALLOW
    assert verdict("kernel", "socketpair", 1, 2, 0) == bpf.ERRNO | errno.ENOSYS
    for name, place in (("sendto", 3), ("recvfrom", 3), ("sendmsg", 2), ("recvmsg", 2), ("sendmmsg", 3), ("recvmmsg", 3)):
        plain, urgent = [0] * 6, [0] * 6
        plain[place], urgent[place] = 0x40, 0x41
        assert verdict("kernel", name, *plain) == bpf.ALLOW
        assert verdict("kernel", name, *urgent) == bpf.ERRNO | errno.ENOSYS


def test_no_file_that_others_use_can_be_watched_or_leased() -> None:
    """Through inotify or dnotify a kernel would see what neighbours open and start; a lease would hold up who writes."""
    set_lease, notify = 1024, 1026
    for profile in ("kernel", "confined"):
        for command in (set_lease, notify, HIGH | set_lease, HIGH | notify):
            assert verdict(profile, "fcntl", 3, command) == bpf.ERRNO | errno.ENOSYS
        for command in (0, 1, 2, 3, 4, 6, 1030):  # descriptors, flags, locks
            assert verdict(profile, "fcntl", 3, command) == bpf.ALLOW


def test_whose_a_lock_is_can_always_be_told() -> None:
    """Not of one that belongs to an open file, nor of one that a table of descriptors keeps when its process has ended."""
    files, thread = policy._CLONE_FILES, policy._CLONE_THREAD
    for profile in ("kernel", "confined"):
        for command in (36, 37, 38):
            assert verdict(profile, "fcntl", 3, command) == bpf.ERRNO | errno.EINVAL
        for others in (0, 17, 0x100, 0x4100, 0x4111, HIGH):
            assert verdict(profile, "clone", files | others) == bpf.ERRNO | errno.EPERM
            assert verdict(profile, "clone", others) == bpf.ALLOW
            assert verdict(profile, "clone", files | thread | others) == bpf.ALLOW
            assert verdict(profile, "clone", thread | others) == bpf.ALLOW


def test_no_limit_of_another_process_can_be_set() -> None:
    """A process may lower its own limits and read any it can see."""
    for profile in ("kernel", "confined"):
        assert verdict(profile, "prlimit64", 0, 7, HIGH | 8, 0) == bpf.ALLOW
        assert verdict(profile, "prlimit64", 5, 7, 0, 8) == bpf.ALLOW
        for pid in (1, 5, HIGH):
            assert verdict(profile, "prlimit64", pid, 7, 8, 0) == bpf.ERRNO | errno.EPERM


def test_no_priority_and_no_processors_of_another_process_can_be_set() -> None:
    """At level 1 without own uids that would stay with the gateway after the run."""
    for profile in ("kernel", "confined"):
        assert verdict(profile, "setpriority", 0, 0, 19) == bpf.ALLOW
        assert verdict(profile, "sched_setaffinity", 0, 8, 0) == bpf.ALLOW
        for kind, who in ((0, 1), (0, HIGH), (1, 0), (2, 0), (2, 1000), (HIGH, 0)):
            assert verdict(profile, "setpriority", kind, who, 19) == bpf.ERRNO | errno.EPERM
        for pid in (1, 5, HIGH):
            assert verdict(profile, "sched_setaffinity", pid, 8, 0) == bpf.ERRNO | errno.EPERM


@pytest.mark.parametrize("arch", bpf.ARCHES)
def test_flushing_the_hosts_disks_is_said_to_be_done_and_is_not(arch: str) -> None:
    """An errno of zero is a successful return without the call."""
    synchronous, asynchronous, forget = 4, 1, 4
    for profile in ("kernel", "confined"):
        for name in ("sync", "syncfs", "fsync", "fdatasync", "sync_file_range"):
            for arguments in ((), (3, 0, 0, 7), (HIGH,) * 6):
                assert verdict(profile, name, *arguments, arch=arch) == bpf.ERRNO, name
        for flags in (synchronous, synchronous | 2, HIGH | synchronous):
            assert verdict(profile, "msync", 0, 4096, flags, arch=arch) == bpf.ERRNO
        assert verdict(profile, "msync", 0, 4096, asynchronous, arch=arch) == bpf.ALLOW
        for advice in (forget, HIGH | forget):
            assert verdict(profile, "fadvise64", 3, 0, 0, advice, arch=arch) == bpf.ERRNO
        assert verdict(profile, "fadvise64", 3, 0, 0, 3, arch=arch) == bpf.ALLOW


def test_without_namespaces_no_write_flushes_the_hosts_disk() -> None:
    """There the work directory is on it. In memory, where all is written elsewhere, these flags do nothing."""
    for name, place in (("open", 1), ("openat", 2)):
        for flush in (0x1000, 0x100000, 0x101000, HIGH | 0x101000):
            arguments = [0] * 6
            arguments[place] = 0x42 | flush
            assert verdict("confined", name, *arguments) == bpf.ERRNO | errno.EINVAL
            assert verdict("kernel", name, *arguments) == bpf.ALLOW
    for flag in (2, 4, 6, HIGH | 2):
        assert verdict("confined", "pwritev2", 3, 0, 0, 0, 0, flag) == bpf.ERRNO | errno.EOPNOTSUPP
    assert verdict("confined", "pwritev2", 3, 0, 0, 0, 0, 16) == bpf.ALLOW


_REFUSED_OPTIONS = {
    0: (0, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, *range(32, 52), 64),
    1: (1, 5, 10, 11, 14, 16, 17, 22, 23, 24, 25, 26, 27, 28, 29, 31, *range(32, 38), *range(40, 84), 0xFFFFFFFF),
    6: (0, 2, 7, 8, 9, 10, 11, 13, 14, 16, 17, 19, 20, 21, 22, *range(23, 45)),
    17: (1, 100, 101, 102, 103, 104),
    41: (*range(1, 16), *range(17, 26), *range(27, 67), *range(68, 84)),
    **{level: range(80) for level in (2, 58, 132, 136, 255, 263, 270, 279, 282, 284, 285, 0xFFFFFFFF)},
}
"""By level, kept here a second time. Filters are 26, 27 and 50 to 52 of level 1, names of interfaces 25 and 62, credentials
16, 17, 59, 76, 77, the cookie of a namespace 71; congestion control is 13 of level 6, encapsulation 100 of level 17,
multicast 32 to 39 of level 0, flow labels 32 and 33 of level 41."""


@pytest.mark.parametrize("arch", bpf.ARCHES)
@pytest.mark.parametrize("name", policy.OPTIONS)
def test_options_of_sockets_that_no_kernel_needs_are_not_there(name: str, arch: str) -> None:
    """As Linux takes them: the low half of each register, whatever the high half holds."""
    kernels: tuple[policy.Profile, ...] = ("kernel", "confined")
    for profile, high in itertools.product(kernels, (0, HIGH, 0xFFFFFFFF << 32)):
        for level, options in _REFUSED_OPTIONS.items():
            for option in options:
                said = verdict(profile, name, 3, high | level, high | option, arch=arch)
                assert said == bpf.ERRNO | errno.ENOPROTOOPT, (level, option)
        for level, option in ((1, 2), (1, 7), (1, 9), (1, 15), (6, 1), (41, 26)):
            assert verdict(profile, name, 3, high | level, high | option, arch=arch) == bpf.ALLOW
    others: tuple[policy.Profile, ...] = ("init", "files")
    for profile in others:
        assert verdict(profile, name, 3, 1, 2, arch=arch) == bpf.ERRNO | errno.ENOSYS


def test_what_is_a_sockets_own_can_be_asked_and_not_set() -> None:
    """Its kind, its error, whether it listens."""
    for option in (3, 4, 19, 30, 38, 39):
        assert verdict("kernel", "getsockopt", 3, 1, option) == bpf.ALLOW
        assert verdict("kernel", "setsockopt", 3, 1, option) == bpf.ERRNO | errno.ENOPROTOOPT


def test_the_reaper_cannot_open_signal_or_start_anything() -> None:
    """Pid 1 shares a uid with user code."""
    for name in ("openat", "socket", "kill", "clone", "execve", "ioctl", "sendmsg", "prctl"):
        assert verdict("init", name) != bpf.ALLOW, name


def test_call_numbers_are_those_of_this_machines_headers() -> None:
    """The table's numbers come from libseccomp; the kernel's headers are the second witness."""
    headers = {
        "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
        "aarch64": Path("/usr/include/asm-generic/unistd.h"),
    }
    compared = 0
    for arch, header in headers.items():
        if header.exists():
            found = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text()))
            for name, number in TABLE["numbers"][arch].items():
                if name in found:
                    assert int(found[name]) == number, name
                    compared += 1
    if not compared:
        pytest.skip("no kernel headers here")


def test_the_shipped_programs_are_what_the_policy_compiles_to() -> None:
    """An edited policy without `python -m kernels.sandbox.seccomp.generate` would ship the old one."""
    pytest.importorskip("pyseccomp", exc_type=ImportError)
    from kernels.sandbox.seccomp import generate

    built = generate.build()
    assert built["table.json"] == (FOLDER / "table.json").read_bytes(), "run the generator"


def test_a_damaged_program_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that differs in one bit from the generated one is refused before anything runs under it."""
    data = bytearray((FOLDER / "kernel.x86_64.bpf").read_bytes())
    data[-1] ^= 1
    (tmp_path / "kernel.x86_64.bpf").write_bytes(data)
    (tmp_path / "table.json").write_text(json.dumps(TABLE))
    monkeypatch.setattr(seccomp, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(seccomp.FilterUnusable, match="not the filter"):
        seccomp.program.__wrapped__("kernel", "x86_64")
    with pytest.raises(seccomp.FilterUnusable, match="no usable"):
        seccomp.program.__wrapped__("kernel", "mips")
