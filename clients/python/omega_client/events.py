"""The events of a run that is streamed, and the run they come to. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omega_client import wire
from omega_client.errors import BY_STATUS, ApiError, ConnectionFailed
from omega_client.results import BRIEF, Chart, Run, read_chart, read_run

STATUSES = {
    "bad_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "gone": 410,
    "too_large": 413,
    "too_many_requests": 429,
    "busy": 503,
    "unavailable": 503,
}
"""An event has no status, but the code that goes with it."""
RESULT = ("data", "metadata")
"""What an entry of `results` has of its event."""


@dataclass(frozen=True)
class Event:
    """One thing that happened; *fields* are those of its *type*."""

    type: str
    fields: Mapping[str, Any]

    def __repr__(self) -> str:
        """Its fields, of long ones only the beginnings and ends."""
        return f"Event({self.type!r}, {BRIEF.repr(dict(self.fields))})"

    @property
    def text(self) -> str:
        """Of `stdout` and `stderr`: what was written."""
        return str(self.fields.get("text") or "")

    @property
    def data(self) -> Mapping[str, Any]:
        """Of `display` and `result`: the value by MIME type."""
        return dict(self.fields.get("data") or {})

    @property
    def chart(self) -> Chart | None:
        """Of `chart`: the picture."""
        return read_chart(self.fields) if self.type == "chart" else None


def read_event(data: str) -> Event:
    """The event in *data*. Raises ConnectionFailed."""
    try:
        fields = json.loads(data)
        return Event(str(fields["type"]), dict(fields))
    except wire.NOT_AS_DOCUMENTED:
        raise ConnectionFailed(f"The server sent an event that is none: {data[:80]!r}") from None


class Gathered:
    """What the events so far come to."""

    def __init__(self) -> None:
        self._written: list[Event] = []
        self._shown: list[Event] = []
        self._has_gap = False
        self._run: Run | None = None

    def add(self, event: Event) -> None:
        """Take one more. Raises ApiError for the one that says that nothing was carried out."""
        with wire.reading():
            self._take(event)

    def _take(self, event: Event) -> None:
        if event.type in ("stdout", "stderr"):
            self._written.append(event)
        elif event.type in ("display", "result", "chart"):
            self._show(event)
        elif event.type == "error" and (event.fields.get("error") or {}).get("code"):
            raise refusal(event.fields["error"])
        elif event.type == "gap":
            self._has_gap = True
        elif event.type == "done":
            self._run = self._end(event)

    def _show(self, event: Event) -> None:
        """An update replaces what has its id; an update of an unknown id is a display."""
        about = event.fields.get("displayId")
        known = [at for at, other in enumerate(self._shown) if about and other.fields.get("displayId") == about]
        for at in known:
            self._shown[at] = event
        if not (known and event.fields.get("updates")):
            self._shown.append(event)

    def _end(self, event: Event) -> Run:
        charts = [shown for shown in self._shown if shown.type == "chart"]
        told: dict[str, Any] = {
            "output": self._text("stdout", "stderr"),
            "results": [_result(shown, charts) for shown in self._shown],
            "charts": [_without(shown, "type", "seq", *RESULT, "displayId", "updates") for shown in charts],
        }
        if self._text("stdout") and self._text("stderr"):
            told.update(stdout=self._text("stdout"), stderr=self._text("stderr"))
        if self._has_gap:  # events that the gateway does not have any more, as this client was too slow
            return read_run({**told, **_without(event, "type", "seq"), "truncated": True})
        return read_run({**told, **_without(event, "type", "seq")})

    def _text(self, *streams: str) -> str:
        return "".join(event.text for event in self._written if event.type in streams)

    @property
    def run(self) -> Run:
        """The run, after its end. Raises ConnectionFailed before."""
        if self._run is None:
            raise ConnectionFailed("The run has not ended, or its end did not arrive.")
        return self._run

    @property
    def is_over(self) -> bool:
        """Whether the last event was there."""
        return self._run is not None


def _result(shown: Event, charts: list[Event]) -> dict[str, Any]:
    """A rich value as an answer has it: its picture is told by its number."""
    kind = "display" if shown.type == "chart" else shown.type
    found = {"type": kind, **{name: shown.fields[name] for name in RESULT if name in shown.fields}}
    return {**found, "chart": charts.index(shown)} if shown.type == "chart" else found


def _without(event: Event, *names: str) -> dict[str, Any]:
    return {name: value for name, value in event.fields.items() if name not in names}


def refusal(error: Mapping[str, Any]) -> ApiError:
    """What an `error` event with a code says."""
    status = STATUSES.get(str(error["code"]), 500)
    return BY_STATUS.get(status, ApiError)(status, error)
