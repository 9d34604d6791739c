"""Compile the policy into the BPF programs this package ships: `python -m kernels.sandbox.seccomp.generate`.

Needs pyseccomp and libseccomp, which only a developer's machine has. At run time the programs are loaded as they are;
the tests run them through an interpreter of their own, so neither libseccomp nor this file has to be believed.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Final

import pyseccomp

from kernels.sandbox.seccomp import policy

HERE: Final = Path(__file__).parent
ARCHES: Final = {"x86_64": pyseccomp.Arch.X86_64, "aarch64": pyseccomp.Arch.AARCH64}
_UNKNOWN: Final = -1
"""What libseccomp calls a name it has never heard; other negative numbers mean another architecture's call."""


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
    for rule in policy.rules(profile):
        if rule.name in numbers:
            action = pyseccomp.ALLOW if rule.action == policy.ALLOW else pyseccomp.ERRNO(rule.action)
            built.add_rule(action, rule.name, *map(_argument, rule.checks))
    with tempfile.TemporaryFile() as file:
        built.export_bpf(file)
        file.seek(0)
        return file.read()


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
    """Write the files; with --check only say whether they are up to date."""
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
