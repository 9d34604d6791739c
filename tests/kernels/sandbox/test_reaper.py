"""Pid 1 of a kernel's pid namespace can do nothing, and dies with its spawner."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kernels.contract import Level
from kernels.sandbox import capabilities, identity, seccomp, sysc
from kernels.sandbox.reaper import Namespace, confine_init
from kernels.sandbox.steps import StepFailed
from tests.kernels.sandbox import trial
from tests.kernels.sandbox.trial import error_of

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(os.geteuid() != 0, reason="these trials change their uid, which needs root"),
]


def reaper(level: Level, *, spawner: Callable[[], object], outside: Callable[[int], Any], joins: bool = True) -> Any:
    """What *outside* sees of a reaper forked by a process that *spawner* prepared."""
    for profile in seccomp.PROFILES:
        seccomp.program(profile)

    def play() -> Any:
        spawner()
        told, tell = os.pipe()
        namespaces = (Namespace(os.open("/proc/self/ns/mnt", os.O_RDONLY), sysc.CLONE_NEWNS),) if joins else ()
        sysc.unshare(sysc.CLONE_NEWPID)
        pid = os.fork()
        if pid == 0:
            null = os.open("/dev/null", os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            try:
                confine_init(trial.KERNEL_UID, trial.KERNEL_UID, (tell,), level, namespaces=namespaces)
                tried = (
                    error_of(lambda: os.open("/", os.O_RDONLY)),
                    error_of(socket.socket),
                    error_of(os.fork),
                    error_of(lambda: os.kill(1, 0)),
                    error_of(lambda: os.setuid(0)),
                    error_of(lambda: sysc.setns(0, 0)),
                )
                os.write(tell, ",".join(tried).encode())
            except StepFailed as failed:
                os.write(tell, str(failed).encode())
            while True:
                signal.pause()
        said = os.read(told, 4096).decode()
        try:
            return said, outside(pid)
        finally:
            trial.kill_quietly(pid)

    return trial.in_child(play)


def facts(pid: int) -> dict[str, str]:
    text = Path(f"/proc/{pid}/status").read_text()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


@pytest.mark.parametrize("level", (Level.L3, Level.L2_PLUS))
def test_the_reaper_holds_nothing_and_reaches_nothing(level: Level) -> None:
    """It shares a uid with user code, so it must not be worth taking over."""

    def spawner() -> None:
        if level is Level.L2_PLUS:
            trial.become_user()
            identity.enter_user_namespace()
            sysc.unshare(sysc.CLONE_NEWNS)

    said, seen = reaper(level, spawner=spawner, outside=facts)
    assert said == ",".join(["ENOSYS"] * 6)
    assert [seen[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")] == ["0" * 16] * 5
    assert (seen["NoNewPrivs"], seen["Seccomp"]) == ("1", "2")
    uid = trial.KERNEL_UID if level is Level.L3 else identity.INNER_ID
    assert seen["Uid"].split() == [str(uid)] * 4


def test_a_spawner_that_is_not_root_gives_it_an_empty_root() -> None:
    """Entering the zygote's mount namespace would take a sixth capability."""
    five = (*capabilities.FOR_THE_ZYGOTE, capabilities.KILL)

    def spawner() -> None:
        sysc.prctl(8, 1)
        os.setgroups([])
        os.setresgid(trial.UID, trial.UID, trial.UID)
        os.setresuid(trial.UID, trial.UID, trial.UID)
        mask = sum(1 << cap for cap in five)
        sysc.capset(mask, mask, mask)
        sysc.set_dumpable(dumpable=True)

    said, seen = reaper(Level.L3, spawner=spawner, outside=facts)
    assert said == ",".join(["ENOSYS"] * 6)
    assert seen["Uid"].split() == [str(trial.KERNEL_UID)] * 4
    assert seen["CapEff"] == "0" * 16


def test_a_reaper_that_cannot_be_confined_is_refused() -> None:
    """The spawner hears which call failed."""

    def spawner() -> None:
        sysc.landlock_restrict = _refuse

    said, _seen = reaper(Level.L3, spawner=spawner, outside=lambda _pid: None)
    assert said.startswith("init: EPERM")


def _refuse(_fd: int) -> None:
    raise PermissionError(1, "injected")


def test_the_reaper_dies_with_its_spawner() -> None:
    """Whatever kills the spawner, no pid namespace is left."""
    told, tell = os.pipe()
    spawner = os.fork()
    if spawner == 0:
        sysc.unshare(sysc.CLONE_NEWPID)
        pid = os.fork()
        if pid == 0:
            null = os.open("/dev/null", os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            confine_init(trial.KERNEL_UID, trial.KERNEL_UID, (tell,), Level.L3)
            os.write(tell, b"+")
            while True:
                signal.pause()
        os.write(tell, str(pid).encode() + b"\n")
        time.sleep(60)
    os.close(tell)
    said = b""
    while b"+" not in said or b"\n" not in said:
        said += os.read(told, 64)
    pidfd = os.pidfd_open(int(said.replace(b"+", b"")))
    trial.kill_quietly(spawner)
    assert select.select([pidfd], [], [], 5.0)[0], "the reaper outlived its spawner"
    os.close(pidfd)
    os.close(told)
