"""A kernel that skipped a step and says it did not is found out from outside."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from kernels.contract import Level
from kernels.sandbox import attest, identity, mounts, steps, sysc
from tests.kernels.sandbox import trial

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(os.geteuid() != 0, reason="these trials change their uid, which needs root"),
]


def attested(level: Level, before: Callable[[], object] = lambda: None, uid: int | None = None, **changes: Any) -> str:
    """What attestation says of a kernel at *level* that *before* made a liar: "" when it is content."""
    inner = trial.KERNEL_UID if level in (Level.L3, Level.L1) else identity.INNER_ID
    wanted = inner if uid is None else uid

    def look(pid: int) -> str:
        try:
            attest.attest(pid, attest.expect(level, wanted, wanted))
        except attest.AttestationFailed as failed:
            return str(failed)
        return ""

    outcome = trial.run(trial.confinement(level, **changes), lambda: "confined", before=before, outside=look)
    assert outcome.answer == "confined", outcome.failure
    return str(outcome.seen)


def without(*names: str) -> Callable[[], None]:
    """Makes confine() leave out these steps and the look at itself."""

    def before() -> None:
        kept = tuple(step for step in steps.STEPS if step.name not in (*names, "self_check"))
        steps.STEPS = kept  # type: ignore[misc]  # this fork only

    return before


@pytest.mark.parametrize("level", (Level.L3, Level.L2_PLUS, Level.L2, Level.L1))
def test_an_honest_kernel_passes(level: Level) -> None:
    """Otherwise nothing would ever start."""
    said = attested(level, work_dir="/dev/shm", readable=("/usr",)) if level is Level.L1 else attested(level)
    assert said == ""


@pytest.mark.parametrize(
    ("step", "says"),
    [
        ("identity", "Uid is"),
        ("user_namespace", "shares the user namespace"),
        ("privileges", "Cap"),
        ("system_calls", "Seccomp is 0"),
        ("descriptors", "is open on"),
    ],
)
def test_a_kernel_that_skipped_a_step_is_found(step: str, says: str) -> None:
    """The child's own word is not what counts."""
    directory = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    skipped = (step, "no_more_namespaces") if step == "user_namespace" else (step,)
    try:
        assert says in attested(Level.L3, without(*skipped))
    finally:
        os.close(directory)


@pytest.mark.parametrize("kind", ("mnt", "net", "ipc", "uts", "cgroup"))
def test_a_kernel_that_kept_one_namespace_is_found(kind: str) -> None:
    """Each namespace is compared by itself."""
    flags = {
        "mnt": sysc.CLONE_NEWNS,
        "net": sysc.CLONE_NEWNET,
        "ipc": sysc.CLONE_NEWIPC,
        "uts": sysc.CLONE_NEWUTS,
        "cgroup": sysc.CLONE_NEWCGROUP,
    }

    def before() -> None:
        without()()
        mounts._NAMESPACES &= ~flags[kind]  # type: ignore[misc]  # this fork only
        if kind == "mnt":  # mounting would take away the /proc this test looks through
            mounts.mount_fresh_proc = lambda staging: mounts.open_proc()
            mounts.mount_writable = lambda *_: None

    assert f"shares the {kind} namespace" in attested(Level.L3, before)


def test_a_kernel_with_another_uid_than_its_own_is_found() -> None:
    """Two kernels on one uid could signal each other."""
    assert "Uid is" in attested(Level.L3, uid=trial.KERNEL_UID - 1)


def test_a_process_that_is_gone_is_not_attested() -> None:
    """A pid that names nobody is a failure, not a pass."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    with pytest.raises(attest.AttestationFailed, match="cannot be looked at"):
        attest.attest(pid, attest.expect(Level.L3, 1, 1))


def test_a_guest_that_is_not_in_its_place_is_found() -> None:
    """One that made namespaces of its own would have no limits on disk, and mounts that nobody attested."""
    elsewhere = frozenset({("mnt", 1), ("net", 2)})

    def look(pid: int) -> str:
        expected = attest.expect(Level.L3, trial.KERNEL_UID, trial.KERNEL_UID)
        own = attest.attest(pid, replace(expected, shared=attest.namespaces_of(pid) - {("user", 0)}))
        with pytest.raises(attest.AttestationFailed) as found:
            attest.attest(pid, replace(expected, shared=own | elsewhere))
        return str(found.value)

    outcome = trial.run(trial.confinement(Level.L3), lambda: "confined", outside=look)
    assert outcome.seen == "it is not in the place's mnt, net namespace"
