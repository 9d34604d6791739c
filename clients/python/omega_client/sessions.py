"""A session: a kernel that keeps names and files from run to run."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from omega_client import wire
from omega_client.endpoints import FileEntry, RunOptions, SessionPaths, path_in_url, read_files
from omega_client.errors import Gone, NotFound
from omega_client.events import Event, read_event
from omega_client.host_tools import HostTools, Tools
from omega_client.link import Link
from omega_client.results import Run
from omega_client.sse import EventReader
from omega_client.streams import EventStream

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Session:
    """A session of the gateway. As a context manager it ends the session."""

    def __init__(self, link: Link, about: Mapping[str, Any]) -> None:
        self._link = link
        with wire.reading():
            self._paths = SessionPaths(str(about["id"]), (about.get("timeout") or 0) / 1000)
        self.id = self._paths.id
        self.language = str(about.get("language") or "")
        self.files = SessionFiles(link, self._paths)

    def __enter__(self) -> Session:
        """For `with`."""
        return self

    def __exit__(self, *how: object) -> None:
        """End the session, unless it has ended already."""
        with suppress(Gone, NotFound):
            self.delete()

    def execute(self, code: str, *, tools: Tools = (), **options: Unpack[RunOptions]) -> Run:
        """The run of *code*. *tools* are functions of yours that it can call."""
        known = HostTools(tools)
        return self._link.run(self._paths.execute(code, options, **known.fields()), known)

    def stream(self, code: str, *, tools: Tools = (), **options: Unpack[RunOptions]) -> EventStream:
        """The run of *code* while it goes on."""
        known = HostTools(tools)
        return EventStream(self._link, self._paths.execute(code, options, **known.fields()), known)

    def watch(self, after: int | None = None) -> Generator[Event, None, None]:
        """The events of all its runs, whoever started them, until its end; see docs/streaming.md.

        *after* is the `at` of the last event that is known already. Closing the generator ends the watch, and stops no run.
        """
        reader = EventReader()
        with self._link.pieces(self._paths.events(after)) as pieces:
            for piece in pieces:
                yield from map(read_event, reader.feed(piece))

    def variables(self) -> list[Mapping[str, Any]]:
        """Every name: `name`, `type`, `shape`, `preview`."""
        return self._link.read(wire.get(self._paths.path("/variables")), lambda found: list(found["variables"]))

    def variable(
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
        found: Mapping[str, Any] = self._link.json(self._paths.variable(name, asked))
        return found

    def interrupt(self) -> bool:
        """Stop the run that goes on; whether there was one."""
        return bool(self._link.read(wire.post(self._paths.path("/interrupt"), {}), lambda found: found["interrupted"]))

    def restart(self) -> None:
        """Begin anew with an empty kernel."""
        self._link.json(wire.post(self._paths.path("/restart"), {}))

    def info(self) -> Mapping[str, Any]:
        """What the gateway says of it."""
        found: Mapping[str, Any] = self._link.json(wire.get(self._paths.path()))
        return found

    def notebook(self) -> bytes:
        """The session so far as an .ipynb."""
        return self._link.data(wire.get(self._paths.path("/notebook")))

    def delete(self) -> None:
        """End it."""
        self._link.json(wire.Request("DELETE", self._paths.path()))


class SessionFiles:
    """The work directory of a session."""

    def __init__(self, link: Link, paths: SessionPaths) -> None:
        self._link = link
        self._paths = paths

    def list(self) -> list[FileEntry]:
        """What is there."""
        return self._link.read(wire.get(self._paths.path("/files")), read_files)

    def read(self, path: str | FileEntry) -> bytes:
        """A file's bytes."""
        return self._link.data(self._paths.file("GET", path_in_url(path)))

    def write(self, path: str | FileEntry, data: bytes | str) -> None:
        """Put a file there, whole or not at all; text as UTF-8. Directories are made."""
        sent = data.encode() if isinstance(data, str) else data
        self._link.json(self._paths.file("PUT", path_in_url(path), sent))

    def delete(self, path: str | FileEntry, *, recursive: bool = False) -> None:
        """Delete a file, or with *recursive* a directory and all in it."""
        self._link.json(self._paths.file("DELETE", path_in_url(path), query="?recursive=true" if recursive else ""))
