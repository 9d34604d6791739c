"""What ``input()`` asks of the client: one question at a time, so that every thread gets the answer to its own."""

from __future__ import annotations

import threading
from typing import Any

import zmq

POLL_MS = 10
END_OF_INPUT = "\x04"
OUTDATED = "the run that asks has ended"


class Questions:
    """Asks the client over the stdin channel. Answers name no question, so a second one waits for the first answer.

    A thread whose run is over must not hold up later ones: it gets EOFError once another run has begun.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._run = 0

    def begin_run(self) -> None:
        """A run begins; questions of earlier ones end."""
        self._run += 1

    def ask(self, session: Any, socket: Any, question: dict[str, Any], ident: Any, parent: Any) -> str:
        """The client's answer to *question*; raises EOFError at the end of input."""
        run = self._run
        with self._turn:
            self._check(run)
            while socket.poll(0):
                socket.recv_multipart(zmq.NOBLOCK)  # an answer that came too late
            session.send(socket, "input_request", question, parent, ident=ident)
            value = self._wait(session, socket, run)
        if value == END_OF_INPUT:
            raise EOFError
        return value

    def _wait(self, session: Any, socket: Any, run: int) -> str:
        while True:
            self._check(run)
            if not socket.poll(POLL_MS):  # not for ever: interrupts and the next run have to be noticed
                continue
            try:
                _ident, reply = session.recv(socket)
                value = reply["content"]["value"] if reply is not None else None
            except (ValueError, KeyError, TypeError):  # of no valid form, or without a value
                continue
            if isinstance(value, str):
                return value

    def _check(self, run: int) -> None:
        if run != self._run:
            raise EOFError(OUTDATED)
