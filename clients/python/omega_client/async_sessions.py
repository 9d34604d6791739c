"""A session on asyncio; see `sessions`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from omega_client import wire
from omega_client.async_link import AsyncLink
from omega_client.async_streams import AsyncEventStream
from omega_client.endpoints import FileEntry, RunOptions, SessionPaths, path_in_url, read_files
from omega_client.errors import Gone, NotFound
from omega_client.events import Event, read_event
from omega_client.host_tools import HostTools, Tools
from omega_client.results import Run, read_run
from omega_client.sse import EventReader

if TYPE_CHECKING:
    from typing_extensions import Unpack


class AsyncSession:
    """A session of the gateway. As a context manager it ends the session."""

    def __init__(self, link: AsyncLink, about: Mapping[str, Any]) -> None:
        self._link = link
        with wire.reading():
            self._paths = SessionPaths(str(about["id"]), (about.get("timeout") or 0) / 1000)
        self.id = self._paths.id
        self.language = str(about.get("language") or "")
        self.files = AsyncSessionFiles(link, self._paths)

    async def __aenter__(self) -> AsyncSession:
        """For `async with`."""
        return self

    async def __aexit__(self, *how: object) -> None:
        """End the session, unless it has ended already."""
        with suppress(Gone, NotFound):
            await self.delete()

    async def execute(self, code: str, *, tools: Tools = (), **options: Unpack[RunOptions]) -> Run:
        """The run of *code*. *tools* are functions of yours that it can call."""
        if tools:  # over its events: what the code calls goes side by side, and so it can wait for one another
            return await self.stream(code, tools=tools, **options).whole()
        return read_run(await self._link.json(self._paths.execute(code, options)))

    def stream(self, code: str, *, tools: Tools = (), **options: Unpack[RunOptions]) -> AsyncEventStream:
        """The run of *code* while it goes on."""
        known = HostTools(tools, may_await=True)
        return AsyncEventStream(self._link, self._paths.execute(code, options, **known.fields()), known)

    async def watch(self, after: int | None = None) -> AsyncGenerator[Event, None]:
        """The events of all its runs, whoever started them, until its end; see `Session.watch`."""
        reader = EventReader()
        async with self._link.pieces(self._paths.events(after)) as pieces:
            async for piece in pieces:
                for data in reader.feed(piece):
                    yield read_event(data)

    async def variables(self) -> list[Mapping[str, Any]]:
        """Every name: `name`, `type`, `shape`, `preview`."""
        return await self._link.read(wire.get(self._paths.path("/variables")), lambda found: list(found["variables"]))

    async def variable(
        self,
        name: str,
        *,
        rows: str | None = None,
        columns: str | None = None,
        sort: str | None = None,
        where: str | None = None,
    ) -> Mapping[str, Any]:
        """A part of a table: see docs/sessions.md."""
        asked = {"rows": rows, "columns": columns, "sort": sort, "where": where}
        found: Mapping[str, Any] = await self._link.json(self._paths.variable(name, asked))
        return found

    async def interrupt(self) -> bool:
        """Stop the run that goes on; whether there was one."""
        return bool(await self._link.read(wire.post(self._paths.path("/interrupt"), {}), lambda found: found["interrupted"]))

    async def restart(self) -> None:
        """Begin anew with an empty kernel."""
        await self._link.json(wire.post(self._paths.path("/restart"), {}))

    async def info(self) -> Mapping[str, Any]:
        """What the gateway says of it."""
        found: Mapping[str, Any] = await self._link.json(wire.get(self._paths.path()))
        return found

    async def notebook(self) -> bytes:
        """The session so far as an .ipynb."""
        return await self._link.data(wire.get(self._paths.path("/notebook")))

    async def delete(self) -> None:
        """End it."""
        await self._link.json(wire.Request("DELETE", self._paths.path()))


class AsyncSessionFiles:
    """The work directory of a session."""

    def __init__(self, link: AsyncLink, paths: SessionPaths) -> None:
        self._link = link
        self._paths = paths

    async def list(self) -> list[FileEntry]:
        """What is there."""
        return await self._link.read(wire.get(self._paths.path("/files")), read_files)

    async def read(self, path: str | FileEntry) -> bytes:
        """A file's bytes."""
        return await self._link.data(self._paths.file("GET", path_in_url(path)))

    async def write(self, path: str | FileEntry, data: bytes | str) -> None:
        """Put a file there, whole or not at all; text as UTF-8. Directories are made."""
        sent = data.encode() if isinstance(data, str) else data
        await self._link.json(self._paths.file("PUT", path_in_url(path), sent))

    async def delete(self, path: str | FileEntry, *, recursive: bool = False) -> None:
        """Delete a file, or with *recursive* a directory and all in it."""
        await self._link.json(self._paths.file("DELETE", path_in_url(path), query="?recursive=true" if recursive else ""))
