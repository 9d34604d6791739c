"""Compile the policy into the BPF programs this package ships: `python -m kernels.sandbox.seccomp.generate`.

libseccomp compiles all but the options of sockets: it can't say "any other value" of an int. Those come first, by hand.

Needs pyseccomp and libseccomp, which only a developer's machine has. At run time the programs are loaded as they are;
the tests run them through an interpreter of their own, so neither libseccomp nor this file has to be trusted.
"""

from __future__ import annotations

import errno
import hashlib
import json
import struct
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pyseccomp

from kernels.sandbox.seccomp import policy

HERE: Final = Path(__file__).parent
ARCHES: Final = {"x86_64": pyseccomp.Arch.X86_64, "aarch64": pyseccomp.Arch.AARCH64}
_AUDIT_ARCHES: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _ARCH, _SECOND_ARGUMENT, _THIRD_ARGUMENT = 0, 4, 24, 32
_ALLOWED, _ERRNO = 0x7FFF0000, 0x00050000
_Line = tuple[int, int, int, int]
"""Operation, how far to jump if true and if false, operand."""
_UNKNOWN: Final = -1
"""libseccomp's result for an unknown name; other negative numbers mean another architecture's call."""


def numbers_of(arch: str) -> dict[str, int]:
    """The number of each call the policy names and *arch* has."""
    names = sorted({rule.name for profile in policy.PROFILES for rule in policy.rules(profile)})
    found = {name: pyseccomp.resolve_syscall(ARCHES[arch], name) for name in names}
    strange = [name for name, number in found.items() if number == _UNKNOWN]
    if strange:
        raise SystemExit(f"libseccomp does not know {', '.join(strange)}")
    return {name: number for name, number in found.items() if number >= 0}


def compile_profile(profile: policy.Profile, arch: str, numbers: dict[str, int]) -> bytes:
    """The BPF program of *profile* for *arch*."""
    built = pyseccomp.SyscallFilter(pyseccomp.ERRNO(policy.DEFAULT))
    built.set_attr(pyseccomp.Attr.ACT_BADARCH, pyseccomp.KILL_PROCESS)
    if pyseccomp.system_arch() != ARCHES[arch]:
        built.add_arch(ARCHES[arch])
        built.remove_arch(pyseccomp.system_arch())
    rules = policy.rules(profile)
    for rule in rules:
        if rule.name in numbers and rule.name not in policy.OPTIONS:
            action = pyseccomp.ALLOW if rule.action == policy.ALLOW else pyseccomp.ERRNO(rule.action)
            built.add_rule(action, rule.name, *map(_argument, rule.checks))
    with tempfile.TemporaryFile() as file:
        built.export_bpf(file)
        file.seek(0)
        program = file.read()
    has_options = any(rule.name in policy.OPTIONS for rule in rules)
    return _options(arch, numbers) + program if has_options else program


def _options(arch: str, numbers: dict[str, int]) -> bytes:
    """The start of a program: it decides the calls of policy.OPTIONS and passes all others on to the rest."""
    parts = [_by_pair(numbers[name], levels) for name, levels in policy.OPTIONS.items()]
    code = [(_LOAD, 0, 0, _NUMBER), *(line for part in parts for line in part)]
    code = [(_LOAD, 0, 0, _ARCH), (_JUMP_IF_EQUAL, 0, len(code), _AUDIT_ARCHES[arch]), *code]
    return b"".join(struct.pack("<HBBI", *line) for line in code)


def _by_pair(number: int, levels: Mapping[int, tuple[int, ...]]) -> list[_Line]:
    """For the call *number*, which must be loaded: allowed for these levels and options, of which the low halves count."""
    refused = (_RETURN, 0, 0, _ERRNO | errno.ENOPROTOOPT)
    code: list[_Line] = [(_LOAD, 0, 0, _SECOND_ARGUMENT)]
    for level, options in levels.items():
        tried = [(_JUMP_IF_EQUAL, len(options) - at, 0, option) for at, option in enumerate(options)]
        code += [(_JUMP_IF_EQUAL, 0, len(options) + 3, level), (_LOAD, 0, 0, _THIRD_ARGUMENT), *tried, refused]
        code.append((_RETURN, 0, 0, _ALLOWED))
    code.append(refused)
    return [(_JUMP_IF_EQUAL, 0, len(code), number), *code]


def _argument(check: policy.Check) -> pyseccomp.Arg:
    if check.negated:
        return pyseccomp.Arg(check.argument, pyseccomp.NE, check.value)
    return pyseccomp.Arg(check.argument, pyseccomp.MASKED_EQ, check.mask, check.value)


def build() -> dict[str, bytes]:
    """Each shipped file's name and content."""
    files: dict[str, bytes] = {}
    numbers = {arch: numbers_of(arch) for arch in ARCHES}
    for arch in ARCHES:
        for profile in policy.PROFILES:
            files[f"{profile}.{arch}.bpf"] = compile_profile(profile, arch, numbers[arch])
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    table = {"sha256": digests, "numbers": numbers}
    files["table.json"] = (json.dumps(table, indent=1, sort_keys=True) + "\n").encode()
    return files


def main() -> int:
    """Write the files; with --check only report whether they are up to date."""
    stale = [name for name, data in build().items() if not _is_current(name, data)]
    if "--check" in sys.argv[1:]:
        print("stale: " + ", ".join(stale) if stale else "up to date")
        return 1 if stale else 0
    for name, data in build().items():
        (HERE / name).write_bytes(data)
    return 0


def _is_current(name: str, data: bytes) -> bool:
    path = HERE / name
    return path.exists() and path.read_bytes() == data


if __name__ == "__main__":
    sys.exit(main())
