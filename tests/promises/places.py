"""Hostile programs as commands of a place, beside a neighbour's place: what each of them must get.

A place is asked for as the gateway does, of a spawner that runs as whoever runs this: `python -m tests.promises.places`.
With the argument `brief`, a place is only used as it is meant.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import sys
import tempfile
from dataclasses import dataclass

from gateway.core.errors import Unavailable
from gateway.kernel.launch.launcher import LaunchRequest
from gateway.kernel.launch.place import Command, CommandProcess
from gateway.kernel.launch.zygote_launcher import ZygoteLauncher, ZygoteOptions
from kernels.contract import MIB, Policy

POLICY = Policy(memory_bytes=192 * MIB, work_bytes=8 * MIB, tmp_bytes=4 * MIB, shm_bytes=4 * MIB, processes=40)
PRELUDE = """
import ctypes, errno, os, signal, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    ctypes.set_errno(0)
    done = libc.syscall(NUMBERS[name], *arguments)
    return errno.errorcode.get(ctypes.get_errno(), "done") if done < 0 else "done"
def of(act):
    try: act()
    except OSError as error: return errno.errorcode.get(error.errno, "?")
    return "done"
"""


@dataclass(frozen=True, slots=True)
class Line:
    """One hostile program, and what it must print."""

    id: str
    program: str
    expected: str


LINES = (
    Line(
        "PL01 namespaces, mounts and tracing are denied to a command as to a kernel",
        """
calls = {name: call(name, *arguments) for name, arguments in {
    "unshare": (0x10000000,), "setns": (0, 0), "mount": (0, 0, 0, 0, 0), "chroot": (b"/tmp",), "pivot_root": (b"/", b"/"),
    "ptrace": (16, 2, 0, 0), "bpf": (0, 0, 0), "keyctl": (0, 0), "process_vm_readv": (2, 0, 0, 0, 0, 0), "setuid": (0,),
    "io_uring_setup": (1, 0), "pidfd_open": (2, 0), "seccomp": (0, 0, 0), "mknod": (b"/tmp/d", 0o20666, 0x0101)}.items()}
print(sorted(set(calls.values())))
""",
        "['ENOSYS', 'EPERM']\n",
    ),
    Line(
        "PL02 a command has its three streams and nothing of the spawner's",
        """
fds = sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:3]
kinds = {os.readlink(f"/proc/self/fd/{fd}").split(":")[0] for fd in fds}
print(len(os.listdir("/proc/self/fd")) - 1, kinds, os.getppid(), "CANARY" in os.environ, os.getsid(0) == os.getpid())
""",
        "3 {'pipe'} 0 False True\n",
    ),
    Line(
        "PL03 it keeps no privilege and gains none",
        """
lines = {name: value.strip() for name, _, value in (line.partition(":") for line in open("/proc/self/status"))}
print({int(lines[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}, lines["NoNewPrivs"],
      lines["Seccomp"], os.getresuid(), os.getgroups() in ([], [1000]), open("/proc/self/uid_map").read().split()[::2])
""",
        "{0} 1 2 (1000, 1000, 1000) True ['1000', '1']\n",
    ),
    Line(
        "PL04 a neighbour's processes and files are not there, nor are the host's",
        """
seen = [pid for pid in filter(str.isdigit, os.listdir("/proc")) if MARK.encode() in open(f"/proc/{pid}/cmdline", "rb").read()
        and int(pid) != os.getpid()]
folders = ("/work", "/tmp", "/dev/shm", "/home", "/run")
found = [name for folder in folders for name in os.listdir(folder) if "neighbour" in name]
print(seen, found, os.path.exists(CANARY), of(lambda: open("/etc/shadow")))
""",
        "[] [] False ENOENT\n",
    ),
    Line(
        "PL05 no network but its place's own loopback",
        """
print(of(lambda: socket.create_connection(("127.0.0.1", PORT), 2)),
      of(lambda: socket.create_connection(("192.0.2.1", 9), 2)),
      of(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW)), of(lambda: socket.socket(socket.AF_NETLINK)))
""",
        "ECONNREFUSED ENETUNREACH ENOSYS ENOTSUP\n",
    ),
    Line(
        "PL06 neither init nor anything outside can be signalled",
        """
print(of(lambda: os.kill(1, 9)) in ("done", "EPERM"), of(lambda: os.kill(99999, 9)))
""",
        "True ESRCH\n",
    ),
    Line(
        "PL07 a kernel of the same place can't be looked into",
        """
print({of(lambda: open(f"/proc/{pid}/{name}", "rb").read(1)) for pid in (2, 3) for name in ("mem", "environ", "maps")}
      <= {"ENOENT", "EACCES", "EPERM"})
""",
        "True\n",
    ),
    Line(
        "PL08 its program can open its own streams anew, and the root is read-only",
        """
print("again", file=open("/dev/stdout", "w"))
print(of(lambda: open("/new", "w")), of(lambda: open("/usr/new", "w")), of(lambda: open("/proc/sys/kernel/hostname", "w")))
""",
        "again\nEROFS EROFS EACCES\n",
    ),
    Line(
        "PL09 disk is bounded for all of the place together",
        """
def fill(folder):
    try:
        with open(f"{folder}/big", "ab") as file:
            while True: file.write(b"x" * 65536); file.flush()
    except OSError as error: return errno.errorcode[error.errno]
print([fill(folder) for folder in ("/work", "/tmp", "/dev/shm")], of(lambda: open("/work/small", "w").write("y" * 65536)))
for folder in ("/work", "/tmp", "/dev/shm"): os.unlink(f"{folder}/big")
""",
        "['ENOSPC', 'ENOSPC', 'ENOSPC'] ENOSPC\n",
    ),
)
FORK = """
made = 0
try:
    while made < 500:
        if os.fork() == 0: time.sleep(1000); os._exit(0)
        made += 1
except OSError as error: print(errno.errorcode[error.errno], made <= 40, flush=True)
os.killpg(0, 9)
"""
"""PL10: processes are bounded. Where each command has a count of its own, the watchdog may end the place before."""
EAT = "held = [bytearray(b'x') * (1 << 20) for _ in range(2000)]"
"""Ten times what a place may have."""
NUMBERS = {
    "unshare": 272,
    "setns": 308,
    "mount": 165,
    "chroot": 161,
    "pivot_root": 155,
    "ptrace": 101,
    "bpf": 321,
    "keyctl": 250,
    "process_vm_readv": 310,
    "setuid": 105,
    "io_uring_setup": 425,
    "pidfd_open": 434,
    "seccomp": 317,
    "mknod": 133,
}
"""Of x86_64."""


async def attack(launcher: ZygoteLauncher, told: dict[str, object]) -> dict[str, str]:
    """What each line prints, by its id; the neighbour's place is used before and after."""
    places = [await _hold(launcher) for _ in range(3)]
    mark = str(told["MARK"])
    neighbour = await _run(launcher, places[1], "sh", "-c", "echo secret > /work/neighbour; sleep 1000", mark)
    names = "".join(f"{name} = {value!r}\n" for name, value in {**told, "NUMBERS": NUMBERS}.items())
    said = {}
    for line in LINES:
        command = await _run(launcher, places[0], "python3", "-c", names + PRELUDE + line.program)
        said[line.id] = (await _all(command))[0]
    said["processes"] = (await _all(await _run(launcher, places[2], "python3", "-c", PRELUDE + FORK)))[0]
    said["neighbour"] = (await _all(await _run(launcher, places[1], "sh", "-c", "pwd; cat neighbour")))[0]
    neighbour.signal(15)
    said["neighbour's end"] = str((await neighbour.wait()).signal)
    flood = await _run(launcher, places[0], "sh", "-c", "yes & yes >&2 & exec yes")
    said["flood"] = str((await flood.kill()).signal)
    flood.close()
    hungry = await _run(launcher, places[0], "python3", "-c", EAT)
    said["memory"] = f"{await hungry.wait()}"
    hungry.close()
    for place in places:
        await launcher.end_place(place)
    neighbour.close()
    return said


async def use(launcher: ZygoteLauncher, _told: object) -> dict[str, str]:
    """What a command finds of what another one has left, with the first kernel gone and a guest in its place; or why not."""
    kernel = await launcher.launch(LaunchRequest("python", POLICY))
    launcher.hold(kernel.kernel_id)
    try:
        await _all(await _run(launcher, kernel.kernel_id, "sh", "-c", "echo left > f"))
        await kernel.kill()
        guest = await launcher.launch(LaunchRequest("python", POLICY, place=kernel.kernel_id))
        said = (await _all(await _run(launcher, kernel.kernel_id, "cat", "f")))[0]
        await launcher.end_place(kernel.kernel_id)
        return {"found": said, "guest": str((await guest.wait()).signal)}
    except Unavailable as refused:
        return {"refused": str(refused)}


async def _hold(launcher: ZygoteLauncher) -> str:
    kernel = await launcher.launch(LaunchRequest("python", POLICY))
    launcher.hold(kernel.kernel_id)
    return kernel.kernel_id


async def _run(launcher: ZygoteLauncher, place: str, *argv: str) -> CommandProcess:
    return await launcher.run_command(place, Command(argv))


async def _all(command: CommandProcess) -> tuple[str, str]:
    """Both outputs, once they are over."""
    texts = ["", ""]
    for at, output in enumerate((command.stdout, command.stderr)):
        while piece := await output.read():
            texts[at] += piece.decode()
    await command.wait()
    command.close()
    return (texts[0] or texts[1], texts[1])


async def main() -> None:
    """Print as JSON what each line got, and the level."""
    options = ZygoteOptions(os.environ["OMEGA_KERNEL_PYTHON"], f"test{os.getpid()}-{secrets.token_hex(2)}")
    with tempfile.NamedTemporaryFile() as canary, socket.create_server(("127.0.0.1", 0)) as listener:
        os.chmod(canary.name, 0o666)
        os.environ["CANARY"] = "secret"
        told = {"MARK": secrets.token_hex(8), "CANARY": canary.name, "PORT": listener.getsockname()[1]}
        launcher = await ZygoteLauncher.start(options)
        try:
            act = use if sys.argv[1:] == ["brief"] else attack
            said = {"level": launcher.ready.level, **await act(launcher, told)}
        finally:
            await launcher.close()
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    asyncio.run(main())
