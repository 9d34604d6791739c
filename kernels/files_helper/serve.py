"""Serves the files protocol: one request after the other, until the gateway closes the connection."""

from __future__ import annotations

import os
import select
import signal
import struct
import time
from collections.abc import Iterator
from typing import Final

from kernels import filewire as wire
from kernels.files_helper import changes, folder, packing
from kernels.files_helper.watch import DirectoryWatch
from kernels.filewire import FileEntry, Problem

IDLE_S: Final = 120
"""A helper that can neither read nor write for so long exits: the gateway is gone or stuck."""


class Ended(Exception):
    """The gateway has closed the connection or broken the protocol."""


def serve(channel: int, root: int) -> None:
    """Carry out the requests on the socket *channel* in the directory open as *root*; returns at the end of the stream."""
    try:
        send(channel, wire.READY)
        while True:
            letter, payload = receive(channel)
            _answer(channel, root, letter, payload)
    except (Ended, BrokenPipeError, ConnectionResetError):
        return


def _answer(channel: int, root: int, letter: bytes, payload: bytes) -> None:
    pieces = _Pieces(channel, is_expected=letter == wire.WRITE)
    try:
        _perform(channel, root, letter, payload, pieces)
        return
    except folder.FileRefused as refused:
        problem = refused.problem
    except wire.PathError:
        problem = Problem.NAME
    except (struct.error, wire.WireError):
        raise Ended from None
    except (BrokenPipeError, ConnectionResetError):
        raise
    except OSError as error:
        problem = folder.problem_of(error)
    send(channel, wire.FAILED, bytes([problem]))
    # The rest of the upload is discarded, so that the gateway can read the reason.
    for _ in pieces:
        pass


def _perform(channel: int, root: int, letter: bytes, payload: bytes, pieces: _Pieces) -> None:
    match letter:
        case wire.LIST:
            _list(channel, root, payload)
        case wire.READ:
            _read(channel, root, payload)
        case wire.WRITE:
            path, most_bytes, is_gzip = wire.parse_write(payload)
            contents = packing.unpacked(pieces) if is_gzip else pieces
            _tell(channel, folder.write(root, path, contents, most_bytes))
        case wire.DELETE:
            path, is_recursive = wire.parse_delete(payload)
            send(channel, wire.END, wire.pack_end(folder.delete(root, path, is_recursive=is_recursive)))
        case _:
            _change(channel, root, letter, payload)


def _change(channel: int, root: int, letter: bytes, payload: bytes) -> None:
    """Requests about one name, whose answer is what it is."""
    match letter:
        case wire.STAT:
            path, wants_digest = wire.parse_stat(payload)
            _tell(channel, folder.look(root, path, wants_digest=wants_digest))
        case wire.MAKE:
            entry, count = changes.make_directory(root, payload)
            _tell(channel, entry)
            send(channel, wire.END, wire.pack_end(count))
        case wire.MOVE:
            source, target, replaces = wire.parse_move(payload)
            _tell(channel, changes.move(root, source, target, replaces=replaces))
        case wire.MODE:
            path, mode = wire.parse_mode(payload)
            _tell(channel, changes.set_mode(root, path, mode))
        case wire.WATCH:
            _watch(channel, DirectoryWatch(root, *wire.parse_watch(payload)))
        case _:
            raise Ended


def _watch(channel: int, watch: DirectoryWatch) -> None:
    """Tell what changes until the gateway hangs up; raises OSError when the directory is no longer there."""
    watch.begin()
    send(channel, wire.END, wire.pack_end(is_cut=watch.is_cut))
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    told_at, was_cut = time.monotonic(), watch.is_cut
    while not poll.poll(watch.pause_s * 1000):
        for change, entry in watch.changes():
            send(channel, wire.CHANGE, wire.pack_change(change, entry))
            told_at = time.monotonic()
        if watch.is_cut != was_cut:
            send(channel, wire.GAP)
        was_cut = watch.is_cut
        if time.monotonic() - told_at >= wire.TICK_S:
            send(channel, wire.TICK)
            told_at = time.monotonic()
    raise Ended


def _tell(channel: int, entry: FileEntry) -> None:
    send(channel, wire.ENTRY, wire.pack_entry(entry))


def _list(channel: int, root: int, payload: bytes) -> None:
    under, wants_digests, depth = wire.parse_list(payload)
    listing, count = folder.EntryWalk(root, under, wants_digests, depth), 0
    for entry in listing:
        _tell(channel, entry)
        count += 1
    send(channel, wire.END, wire.pack_end(count, is_cut=listing.is_cut))


def _read(channel: int, root: int, path: bytes) -> None:
    reading = folder.Reading.open(root, path)
    try:
        _tell(channel, reading.entry)
        letter, part = receive(channel)
        if letter != wire.PART:
            raise Ended
        start, count, may_pack = wire.parse_part(part)
        pieces: Iterator[bytes] = reading.pieces(start, count)
        is_gzip, pieces = packing.packed(pieces) if may_pack else (False, pieces)
        send(channel, wire.PACKING, wire.pack_packing(is_gzip=is_gzip))
        for piece in pieces:
            send(channel, wire.DATA, piece)
        send(channel, wire.END, wire.pack_end())
    finally:
        reading.close()


class _Pieces:
    """The bytes of a file that the gateway sends; can be read once, or drained."""

    def __init__(self, channel: int, *, is_expected: bool) -> None:
        self._channel, self._is_over = channel, not is_expected

    def __iter__(self) -> Iterator[bytes]:
        while not self._is_over:
            letter, payload = receive(self._channel)
            if letter == wire.END:
                self._is_over = True
            elif letter == wire.DATA:
                yield payload
            else:
                raise Ended


def send(channel: int, letter: bytes, payload: bytes = b"") -> None:
    """Send one frame, whole."""
    signal.alarm(IDLE_S)
    data = memoryview(wire.frame(letter, payload))
    while data:
        data = data[os.write(channel, data) :]


def receive(channel: int) -> tuple[bytes, bytes]:
    """The next frame; raises Ended at the end of the stream."""
    signal.alarm(IDLE_S)
    try:
        letter, length = wire.parse_header(_read_exactly(channel, wire.HEADER.size))
    except wire.WireError:
        raise Ended from None
    return letter, _read_exactly(channel, length)


def _read_exactly(channel: int, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        piece = os.read(channel, length - len(data))
        if not piece:
            raise Ended
        data += piece
    return bytes(data)
