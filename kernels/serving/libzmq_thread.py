"""Waits until libzmq's own thread has written all messages."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

NAME = b"ZMQbg/IO/0"
POLL_S = 0.0002
PATIENCE_S = 0.02
BLIND_S = 0.0005


class Courier:
    """libzmq's I/O thread, as /proc shows it.

    Sending wakes it, and it sleeps again only when everything is written: flushed output has then left this
    process, even if the next line crashes it. Without a /proc that shows the thread, it waits for a short time.
    """

    def __init__(self, tasks: str = "/proc/self/task", sleep: Callable[[float], None] = time.sleep) -> None:
        self._tasks = tasks
        self._sleep = sleep
        self._stat: str | None = None

    def wait(self) -> None:
        """Return when the thread is idle, or after 20 ms."""
        stat = self._stat = self._stat if self._stat is not None else self._find()
        if not stat:
            self._sleep(BLIND_S)
            return
        for _ in range(int(PATIENCE_S / POLL_S)):
            if _state(stat) in (b"S", b""):
                return
            self._sleep(POLL_S)

    def _find(self) -> str:
        try:
            for task in os.listdir(self._tasks):
                stat = f"{self._tasks}/{task}/stat"
                if NAME in _read(stat):
                    return stat
        except OSError:
            return ""
        return ""


def _state(stat: str) -> bytes:
    """The letter after the name; the name is ours and has no parenthesis."""
    return _read(stat).rpartition(b") ")[2][:1]


def _read(path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, 512)
    finally:
        os.close(descriptor)
