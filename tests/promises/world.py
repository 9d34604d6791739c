"""A gateway to attack, as root or as an ordinary user, with canaries on the host that nobody may touch."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.state import instance_name
from tests import live, traces
from tests.live import Gateway
from tests.promises import as_user
from tests.promises.attempt import Environment, Place
from tests.promises.sessions import neighbour

POOL = 2
USER = 54_331
"""A uid that no account has."""
SESSIONS_PER_KEY = 3
OPTIONS = (
    "--sessions-per-key",
    str(SESSIONS_PER_KEY),
    "--pool-min",
    str(POOL),
    "--pool-max",
    str(POOL),
    "--max-kernels",
    "8",
    "--zygote-forks",
    "100000",
)
"""A pool of fixed size, so that what is there before and after can be counted."""


@dataclass(frozen=True, slots=True)
class Canaries:
    """What a kernel must not reach: a file anyone on the host may read and write, listening sockets, a secret.

    Nobody but a program that got out knocks at the sockets or reads the file.
    """

    folder: Path
    secret: str
    listeners: tuple[socket.socket, ...]

    @property
    def file(self) -> Path:
        """The file with the secret."""
        return self.folder / "canary"

    def set_out(self) -> None:
        """Write the file, with a time of last reading that the next reading would change (also with relatime)."""
        self.file.write_text(self.secret)
        self.file.chmod(0o666)
        os.utime(self.file, (0, self.file.stat().st_mtime))

    def alarms(self) -> list[str]:
        """What was touched."""
        found = [f"connected: {listener.getsockname()!r}" for listener in self.listeners if _was_knocked(listener)]
        if self.file.stat().st_atime != 0:
            found.append("the canary file was read")
        if sorted(path.name for path in self.folder.iterdir()) != ["canary", "socket"]:
            found.append("something was made beside the canary file")
        if self.file.read_text() != self.secret:
            found.append("the canary file was written")
        os.utime(self.file, (0, self.file.stat().st_mtime))
        return found


def _was_knocked(listener: socket.socket) -> bool:
    try:
        if listener.type == socket.SOCK_DGRAM:
            listener.recv(1)
        else:
            listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def canaries() -> Iterator[Canaries]:
    """Canaries on loopback (TCP and UDP), as an abstract and as a named unix socket, and as a file; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="omega-test-canary-") as folder, contextlib.ExitStack() as stack:
        os.chmod(folder, 0o777)
        secret = "canary-" + secrets.token_hex(16)
        addresses: list[tuple[socket.AddressFamily, socket.SocketKind, object]] = [
            (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            (socket.AF_UNIX, socket.SOCK_STREAM, f"\0omega-canary-{secrets.token_hex(8)}"),
            (socket.AF_UNIX, socket.SOCK_STREAM, f"{folder}/socket"),
        ]
        listeners = tuple(stack.enter_context(_listen(*address)) for address in addresses)
        os.chmod(f"{folder}/socket", 0o777)
        made = Canaries(Path(folder), secret, listeners)
        made.set_out()
        yield made


def _listen(family: socket.AddressFamily, kind: socket.SocketKind, address: object) -> socket.socket:
    listener = socket.socket(family, kind)
    listener.bind(address)  # type: ignore[arg-type]  # a path or a pair, as the family wants
    if kind == socket.SOCK_STREAM:
        listener.listen()
    listener.setblocking(False)
    return listener


def tell(environment: Environment, gateway: Gateway, made: Canaries) -> Place:
    """What programs may know of all this; secrets backwards, so that finding one says it was really there."""
    beside = neighbour(gateway, USER if is_other_user(environment) else None)
    tcp, udp, abstract, path = (listener.getsockname() for listener in made.listeners)
    told = {
        "port": gateway.port,
        "pid": gateway.pid,
        "token_backwards": gateway.token[::-1],
        "canary_backwards": made.secret[::-1],
        "canary_file": str(made.file),
        "canary_folder": str(made.folder),
        "canary_tcp": tcp[1],
        "canary_udp": udp[1],
        "canary_abstract": abstract,
        "canary_path": path,
        "state_dir": str(gateway.state_dir),
        "log": str(gateway.log),
        "checkout": str(Path(__file__).resolve().parents[2]),
        "addresses": _own_addresses(),
        "neighbour_message": beside.message_id,
        "neighbour_client": beside.client,
        "keys_backwards": [_key_backwards(gateway) for _ in range(3)],
    }
    return Place(told, gateway, beside)


def is_other_user(environment: Environment) -> bool:
    """Whether the gateway runs as somebody else than these tests do."""
    return environment == "user" and os.geteuid() == 0


def _key_backwards(gateway: Gateway) -> str:
    """The key with which a kernel that has ended signed, as it told itself, from its end to its beginning."""
    return str(gateway.run("print(get_ipython().kernel.session.key.decode()[::-1])")["output"].strip())


def _own_addresses() -> list[str]:
    """Addresses of this machine beside loopback."""
    found = set()
    for target in ("192.0.2.1", "2001:db8::1"):
        family = socket.AF_INET6 if ":" in target else socket.AF_INET
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((target, 9))  # sends nothing: it only looks the way up
            found.add(str(probe.getsockname()[0]))
    return sorted(found)


@contextlib.contextmanager
def attacked(environment: Environment, made: Canaries) -> Iterator[Gateway]:
    """A gateway run as *environment* says, with the canary's secret in its environment; stopped afterwards."""
    with tempfile.TemporaryDirectory(prefix="omega-test-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        if is_other_user(environment):
            (folder / "tmp").mkdir()
            for path in (folder, folder / "tmp"):
                os.chown(path, USER, USER)
        kernel_python = kernel_python_path()
        env = {"CANARY": made.secret, "OMEGA_KERNEL_PYTHON": kernel_python}
        launcher = (
            (sys.executable, as_user.__file__, str(USER), sys.executable)
            if is_other_user(environment)
            else (sys.executable,)
        )
        process, gateway = live.start(folder, *OPTIONS, env=env, launcher=launcher)
        stack.callback(live.stop, process)
        live.wait_ready(gateway, process)
        yield gateway
        live.stop(process)
        assert not list((folder / "tmp").iterdir()), "files left behind"
        assert not traces.take(instance_name(gateway.state_dir)).cgroups, "control groups left behind"


def kernel_python_path() -> str:
    """The interpreter kernels run in, as the gateway would find it."""
    beside = Path(__file__).resolve().parents[2] / ".venv-kernels/bin/python"
    return os.environ.get("OMEGA_KERNEL_PYTHON") or str(beside)


def why_not(environment: Environment) -> str:
    """Why no gateway can be run so here; empty when it can."""
    is_root = os.geteuid() == 0
    if environment == "root":
        return "" if is_root else "needs root"
    if is_root and USER in {entry.pw_uid for entry in pwd.getpwall()}:
        return f"uid {USER} belongs to somebody here"
    return ""
