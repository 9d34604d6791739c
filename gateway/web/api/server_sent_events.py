"""A run as server-sent events, for clients without WebSockets: the answer to the request carries the same events.

The format is that of the HTML standard, section 9.2: ``id`` is the event's number, ``event`` its type, ``data`` its JSON.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from gateway.core.model import Json
from gateway.service.runs.live_run import LiveRun
from gateway.web.api import events
from gateway.web.edge import header_rules, json_answer
from gateway.web.edge.endpoint import EVENT_STREAM

KEEPALIVE_S = 15.0
"""Proxies close connections that are silent for longer."""
KEEPALIVE = b": still running\n\n"
END = b"\n\n"
"""What ends an event."""


def is_asked_for(accept: str) -> bool:
    """Whether an Accept header names server-sent events."""
    return header_rules.accepts(accept, EVENT_STREAM)


def encode(number: int | None, event: dict[str, Json]) -> bytes:
    """One event. Its JSON has no newlines, so it fits into one ``data`` line."""
    return head(number, str(event["type"])) + json_answer.dump(event) + END


def head(number: int | None, kind: str) -> bytes:
    """What comes before the JSON of an event. Without a *number* the client goes on from that of the event before."""
    numbered = b"" if number is None else b"id: %d\n" % number
    return b"%sevent: %s\ndata: " % (numbered, kind.encode())


async def stream(run: LiveRun, news: asyncio.Event, keepalive_s: float = KEEPALIVE_S) -> AsyncIterator[bytes]:
    """The events of *run* until its end, and a comment whenever none came for *keepalive_s*. *news* is set by the run."""
    seq = 0
    while True:
        news.clear()
        found = run.next_after(seq)
        if found is not None:
            seq = found.seq
            yield encode(seq, events.describe(found, run.request))
        elif run.is_over:
            return
        else:
            try:
                await asyncio.wait_for(news.wait(), keepalive_s)
            except TimeoutError:
                yield KEEPALIVE
