"""The packets between gateway, spawner, zygote and kernel.

Gateway and spawner, and spawner and zygote, use SOCK_SEQPACKET pairs: one JSON object per packet, with descriptors
by SCM_RIGHTS. No data of a kernel travels here: kernels speak the Jupyter protocol to the gateway over the four
sockets of CHANNELS, and end with an exit status.
"""

from __future__ import annotations

import array
import json
import os
import socket
from dataclasses import asdict, dataclass, field, fields
from enum import IntEnum
from typing import Any, Literal, TypeVar

MIB = 1024 * 1024
GIB = 1024 * MIB
PACKET_BYTES = 160 * 1024
"""Maximum size of a control packet; fits a socket pair of the default size."""
MAX_FDS = 16
MOST = 2**60
"""Upper bound of all limits in a policy; file systems and control groups accept it."""

Language = Literal["python", "javascript"]
CHANNELS = ("shell", "iopub", "stdin", "control")
"""The listening sockets that a kernel inherits, in the order of their descriptors."""


EXTRA_PACKAGES = "OMEGA_EXTRA_PACKAGES"
"""The variable that tells a kernel which packages its operator allows to be added; not set if there are none."""
PACKAGE_MISSING = 78
"""Exit code of a zygote, and of its spawner, if the kernels' environment lacks a package: a retry can't help."""
IN_GROUP = b"in"
"""The byte that the spawner writes to a kernel's gate once it is in its control group; Go follows when it may run."""

NOTHING_REACHED = 3
"""Exit code of a spawner that does not reach even the lowest isolation level: it starts no kernel."""


class ContractError(ValueError):
    """A malformed control packet."""


class Level(IntEnum):
    """The isolation level that was reached; kernels/SECURITY.md has the promises of each."""

    NONE = 0
    L1 = 1
    L2 = 2
    L2_PLUS = 3
    L3 = 4

    @property
    def label(self) -> str:
        """The name shown to people: none, L1, L2, L2+ or L3."""
        return {0: "none", 1: "L1", 2: "L2", 3: "L2+", 4: "L3"}[int(self)]

    @classmethod
    def parse(cls, label: str) -> Level:
        """The level named *label*; raises ContractError for an unknown label."""
        for level in cls:
            if level.label.lower() == label.lower():
                return level
        raise ContractError(f"unknown isolation level {label!r}: use one of none, L1, L2, L2+, L3")


@dataclass(frozen=True, slots=True)
class Policy:
    """The limits of one kernel; it can't raise any of them."""

    memory_bytes: int = 512 * MIB
    work_bytes: int = 128 * MIB
    tmp_bytes: int = 64 * MIB
    shm_bytes: int = 64 * MIB
    inodes: int = 16_384
    file_bytes: int = 128 * MIB
    processes: int = 128
    open_files: int = 512
    cpu_cores: float = 1.0
    cpu_s: int = 86_400


@dataclass(frozen=True, slots=True)
class Attach:
    """Gateway to a spawner that was started separately, first packet. Answered by Ready.

    The spawner itself chooses interpreter, code, level and uids.
    """

    instance: str
    forks_per_zygote: int = 2000
    extra_dirs: list[str] = field(default_factory=list)
    work_aliases: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Spawn:
    """Gateway to spawner: start this kernel on the four listening sockets passed with the packet."""

    kernel_id: str
    language: Language
    key: str
    policy: Policy = field(default_factory=Policy)
    env: dict[str, str] = field(default_factory=dict)
    place: str = ""
    """The held kernel whose place it joins; *policy* then counts only per process. "": it gets a place of its own."""


@dataclass(frozen=True, slots=True)
class Kill:
    """Gateway to spawner: end this kernel and all its processes now. Answered by Exited.

    Of a held kernel or a guest only the main process and its group end: what else it started stays in the place.
    """

    kernel_id: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Gateway to spawner: send SIGINT to the kernel's main process."""

    kernel_id: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Gateway to spawner: the place of this kernel outlives its process, and guests may join it. Answered by PlaceGone when
    nothing of it is left: in the end, or at once if this kernel can't be held because it does not run."""

    kernel_id: str


@dataclass(frozen=True, slots=True)
class EndPlace:
    """Gateway to spawner: end this held kernel, every guest, and all their processes. Answered by PlaceGone, in the end."""

    kernel_id: str


@dataclass(frozen=True, slots=True)
class RunCommand:
    """Gateway to spawner: run *argv* in the place of the held kernel *place*; its stdin, stdout and stderr travel with it.

    Its environment is that of kernels with *env* over it, its directory *cwd* ("": the work directory). Answered by
    CommandStarted and CommandExited, or by CommandRefused.
    """

    command_id: str
    place: str
    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    cwd: str = ""


@dataclass(frozen=True, slots=True)
class SignalCommand:
    """Gateway to spawner: send *signal* to the command's process group, if it has started."""

    command_id: str
    signal: int


@dataclass(frozen=True, slots=True)
class OpenFiles:
    """Gateway to spawner: serve this kernel's work directory on the stream socket passed with the packet.

    The answers travel on that socket; see kernels/filewire.py.
    """

    kernel_id: str


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Gateway to spawner: end all kernels, remove every trace, exit."""


@dataclass(frozen=True, slots=True)
class Renew:
    """Gateway to spawner: kernels that start from now on also see these directories. Answered by Renewed or NotRenewed."""

    extra_dirs: list[str]


@dataclass(frozen=True, slots=True)
class Renewed:
    """Spawner to gateway: kernels that start from now on see these directories; running ones are unchanged."""

    extra_dirs: list[str]


@dataclass(frozen=True, slots=True)
class NotRenewed:
    """Spawner to gateway, at once: not all directories of the Renew can be shown, so kernels see what they saw before."""


@dataclass(frozen=True, slots=True)
class Reached:
    """Spawner to gateway, first packet: the isolation level of its kernels, before it warms a zygote for them."""

    level: str


@dataclass(frozen=True, slots=True)
class Ready:
    """Spawner to gateway, second packet: a zygote is warm. *facilities* maps the name of each facility to its result."""

    level: str
    python_version: str
    facilities: dict[str, str] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Started:
    """Spawner to gateway: the kernel is confined, attested from outside, and running. *steps_ms* is for the bench."""

    kernel_id: str
    pid: int
    steps_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """Spawner to gateway: no user code ran; *step* failed for *reason*."""

    kernel_id: str
    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class Exited:
    """Spawner to gateway: the kernel and all its processes are gone. *signal* is 0 for an exit with *code*."""

    kernel_id: str
    code: int
    signal: int
    out_of_memory: bool
    asked: bool
    peak_bytes: int = 0
    cpu_s: float = 0.0


@dataclass(frozen=True, slots=True)
class PlaceGone:
    """Spawner to gateway: of this kernel's place, its guests and all their processes nothing is left."""

    kernel_id: str


@dataclass(frozen=True, slots=True)
class CommandStarted:
    """Spawner to gateway: the command is confined, attested and executed. *pid*: what processes in the place call it."""

    command_id: str
    pid: int


@dataclass(frozen=True, slots=True)
class CommandRefused:
    """Spawner to gateway: nothing was executed; *step* failed for *reason*. At the steps `cwd` and `program` the reason is
    the name of an errno, and the caller's mistake."""

    command_id: str
    step: str
    reason: str


@dataclass(frozen=True, slots=True)
class CommandExited:
    """Spawner to gateway: the command's first process has ended. *signal* is 0 for an exit with *code*."""

    command_id: str
    code: int
    signal: int
    out_of_memory: bool = False


@dataclass(frozen=True, slots=True)
class Fork:
    """Spawner to zygote: fork this kernel; with it travel the four sockets, the gate and (L2 and up) a pid namespace.

    *is_grouped*: a control group bounds it. *joins*: it is a guest, and the namespaces that it joins (sandbox.join.KINDS; L2
    and up) travel last.
    """

    kernel_id: str
    language: Language
    level: str
    uid: int
    gid: int
    work_dir: str
    policy: Policy = field(default_factory=Policy)
    is_grouped: bool = True
    joins: bool = False


@dataclass(frozen=True, slots=True)
class Go:
    """Spawner to kernel, through its gate: the kernel is attested and may run, signing with *key*.

    The secrets of one kernel (its key, its environment) are sent only now: the zygote never has them, so no kernel forked
    later finds them in its memory.
    """

    key: str
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reap:
    """Spawner to zygote: this child is dead; collect its exit status."""

    pid: int


@dataclass(frozen=True, slots=True)
class Warm:
    """Zygote to spawner, first packet: all imports and the warm-up are done, and it has one thread.

    With it travel the zygote's namespaces, in the order of sandbox.attest.KINDS.
    """

    python_version: str
    packages: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Forked:
    """Zygote to spawner: the child's pid, or 0 and *reason* if fork failed."""

    kernel_id: str
    pid: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reaped:
    """Zygote to spawner: the wait status of a dead child, as os.waitpid returns it; -1 if it was not its child."""

    pid: int
    status: int


@dataclass(frozen=True, slots=True)
class SpawnerOptions:
    """The options of a spawner. *instance* names this gateway's cgroups; *work_root* is only used at level L1."""

    instance: str
    kernel_python: str
    app_dir: str
    work_root: str
    at_most: str = "L3"
    forks_per_zygote: int = 2000
    uid_base: int = 1_879_048_192
    uid_count: int = 65_536
    extra_dirs: tuple[str, ...] = ()
    extra_uid: int = -1
    """The owner that directories of added packages must have; -1: any, if the gateway started the spawner itself."""
    work_aliases: tuple[str, ...] = ()
    """Other names of the work directory, where kernels have a root of their own; see work_aliases."""
    lock_fd: int = -1
    """A lock on *instance*, held until the spawner has exited: no other spawner may use the name before. -1: none."""
    remove: str = ""
    """A directory to remove at the end, for a gateway that may be killed and not restarted. "": none."""
    only_sweeps: bool = False
    """Whether it only removes the leftovers of a killed spawner of *instance* and exits."""

    def to_text(self) -> str:
        """The options as one command-line argument."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> SpawnerOptions:
        """The options in *text*; raises ContractError if they are malformed."""
        try:
            body = json.loads(text)
            lists = {name: tuple(body.get(name, ())) for name in ("extra_dirs", "work_aliases")}
            options = cls(**{**body, **lists})
        except (ValueError, TypeError, AttributeError) as error:
            raise ContractError(f"spawner options: {error}") from None
        Level.parse(options.at_most)
        return options


PlaceRequest = Hold | EndPlace | RunCommand | SignalCommand
PlaceReport = PlaceGone | CommandStarted | CommandRefused | CommandExited
Request = Attach | Spawn | Kill | Interrupt | OpenFiles | Renew | Shutdown | PlaceRequest
Report = Reached | Ready | Renewed | NotRenewed | Started | Refused | Exited | PlaceReport
Packet = Request | Report | Fork | Go | Reap | Warm | Forked | Reaped
_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        *(Attach, Spawn, Kill, Interrupt, OpenFiles, Renew, Shutdown, Hold, EndPlace, RunCommand, SignalCommand),
        *(Reached, Ready, Renewed, NotRenewed, Started, Refused, Exited),
        *(PlaceGone, CommandStarted, CommandRefused, CommandExited),
        *(Fork, Go, Reap, Warm, Forked, Reaped),
    )
}
T = TypeVar("T")


def _fields_of(value: Any) -> dict[str, Any]:
    """Like asdict(), but without deep copies: a spawner writes five packets for each kernel."""
    return {name: getattr(value, name) for name in value.__slots__}


_ENCODER = json.JSONEncoder(separators=(",", ":"), default=_fields_of)


def encode(packet: Packet) -> bytes:
    """One packet as JSON bytes; raises ContractError if it is too large."""
    data = _ENCODER.encode({"kind": type(packet).__name__, **_fields_of(packet)}).encode()
    if len(data) > PACKET_BYTES:
        raise ContractError(f"packet of {len(data)} bytes is over {PACKET_BYTES}")
    return data


def decode(data: bytes) -> Packet:
    """The packet in *data*; raises ContractError for unknown kinds, missing, extra or wrongly typed fields."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ContractError(f"not JSON: {error}") from None
    if not isinstance(body, dict) or not isinstance(body.get("kind"), str) or body["kind"] not in _KINDS:
        raise ContractError("not a packet of a known kind")
    kind = _KINDS[body.pop("kind")]
    if isinstance(body.get("policy"), dict):
        body["policy"] = _bounded(build(Policy, body["policy"]))
    packet = build(kind, body)
    if isinstance(packet, Spawn | Fork) and packet.language not in ("python", "javascript"):
        raise ContractError(f"unknown language {packet.language!r}")
    return packet  # type: ignore[no-any-return]  # build() answers with the class it was given


def _bounded(policy: Policy) -> Policy:
    """*policy*; raises ContractError if a limit is missing, negative or impossibly large."""
    for limit in fields(Policy):
        if not 0 < getattr(policy, limit.name) < MOST:  # NaN fails both comparisons
            raise ContractError(f"Policy.{limit.name} is not between 0 and 2**60")
    return policy


_CHECKS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
    "Language": (str,),
    "Policy": (Policy,),
    "list[str]": (list,),
    "dict[str, str]": (dict,),
    "dict[str, float]": (dict,),
}


def build(kind: type[T], body: dict[str, Any]) -> T:
    """*body* as a *kind*, each field checked against its annotation; raises ContractError."""
    known = {item.name: str(item.type) for item in fields(kind)}  # type: ignore[arg-type]  # only dataclasses come here
    extra = sorted(set(body) - set(known))
    if extra:
        raise ContractError(f"{kind.__name__} has no field {extra[0]!r}")
    for name, value in body.items():
        _check_value(f"{kind.__name__}.{name}", known[name], value)
    try:
        return kind(**body)
    except TypeError as error:
        raise ContractError(str(error)) from None


def _check_value(name: str, wanted: str, value: Any) -> None:
    """Raise ContractError unless *value* is a *wanted*, a type as the field's annotation spells it."""
    if not isinstance(value, _CHECKS[wanted]) or (isinstance(value, bool) and wanted != "bool"):
        raise ContractError(f"{name} is not a {wanted}")
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        raise ContractError(f"{name} has an item that is not text")
    if isinstance(value, dict) and not all(isinstance(key, str) for key in value):
        raise ContractError(f"{name} has a key that is not text")
    if isinstance(value, dict) and wanted == "dict[str, str]" and not all(isinstance(v, str) for v in value.values()):
        raise ContractError(f"{name} has a value that is not text")


def send(sock: socket.socket, packet: Packet, fds: tuple[int, ...] = ()) -> None:
    """Send one packet with the descriptors *fds*."""
    socket.send_fds(sock, [encode(packet)], list(fds))


def receive(sock: socket.socket, flags: int = 0) -> tuple[Packet, list[int]] | None:
    """The next packet and its descriptors (close-on-exec), or None at the end of the stream.

    Not socket.recv_fds(), which ignores *flags*.
    """
    room = socket.CMSG_SPACE(MAX_FDS * array.array("i").itemsize)
    data, ancillary, _flags, _address = sock.recvmsg(PACKET_BYTES, room, flags | socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
    if not data:
        return None
    try:
        return decode(data), list(fds)
    except ContractError:
        for fd in fds:
            os.close(fd)
        raise
