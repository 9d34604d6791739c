"""What of a session is a resource: its notebook, its variables, the list of its files, and each file."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from gateway.core.errors import NotFound, TooLarge, Unavailable
from gateway.core.files import FileEntry, parse_path
from gateway.core.model import Json
from gateway.core.notebook import to_json
from gateway.core.request import Caller, RunRequest, Submission, look_at_variables
from gateway.service.sessions.table import SessionView
from gateway.service.tools.pictures import PATH
from gateway.web.edge import json_answer
from gateway.web.services import Services

SCHEME: Final = "omega://sessions/"
JSON_TYPE, NOTEBOOK_TYPE, TEXT_TYPE, OCTETS = (
    "application/json",
    "application/x-ipynb+json",
    "text/plain",
    "application/octet-stream",
)
MAX_BYTES = 1024 * 1024
"""The largest file that can be read as a resource: it is for models and their users, not for transfer."""
_URI = re.compile(re.escape(SCHEME) + r"(?P<session>[^/]{1,64})/(?:(?P<kind>notebook|variables|files)|files/(?P<path>.+))")
_PICTURE = re.compile(
    "https?://[^/?#]{1,300}" + PATH.format("(?P<run>[0-9a-f]{32})", "(?P<number>0|[1-9][0-9]{0,5})") + "([?][^#]{0,300})?",
    re.ASCII,
)
"""The link to a picture in full; whose it is says the caller's key, and not what comes after the question mark."""

TEMPLATES: Final[list[Json]] = [
    {
        "uriTemplate": f"{SCHEME}{{id}}/{rest}",
        "name": name,
        "title": title,
        "mimeType": kind,
    }
    for rest, name, title, kind in (
        ("notebook", "notebook", "A session as a notebook", NOTEBOOK_TYPE),
        ("variables", "variables", "The variables of a session", JSON_TYPE),
        ("files", "files", "The files of a session", JSON_TYPE),
        ("files/{+path}", "file", "A file of a session", OCTETS),
    )
]


@dataclass(frozen=True, slots=True)
class Resources:
    """The resources of one caller. *submit* makes a run of the caller's out of a request."""

    services: Services
    caller: Caller
    submit: Callable[[RunRequest], Submission]

    def listed(self) -> list[Json]:
        """Three of each session; files are read by their addresses."""
        return [shown for view in self.services.sessions.list(self.caller) for shown in _of_session(view)]

    async def read(self, uri: str) -> list[Json]:
        """The contents at *uri*. Raises NotFound, Gone and the other errors of sessions and files."""
        picture = _PICTURE.fullmatch(uri)
        if picture is not None:
            return [self._picture(uri, picture["run"], int(picture["number"]))]
        found = _URI.fullmatch(uri)
        if found is None:
            raise NotFound(f"There is no resource {uri[:100]!r}.")
        session = found["session"]
        match found["kind"]:
            case "notebook":
                return [_json_of(uri, NOTEBOOK_TYPE, to_json(self.services.notebooks.export(session, self.caller)))]
            case "variables":
                return [_json_of(uri, JSON_TYPE, await self._variables(session))]
            case "files":
                listing = await self.services.files.list(session, self.caller, wants_digests=False)
                return [_json_of(uri, JSON_TYPE, [_entry(session, entry) for entry in listing.entries])]
        return [await self._file(uri, session, unquote_to_bytes(found["path"]))]

    def _picture(self, uri: str, run_id: str, number: int) -> Json:
        kept = self.services.pictures.find((run_id, number), self.caller)
        return {"uri": uri, "mimeType": kept.mime, "blob": base64.b64encode(kept.data).decode()}

    async def _variables(self, session: str) -> Json:
        result = await self.services.runner.run(self.submit(look_at_variables(session)))
        if result.error is not None:
            raise Unavailable(f"The variables can't be listed: {result.error.type}: {result.error.message}")
        return dict(result.variables)

    async def _file(self, uri: str, session: str, path: bytes) -> Json:
        async with self.services.files.read(session, self.caller, parse_path(path)) as contents:
            if contents.entry.size > MAX_BYTES:
                raise TooLarge(f"The file has {contents.entry.size} bytes: at most {MAX_BYTES} can be read as a resource.")
            data = b"".join([piece async for piece in contents.pieces()])
        return _body(uri, data)


def _of_session(view: SessionView) -> Iterable[Json]:
    about = f"{view.language} session {view.name or view.id}"
    for rest, title, kind in (
        ("notebook", "Notebook", NOTEBOOK_TYPE),
        ("variables", "Variables", JSON_TYPE),
        ("files", "Files", JSON_TYPE),
    ):
        yield {"uri": f"{SCHEME}{view.id}/{rest}", "name": f"{rest} of {about}", "title": title, "mimeType": kind}


def _entry(session: str, entry: FileEntry) -> Json:
    uri = f"{SCHEME}{session}/files/{quote(entry.path)}" if entry.kind == "file" else None
    return {"path": entry.path.decode("utf-8", "replace"), "type": entry.kind, "size": entry.size, "uri": uri}


def _json_of(uri: str, kind: str, value: Json) -> Json:
    return {"uri": uri, "mimeType": kind, "text": json_answer.dump(value).decode()}


def _body(uri: str, data: bytes) -> Json:
    """Bytes as text if they are text, else in base64."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return {"uri": uri, "mimeType": OCTETS, "blob": base64.b64encode(data).decode()}
    return {"uri": uri, "mimeType": TEXT_TYPE, "text": text}
