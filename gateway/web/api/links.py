"""Links to files: the endpoint that signs them, and the address that they lead to."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from gateway.core.request import Caller
from gateway.web.api import file_names
from gateway.web.api.answers import iso_utc
from gateway.web.api.files import FileDownload, decode_part, path_of
from gateway.web.api.run_bodies import Body, read
from gateway.web.edge.endpoint import Endpoint
from gateway.web.services import Answer, Services

DOWNLOADS: Final = "/code-interpreter/downloads"
DEFAULT_MS: Final = 600_000
MAX_MS: Final = 86_400_000


class LinkBody(Body):
    """A link to make: how long it works."""

    expiresIn: Annotated[  # noqa: N815  # the API's own name
        float, Field(description=f"a number of milliseconds from 1000 to {MAX_MS}", ge=1000, le=MAX_MS)
    ] = DEFAULT_MS


class FileLinks(Endpoint):
    """Makes a link by which anyone can download one file of a session for some minutes, without a token."""

    needs_body = False

    async def on_post(self) -> Answer:
        asked, path, session_id = read(LinkBody, self.body.strip() or b"{}"), path_of(self), self.parts["session_id"]
        async with self.services.files.read(session_id, self.caller, path):
            link = self.services.links.sign(self.caller, session_id, path, asked.expiresIn / 1000)
        url = f"{DOWNLOADS}/{link.text}/{file_names.url_path(path)}"
        return {"success": True, "url": url, "expiresAt": iso_utc(link.expires_utc)}

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        return decode_part(value) if name == "path" else super().decode_argument(value, name)


class LinkedFile(FileDownload):
    """Where a link leads: the one file that it names, for whoever has it."""

    has_own_token = True

    def initialize(self, services: Services, route: str) -> None:
        super().initialize(services, route)
        self._session_id = ""

    def _find_caller(self) -> Caller:
        self._action()  # that there is no such method is no secret
        opened = self.services.links.admit(self.parts["link"], path_of(self), self.request.remote_ip or "")
        self._session_id = opened.session_id
        return self._admission.admit_caller(opened.caller, self._stream)

    def _session(self) -> str:
        return self._session_id
