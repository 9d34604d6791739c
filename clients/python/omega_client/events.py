"""The events of a run that is streamed, and the run they come to. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omega_client.errors import BY_STATUS, ApiError, ConnectionFailed
from omega_client.results import Chart, Run, read_chart

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


@dataclass(frozen=True)
class Event:
    """One thing that happened; *fields* are those of its *type*."""

    type: str
    fields: Mapping[str, Any]

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
        return Event(str(fields["type"]), fields)
    except (ValueError, TypeError, KeyError):
        raise ConnectionFailed(f"The server sent an event that is none: {data[:80]!r}") from None


class Gathered:
    """What the events so far come to."""

    def __init__(self) -> None:
        self._output: list[str] = []
        self._shown: list[dict[str, Any]] = []
        self._charts: list[dict[str, Any]] = []
        self._run: Run | None = None

    def add(self, event: Event) -> None:
        """Take one more. Raises ApiError for the one that says that nothing was carried out."""
        if event.type in ("stdout", "stderr"):
            self._output.append(event.text)
        elif event.type in ("display", "result"):
            self._show(event)
        elif event.type == "chart":
            self._charts.append({name: event.fields.get(name) for name in ("base64", "mimeType", "chartData")})
        elif event.type == "error" and (event.fields.get("error") or {}).get("code"):
            raise refusal(event.fields["error"])
        elif event.type == "done":
            self._run = self._end(event)

    def _show(self, event: Event) -> None:
        """An update replaces what has its id; an update of an unknown id is a display."""
        about = event.fields.get("displayId")
        shown = {"type": event.type, **{name: event.fields[name] for name in ("data", "metadata") if name in event.fields}}
        known = [at for at, other in enumerate(self._shown) if about and other.get("displayId") == about]
        entry = {**shown, "displayId": about} if about else shown
        for at in known:
            self._shown[at] = entry
        if not (known and event.fields.get("updates")):
            self._shown.append(entry)

    def _end(self, event: Event) -> Run:
        results = [{name: shown[name] for name in shown if name != "displayId"} for shown in self._shown]
        gathered = {"output": "".join(self._output), "results": results, "charts": self._charts}
        return Run({**gathered, **{name: event.fields[name] for name in event.fields if name not in ("type", "seq")}})

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


def refusal(error: Mapping[str, Any]) -> ApiError:
    """What an `error` event with a code says."""
    status = STATUSES.get(str(error["code"]), 500)
    return BY_STATUS.get(status, ApiError)(status, error)
