"""What those who watch a session are told, and the endpoint that tells it as server-sent events."""

from __future__ import annotations

import asyncio

from gateway.core.event_log import Accepted, Gap, LoggedEvent, SessionEnded, content_bytes
from gateway.core.host_tools import HostCall
from gateway.core.model import Json
from gateway.core.request import RunRequest
from gateway.core.session_log import Missing, Told
from gateway.service.session_feed import CurrentRun, FeedRun, Watch, WatchBegun, Watched
from gateway.web.api import events, server_sent_events, stream_messages
from gateway.web.api.answers import iso_utc
from gateway.web.edge import json_answer
from gateway.web.edge.endpoint import EVENT_STREAM, PIECE_BYTES, Endpoint, Reply, begin_events
from gateway.web.edge.unread import LARGE_BYTES, Shared, Unread
from gateway.web.services import Services

NO_RUN = RunRequest("python", "", 0.0)
LAST_ID = "Last-Event-ID"
PARAMETERS = ("after",)


def describe_current(current: CurrentRun | None) -> Json:
    """The run under way in a session."""
    if current is None:
        return None
    return {"id": current.run_id, "since": iso_utc(current.since_utc), "kind": current.task}


def describe(found: Watched) -> dict[str, Json]:
    """One event for those who watch a session: *type*, and the fields of its type and of its place."""
    match found:
        case WatchBegun(number, current):
            return {"type": "watching", "at": number, "currentRun": describe_current(current)}
        case Missing(first, last):
            return {"type": "gap", "at": last, "from": first, "to": last}
        case Told(entry, run):
            return {**describe_told(found), **names_of(run, entry)}


def describe_told(told: Told[FeedRun]) -> dict[str, Json]:
    """An event without the fields of its place. Those who did not send the code of a run are shown it."""
    entry, run = told.entry, told.run
    fields = events.describe(entry, NO_RUN if run is None else run.request)
    if run is None:
        del fields["seq"]  # the session's own events have their number in the session alone
    if not isinstance(entry.item, Accepted) or entry.item.shown is None:
        return fields
    shown = entry.item.shown
    return {**fields, "kind": shown.task, "code": shown.code, **({"codeTruncated": True} if shown.is_cut else {})}


def names_of(run: FeedRun | None, entry: LoggedEvent) -> dict[str, Json]:
    """The fields that tell where an event belongs: its run, the client's own name for that, and its number."""
    if run is None:
        return {"at": entry.stamp}
    return {"run": run.run_id, **label_of(run, entry), "at": entry.stamp}


def label_of(run: FeedRun, found: LoggedEvent | Gap) -> dict[str, Json]:
    """The client's own name for *run*. A call has an ``id`` of its own, which its answer names."""
    is_call = isinstance(found, LoggedEvent) and isinstance(found.item, HostCall)
    return {"id": run.label} if run.label and not is_call else {}


def share(unread: Unread, told: Told[FeedRun]) -> Shared | None:
    """A large event's JSON without the fields of its place, made once for all who watch; None for a small one."""
    run = told.run
    if run is None or content_bytes(told.entry.item) < LARGE_BYTES:
        return None
    name = "watch", run.run_id, told.entry.seq
    return unread.share(run.key_id, name, lambda: json_answer.dump(describe_told(told)))


def is_last(found: Watched) -> bool:
    """Whether nothing can follow: the session has ended."""
    return isinstance(found, Told) and isinstance(found.entry.item, SessionEnded)


class SessionEvents(Endpoint):
    """Tells what happens in a session, whoever runs something in it, as server-sent events."""

    is_busy = False
    """A gateway that shuts down does not wait for it; see open_sockets.OpenSocket."""
    _goodbye: dict[str, Json] | None = None

    def initialize(self, services: Services, route: str) -> None:
        super().initialize(services, route)
        self._news = asyncio.Event()

    def end(self, code: int, reason: str) -> None:
        """Tell the client *code* and *reason*, and end the answer."""
        self._goodbye = {"type": "closed", "code": code, "reason": reason}
        self._news.set()

    def drop(self) -> None:
        """Disconnect at once."""
        self._stream.close()

    async def on_get(self) -> Reply:
        after = stream_messages.parse_watch(self._after()).after
        self._unread.check(self.caller.key_id)
        watch = self.services.watches.open(self.parts["session_id"], self.caller, after, self._news)
        self._sockets.enter(self)
        try:
            begin_events(self)
            if self.request.method == "GET":
                await self._tell_all(watch)
        finally:
            self._sockets.leave(self)
            self.services.watches.close(watch, self.caller)
        return Reply(b"", EVENT_STREAM)

    def _after(self) -> str | None:
        """Where to begin: a client that comes back by itself sends the header, and the address it had at first."""
        return self.request.headers.get(LAST_ID) or self.get_query_argument("after", None)

    async def _tell_all(self, watch: Watch) -> None:
        """Send events until the session ends, or the gateway."""
        while self._goodbye is None:
            self._news.clear()
            found = watch.next()
            if found is None:
                await self._wait()
                continue
            watch.take(found)
            await self._tell(found)
            if is_last(found):
                return
        await self.write_piece(server_sent_events.encode(None, self._goodbye))

    async def _wait(self) -> None:
        """Wait for news, and keep proxies from closing the connection."""
        try:
            await asyncio.wait_for(self._news.wait(), server_sent_events.KEEPALIVE_S)
        except TimeoutError:
            await self.write_piece(server_sent_events.KEEPALIVE)

    async def _tell(self, found: Watched) -> None:
        shared = share(self._unread, found) if isinstance(found, Told) else None
        if shared is None or not isinstance(found, Told):
            await self.write_piece(server_sent_events.encode(found.number, describe(found)))
            return
        kind, names = events.type_of(found.entry.item), json_answer.dump(names_of(found.run, found.entry))
        try:
            head = server_sent_events.head(found.number, kind)
            await self._write(head, memoryview(shared.data)[:-1], b"," + names[1:] + server_sent_events.END)
        finally:
            self._unread.release(shared)

    async def _write(self, *pieces: bytes | memoryview) -> None:
        """Send a large event that others may be sending too, never more of it at a time than a part."""
        async with self._sending(sum(map(len, pieces))):
            for piece in pieces:
                for start in range(0, len(piece), PIECE_BYTES):
                    self.write(bytes(piece[start : start + PIECE_BYTES]))
                    await self.flush()
