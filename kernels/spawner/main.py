"""The entry point of a spawner: measures the isolation, removes leftovers of a killed gateway, serves until it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NoReturn

from kernels.contract import NOTHING_REACHED, ContractError, Level, SpawnerOptions
from kernels.sandbox import capabilities, descriptors, probe, root, seccomp, sysc
from kernels.sandbox.cgroup import Cgroups
from kernels.spawner.loop import Loop
from kernels.spawner.preparer import Surroundings
from kernels.spawner.server import Spawner
from kernels.spawner.shown import showable
from kernels.spawner.workplace import Workplaces
from kernels.spawner.zygotes import Nursery


@dataclass(frozen=True, slots=True)
class Measured:
    """The measurement before the spawner entered a user namespace of its own."""

    level: str
    own_uid: bool
    facilities: dict[str, str]


def main(arguments: list[str]) -> int:
    """Serve the gateway on the control socket (descriptor in the first argument) with the options in the second.

    A third argument is the spawner's own measurement, before it executed itself again in a user namespace.
    """
    try:
        options = SpawnerOptions.from_text(arguments[1])
        control = socket.socket(fileno=int(arguments[0]))
        found = Measured(**json.loads(arguments[2])) if arguments[2:] else None
    except (ContractError, IndexError, ValueError, TypeError, OSError) as error:
        sys.stderr.write(f"spawner: {error}\n")
        return 2
    # The umask as well: with a strict one kernels could not enter directories that are made with mode 0711.
    descriptors.reset_signals()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if found is None:
        found = _look(options)
        if Level.parse(found.level) in (Level.L2, Level.L2_PLUS):
            _warn_of_owners(options)
            _enter_user_namespace(control, found)
    control.set_inheritable(False)
    if options.lock_fd >= 0:
        os.set_inheritable(options.lock_fd, False)
    return _serve(control, options, found)


def _look(options: SpawnerOptions) -> Measured:
    measured = probe.measure()
    level = min(measured.level, Level.parse(options.at_most))
    return Measured(level.label, measured.own_uid, measured.facilities)


def _warn_of_owners(options: SpawnerOptions) -> None:
    """Say that added packages will not be shown. In the user namespace that is about to be entered every other user's file
    belongs to nobody, so whether a directory is the gateway's can't be told there."""
    if options.extra_uid not in (-1, os.geteuid()):
        sys.stderr.write(
            "spawner: added packages can't be shown to kernels: for that, start the spawner as the gateway's own user, or "
            "with the five capabilities of level L3\n"
        )


def _enter_user_namespace(control: socket.socket, found: Measured) -> NoReturn:
    """Without privileges: hold capabilities over an own user namespace, which owns all namespaces made from now on.

    The program is executed again, so that its memory, and that of every init forked from it, belongs to that namespace:
    only then may the spawner inspect processes that no other process may inspect.
    """
    uid, gid = os.geteuid(), os.getegid()
    sysc.unshare(sysc.CLONE_NEWUSER)
    sysc.write_whole("/proc/self/setgroups", "deny")
    sysc.write_whole("/proc/self/uid_map", f"{uid} {uid} 1")
    sysc.write_whole("/proc/self/gid_map", f"{gid} {gid} 1")
    capabilities.keep_over_exec(capabilities.FOR_THE_SPAWNER)
    control.set_inheritable(True)
    os.execv(sys.executable, [*sys.orig_argv, json.dumps(asdict(found))])


def _serve(control: socket.socket, options: SpawnerOptions, found: Measured) -> int:
    level = Level.parse(found.level)
    if level is Level.NONE:
        sys.stderr.write("spawner: this machine reaches no isolation level, so no kernel can be started\n")
        return NOTHING_REACHED
    sysc.set_subreaper()
    # Read now: an init, a files helper and a command load their filters when the host's files are out of reach.
    for profile in ("init", "files", "kernel", "confined"):
        seccomp.program(profile)
    has_own_uids = level is Level.L3 or (level is Level.L1 and found.own_uid)
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    with _ground(options, level, own_uids=has_own_uids) as (cgroups, workplaces):
        if options.only_sweeps:
            return 0
        around = Surroundings(options, level, has_own_uids, cgroups, Loop(), workplaces)
        try:
            nursery = _nursery(options, around)
        except root.PythonUnusable as error:
            sys.stderr.write(f"spawner: {error}\n")
            return 1
        around = replace(around, readable=nursery.readable)
        return _run(Spawner(control, around, nursery, found.facilities), around.loop)


@contextmanager
def _ground(options: SpawnerOptions, level: Level, *, own_uids: bool) -> Iterator[tuple[Cgroups, Workplaces | None]]:
    """The spawner's control groups and directories, without leftovers of a killed one; the block's end removes them."""
    cgroups = Cgroups.open(f"omega-{options.instance}")
    workplaces = None
    try:
        cgroups.sweep()
        if level is Level.L1:
            workplaces = Workplaces.open(Path(options.work_root), options.instance, own_uids=own_uids)
        yield cgroups, workplaces
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        cgroups.sweep()
        cgroups.close()
        if workplaces:
            workplaces.close()
        if options.remove:
            shutil.rmtree(options.remove, ignore_errors=True)


def _nursery(options: SpawnerOptions, around: Surroundings) -> Nursery:
    """The nursery that starts zygotes with *options*; raises PythonUnusable."""
    home = root.describe_python(options.kernel_python)
    plain = root.RootSpec(
        kernel_python=options.kernel_python, app_dir=options.app_dir, home=home, work_aliases=options.work_aliases
    )
    nursery = Nursery(around.loop, plain, around.level)
    nursery.show(showable(options.extra_dirs, options.extra_uid))
    return nursery


def _run(spawner: Spawner, loop: Loop) -> int:
    """Serve the gateway until it disconnects; returns the exit code. Every process of a kernel has ended then."""
    _stop_on_sigterm(loop, spawner)
    try:
        spawner.start()
        loop.run()
    finally:
        spawner.end_zygotes()
    return spawner.exit_code


def _stop_on_sigterm(loop: Loop, spawner: Spawner) -> None:
    """Turn SIGTERM into an orderly close, from inside the loop."""
    told, tell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(tell)
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    loop.watch(told, spawner.close)
