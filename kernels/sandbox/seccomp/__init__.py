"""The shipped system call filters, and how one is put on the calling thread."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from kernels.sandbox import sysc
from kernels.sandbox.seccomp.policy import PROFILES, Profile

__all__ = ["PROFILES", "FilterUnusable", "Profile", "load", "program"]


class FilterUnusable(RuntimeError):
    """The filter for this machine is missing or is not the one that was generated."""


@cache
def program(profile: Profile, arch: str = sysc.ARCH) -> bytes:
    """The BPF program of *profile*, checked against its recorded digest; read once, so call it before forking."""
    folder = Path(__file__).parent
    name = f"{profile}.{arch}.bpf"
    try:
        data = (folder / name).read_bytes()
        expected = json.loads((folder / "table.json").read_text())["sha256"][name]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FilterUnusable(f"no usable system call filter {name}: {error}") from None
    if hashlib.sha256(data).hexdigest() != expected:
        raise FilterUnusable(f"{name} is not the filter that was generated")
    return data


def load(profile: Profile) -> None:
    """Deny every call *profile* does not allow, for this thread and all it starts; cannot be undone."""
    sysc.seccomp_load(program(profile))
