"""The container's system call profile is what its source says."""

from __future__ import annotations

import json

from docker.seccomp import TARGET, profile
from kernels.sandbox.seccomp import policy

NEVER = {
    "bpf",
    "keyctl",
    "add_key",
    "io_uring_setup",
    "kexec_load",
    "perf_event_open",
    "userfaultfd",
    "init_module",
    "reboot",
}


def test_the_profile_file_is_made_from_the_policy() -> None:
    """seccomp.json is stale: run `python -m docker.seccomp`."""
    assert json.loads(TARGET.read_text()) == profile()


def test_a_kernels_own_filter_is_never_wider_than_the_containers() -> None:
    """A call that a kernel may make must work in the container too, or the sandbox differs there."""
    (rule,) = profile()["syscalls"]
    assert {each.name for each in policy.rules("kernel") if each.action == policy.ALLOW} <= set(rule["names"])


def test_calls_that_no_part_needs_stay_refused_in_the_container() -> None:
    """The profile opens what isolating kernels takes, and no more of the machine."""
    (rule,) = profile()["syscalls"]
    assert not NEVER & set(rule["names"])
