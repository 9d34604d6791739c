"""gzip for the files helper: it packs and unpacks, so that the work and its memory are the kernel's and not the gateway's.

What is unpacked comes in pieces of bounded size, however well it was packed.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from kernels.files_helper.folder import FileRefused
from kernels.filewire import FRAME_BYTES, Problem

_GZIP: Final = 31
"""zlib's number for a gzip header and the largest window."""
_LEVEL: Final = 1
_WORTH_BYTES: Final = 1024
_WORTH_RATIO: Final = 0.9
"""A file is packed if that makes its first piece shorter by this."""
MAX_MEMBERS: Final = 10_000
"""gzip files may follow each other; each begins anew."""


def packed(pieces: Iterator[bytes]) -> tuple[bool, Iterator[bytes]]:
    """Whether *pieces* are worth packing, and the bytes to send: packed then, as they are otherwise."""
    first = next(pieces, b"")
    everything = itertools.chain([first] if first else [], pieces)
    is_worth_it = len(first) >= _WORTH_BYTES and len(zlib.compress(first, _LEVEL)) < _WORTH_RATIO * len(first)
    return is_worth_it, _pack(everything) if is_worth_it else everything


def _pack(pieces: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
    for piece in pieces:
        yield from _frames(packer.compress(piece))
    yield from _frames(packer.flush())


def _frames(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), FRAME_BYTES):
        yield data[at : at + FRAME_BYTES]


def unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """What *pieces* hold as gzip, each piece no longer than a frame; raises FileRefused for what is not whole gzip."""
    members = 0
    unpacker = zlib.decompressobj(_GZIP)
    for piece in pieces:
        data = piece
        while data or not unpacker.eof:
            if unpacker.eof:
                members, unpacker = members + 1, zlib.decompressobj(_GZIP)
            try:
                output = unpacker.decompress(data, FRAME_BYTES)
            except zlib.error:
                raise FileRefused(Problem.NOT_GZIP) from None
            if output:
                yield output
            data = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
            if members >= MAX_MEMBERS or (not data and len(output) < FRAME_BYTES):
                break
        if members >= MAX_MEMBERS:
            break
    if members >= MAX_MEMBERS or not unpacker.eof:
        raise FileRefused(Problem.NOT_GZIP)
