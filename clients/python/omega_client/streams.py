"""A run whose events come while it goes on."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from types import TracebackType

from omega_client import endpoints, wire
from omega_client.errors import Conflict, ConnectionFailed, Gone, NotFound
from omega_client.events import Event, Gathered, read_event
from omega_client.host_tools import HostTools, read_call
from omega_client.link import Link
from omega_client.results import Run
from omega_client.sse import EventReader


class EventStream:
    """The events of one run; `run` is there when they have ended. Leaving the `with` before that stops the run."""

    def __init__(self, link: Link, request: wire.Request, tools: HostTools) -> None:
        self._link = link
        self._request = endpoints.streamed(request)
        self._tools = tools
        self._gathered = Gathered()
        self._events = self._receive()

    @property
    def run(self) -> Run:
        """The run as a whole. Raises ConnectionFailed before its end."""
        return self._gathered.run

    def __enter__(self) -> EventStream:
        """For `with`."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop."""
        self.close()

    def __iter__(self) -> Iterator[Event]:
        """The events that have not been read yet."""
        return self._events

    def close(self) -> None:
        """Stop the run, if it goes on."""
        self._events.close()

    def _receive(self) -> Generator[Event, None, None]:
        reader, run_id = EventReader(), ""
        with self._link.pieces(self._request) as pieces:
            for piece in pieces:
                for data in reader.feed(piece):
                    event = read_event(data)
                    run_id = str(event.fields.get("runId") or run_id)
                    self._gathered.add(event)
                    yield event
                    if event.type == "tool_call":
                        self._answer(run_id, event)
        if not self._gathered.is_over:
            raise ConnectionFailed("The stream ended before the run did.")

    def _answer(self, run_id: str, event: Event) -> None:
        result = self._tools.answer(read_call(event.fields))
        with suppress(Conflict, Gone, NotFound):  # the run is over: its last event says how
            self._link.bring(endpoints.results_path(run_id), [result])
