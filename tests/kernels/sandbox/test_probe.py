"""The level is what trying says: as root, as an ordinary user, under a masked /proc, under a container's filter."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kernels.contract import Level
from kernels.sandbox import capabilities, probe, seccomp, sysc
from tests.kernels.sandbox import bpf, trial

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(os.geteuid() != 0, reason="these trials change their uid, which needs root"),
]
NUMBERS: dict[str, int] = json.loads((Path(seccomp.__file__).parent / "table.json").read_text())["numbers"].get(
    sysc.ARCH, {}
)


def measured(setting: Callable[[], object]) -> dict[str, Any]:
    """What is measured in a process that *setting* changed."""

    def look() -> dict[str, Any]:
        setting()
        found = probe.measure()
        return {
            "level": found.level.label,
            "own_uid": found.own_uid,
            "lacking": found.lacking,
            "facilities": found.facilities,
        }

    said: dict[str, Any] = trial.in_child(look)
    return said


def container_filter() -> None:
    """What Docker's default profile denies to a process without capabilities."""
    sysc.set_no_new_privs()
    names = ("unshare", "setns", "mount", "umount2", "pivot_root", "sethostname", "setdomainname", "bpf")
    sysc.seccomp_load(bpf.deny([(NUMBERS[name], None, errno.EPERM) for name in names]))
    sysc.seccomp_load(bpf.deny_flags(NUMBERS["clone"], 0, 0x7E020000, errno.EPERM))


def masked_proc() -> None:
    """A /proc with one directory covered, as containers have it."""
    sysc.unshare(sysc.CLONE_NEWNS)
    sysc.mount(None, "/", None, sysc.MS_REC | sysc.MS_PRIVATE)
    place = next(path for path in ("/proc/acpi", "/proc/bus", "/proc/fs") if os.path.isdir(path))
    sysc.mount("none", place, "tmpfs", sysc.MS_RDONLY)


def without_landlock() -> None:
    """A Linux that has none or was started without."""
    sysc.seccomp_load(bpf.deny([(NUMBERS["landlock_create_ruleset"], None, errno.EOPNOTSUPP)]))


def privileged_user(*caps: int) -> Callable[[], None]:
    """An ordinary uid that was given some capabilities, as a unit file does."""

    def become() -> None:
        sysc.prctl(8, 1)  # PR_SET_KEEPCAPS
        os.setgroups([])
        os.setresgid(trial.UID, trial.UID, trial.UID)
        os.setresuid(trial.UID, trial.UID, trial.UID)
        mask = sum(1 << cap for cap in caps)
        sysc.capset(mask, mask, mask)
        sysc.set_dumpable(dumpable=True)

    return become


def test_root_reaches_the_full_level() -> None:
    """On a machine with nothing in the way."""
    said = measured(lambda: None)
    if said["level"] != "L3":
        pytest.skip(f"this machine does not allow it: {said['facilities']}")
    assert said["own_uid"]
    assert not [line for line in said["lacking"] if "uid" in line]


def test_a_uid_with_five_capabilities_reaches_the_full_level() -> None:
    """The spawner need not be root."""
    if measured(lambda: None)["level"] != "L3":
        pytest.skip("root itself does not reach it here")
    five = (*capabilities.FOR_THE_ZYGOTE, capabilities.KILL)
    said = measured(privileged_user(*five))
    assert said["level"] == "L3", said["facilities"]


def test_an_ordinary_user_reaches_level_2_plus() -> None:
    """With unprivileged user namespaces."""
    said = measured(trial.become_user)
    if said["facilities"]["user namespace"] != "ok":
        pytest.skip("user namespaces are switched off here")
    assert said["level"] == "L2+", said["facilities"]
    assert "all kernels share one host uid" in said["lacking"]


def test_a_masked_proc_costs_the_plus() -> None:
    """A new /proc cannot be mounted there; the kernel gets an empty one."""

    def setting() -> None:
        masked_proc()
        trial.become_user()

    said = measured(setting)
    if said["facilities"]["user namespace"] != "ok":
        pytest.skip("user namespaces are switched off here")
    assert said["level"] == "L2", said["facilities"]
    assert said["facilities"]["own /proc"] != "ok"
    assert "/proc is empty inside a kernel" in said["lacking"]


def test_a_containers_filter_leaves_level_1() -> None:
    """Docker's defaults, as an ordinary user."""

    def setting() -> None:
        trial.become_user()
        container_filter()

    said = measured(setting)
    assert said["level"] == "L1", said["facilities"]
    assert not said["own_uid"]
    assert any("gateway and kernels share one uid" in line for line in said["lacking"])


def test_root_in_a_container_has_level_1_with_own_uids() -> None:
    """CHOWN, SETUID, SETGID and KILL are there by default."""

    def setting() -> None:
        # CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW, SYS_CHROOT, MKNOD
        mask = sum(1 << cap for cap in (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27))
        sysc.capset(mask, mask, 0)
        container_filter()

    said = measured(setting)
    assert said["level"] == "L1", said["facilities"]
    assert said["own_uid"]


def test_without_landlock_there_is_no_level() -> None:
    """It is one of the steps of every level, and no step is skipped."""
    said = measured(without_landlock)
    assert said["level"] == Level.NONE.label
    assert said["facilities"]["landlock"].startswith(("EOPNOTSUPP", "ENOTSUP"))


def test_measuring_changes_nothing_in_the_caller() -> None:
    """Namespaces, ids and children are as before."""
    places = ("mnt", "user", "net", "pid", "pid_for_children", "uts", "ipc", "cgroup")

    def state() -> Any:
        return (
            [os.readlink(f"/proc/self/ns/{name}") for name in places],
            os.getresuid(),
            sysc.capget(),
            os.listdir("/proc/self/fd"),
        )

    def look() -> Any:
        before = state()
        probe.measure()
        return before == state()

    assert trial.in_child(look)
