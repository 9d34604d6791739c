"""The endpoint of a name in a session's work directory: what it is, apart from the bytes of a file."""

from __future__ import annotations

from gateway.web.api import entry_bodies, session_bodies
from gateway.web.api.files import decode_part, describe_entry, flag, path_of
from gateway.web.edge.endpoint import Endpoint
from gateway.web.services import Answer


class OneEntry(Endpoint):
    """A name in a session's work directory: GET describes it, PUT makes a directory, PATCH moves it or sets its mode."""

    needs_body = False

    async def on_get(self) -> Answer:
        wants_digest, path = flag(self, "hashes", default=False), path_of(self)
        files, session_id = self.services.files, self.parts["session_id"]
        return describe_entry(await files.stat(session_id, self.caller, path, wants_digest=wants_digest))

    async def on_put(self) -> Answer:
        session_bodies.parse_nothing(self.body)
        made = await self.services.files.make_directory(self.parts["session_id"], self.caller, path_of(self))
        return {"success": True, "created": made.is_new, "file": describe_entry(made.entry)}

    async def on_patch(self) -> Answer:
        path, session_id, files = path_of(self), self.parts["session_id"], self.services.files
        asked = entry_bodies.parse_change(self.body)
        if asked.path is not None:
            entry = await files.move(session_id, self.caller, path, asked.path, replaces=asked.replaces)
        elif asked.mode is not None:
            entry = await files.set_mode(session_id, self.caller, path, asked.mode)
        else:
            entry = await files.stat(session_id, self.caller, path)
        return {"success": True, "file": describe_entry(entry)}

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        return decode_part(value) if name == "path" else super().decode_argument(value, name)
