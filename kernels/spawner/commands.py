"""Commands: processes that join a place, confine themselves as a kernel does, and then execute a program.

A command is forked from the spawner, which is small. Until it executes its program it runs nothing but this.
"""

from __future__ import annotations

import errno
import json
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NoReturn

from kernels.contract import GIB, IN_GROUP, Level, RunCommand
from kernels.program_environment import environment
from kernels.sandbox import steps, sysc
from kernels.sandbox.root import ENVIRONMENT
from kernels.spawner.place import Place
from kernels.spawner.workplace import TEMPORARY

RESERVED_BYTES: Final = 2 * GIB
"""What a program may set aside beside the memory limit, and never use, as Node does; the limits of the place hold anyway."""
_GO_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class CommandStart:
    """A command and where it runs. *streams*: its stdin, stdout and stderr; *gate*: the socket to the spawner."""

    asked: RunCommand
    place: Place
    streams: tuple[int, ...]
    gate: int
    level: Level
    readable: tuple[str, ...]
    """Level L1 only: what it may read."""
    python: str
    """The interpreter of kernels, at level L1."""
    own_uid: bool


def fork_command(start: CommandStart) -> int:
    """The pid of a child that confines itself in the place; raises OSError.

    A process enters a pid namespace only for its children, and could not come back: so a child of the spawner enters it and
    forks the command, as a sibling.
    """
    if start.level is Level.L1:
        pid = os.fork()
        if pid == 0:
            _run(start)
        return pid
    told, tell = os.pipe2(os.O_CLOEXEC)
    with os.fdopen(told, "rb") as pipe:
        try:
            helper = os.fork()
            if helper == 0:
                _fork_inside(start, tell)
        finally:
            os.close(tell)
        said = pipe.read()
    os.waitpid(helper, 0)
    if not said.isdigit():
        raise OSError(said.decode(errors="replace") or "the fork into the place failed")
    return int(said)


def _fork_inside(start: CommandStart, tell: int) -> NoReturn:
    """Fork the command in the place's pid namespace and say its pid, or why there is none."""
    try:
        sysc.setns(start.place.namespaces["pid"], sysc.CLONE_NEWPID)
        pid = sysc.fork_sibling()
        if pid == 0:
            os.close(tell)
            _run(start)
        os.write(tell, str(pid).encode())
    except BaseException as error:  # noqa: BLE001 - the process entry: nothing may run on as the spawner
        os.write(tell, (str(error) or type(error).__name__).encode()[:200])
    finally:
        os._exit(0)


def _run(start: CommandStart) -> NoReturn:
    """Confine this process, wait for the attestation, execute the program; never returns into the spawner's code."""
    gate = start.gate
    try:
        signal.set_wakeup_fd(-1)
        sysc.set_death_signal(signal.SIGKILL)
        _offer_to_die_first()
        os.setsid()
        for number, fd in enumerate(start.streams):
            os.dup2(fd, number)
        # In its control group first: what it takes from here on is the place's.
        if os.read(gate, len(IN_GROUP)) == IN_GROUP:
            _confine(start)
            if os.read(gate, _GO_BYTES):
                _execute(start)
    except steps.StepFailed as failure:
        _say(gate, failure.step, failure.errno_name)
    except BaseException:  # noqa: BLE001 - the process entry: whatever happens, it must not run on as the spawner
        pass
    finally:
        os._exit(70)


def _offer_to_die_first() -> None:
    """If memory runs out in its control group, Linux ends commands before kernels, whose state is worth more."""
    with suppress(OSError):  # a /proc that is masked
        sysc.write_whole("/proc/self/oom_score_adj", "500")


def _confine(start: CommandStart) -> None:
    """Take every isolation step, as a kernel does."""
    place = start.place
    confinement = steps.Confinement(
        level=start.level,
        policy=place.policy,
        uid=place.uid,
        gid=place.gid,
        keep_fds=(start.gate,),
        work_dir=place.work_dir,
        data_baseline_bytes=RESERVED_BYTES,
        own_uid=start.own_uid,
        readable=start.readable,
        is_grouped=place.cgroup.group is not None,
        joined=place.joined(),
    )
    took_ms = steps.confine(confinement)
    # Again, because a change of identity clears it. Where no pid namespace ends with the spawner, this does.
    sysc.set_death_signal(signal.SIGKILL)
    os.write(start.gate, json.dumps({"steps_ms": took_ms}).encode())


def _execute(start: CommandStart) -> None:
    """Become the program. Returns only if that fails, which is told; success is told by the end of the gate."""
    place, asked = start.place, start.asked
    python = start.python if start.level is Level.L1 else f"{ENVIRONMENT}/bin/python"
    own = {"TMPDIR": f"{place.work_dir}/{TEMPORARY}"} if start.level is Level.L1 else {}
    step = "cwd"
    try:
        os.chdir(place.work_dir)
        os.chdir(asked.cwd or ".")
        step = "program"
        # A handler ends with the program that had it; what is ignored stays so.
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        _become(asked.argv, environment(python, place.work_dir, {**own, **asked.env}))
    except OSError as error:
        _say(start.gate, step, errno.errorcode.get(error.errno or 0, "EIO"))
    except (ValueError, IndexError):  # a NUL, no text, or no name at all
        _say(start.gate, step, "EINVAL")


def _become(argv: list[str], env: dict[str, str]) -> NoReturn:
    """Execute argv[0], found by PATH; raises OSError. Not os.execvpe(), which imports a module for it: none is in reach."""
    name = argv[0]
    if "/" in name:
        os.execve(name, argv, env)
    found = errno.ENOENT
    for folder in env["PATH"].split(os.pathsep):
        try:
            os.execve(f"{folder or '.'}/{name}", argv, env)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            found = error.errno or errno.EACCES
    raise OSError(found, os.strerror(found))


def _say(gate: int, step: str, reason: str) -> None:
    os.write(gate, json.dumps({"step": step, "reason": reason}).encode())
