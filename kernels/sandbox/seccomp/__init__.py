"""The shipped system call filters, and how the calling thread loads one."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import struct
from functools import cache
from pathlib import Path
from typing import Any, Final

from kernels.sandbox import sysc
from kernels.sandbox.seccomp.policy import PROFILES, Profile

__all__ = ["PROFILES", "FilterUnusable", "Profile", "confine_signals", "forbid_memory_files", "load", "program"]

_SIGNALLING: Final = ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo")
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 16, 24
_ALLOWED, _ERRNO = 0x7FFF0000, 0x00050000


class FilterUnusable(RuntimeError):
    """The filter for this machine is missing or is not the one that was generated."""


@cache
def _table() -> dict[str, Any]:
    """The generator's record: the digest of each program and the number of each call."""
    loaded: dict[str, Any] = json.loads((Path(__file__).parent / "table.json").read_text())
    return loaded


@cache
def program(profile: Profile, arch: str = sysc.ARCH) -> bytes:
    """The BPF program of *profile*, checked against its recorded digest; read once, so call it before forking."""
    name = f"{profile}.{arch}.bpf"
    try:
        data = (Path(__file__).parent / name).read_bytes()
        expected = _table()["sha256"][name]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FilterUnusable(f"no usable system call filter {name}: {error}") from None
    if hashlib.sha256(data).hexdigest() != expected:
        raise FilterUnusable(f"{name} is not the filter that was generated")
    return data


def confine_signals(pid: int) -> None:
    """Signals to any process but *pid* are refused with EPERM, for this thread and all it starts.

    For level L1 without an own uid on a Linux whose Landlock does not confine signals: the gateway has the same uid.
    The price: a kernel cannot end its own children. Load this before the other filter, which denies loading any.
    """
    numbers = _table()["numbers"][sysc.ARCH]
    signalling = [numbers[name] for name in _SIGNALLING]
    code = [(_LOAD, 0, 0, _NUMBER)]
    code += [(_JUMP_IF_EQUAL, len(signalling) - at + 3, 0, number) for at, number in enumerate(signalling)]
    # A descriptor's owner gets a signal of the code's choice when something can be read there.
    code += [(_JUMP_IF_EQUAL, 0, 2, numbers["fcntl"]), (_LOAD, 0, 0, _SECOND_ARGUMENT)]
    code += [(_JUMP_IF_EQUAL, 4, 0, fcntl.F_SETOWN), (_RETURN, 0, 0, _ALLOWED)]
    code += [(_LOAD, 0, 0, _FIRST_ARGUMENT), (_JUMP_IF_EQUAL, 0, 1, pid)]
    code += [(_RETURN, 0, 0, _ALLOWED), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    sysc.seccomp_load(b"".join(struct.pack("<HBBI", *line) for line in code))


def forbid_memory_files() -> None:
    """Answer ENOSYS to memfd_create, as a Linux without it would, for this thread and all it starts.

    Load this before the other filter, which denies loading any.
    """
    number = _table()["numbers"][sysc.ARCH]["memfd_create"]
    code = [(_LOAD, 0, 0, _NUMBER), (_JUMP_IF_EQUAL, 0, 1, number)]
    code += [(_RETURN, 0, 0, _ERRNO | errno.ENOSYS), (_RETURN, 0, 0, _ALLOWED)]
    sysc.seccomp_load(b"".join(struct.pack("<HBBI", *line) for line in code))


def load(profile: Profile) -> None:
    """Deny every call *profile* does not allow, for this thread and all it starts; cannot be undone."""
    sysc.seccomp_load(program(profile))
