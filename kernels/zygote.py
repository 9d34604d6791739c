"""The zygote: imports the data stack once, then forks one kernel per request.

It runs in the prepared read-only root, reads nothing a kernel wrote, and ends when its control socket does.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import socket
import sys
from typing import NoReturn

from kernels import contract
from kernels.contract import (
    CHANNELS,
    IN_GROUP,
    PACKAGE_MISSING,
    PACKET_BYTES,
    ContractError,
    Fork,
    Forked,
    Go,
    Language,
    Level,
    Packet,
    Reap,
    Reaped,
    Warm,
)
from kernels.sandbox import attest, descriptors, seccomp, steps, sysc


def main() -> NoReturn:
    """Serve fork requests on the descriptor of the first argument until the spawner is gone.

    The second argument is JSON: ``extra``, directories of added packages, and, where a kernel has no root of its own (level
    L1), what it may read: the paths ``readable`` and what is open as ``shown``.
    """
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    told = json.loads(sys.argv[2])
    for fd in told["shown"]:
        os.set_inheritable(fd, False)
    readable = (*told["readable"], *(f"/proc/self/fd/{fd}" for fd in told["shown"]))
    packages = _preload()
    # Last, so that an added package never takes the place of one the environment has; and after the imports, so that no code
    # of one runs in here, with what a zygote may do (some libraries import what they find).
    sys.path.extend(told["extra"])
    for profile in ("kernel", "confined"):
        seccomp.program(profile)
    sysc.set_dumpable(dumpable=False)
    namespaces = _own_namespaces()
    try:
        contract.send(control, Warm(python_version=sys.version.split()[0], packages=packages), namespaces)
        for fd in namespaces:
            os.close(fd)
        while (received := contract.receive(control)) is not None:
            _answer(control, *received, readable)
    except ConnectionError:
        os._exit(0)  # the spawner was killed
    os._exit(0)


def _answer(control: socket.socket, packet: Packet, fds: list[int], readable: tuple[str, ...]) -> None:
    """Carry out the spawner's packet; raises ConnectionError if the spawner has exited."""
    match packet:
        case Fork():
            _answer_fork(control, packet, fds, readable)
        case Reap(pid=pid):
            contract.send(control, Reaped(pid=pid, status=_reap(pid)))
        case _:
            raise ContractError(f"unexpected packet {type(packet).__name__} from the spawner")


def _preload() -> dict[str, str]:
    """Import everything and return the versions; if a package is missing, report it and exit."""
    try:
        preload = importlib.import_module("kernels.python.warmup.preload")
        packages: dict[str, str] = preload.preload(_prepare_javascript)
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"the kernels' environment lacks the package {error.name}: install requirements/kernels.txt there\n"
        )
        sys.stderr.flush()
        os._exit(PACKAGE_MISSING)
    return packages


def _prepare_javascript() -> dict[str, str]:
    """Build a JavaScript kernel at rest as well, with all its imports, if there is a Node."""
    importlib.import_module("kernels.node.child")
    versions: dict[str, str] = importlib.import_module("kernels.node.parts").prepare()
    return versions


def _answer_fork(control: socket.socket, fork: Fork, fds: list[int], readable: tuple[str, ...]) -> None:
    """Fork one kernel and report its pid; a failure is reported, too, and leaves the zygote unchanged."""
    try:
        _assert_single_threaded()
        pid = _fork(fork, fds, readable)
        contract.send(control, Forked(kernel_id=fork.kernel_id, pid=pid))
    except ConnectionError:
        raise
    except OSError as error:
        contract.send(control, Forked(kernel_id=fork.kernel_id, pid=0, reason=f"fork: {error}"))
    finally:
        for fd in fds:
            os.close(fd)


def _fork(fork: Fork, fds: list[int], readable: tuple[str, ...]) -> int:
    """The pid of a child that is confining itself, in the pid namespace whose descriptor came with the request."""
    channels, gate, namespaces = fds[: len(CHANNELS)], fds[len(CHANNELS)], fds[len(CHANNELS) + 1 :]
    if fork.joins != (len(namespaces) > 1):
        raise OSError("a guest has to be told which namespaces to join, and nobody else may be")
    if namespaces:
        # For the next child only. There is no way back, and none is needed: the next request names its own namespace.
        sysc.setns(namespaces[0], sysc.CLONE_NEWPID)
    pid = os.fork()
    if pid == 0:
        _become_kernel(fork, dict(zip(CHANNELS, channels, strict=True)), (gate, *namespaces[1:]), readable)
    return pid


def _become_kernel(fork: Fork, channels: dict[str, int], told: tuple[int, ...], readable: tuple[str, ...]) -> NoReturn:
    """Confine this process, wait for attestation, run the kernel. It ends with _exit and never returns to the zygote.

    *told*: the gate, and the namespaces that a guest joins.
    """
    code, (gate, *joined) = 70, told
    try:
        os.setsid()
        descriptors.detach_standard()
        # In its control group first: its cgroup namespace shows only the group in which it is created.
        if os.read(gate, len(IN_GROUP)) != IN_GROUP:
            os._exit(code)
        _confine(fork, (*channels.values(), gate), tuple(joined), readable)
        data = os.read(gate, PACKET_BYTES)  # empty if attestation failed
        if data and isinstance(go := contract.decode(data), Go):
            os.close(gate)
            _run_kernel(fork, go, channels)
            code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:  # noqa: BLE001 - the process entry: whatever happens, the child must not run on as the zygote
        code = 70
    finally:
        os._exit(code & 0xFF)


def _confine(fork: Fork, keep_fds: tuple[int, ...], joined: tuple[int, ...], readable: tuple[str, ...]) -> None:
    """Take every isolation step and tell the spawner how long each took, or which one failed; then no user code runs."""
    gate = keep_fds[-1]
    confinement = steps.Confinement(
        level=Level.parse(fork.level),
        policy=fork.policy,
        uid=fork.uid,
        gid=fork.gid,
        keep_fds=keep_fds,
        work_dir=fork.work_dir,
        data_baseline_bytes=_data_bytes(fork.language),
        own_uid=fork.uid != os.geteuid(),
        readable=readable or ("/",),
        is_grouped=fork.is_grouped,
        joined=joined,
    )
    try:
        took_ms = steps.confine(confinement)
    except steps.StepFailed as failure:
        os.write(gate, json.dumps({"step": failure.step, "reason": failure.errno_name}).encode())
        raise
    os.write(gate, json.dumps({"steps_ms": took_ms}).encode())


def _run_kernel(fork: Fork, go: Go, channels: dict[str, int]) -> None:
    """Run the kernel of the requested language until it is told to end."""
    child = importlib.import_module(f"kernels.{'python' if fork.language == 'python' else 'node'}.child")
    child.main(
        child.ChildStart(
            kernel_id=fork.kernel_id,
            key=go.key,
            fds=channels,
            env=dict(go.env),
            work_dir=fork.work_dir,
            memory_bytes=fork.policy.memory_bytes,
        )
    )


def _own_namespaces() -> tuple[int, ...]:
    """A descriptor of each of this process's namespaces: a spawner without SYS_PTRACE cannot open them from outside."""
    return tuple(os.open(f"/proc/self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in attest.KINDS)


def _reap(pid: int) -> int:
    """The wait status of a dead child, or -1 when there is no such child."""
    try:
        return os.waitpid(pid, 0)[1]
    except ChildProcessError:
        return -1


def _data_bytes(language: Language) -> int:
    """What counts against RLIMIT_DATA before any code runs: the zygote's own data, or what Node sets aside."""
    with open("/proc/self/statm", "rb", buffering=0) as statm:
        own = int(statm.read().split()[5]) * resource.getpagesize()
    return own if language == "python" else max(own, importlib.import_module("kernels.node.parts").data_bytes())


def _assert_single_threaded() -> None:
    """Refuse to fork with a second thread: its locks would be held for ever in the child."""
    count = len(os.listdir("/proc/self/task"))
    if count != 1:
        raise OSError(f"the zygote has {count} threads")
