"""gzip in the files helper: what comes out is what went in, and what is no gzip, or too much of it, is refused."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator

import pytest

from kernels.files_helper import packing
from kernels.files_helper.folder import FileRefused
from kernels.files_helper.packing import packed, unpacked
from kernels.filewire import FRAME_BYTES, Problem

TEXT = b"day,sold\n" * 40_000
NOISE = os.urandom(200_000)


def cut(body: bytes, size: int = FRAME_BYTES) -> Iterator[bytes]:
    """*body* in pieces."""
    return (body[at : at + size] for at in range(0, len(body), size))


def test_what_packs_well_is_packed() -> None:
    """No piece is longer than a frame or empty; the noise after the text is packed too."""
    is_gzip, pieces = packed(cut(TEXT + NOISE))
    sent = list(pieces)
    assert is_gzip
    assert all(0 < len(piece) <= FRAME_BYTES for piece in sent)
    assert gzip.decompress(b"".join(sent)) == TEXT + NOISE
    assert len(b"".join(sent)) < len(NOISE) + len(TEXT) // 50


@pytest.mark.parametrize(
    "body", [b"", b"1", TEXT[:1023], NOISE, NOISE + TEXT], ids=["none", "one", "short", "noise", "first"]
)
def test_what_is_not_worth_it_is_sent_as_it_is(body: bytes) -> None:
    """Short files, and those whose first piece does not get shorter."""
    is_gzip, pieces = packed(cut(body))
    sent = list(pieces)
    assert not is_gzip
    assert b"" not in sent
    assert b"".join(sent) == body


@pytest.mark.parametrize("size", [1, 7, 1000, FRAME_BYTES])
def test_gzip_is_unpacked_however_it_is_cut(size: int) -> None:
    """Also several files one after the other, and an empty one."""
    body = TEXT[:30_000] + NOISE[:3_000]
    sent = gzip.compress(body) + gzip.compress(b"") + gzip.compress(b"end")
    assert b"".join(unpacked(cut(sent, size))) == body + b"end"
    assert b"".join(unpacked(cut(gzip.compress(b""), size))) == b""


def test_a_bomb_comes_out_piece_by_piece() -> None:
    """Whoever stops taking it has met no more than a frame at a time."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    assert len(bomb) < 70_000
    total, pieces = 0, unpacked([bomb])
    for piece in pieces:
        assert len(piece) <= FRAME_BYTES
        total += len(piece)
        if total > 1 << 20:
            break
    assert total <= (1 << 20) + FRAME_BYTES
    assert sum(map(len, unpacked([bomb]))) == 64 << 20


WHOLE = gzip.compress(TEXT)
BROKEN = {
    "nothing": b"",
    "plain": TEXT,
    "cut": WHOLE[:-1],
    "head": WHOLE[:9],
    "crc": WHOLE[:-8] + bytes(8),
    "garbage": WHOLE + b"x" * 20,
    "zlib": zlib.compress(TEXT),
    "middle": WHOLE[:200] + b"\0" * 20 + WHOLE[220:],
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_whole_gzip_is_refused(name: str) -> None:
    """At its end at the latest."""
    with pytest.raises(FileRefused) as refused:
        list(unpacked(cut(BROKEN[name], 1000)))
    assert refused.value.problem is Problem.NOT_GZIP


def test_files_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each begins anew, which takes time."""
    monkeypatch.setattr(packing, "MAX_MEMBERS", 5)
    assert b"".join(unpacked([gzip.compress(b"1") * 5])) == b"11111"
    with pytest.raises(FileRefused):
        list(unpacked([gzip.compress(b"1") * 6]))
