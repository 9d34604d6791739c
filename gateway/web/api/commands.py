"""The endpoints of the commands of sandboxes."""

from __future__ import annotations

import asyncio
import codecs
import signal

from gateway.core.command_log import Piece
from gateway.core.errors import BadRequest
from gateway.core.event_log import Gap
from gateway.core.model import Json
from gateway.service.sandboxes.command import Follower, SandboxCommand
from gateway.service.sandboxes.commands import SandboxCommands
from gateway.web.api import sandbox_bodies, server_sent_events
from gateway.web.api.answers import iso_utc
from gateway.web.api.runs import RunEndpoint
from gateway.web.api.watching import LAST_ID
from gateway.web.edge.endpoint import EVENT_STREAM, Reply, begin_events
from gateway.web.services import Answer

PARAMETERS = ("after",)


class CommandEndpoint(RunEndpoint):
    """The base of the endpoints of commands."""

    @property
    def _commands(self) -> SandboxCommands:
        return self.services.sandboxes.commands(self.parts["sandbox_id"], self.caller)

    @property
    def _command(self) -> SandboxCommand:
        return self._commands.find(self.parts["command_id"])

    async def _tell_all(self, command: SandboxCommand, after: int = 0) -> Reply:
        """Send the events of *command* after number *after* until its end."""
        self._unread.check(self.caller.key_id)
        with command.following(after) as follower:
            begin_events(self)
            if self.request.method != "HEAD":
                await self._tell(command, follower)
        return Reply(b"", EVENT_STREAM)

    async def _tell(self, command: SandboxCommand, follower: Follower) -> None:
        teller = Teller(command)
        while True:
            is_over = command.done is not None
            follower.news.clear()
            while (found := follower.next()) is not None:
                await self.write_piece(teller.encode(found))
                follower.take(found)
            if is_over:
                if follower.seq <= command.log.last_seq:
                    await self.write_piece(teller.encode_end())
                return
            await self._wait(follower.news)

    async def _wait(self, news: asyncio.Event) -> None:
        """Wait for news, and keep proxies from closing the connection."""
        try:
            await asyncio.wait_for(news.wait(), server_sent_events.KEEPALIVE_S)
        except TimeoutError:
            await self.write_piece(server_sent_events.KEEPALIVE)


class CommandTable(CommandEndpoint):
    """The commands of a sandbox: those that run, and the last that have ended."""

    async def on_post(self) -> Answer | Reply:
        asked, is_background = sandbox_bodies.parse_new_command(self.body, self._python)
        log_bytes = self._allowance.output_bytes
        if is_background:
            return {"success": True, **describe_command(await self._commands.start(asked, log_bytes))}
        if server_sent_events.is_asked_for(self.request.headers.get("Accept", "")):
            async with self._commands.following(asked, log_bytes) as command:
                return await self._tell_all(command)
        command = await self._commands.run(asked, log_bytes)
        return {"success": _is_success(command), **describe_command(command), **describe_output(command)}

    async def on_get(self) -> Answer:
        return {"commands": [describe_command(command) for command in self._commands.list()]}


class OneCommand(CommandEndpoint):
    """One command of a sandbox, and what is kept of its output."""

    async def on_get(self) -> Answer:
        command = self._command
        return {**describe_command(command), **describe_output(command)}


class CommandEvents(CommandEndpoint):
    """Tells what a command writes, from its beginning or after an event, as server-sent events."""

    async def on_get(self) -> Reply:
        return await self._tell_all(self._command, self._after())

    def _after(self) -> int:
        """Where to begin: a client that comes back by itself sends the header, and the address it had at first."""
        text = self.request.headers.get(LAST_ID) or self.get_query_argument("after", None) or "0"
        if not text.isascii() or not text.isdigit() or len(text) > 15:
            raise BadRequest("after must be the number of an event, or 0.")
        return int(text)


class CommandStdin(CommandEndpoint):
    """Sends input to a command."""

    async def on_post(self) -> Answer:
        data, closes = sandbox_bodies.parse_stdin(self.body)
        command = self._command
        await command.write(data, closes=closes)
        return {"success": True, "id": command.id}


class CommandSignal(CommandEndpoint):
    """Sends a signal to a command and to what it started."""

    needs_body = False

    async def on_post(self) -> Answer:
        number = sandbox_bodies.parse_signal(self.body)
        command = self._command
        command.signal(number)
        return {"success": True, "id": command.id}


class Teller:
    """Makes the events of one command for one reader. Characters whose bytes come in two pieces are put together."""

    def __init__(self, command: SandboxCommand) -> None:
        self._command = command
        make = codecs.getincrementaldecoder("utf-8")
        self._decoders = {"stdout": make("replace"), "stderr": make("replace")}

    def encode(self, found: Piece | Gap) -> bytes:
        """What was written, or that some of it is not kept."""
        if isinstance(found, Gap):
            return _event(found.last, {"type": "gap", "seq": found.last, "from": found.first, "to": found.last})
        text = self._decoders[found.stream].decode(found.data)
        return _event(found.seq, {"type": found.stream, "seq": found.seq, "text": text})

    def encode_end(self) -> bytes:
        """How the command ended."""
        seq = self._command.log.last_seq + 1
        return _event(seq, {"type": "done", "seq": seq, "success": _is_success(self._command), **_end(self._command)})


def _event(number: int, event: dict[str, Json]) -> bytes:
    return server_sent_events.encode(number, event)


def describe_command(command: SandboxCommand) -> dict[str, Json]:
    """A command as the API shows it, without its output."""
    return {
        "id": command.id,
        "pid": command.pid,
        "command": command.asked.shown,
        "cwd": command.asked.cwd,
        "state": "running" if command.done is None else "ended",
        "startedAt": iso_utc(command.started_utc),
        **_end(command),
    }


def describe_output(command: SandboxCommand) -> dict[str, Json]:
    """What is kept of the output; *truncated* says that its beginning is not."""
    return {
        "stdout": command.log.output("stdout").decode(errors="replace"),
        "stderr": command.log.output("stderr").decode(errors="replace"),
        "truncated": command.log.is_cut,
    }


def _is_success(command: SandboxCommand) -> bool:
    return command.done is not None and not command.done.code and not command.done.signal


def _end(command: SandboxCommand) -> dict[str, Json]:
    """How it ended, as shells count: 128 and the number for a signal."""
    done = command.done
    if done is None:
        return {"exitCode": None, "signal": None, "timedOut": False, "executionTime": None}
    return {
        "exitCode": 128 + done.signal if done.signal else done.code,
        "signal": _name(done.signal),
        "timedOut": done.timed_out,
        "executionTime": round(done.wall_s * 1000),
    }


def _name(number: int) -> str | None:
    """The name of a signal; None for none."""
    try:
        return signal.Signals(number).name if number else None
    except ValueError:  # a real-time signal between the two that have names
        return f"SIG{number}"
