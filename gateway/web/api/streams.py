"""Runs over a WebSocket: clients send messages, and get events as they happen, also after a broken connection.

An event is sent when the client has room for it. Until then it is in the run's log, which is bounded: a client that does
not read costs no more than one that does, and delays no other.
"""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import assert_never

from gateway.core.errors import BadRequest, Conflict, GatewayError, NotFound, TooManyRequests, Unauthorized
from gateway.core.event_log import Gap, LoggedEvent, content_bytes
from gateway.core.host_tools import HostAnswer
from gateway.core.model import Json
from gateway.core.request import Submission
from gateway.core.session_log import Told
from gateway.service.runs.live_run import LiveRun
from gateway.service.session_feed import Watch, Watched
from gateway.web.api import events, stream_messages, watching
from gateway.web.api.stream_messages import Execute, InterruptRun, Resume, Said, ToolResult, WatchSession
from gateway.web.caller_limits import CallerLimits
from gateway.web.edge import json_answer
from gateway.web.edge.unread import LARGE_BYTES, Shared
from gateway.web.edge.websocket import Socket
from gateway.web.edge.websocket_frames import POLICY
from gateway.web.services import Services

NORMAL = 1000
MAX_FOLLOWED = 64
"""How many runs one connection follows at a time."""


@dataclass(slots=True)
class Followed:
    """A run, and the number of the last event sent to the client."""

    run: LiveRun
    seq: int

    def next(self) -> LoggedEvent | Gap | None:
        """The next event to send."""
        return self.run.next_after(self.seq)


class StreamSocket(Socket):
    """The base of both streams. A client that closes with code 1000 stops its runs; a broken connection does not."""

    def initialize(self, services: Services, route: str) -> None:
        super().initialize(services, route)
        self._followed: dict[str, Followed] = {}
        self._news = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._resumes: list[Resume] = []

    @property
    def is_busy(self) -> bool:
        return bool(self._followed)

    async def on_check(self) -> None:
        run_id = self.get_query_argument("run", "")
        if run_id or self.get_query_arguments("after"):
            resume = stream_messages.parse_resume(run_id, self.get_query_argument("after", "0"))
            self.find(run_id).check(resume.after)
            self._resumes.append(resume)

    async def on_start(self) -> None:
        self._pump = asyncio.create_task(self._tell_all())
        self._pump.add_done_callback(self._note_fault)
        for resume in self._resumes:
            await self._heed(lambda resume=resume: resume)  # type: ignore[misc]  # bound now

    async def on_message(self, message: str | bytes) -> None:
        """Carry out one message. A wrong one gets an error event, and the connection stays open."""
        await self._heed(lambda: self.parse(message))

    async def _heed(self, parse: Callable[[], Said]) -> None:
        try:
            await self._carry_out(parse())
        except Unauthorized as error:
            self.end(POLICY, error.message)
        except GatewayError as error:
            await self._tell(events.describe_refusal(error))

    def parse(self, message: str | bytes) -> Said:
        """*message* as a typed value; raises BadRequest."""
        return stream_messages.parse_message(message, self.terms)

    @property
    def terms(self) -> CallerLimits:
        """The limits of this caller's runs."""
        return CallerLimits.of(self.services.settings, self.caller)

    async def _carry_out(self, said: Said) -> None:
        match said:
            case Execute():
                self.admit()
                self._unread.check(self.caller.key_id)
                self.execute(said)
            case ToolResult(answer):
                self.hand_over(answer)
            case InterruptRun(run_id):
                await self.interrupt(run_id)
            case Resume(run_id, after):
                run = self.find(run_id)
                run.check(after)
                self._follow(run, after)
            case WatchSession():
                raise BadRequest("This connection is for one run.")
            case _ as never:
                assert_never(never)

    def find(self, run_id: str) -> LiveRun:
        """A run of this caller that may be followed or stopped here; raises NotFound."""
        return self.services.live.find(run_id, self.caller)

    def execute(self, said: Execute, run_id: str = "") -> None:
        """Start a run and follow it."""
        if len(self._followed) >= MAX_FOLLOWED:
            raise TooManyRequests(f"A connection may have {MAX_FOLLOWED} runs at once: try again later.", retry_after_s=1)
        run_id = run_id or uuid.uuid4().hex
        submission = Submission(said.request, self.caller, run_id, self.terms.allowance, said.label)
        self._follow(self.services.live.start(submission), 0)

    def hand_over(self, answer: HostAnswer) -> None:
        """Give *answer* to the run followed here whose call it answers; raises BadRequest if there is none."""
        runs = [followed.run for followed in self._followed.values()]
        offered = [run.calls for run in runs if run.calls is not None]
        for calls in offered:
            if any(call.call_id == answer.call_id for call in calls.waiting):
                calls.answer([answer])
                return
        raise BadRequest(f"There is no call {answer.call_id!r} that waits for a result on this connection.")

    async def interrupt(self, run_id: str) -> None:
        """Interrupt a run followed here: the named one, or else the oldest, if there is one."""
        if run_id:
            await self.find(run_id).interrupt()
            return
        for followed in self._followed.values():
            await followed.run.interrupt()
            return

    def _follow(self, run: LiveRun, after: int) -> None:
        if run.run_id in self._followed:
            raise Conflict("This connection already receives the events of this run.")
        self._followed[run.run_id] = Followed(run, after)
        run.attach(self._news)

    async def _tell_all(self) -> None:
        """Send the events of all followed runs in the order they happened; one at a time waits for the client."""
        while True:
            self._news.clear()
            sending = self._send_oldest()
            if sending is None:
                self._let_go()
                await self._news.wait()
            elif not await sending:
                return

    def _send_oldest(self) -> Awaitable[bool] | None:
        """Send the oldest event; None when all are sent. While it waits for the client, it is in memory once, as JSON."""
        oldest = self._find_oldest()
        watched = self.send_watched(math.inf if oldest is None else oldest[1].stamp)
        if watched is not None:
            return watched
        if oldest is None:
            return None
        followed, found = oldest
        followed.seq, run = found.seq, followed.run
        if isinstance(found, Gap) or content_bytes(found.item) < LARGE_BYTES:
            return self.send(json_answer.dump({**events.describe(found, run.request), **self.names(run, found)}))
        name = run.run_id, found.seq
        event = self._unread.share(run.key_id, name, lambda: json_answer.dump(events.describe(found, run.request)))
        return self.send_shared(event, json_answer.dump(self.names(run, found)))

    async def send_shared(self, event: Shared, names: bytes) -> bool:
        """Send *event*, which other connections may be sending too, joined with the fields of the JSON object *names*."""
        whole = memoryview(event.data)
        pieces = (whole,) if names == b"{}" else (whole[:-1], b"," + names[1:])
        try:
            return await self.send_pieces(pieces)
        finally:
            self._unread.release(event)

    def _find_oldest(self) -> tuple[Followed, LoggedEvent | Gap] | None:
        """The oldest event that was not sent, and its run; None when all are sent."""
        untold = [(followed, found) for followed in self._followed.values() if (found := followed.next()) is not None]
        return min(untold, key=lambda one: one[1].stamp, default=None)

    def _let_go(self) -> None:
        """Stop following the runs that are over, after all events are sent."""
        for followed in [one for one in self._followed.values() if one.run.is_over]:
            del self._followed[followed.run.run_id]
            followed.run.detach(self._news)
            self.on_followed(followed.run)

    def _note_fault(self, pump: asyncio.Task[None]) -> None:
        error = None if pump.cancelled() else pump.exception()
        if error is not None:
            self.log_exception(type(error), error, error.__traceback__)

    def names(self, run: LiveRun, found: LoggedEvent | Gap) -> dict[str, Json]:
        """The fields that tell this event's run from others on the connection."""
        return {}

    def send_watched(self, before: float) -> Awaitable[bool] | None:
        """Send the next event of the session that is watched; None if there is none before that number."""
        return None

    def on_followed(self, run: LiveRun) -> None:
        """Called when all events of *run* are sent."""

    async def _tell(self, event: dict[str, Json]) -> bool:
        return await self.send(json_answer.dump(event))

    def on_end(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
        for followed in self._followed.values():
            followed.run.detach(self._news)
            if self.close_code == NORMAL and not followed.run.has_caller:
                followed.run.stop()


class OneRun(StreamSocket):
    """One run: the first message asks for it, its events follow, and the gateway closes after the last one."""

    def initialize(self, services: Services, route: str) -> None:
        super().initialize(services, route)
        self._has_run = False
        self._patience: asyncio.TimerHandle | None = None

    async def on_start(self) -> None:
        self._has_run = bool(self._resumes)
        settings = self.services.settings
        late = f"the client sent no run within {settings.body_timeout_s:g} seconds"
        if not self._has_run:
            self._patience = asyncio.get_running_loop().call_later(settings.body_timeout_s, self.end, POLICY, late)
        await super().on_start()

    def execute(self, said: Execute, run_id: str = "") -> None:
        if self._has_run:
            raise BadRequest("This connection is for one run: open another one, or use a session's stream.")
        super().execute(said, self.run_id)
        self._has_run = True
        self._stop_waiting()

    def on_followed(self, run: LiveRun) -> None:
        self.end(NORMAL, "the run is over")

    def on_end(self) -> None:
        self._stop_waiting()
        super().on_end()

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()


class SessionStream(StreamSocket):
    """Any number of runs in one session, and all runs of the session for those who watch it; each event names its run."""

    def initialize(self, services: Services, route: str) -> None:
        super().initialize(services, route)
        self._session = ""
        self._language = "python"
        self._watch: Watch | None = None

    async def on_check(self) -> None:
        view = self.services.sessions.show(self.parts["session_id"], self.caller)
        self._session, self._language = view.id, view.language
        await super().on_check()

    def parse(self, message: str | bytes) -> Said:
        return stream_messages.parse_message(message, self.terms, language=self._language, session=self._session)

    def find(self, run_id: str) -> LiveRun:
        run = super().find(run_id)
        if run.request.session != self._session:
            raise NotFound("There is no such run in this session.")
        return run

    async def interrupt(self, run_id: str) -> None:
        """Interrupt the named run, or whatever runs in the session, whoever asked for it. It does not wait for the end."""
        current = self.services.sessions.show(self._session, self.caller).current_run
        named = run_id or (current.run_id if current is not None else "")
        if named:
            await super().interrupt(named)

    def names(self, run: LiveRun, found: LoggedEvent | Gap) -> dict[str, Json]:
        names: dict[str, Json] = {"run": run.run_id, **watching.label_of(run, found)}
        is_numbered = run.feed is not None and isinstance(found, LoggedEvent)
        return {**names, "at": found.stamp} if is_numbered else names

    async def _carry_out(self, said: Said) -> None:
        if not isinstance(said, WatchSession):
            await super()._carry_out(said)
            return
        self._unread.check(self.caller.key_id)
        if self._watch is not None:
            raise Conflict("This connection watches the session already.")
        self._watch = self.services.watches.open(self._session, self.caller, said.after, self._news)

    def send_watched(self, before: float) -> Awaitable[bool] | None:
        found = None if self._watch is None else self._watch.next(self._followed)
        if self._watch is None or found is None or found.number >= before:
            return None
        self._watch.take(found)
        shared = watching.share(self._unread, found) if isinstance(found, Told) else None
        if shared is not None and isinstance(found, Told):
            return self.send_shared(shared, json_answer.dump(watching.names_of(found.run, found.entry)))
        return self._send_small(found)

    async def _send_small(self, found: Watched) -> bool:
        is_sent = await self.send(json_answer.dump(watching.describe(found)))
        if watching.is_last(found):
            self.end(NORMAL, "the session has ended")
        return is_sent

    def on_end(self) -> None:
        if self._watch is not None:
            self.services.watches.close(self._watch, self.caller)
        super().on_end()
