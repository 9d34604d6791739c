"""The launcher's care for its spawner, with spawners that are only a socket; with real ones: tests/kernels/spawner."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core import outage
from gateway.core.errors import Unavailable
from gateway.kernel.launch import zygote_launcher
from gateway.kernel.launch.kept_spawner import LowIsolation
from gateway.kernel.launch.launcher import LaunchRequest
from gateway.kernel.launch.runtime import runtime_dir
from gateway.kernel.launch.spawner_process import SpawnerConnection
from gateway.kernel.launch.zygote_launcher import ZygoteLauncher, ZygoteOptions
from kernels import contract
from kernels.contract import Level, NotRenewed, Packet, Policy, Reached, Ready, Renewed, Shutdown, SpawnerOptions, Started
from tests.live import HANG_S

OPTIONS = ZygoteOptions("/usr/bin/python3", "tried")
REFUSALS = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENOSPC)


class Spawners:
    """Starts them, or fails as often as it is told to. *ends* is the other end of each one's socket."""

    def __init__(self) -> None:
        self.refusals: list[int] = []
        self.says: Packet = Ready("L1", "3")
        self.ends: list[socket.socket] = []
        self.first, self.second = asyncio.Event(), asyncio.Event()

    async def execute(self, _options: SpawnerOptions) -> SpawnerConnection:
        """In the place of kernel.spawner.execute()."""
        if self.refusals:
            number = self.refusals.pop(0)
            raise OSError(number, os.strerror(number))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ends.append(theirs)
        contract.send(theirs, self.says)
        self.first.set()
        if len(self.ends) == 2:
            self.second.set()
        return SpawnerConnection(ours)


@pytest.fixture
def spawners(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Spawners]:
    """Used by every launcher of the test."""
    made = Spawners()
    monkeypatch.setattr(zygote_launcher, "execute", made.execute)
    monkeypatch.setattr(outage, "DELAYS_S", (0.0, 0.0))
    short = tmp_path / "r"
    short.mkdir()
    monkeypatch.setattr(zygote_launcher, "runtime_dir", lambda instance: short / runtime_dir(instance).name)
    yield made
    for end in made.ends:
        end.close()


@pytest.mark.parametrize("number", REFUSALS)
async def test_a_spawner_that_cannot_be_started_is_one_sentence_and_leaves_nothing(
    spawners: Spawners, tmp_path: Path, number: int
) -> None:
    """Whatever this machine has no more of."""
    spawners.refusals = [number]
    with pytest.raises(Unavailable, match=f"the spawner can't be started: {os.strerror(number)}"):
        await ZygoteLauncher.start(OPTIONS)
    assert list((tmp_path / "r").iterdir()) == []


@pytest.mark.parametrize("says", [Reached("L2"), Ready("L2", "3")])
async def test_a_level_below_the_required_one_is_told_as_soon_as_it_is_known(spawners: Spawners, says: Packet) -> None:
    """Not after the seconds that a zygote takes to get warm; a spawner that says it no sooner is no better."""
    spawners.says = says
    starting = asyncio.create_task(ZygoteLauncher.start(replace(OPTIONS, required=Level.L2_PLUS)))
    await spawners.first.wait()
    asked = await asyncio.to_thread(spawners.ends[0].recv, contract.PACKET_BYTES)
    assert contract.decode(asked) == Shutdown()
    spawners.ends[0].close()
    with pytest.raises(LowIsolation, match=r"reaches isolation level L2, but L2\+ is required") as caught:
        await starting
    assert caught.value.reached == Level.L2


async def test_what_is_in_the_way_of_its_directory_stays(spawners: Spawners, tmp_path: Path) -> None:
    """It belongs to somebody else."""
    place = tmp_path / "r" / runtime_dir(OPTIONS.instance).name
    place.write_text("somebody's")
    with pytest.raises(Unavailable, match="exists and does not belong to the gateway"):
        await ZygoteLauncher.start(OPTIONS)
    assert place.read_text() == "somebody's"
    assert not spawners.ends


async def test_what_kernels_left_at_level_1_does_not_keep_a_spawner_from_starting(
    spawners: Spawners, tmp_path: Path
) -> None:
    """The gateway can't remove all that code can make; the next spawner can, and gets it. The sockets go."""
    launcher = await ZygoteLauncher.start(OPTIONS)
    runtime = tmp_path / "r" / runtime_dir(OPTIONS.instance).name
    for place in (runtime / "work" / "k" / "deep", runtime / "k"):
        place.mkdir(parents=True)
    (runtime / "link").symlink_to("work")
    async with asyncio.timeout(HANG_S):
        spawners.ends[0].close()
        await spawners.second.wait()
    assert sorted(path.name for path in runtime.rglob("*")) == ["deep", "k", "work"]
    spawners.ends[1].close()
    await launcher.close()
    assert not runtime.exists()


async def test_every_kernel_gets_the_variables_of_the_launcher_and_its_own_before_them(spawners: Spawners) -> None:
    """A kernel knows by them which packages can be added."""
    launcher = await ZygoteLauncher.start(replace(OPTIONS, kernel_env={"ALL": "a", "OWN": "b"}))
    launching = asyncio.create_task(launcher.launch(LaunchRequest("python", Policy(), {"OWN": "c"})))
    spawn, fds, _flags, _address = await asyncio.to_thread(socket.recv_fds, spawners.ends[0], contract.PACKET_BYTES, 8)
    for fd in fds:
        os.close(fd)
    assert json.loads(spawn)["env"] == {"ALL": "a", "OWN": "c"}
    contract.send(spawners.ends[0], Started(json.loads(spawn)["kernel_id"], 1))
    kernel = await launching
    spawners.ends[0].close()
    assert (await kernel.kill()).signal == 9
    await spawners.second.wait()
    spawners.ends[1].close()
    await launcher.close()


async def test_a_kernel_whose_spawner_has_just_ended_can_be_killed(spawners: Spawners) -> None:
    """Whoever ends a kernel meets no error for it: it is dead."""
    launcher = await ZygoteLauncher.start(OPTIONS)
    launching = asyncio.create_task(launcher.launch(LaunchRequest("python", Policy())))
    spawn, fds, _flags, _address = await asyncio.to_thread(socket.recv_fds, spawners.ends[0], contract.PACKET_BYTES, 8)
    for fd in fds:
        os.close(fd)
    contract.send(spawners.ends[0], Started(json.loads(spawn)["kernel_id"], 1))
    kernel = await launching
    spawners.ends[0].close()
    await kernel.interrupt()
    assert (await kernel.kill()).signal == 9
    await spawners.second.wait()
    spawners.ends[1].close()
    await launcher.close()


async def test_a_spawner_that_cannot_be_started_again_at_once_is_tried_again(spawners: Spawners) -> None:
    """A machine that was full for a moment is no reason never to start a kernel any more."""
    launcher = await ZygoteLauncher.start(OPTIONS)
    spawners.refusals = list(REFUSALS)[:3]
    spawners.ends[0].close()
    async with asyncio.timeout(HANG_S):
        await spawners.second.wait()
        await asyncio.sleep(0)  # what it says first is there: it is heard in this turn of the loop
    assert launcher.ready.level == "L1"
    spawners.ends[1].close()
    await launcher.close()


ADDED = ("/packages/2/site",)


async def test_packages_are_there_when_the_spawner_says_so(spawners: Spawners) -> None:
    """And no sooner."""
    launcher = await ZygoteLauncher.start(OPTIONS)
    adding = asyncio.create_task(launcher.use_packages(ADDED))
    asked = await asyncio.to_thread(spawners.ends[0].recv, contract.PACKET_BYTES)
    assert contract.decode(asked) == contract.Renew(list(ADDED))
    assert not adding.done()
    contract.send(spawners.ends[0], Renewed(list(ADDED)))
    async with asyncio.timeout(HANG_S):
        await adding
    spawners.ends[0].close()
    await launcher.close()


async def test_packages_that_the_spawner_cannot_show_are_refused_at_once(spawners: Spawners) -> None:
    """Such as a directory that is not there, or whose owner it can't make out."""
    launcher = await ZygoteLauncher.start(OPTIONS)
    adding = asyncio.create_task(launcher.use_packages(ADDED))
    await asyncio.to_thread(spawners.ends[0].recv, contract.PACKET_BYTES)
    contract.send(spawners.ends[0], NotRenewed())
    async with asyncio.timeout(HANG_S):
        with pytest.raises(Unavailable, match="can't show the added packages"):
            await adding
    spawners.ends[0].close()
    await launcher.close()


@pytest.mark.parametrize("is_heard", [True, False])
async def test_packages_fail_at_once_when_the_spawner_ends(spawners: Spawners, is_heard: bool) -> None:
    """Nobody is left to answer, whether or not the request had arrived; the next spawner may answer nothing of it."""
    launcher = await ZygoteLauncher.start(OPTIONS)
    adding = asyncio.create_task(launcher.use_packages(ADDED))
    if is_heard:
        await asyncio.to_thread(spawners.ends[0].recv, contract.PACKET_BYTES)
    spawners.ends[0].close()
    async with asyncio.timeout(HANG_S):
        with pytest.raises(Unavailable, match=r"ended|exited"):
            await adding
        await spawners.second.wait()
    contract.send(spawners.ends[1], Renewed(list(ADDED)))
    spawners.ends[1].close()
    await launcher.close()


async def test_packages_are_refused_while_there_is_no_spawner(spawners: Spawners) -> None:
    """The next one shows them from its start."""
    launcher = await ZygoteLauncher.start(OPTIONS)
    await launcher.close()
    with pytest.raises(Unavailable, match="not running"):
        await launcher.use_packages(ADDED)
    spawners.ends[0].close()
