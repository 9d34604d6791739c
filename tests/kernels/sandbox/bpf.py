"""Classic BPF as seccomp runs it, written from the manual and not from libseccomp: an interpreter and a tiny assembler."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import cache

ARCH_X86_64, ARCH_AARCH64, ARCH_I386 = 0xC000003E, 0xC00000B7, 0x40000003
ARCHES = {"x86_64": ARCH_X86_64, "aarch64": ARCH_AARCH64}
ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_MASK = 0xFFFFFFFF


@cache
def _decoded(program: bytes) -> tuple[tuple[int, int, int, int], ...]:
    return tuple(struct.iter_unpack("<HBBI", program))


def run(program: bytes, number: int, arguments: tuple[int, ...] = (), *, arch: int = ARCH_X86_64) -> int:
    """What the filter answers for this call. Raises AssertionError for a program no Linux would take."""
    padded = [value & 0xFFFFFFFFFFFFFFFF for value in (*arguments, 0, 0, 0, 0, 0, 0)[:6]]
    data = struct.pack("<IIQ6Q", number & _MASK, arch, 0, *padded)
    code = _decoded(program)
    accumulator, index, memory = 0, 0, [0] * 16
    while True:
        assert index < len(code), "ran off the end"
        operation, if_true, if_false, k = code[index]
        index += 1
        match operation:
            case 0x20:  # ld [k]
                accumulator = struct.unpack_from("<I", data, k)[0]
            case 0x05:  # ja
                index += k
            case 0x15:  # jeq
                index += if_true if accumulator == k else if_false
            case 0x25:  # jgt
                index += if_true if accumulator > k else if_false
            case 0x35:  # jge
                index += if_true if accumulator >= k else if_false
            case 0x45:  # jset
                index += if_true if accumulator & k else if_false
            case 0x54:  # and
                accumulator &= k
            case 0x02:  # st
                memory[k] = accumulator
            case 0x60:  # ld m[k]
                accumulator = memory[k]
            case 0x06:  # ret
                return k
            case _:
                raise AssertionError(f"operation {operation:#x} is not one seccomp filters use")


def deny(rules: Iterable[tuple[int, int | None, int]]) -> bytes:
    """A program that answers an errno for some calls and allows the rest.

    A rule is the number, the low half of argument 0 (or None for any) and the errno.
    """
    code: list[tuple[int, int, int, int]] = [(0x20, 0, 0, 0)]
    for number, first, errno in rules:
        if first is None:
            code += [(0x15, 0, 1, number), (0x06, 0, 0, ERRNO | errno)]
        else:
            code += [
                (0x15, 0, 4, number),
                (0x20, 0, 0, 16),
                (0x15, 0, 1, first & _MASK),
                (0x06, 0, 0, ERRNO | errno),
                (0x20, 0, 0, 0),
            ]
    code.append((0x06, 0, 0, ALLOW))
    return b"".join(struct.pack("<HBBI", *line) for line in code)


def deny_flags(number: int, argument: int, flags: int, errno: int) -> bytes:
    """A program that answers *errno* for one call when any of *flags* is in the low half of an argument."""
    code = (
        (0x20, 0, 0, 0),
        (0x15, 0, 3, number),
        (0x20, 0, 0, 16 + 8 * argument),
        (0x45, 0, 1, flags),
        (0x06, 0, 0, ERRNO | errno),
        (0x06, 0, 0, ALLOW),
    )
    return b"".join(struct.pack("<HBBI", *line) for line in code)
