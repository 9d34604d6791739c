"""The endpoints of a session's files."""

from __future__ import annotations

import time

from gateway.core.errors import BadRequest, RangeNotSatisfiable
from gateway.core.files import MAX_DEPTH, FileEntry, Path, parse_path
from gateway.core.model import Json
from gateway.web.api import file_names, multipart
from gateway.web.api.answers import iso_utc
from gateway.web.edge import header_rules
from gateway.web.edge.byte_ranges import Unsatisfiable, Version, wanted_part
from gateway.web.edge.endpoint import Endpoint, Reply
from gateway.web.edge.streamed_body import OCTETS, StreamedEndpoint
from gateway.web.services import Answer


class FileTable(Endpoint):
    """The files of a session: GET lists them, POST uploads a form with files."""

    async def on_get(self) -> Answer:
        under, wants_digests, depth = directory_of(self), flag(self, "hashes", default=True), depth_of(self)
        session_id, files = self.parts["session_id"], self.services.files
        listing = await files.list(session_id, self.caller, under, wants_digests=wants_digests, depth=depth)
        return {"files": [describe_entry(entry) for entry in listing.entries], "truncated": listing.is_cut}

    async def on_post(self) -> Answer:
        files = multipart.parse_files(self.request.headers.get("Content-Type"), self.body)
        written = await self.services.files.write_all(self.parts["session_id"], self.caller, files)
        return {"success": True, "files": [describe_entry(entry) for entry in written]}

    def _check_content(self) -> None:
        multipart.boundary_of(self.request.headers.get("Content-Type"))


class FileDownload(StreamedEndpoint):
    """Downloads a file of a session or a part of it."""

    async def on_get(self) -> Reply:
        async with self.services.files.read(self._session(), self.caller, path_of(self)) as contents:
            entry = contents.entry
            version = Version(entry.size, entry.modified_ns, time.time())
            if version.is_known(self.request.headers):
                self._describe_file(version)
                return Reply(b"", OCTETS, 304)
            part = self._part(version)
            self._describe_file(version)
            self.set_header("Content-Type", OCTETS)
            self.set_header("Content-Disposition", file_names.disposition(entry.path))
            if part is None and self._may_pack():
                packed = await contents.packed()
                if packed.is_gzip:
                    self.set_header("Content-Encoding", "gzip")
                    self.set_header("ETag", version.weak_tag)
                else:
                    self.set_header("Content-Length", str(entry.size))
                return await self.send_pieces(packed.pieces)
            self.set_header("Content-Length", str(entry.size if part is None else len(part)))
            if part is not None:
                self.set_status(206)
                self.set_header("Content-Range", f"bytes {part.start}-{part.stop - 1}/{entry.size}")
            return await self.send_pieces(contents.pieces(part))

    def _may_pack(self) -> bool:
        """Whether the file may be sent as gzip, of which nobody knows the length before: not in HTTP/1.0."""
        request = self.request
        return (
            request.method == "GET"
            and request.version != "HTTP/1.0"
            and header_rules.accepts_gzip(request.headers.get("Accept-Encoding", ""))
        )

    def _part(self, version: Version) -> range | None:
        """The bytes that are asked for, None for all; raises RangeNotSatisfiable."""
        headers = self.request.headers
        if self.request.method != "GET" or not version.may_be_continued(headers):
            return None
        try:
            return wanted_part(headers.get("Range"), version.size)
        except Unsatisfiable:
            said = f"The file has {version.size} bytes and none of those that the Range header asks for."
            raise RangeNotSatisfiable(said, size=version.size) from None

    def _describe_file(self, version: Version) -> None:
        """Set the headers that a whole file, a part, and the answer to those who have it share."""
        self.set_header("Accept-Ranges", "bytes")
        self.add_header("Vary", "Accept-Encoding")
        self.set_header("ETag", version.tag)
        self.set_header("Last-Modified", version.modified)

    def _session(self) -> str:
        """The id of the session."""
        return self.parts["session_id"]

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """A part of the address as text. A file name keeps bytes that are not UTF-8, as surrogates."""
        return decode_part(value) if name == "path" else super().decode_argument(value, name)


class OneFile(FileDownload):
    """One file of a session: GET downloads it or a part of it, PUT replaces it with the body, DELETE deletes it."""

    takes_gzip = True

    async def on_put(self) -> Answer:
        path = path_of(self)
        assert self.pipe is not None, "each PUT has a body"
        is_gzip, body = header_rules.is_gzip(self.request.headers.get("Content-Encoding")), self.pipe.read()
        entry = await self.services.files.write(self.parts["session_id"], self.caller, path, body, is_gzip=is_gzip)
        return {"success": True, "file": describe_entry(entry)}

    async def on_delete(self) -> Answer:
        path, is_recursive = path_of(self), flag(self, "recursive", default=False)
        may_be_missing = flag(self, "ignoreMissing", default=False)
        removed = await self.services.files.delete(
            self.parts["session_id"], self.caller, path, is_recursive=is_recursive, may_be_missing=may_be_missing
        )
        return {"success": True, "deleted": removed}

    def _check_content(self) -> None:
        """Accept any content type, but no Content-Range: a part must not replace the whole file."""
        if "Content-Range" in self.request.headers:
            raise BadRequest(
                "Partial uploads are not supported: leave out the Content-Range header and send the whole file."
            )

    def _body_limit(self) -> int:
        return self.services.settings.file_bytes


def directory_of(endpoint: Endpoint) -> Path:
    """The directory that the query argument path names, empty for the work directory; raises BadRequest."""
    asked = endpoint.request.query_arguments.get("path", [b""])[-1]
    return parse_path(asked) if asked else b""


def depth_of(endpoint: Endpoint) -> int:
    """How many levels the query argument depth asks for; raises BadRequest."""
    match endpoint.request.query_arguments.get("depth"):
        case None:
            return MAX_DEPTH
        case [text] if text.isdigit() and len(text) < 3 and 1 <= int(text) <= MAX_DEPTH:
            return int(text)
        case _:
            raise BadRequest(f"depth must be a whole number from 1 to {MAX_DEPTH}.")


def decode_part(value: bytes) -> str:
    """A file name in an address as text: bytes that are not UTF-8 are kept, as surrogates."""
    return value.decode("utf-8", "surrogateescape")


def path_of(endpoint: Endpoint) -> Path:
    """The file name in the address of a request; raises BadRequest."""
    return parse_path(endpoint.parts["path"].encode("utf-8", "surrogateescape"))


def flag(endpoint: Endpoint, name: str, *, default: bool) -> bool:
    """The query argument *name* as a boolean; raises BadRequest unless it is true or false."""
    match endpoint.request.query_arguments.get(name):
        case None:
            return default
        case [b"true" | b"1"]:
            return True
        case [b"false" | b"0"]:
            return False
        case _:
            raise BadRequest(f"{name} must be true or false.")


def describe_entry(entry: FileEntry) -> dict[str, Json]:
    """An entry as the API shows it. ``files/`` and its ``urlPath`` name exactly this entry."""
    return {
        "path": file_names.text_of(entry.path),
        "urlPath": file_names.url_path(entry.path),
        "type": entry.kind,
        "size": entry.size if entry.kind == "file" else None,
        "modified": iso_utc(_seconds(entry.modified_ns)),
        "sha256": entry.digest.hex() or None,
        "mode": f"{entry.mode:04o}",
        "owner": "session" if entry.is_own else "other",
        "changed": iso_utc(_seconds(entry.changed_ns)),
        "target": file_names.text_of(entry.target) if entry.kind == "link" else None,
    }


def _seconds(moment_ns: int) -> float:
    """A time within the range of dates: code in the session can set any."""
    return min(max(moment_ns / 1e9, 0.0), 253_402_300_799.0)
