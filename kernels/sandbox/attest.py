"""Attestation: the spawner checks a confined kernel from outside, before the first message reaches it.

The spawner does not trust the child's own report: it reads from Linux whether the child skipped a step.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kernels.contract import Level
from kernels.sandbox import identity, sysc

KINDS: Final = ("pid", "mnt", "net", "ipc", "uts", "user", "cgroup")
_HARMLESS: Final = ("socket:[", "pipe:[", "anon_inode:", "/dev/null")
_View = tuple[frozenset[tuple[str, int]], dict[str, str]]
_SETS: Final = ("CapInh", "CapPrm", "CapEff", "CapAmb")


class AttestationFailed(RuntimeError):
    """A kernel is not confined as its level demands; it must be killed."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """The expected facts about one kernel. *uid* and *gid* are None if the level does not change them (no own uid)."""

    level: Level
    uid: int | None
    gid: int | None
    foreign: frozenset[tuple[str, int]]
    """Namespaces the kernel must not be in: the spawner's and the zygote's."""
    shared: frozenset[tuple[str, int]] = frozenset()
    """Namespaces that a guest has to be in: its place's."""


def namespaces_of(pid: int | str = "self") -> frozenset[tuple[str, int]]:
    """Kind and inode of each namespace of *pid*; raises OSError if it is gone or not accessible."""
    return frozenset((kind, os.stat(f"/proc/{pid}/ns/{kind}").st_ino) for kind in KINDS)


def expect(level: Level, uid: int | None, gid: int | None, others: Iterable[int | str] = ("self",)) -> Expectation:
    """An Expectation that the kernel shares no namespace with any process of *others*, as its level demands."""
    foreign = frozenset[tuple[str, int]]().union(*(namespaces_of(pid) for pid in others))
    return Expectation(level, uid, gid, foreign)


def attest(pid: int, expectation: Expectation) -> frozenset[tuple[str, int]]:
    """The namespaces of *pid*; raises AttestationFailed with the first fact about it that differs from the expected one."""
    try:
        facts = _status(pid)
        _check_identity(facts, expectation)
        _check_privileges(facts, expectation.level)
        namespaces, descriptors = _look(pid, expectation)
    except OSError as error:
        raise AttestationFailed(f"process {pid} cannot be looked at: {error.strerror}") from error
    except (KeyError, ValueError) as error:
        raise AttestationFailed(f"the status of process {pid} cannot be read: {error}") from error
    if expectation.level > Level.L1:
        _check_namespaces(namespaces, expectation)
    _check_descriptors(descriptors)
    return namespaces


def _look(pid: int, expectation: Expectation) -> _View:
    """Namespaces and open descriptors of *pid*.

    Linux shows them to a tracer only. A spawner without that privilege looks through a short-lived child of the kernel's own
    uid, which owns the kernel's user namespace; that child runs nothing but this.
    """
    try:
        return _view(pid)
    except PermissionError:
        if expectation.uid is None or expectation.gid is None or not identity.may_change():
            raise
    return _view_as(pid, expectation.uid, expectation.gid)


def _view(pid: int) -> _View:
    folder = f"/proc/{pid}/fd"
    return namespaces_of(pid), {name: os.readlink(f"{folder}/{name}") for name in os.listdir(folder)}


def _view_as(pid: int, uid: int, gid: int) -> _View:
    """The same, read by a forked child that is *uid* and *gid*."""

    def look() -> str:
        namespaces, descriptors = _view(pid)
        return json.dumps([sorted(namespaces), descriptors])

    said = identity.answer_as(uid, gid, look)
    if not said:
        raise PermissionError(errno.EACCES, "not even its own uid may look at it")
    namespaces, descriptors = json.loads(said)
    return frozenset((kind, inode) for kind, inode in namespaces), descriptors


def _status(pid: int) -> dict[str, str]:
    text = sysc.read_whole(f"/proc/{pid}/status")
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def _check_identity(facts: dict[str, str], expectation: Expectation) -> None:
    for name, wanted in (("Uid", expectation.uid), ("Gid", expectation.gid)):
        if wanted is not None and facts[name].split() != [str(wanted)] * 4:
            raise AttestationFailed(f"{name} is {facts[name]}, not {wanted} four times")
    # A process that cannot change its uid cannot leave its groups either.
    if expectation.uid not in (None, os.geteuid()) and facts["Groups"]:
        raise AttestationFailed(f"it is still in the groups {facts['Groups']}")


def _check_privileges(facts: dict[str, str], level: Level) -> None:
    for name in _SETS if level is Level.L1 else (*_SETS, "CapBnd"):
        if int(facts[name], 16):
            raise AttestationFailed(f"{name} is {facts[name]}, not empty")
    for name, wanted in (("NoNewPrivs", "1"), ("Seccomp", "2")):
        if facts[name] != wanted:
            raise AttestationFailed(f"{name} is {facts[name]}, not {wanted}")


def _check_namespaces(own: frozenset[tuple[str, int]], expectation: Expectation) -> None:
    shared = sorted(kind for kind, _inode in own & expectation.foreign)
    if shared:
        raise AttestationFailed(f"it shares the {', '.join(shared)} namespace")
    missing = sorted(kind for kind, _inode in expectation.shared - own)
    if missing:
        raise AttestationFailed(f"it is not in the place's {', '.join(missing)} namespace")


def _check_descriptors(descriptors: dict[str, str]) -> None:
    """No descriptor may lead to a place in a file system; devices are those bound into the root."""
    for name, target in descriptors.items():
        if not target.startswith(_HARMLESS):
            raise AttestationFailed(f"descriptor {name} is open on {target}")
