"""Places with guests as a real spawner keeps them: who gets in, what each can do, and that nothing outlives a place."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kernels import contract
from kernels import filewire as wire
from kernels.contract import (
    CommandExited,
    CommandRefused,
    CommandStarted,
    EndPlace,
    Exited,
    Hold,
    Kill,
    Packet,
    PlaceGone,
    Policy,
    Refused,
    RunCommand,
    SignalCommand,
    Spawn,
    Started,
)
from tests.kernels.spawner import harness
from tests.kernels.spawner.harness import PATIENCE_S, Spawner

pytestmark = [pytest.mark.process, pytest.mark.sandbox]
ENDS = (Exited, Refused, CommandExited, CommandRefused)


@pytest.fixture(scope="module", params=["L3", "L1"])
def spawner(request: pytest.FixtureRequest) -> Iterator[Spawner]:
    """One whose places are namespaces, where that is possible, and one whose places are a uid and a directory."""
    with harness.spawner(at_most=request.param) as made:
        yield made


@dataclass
class Ran:
    """A command that was asked for, and the test's ends of its outputs."""

    command_id: str
    stdin: socket.socket
    outputs: socket.socket

    def said(self) -> str:
        """All that it writes until nobody has its outputs open any more."""
        pieces = []
        while piece := self.outputs.recv(65_536):
            pieces.append(piece)
        return b"".join(pieces).decode()

    def close(self) -> None:
        """Let go of it."""
        self.stdin.close()
        self.outputs.close()


def hold(spawner: Spawner, **policy: int) -> str:
    """The id of a kernel that is held."""
    kernel_id = secrets.token_hex(8)
    spawner.send(kernel_id, contract.encode(Spawn(kernel_id, "python", "key", Policy(**policy))))
    spawner.hears(Started)
    contract.send(spawner.control, Hold(kernel_id))
    return kernel_id


def ask(spawner: Spawner, place: str, *argv: str, **others: str) -> Ran:
    """Ask for a command; *others* are its variables."""
    command_id = secrets.token_hex(8)
    (stdin, theirs), (outputs, out) = socket.socketpair(), socket.socketpair()
    outputs.settimeout(PATIENCE_S)
    with theirs, out:
        fds = (theirs.fileno(), out.fileno(), out.fileno())
        contract.send(spawner.control, RunCommand(command_id, place, list(argv), others), fds)
    return Ran(command_id, stdin, outputs)


def run(spawner: Spawner, place: str, script: str) -> str:
    """What a shell's script says, once it has ended and been told so."""
    command = ask(spawner, place, "sh", "-c", script)
    assert isinstance(started := spawner.hears_any(), CommandStarted), started
    said = command.said()
    assert spawner.hears(CommandExited).command_id == command.command_id
    command.close()
    return said


def end(spawner: Spawner, place: str) -> list[Packet]:
    """What is told at the end of a place."""
    contract.send(spawner.control, EndPlace(place))
    told: list[Packet] = []
    while not told or told[-1] != PlaceGone(place):
        told.append(spawner.hears_any())
    return told


def join(spawner: Spawner, place: str) -> str:
    """Ask for a guest kernel; answers its id."""
    kernel_id = secrets.token_hex(8)
    spawner.send(kernel_id, contract.encode(Spawn(kernel_id, "python", "key", place=place)))
    return kernel_id


def id_of(report: Packet) -> str:
    """Whose end it tells."""
    return str(getattr(report, "kernel_id", "") or getattr(report, "command_id", ""))


def served(spawner: Spawner, place: str) -> list[bytes]:
    """The names that a files helper finds in the work directory."""
    ours, theirs = socket.socketpair()
    ours.settimeout(PATIENCE_S)
    with theirs:
        contract.send(spawner.control, contract.OpenFiles(place), (theirs.fileno(),))
    names: list[bytes] = []
    with ours:
        ours.sendall(wire.frame(wire.LIST, wire.pack_list(b"", wants_digests=False)))
        while True:
            letter, length = wire.parse_header(ours.recv(wire.HEADER.size, socket.MSG_WAITALL))
            payload = ours.recv(length, socket.MSG_WAITALL) if length else b""
            if letter == wire.ENTRY:
                names.append(wire.parse_entry(payload).path)
            elif letter != wire.READY:
                assert letter == wire.END, (letter, payload)
                return [name for name in names if not name.startswith(b".tmp")]


def left_of(mark: str) -> list[int]:
    """The processes of this machine whose command line holds *mark*."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if mark.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(int(pid))
        except OSError:
            continue
    return found


def test_a_guest_is_in_the_namespaces_of_its_place_and_in_a_user_namespace_of_its_own(spawner: Spawner) -> None:
    """Attested from outside, a command like a kernel; both are gone with the place, and so is all that was open for it."""
    end(spawner, hold(spawner))
    opened = spawner.settled_descriptors()
    place = hold(spawner)
    guest = join(spawner, place)
    pid = spawner.hears(Started).pid
    command = ask(spawner, place, "sleep", "1000")
    spawner.hears(CommandStarted)
    (other,) = [found for found in left_of("sleep\x001000") if _parent(found) == spawner.process.pid]
    kinds = ("pid", "mnt", "net", "ipc", "user")
    seen = [{kind: os.readlink(f"/proc/{one}/ns/{kind}") for kind in kinds} for one in (pid, other)]
    assert (seen[0].pop("user") == seen[1].pop("user")) == (seen[0]["mnt"] == os.readlink("/proc/self/ns/mnt"))
    assert seen[0] == seen[1]
    status = [Path(f"/proc/{one}/status").read_text() for one in (pid, other)]
    for wanted in ("Uid:", "Gid:", "Seccomp:", "NoNewPrivs:", "CapEff:", "CapPrm:", "Groups:"):
        lines = [next(line for line in text.splitlines() if line.startswith(wanted)) for text in status]
        assert lines[0] == lines[1]
    told = end(spawner, place)
    assert {report.kernel_id for report in told if isinstance(report, Exited)} == {place, guest}
    assert [report.command_id for report in told if isinstance(report, CommandExited)] == [command.command_id]
    command.close()
    assert spawner.comes_back_to(opened)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_the_end_of_the_process_that_is_held_ends_nothing_else(spawner: Spawner) -> None:
    """By itself or by a kill; its end is told at once, the place's in the end, and files are served in between."""
    place = hold(spawner)
    assert run(spawner, place, "echo kept > f") == ""
    contract.send(spawner.control, Kill(place))
    assert spawner.hears(Exited).asked
    assert run(spawner, place, "cat f") == "kept\n"
    assert served(spawner, place) == [b"f"]
    guest = join(spawner, place)
    spawner.hears(Started)
    contract.send(spawner.control, Kill(place))
    contract.send(spawner.control, Kill(guest))
    assert spawner.hears(Exited).kernel_id == guest, "a kill of the dead kernel of a held place does nothing"
    assert end(spawner, place) == [PlaceGone(place)]


def test_who_asks_for_no_place_is_refused_and_leaves_nothing(spawner: Spawner) -> None:
    """Of a kernel that is not there, not held, a guest itself, or ending."""
    opened = spawner.settled_descriptors()
    loose, place = spawner.start(), hold(spawner)
    guest = join(spawner, place)
    spawner.hears(Started)
    for nobody in ("0123456789ab", loose, guest, "x"):
        refused = join(spawner, nobody)
        assert spawner.hears(Refused) == Refused(refused, "place", "there is no such place")
        command = ask(spawner, nobody, "true")
        assert spawner.hears(CommandRefused) == CommandRefused(command.command_id, "place", "there is no such place")
        assert command.said() == ""
        command.close()
    for unheld in ("0123456789ab", guest):
        contract.send(spawner.control, Hold(unheld))
        assert spawner.hears(PlaceGone).kernel_id == unheld
    end(spawner, place)
    spawner.end(loose)
    assert spawner.comes_back_to(opened)


def test_what_is_no_command_changes_nothing(spawner: Spawner) -> None:
    """Malformed ids, files in the place of streams, signals that are none."""
    place, folder = hold(spawner), os.open("/", os.O_RDONLY)
    opened = spawner.settled_descriptors()
    for wanted, fds in (("../x", (0, 0, 0)), ("0123456789ab", (folder,) * 3), ("0123456789ab", ()), (place, (0, 0, 0))):
        contract.send(spawner.control, RunCommand(wanted, place, ["true"]), fds)
        assert spawner.hears(CommandRefused).step == "request"
    for argv in ([], [""], ["a\0b"], ["true", "\ud800"]):
        command = ask(spawner, place, *argv)
        assert spawner.hears(CommandRefused) == CommandRefused(command.command_id, "program", "EINVAL")
        command.close()
    command = ask(spawner, place, "sleep", "1000")
    spawner.hears(CommandStarted)
    for number in (-1, 0, 999):
        contract.send(spawner.control, SignalCommand(command.command_id, number))
    contract.send(spawner.control, SignalCommand(place, signal.SIGKILL))
    contract.send(spawner.control, SignalCommand(command.command_id, signal.SIGUSR1))
    assert spawner.hears(CommandExited) == CommandExited(command.command_id, 0, signal.SIGUSR1)
    command.close()
    os.close(folder)
    assert spawner.comes_back_to(opened)
    end(spawner, place)


HIDE = """
import os, signal, sys, time
for trial in range(4):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for fd in range(3): os.close(fd)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if trial % 2: os.kill(os.getpid(), signal.SIGSTOP)
            while True:
                if trial == 2 and os.fork() == 0: os._exit(0)
                time.sleep(0.01)
        os._exit(0)
print("hidden")
"""


def test_nothing_outlives_its_place(spawner: Spawner) -> None:
    """Daemons, stopped processes, processes that fork all the time: of a command that has ended long ago, too."""
    place, mark = hold(spawner), secrets.token_hex(8)
    command = ask(spawner, place, "python3", "-c", HIDE, mark)
    spawner.hears(CommandStarted)
    assert spawner.hears(CommandExited).code == 0
    assert command.said() == "hidden\n"
    command.close()
    end(spawner, place)
    deadline = time.monotonic() + PATIENCE_S
    while left := left_of(mark):
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def test_the_end_of_a_place_in_the_middle_of_starts_is_told_once_for_each(spawner: Spawner) -> None:
    """However far each has come; the place's end comes after all of theirs."""
    end(spawner, hold(spawner))
    opened = spawner.settled_descriptors()
    place = hold(spawner)
    commands = [ask(spawner, place, "sleep", "1000") for _ in range(3)]
    asked = {place, *(join(spawner, place) for _ in range(4)), *(command.command_id for command in commands)}
    ended = [id_of(report) for report in end(spawner, place) if isinstance(report, ENDS)]
    assert sorted(ended) == sorted(asked)
    for command in commands:
        command.close()
    assert spawner.comes_back_to(opened)


def test_the_end_of_a_zygote_costs_no_guest(spawner: Spawner) -> None:
    """The next one forks those that it owed."""
    place = hold(spawner)
    (zygote,) = spawner.children("kernels.zygote")
    os.kill(zygote, signal.SIGSTOP)
    owed = join(spawner, place)
    assert run(spawner, place, "echo here") == "here\n", "a command needs no zygote"
    os.kill(zygote, signal.SIGKILL)
    spawner.hears(contract.Renewed)
    assert spawner.hears(Started).kernel_id == owed
    assert {type(report) for report in end(spawner, place)} == {Exited, PlaceGone}


def test_a_command_dies_with_its_spawner() -> None:
    """However that ends, also where no init ends with it."""
    mark = f"10{secrets.randbelow(10**6):06}"
    with pytest.raises(AssertionError, match="is killed"), harness.spawner(at_most="L1") as spawner:
        command = ask(spawner, hold(spawner), "sleep", mark)
        spawner.hears(CommandStarted)
        spawner.process.kill()
        spawner.process.wait()
        assert command.said() == ""
        command.close()
        assert left_of(mark) == []
        assert harness.sweep(spawner) == []
        raise AssertionError("a spawner that is killed can't be asked to end")


EAT = "held = [bytearray(b'x') * (1 << 20) for _ in range(1000)]; print('held')"


def test_the_memory_of_a_place_is_bounded_as_a_whole(spawner: Spawner) -> None:
    """By a control group, which takes commands first, or by the watchdog, which ends all: everything in it counts."""
    place = hold(spawner, memory_bytes=128 * contract.MIB)
    command = ask(spawner, place, "python3", "-c", EAT)
    spawner.hears(CommandStarted)
    told: list[Packet] = []
    while not told or not isinstance(told[-1], CommandExited):
        told.append(spawner.hears_any())
    assert told[-1] == CommandExited(command.command_id, 0, signal.SIGKILL, out_of_memory=True)
    assert command.said() == ""
    command.close()
    assert end(spawner, place)[-1] == PlaceGone(place)
