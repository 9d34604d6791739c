"""Every set-up call is made to fail in turn, and user code never runs."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from kernels.contract import Level
from kernels.sandbox import mounts, seccomp, steps, sysc
from tests.kernels.sandbox import bpf, trial

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(os.geteuid() != 0, reason="these trials change their uid, which needs root"),
]
RAN = 42
"""The exit status of user code: whoever sees it in another test than the first has found a fail-open step."""
NUMBERS: dict[str, int] = json.loads((Path(seccomp.__file__).parent / "table.json").read_text())["numbers"].get(
    sysc.ARCH, {}
)
ERRORS = (errno.EPERM, errno.ENOSYS, errno.ENOMEM, errno.EINVAL)
EVERYWHERE = (
    *("capset", "capget", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "close_range"),
    *("seccomp", "prlimit64", "openat", "rt_sigaction", "rt_sigprocmask"),
)
NAMESPACED = ("unshare", "mount", "umount2", "sethostname", "setdomainname", "ioctl", "socket", "write")
IDENTITY = ("setgroups", "setresgid", "setresuid")
CALLS = {
    Level.L3: [*EVERYWHERE, *NAMESPACED, *IDENTITY],
    Level.L2_PLUS: [*EVERYWHERE, *NAMESPACED],
    Level.L2: [*EVERYWHERE, *NAMESPACED],
    Level.L1: [*EVERYWHERE, *IDENTITY],
}
# Ambient set, bounding set, no_new_privs, secure bits, keep capabilities, dumpable, and the two questions of the self-check.
PRCTLS = {Level.L3: (47, 24, 38, 28, 8, 4, 39, 21), Level.L2_PLUS: (47, 24, 38, 28, 4, 39, 21), Level.L1: (47, 38, 39, 21)}


def confinement(level: Level) -> steps.Confinement:
    plain: dict[str, Any] = {"work_dir": "/dev/shm", "readable": ("/usr",)} if level is Level.L1 else {}
    return trial.confinement(level, **plain)


def exit_code(level: Level, before: Any = lambda: None) -> int:
    """How a kernel ended whose user code exits with RAN."""
    return os.waitstatus_to_exitcode(trial.run(confinement(level), lambda: os._exit(RAN), before=before).status)


@pytest.mark.parametrize("level", CALLS)
def test_user_code_runs_when_nothing_fails(level: Level) -> None:
    """Without this the other tests here would prove nothing."""
    assert exit_code(level) == RAN


@pytest.mark.parametrize(("level", "call"), [(level, call) for level, calls in CALLS.items() for call in calls])
def test_user_code_does_not_run_when_a_call_fails(level: Level, call: str) -> None:
    """Linux itself answers the error, so a call whose result nobody looks at would be found."""
    for error in ERRORS:
        program = bpf.deny([(NUMBERS[call], None, error)])
        assert exit_code(level, lambda p=program: sysc.seccomp_load(p)) != RAN, (call, error)


@pytest.mark.parametrize(("level", "option"), [(level, option) for level, options in PRCTLS.items() for option in options])
def test_user_code_does_not_run_when_a_prctl_fails(level: Level, option: int) -> None:
    """Each option by itself."""
    for error in ERRORS:
        program = bpf.deny([(NUMBERS["prctl"], option, error)])
        assert exit_code(level, lambda p=program: sysc.seccomp_load(p)) != RAN, (option, error)


@pytest.mark.parametrize(
    "flag", (sysc.CLONE_NEWNS, sysc.CLONE_NEWNET, sysc.CLONE_NEWIPC, sysc.CLONE_NEWUTS, sysc.CLONE_NEWUSER)
)
def test_user_code_does_not_run_when_one_namespace_is_refused(flag: int) -> None:
    """The first unshare and the second are different calls."""
    program = bpf.deny_flags(NUMBERS["unshare"], 0, flag, errno.EPERM)
    assert exit_code(Level.L3, lambda: sysc.seccomp_load(program)) != RAN


@pytest.mark.parametrize("flag", (sysc.MS_MOVE, sysc.MS_PRIVATE, sysc.MS_NODEV, sysc.MS_NOEXEC))
def test_user_code_does_not_run_when_one_kind_of_mount_is_refused(flag: int) -> None:
    """The flags tell the mounts of a kernel apart."""
    program = bpf.deny_flags(NUMBERS["mount"], 3, flag, errno.EPERM)
    assert exit_code(Level.L3, lambda: sysc.seccomp_load(program)) != RAN


@pytest.mark.parametrize("level", (Level.L3, Level.L2_PLUS, Level.L2, Level.L1))
def test_user_code_does_not_run_when_any_single_call_of_the_sandbox_fails(level: Level) -> None:
    """The first, second, third... checked call fails, until there is none left to fail."""
    failed = 0
    while failed < 400:
        if exit_code(level, lambda at=failed: _fail_at(at)) == RAN:
            break
        failed += 1
    assert failed > 20, "the injection did not reach the calls"
    assert failed < 400


def _fail_at(place: int) -> None:
    """Let the checked call number *place* from here on fail."""
    honest, made = sysc._checked, 0

    def checked(name: str, result: int) -> int:
        nonlocal made
        made += 1
        if made == place + 1:
            raise OSError(errno.EPERM, f"{name}: injected")
        return honest(name, result)

    sysc._checked = checked


def test_a_kernel_to_which_proc_tells_of_the_host_does_not_run() -> None:
    """The last look finds what was not hidden, whatever the reason."""

    def before() -> None:
        mounts.hide_host = lambda: None

    outcome = trial.run(confinement(Level.L3), lambda: os._exit(RAN), before=before)
    assert outcome.failure.startswith("self_check: EPERM: "), outcome
    assert "/proc/cmdline" in outcome.failure


@pytest.mark.parametrize("step", [step.name for step in steps.STEPS])
def test_a_step_that_raises_anything_ends_the_process_before_user_code(step: str) -> None:
    """Also what no step is meant to raise."""

    def fail(*_: object) -> None:
        raise KeyError("unexpected")

    def before() -> None:
        changed = tuple(steps.Step(s.name, s.denies, s.levels, fail if s.name == step else s.act) for s in steps.STEPS)
        steps.STEPS = changed  # type: ignore[misc]  # this fork only

    outcome = trial.run(confinement(Level.L3), lambda: os._exit(RAN), before=before)
    assert outcome.failure.startswith(f"{step}: "), outcome.failure
