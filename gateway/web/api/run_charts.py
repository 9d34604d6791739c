"""The endpoint of the pictures that tools' answers link to."""

from __future__ import annotations

import re

from gateway.core.errors import NotFound
from gateway.core.request import Caller
from gateway.service.tools.kept_pictures import NOT_THERE, KeptPicture, Place
from gateway.web.edge.endpoint import Endpoint, Reply

SECRET = "secret"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'none'"
"""An SVG shows its own colours, and can't do anything: code that nobody trusts wrote it."""
_NUMBER = re.compile(r"0|[1-9][0-9]{0,5}", re.ASCII)


class RunChart(Endpoint):
    """Shows a picture of a tool's run in full: to its own key, and to those who have the link from the tool's answer."""

    _linked: KeptPicture | None = None

    def _find_caller(self) -> Caller:
        """The link takes the place of a token. What it no longer leads to is as if it had never been there."""
        secret = self.get_query_argument(SECRET, None)
        if secret is None:
            return super()._find_caller()
        self._linked = self.services.pictures.find_linked(self._place(), secret)
        return self._admission.admit_caller(self._linked.caller, self._stream)

    async def on_get(self) -> Reply:
        kept = self._linked or self.services.pictures.find(self._place(), self.caller)
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("Content-Disposition", f'inline; filename="{kept.name}"')
        if self._linked is not None:  # whoever has the link may show the picture, also in a page of a chat
            self.set_header("Cross-Origin-Resource-Policy", "cross-origin")
        return Reply(kept.data, kept.mime)

    def _place(self) -> Place:
        number = self.parts["number"]
        if not _NUMBER.fullmatch(number):
            raise NotFound(NOT_THERE)
        return (self.parts["run_id"], int(number))
