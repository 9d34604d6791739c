"""The endpoints of sandboxes and their contexts. Code is run in a context as in a session, by its id."""

from __future__ import annotations

from gateway.core.model import Json
from gateway.service.sandboxes.contexts import SandboxContexts
from gateway.service.sandboxes.table import SandboxView
from gateway.web.api import sandbox_bodies
from gateway.web.api.answers import iso_utc
from gateway.web.api.runs import RunEndpoint
from gateway.web.api.session_bodies import parse_nothing
from gateway.web.api.sessions import describe_session
from gateway.web.edge.endpoint import Endpoint
from gateway.web.services import Answer


class SandboxTable(RunEndpoint):
    """The caller's sandboxes."""

    needs_body = False

    async def on_post(self) -> Answer:
        asked = sandbox_bodies.parse_new_sandbox(self.body, self._terms, self.services.settings.session_idle)
        return {"success": True, **describe_sandbox(await self.services.sandboxes.create(asked, self.caller))}

    async def on_get(self) -> Answer:
        return {"sandboxes": [describe_sandbox(view) for view in self.services.sandboxes.list(self.caller)]}


class OneSandbox(Endpoint):
    """One of the caller's sandboxes."""

    async def on_get(self) -> Answer:
        return describe_sandbox(self.services.sandboxes.show(self.parts["sandbox_id"], self.caller))

    async def on_delete(self) -> Answer:
        sandbox_id = self.parts["sandbox_id"]
        await self.services.sandboxes.delete(sandbox_id, self.caller)
        return {"success": True, "id": sandbox_id}


class SandboxExtension(Endpoint):
    """Sets anew when a sandbox ends."""

    async def on_post(self) -> Answer:
        lifetime_s = sandbox_bodies.parse_extension(self.body, self.services.settings.session_idle)
        view = self.services.sandboxes.extend(self.parts["sandbox_id"], self.caller, lifetime_s)
        return {"success": True, **describe_sandbox(view)}


class ContextEndpoint(RunEndpoint):
    """The base of the endpoints of contexts."""

    @property
    def _contexts(self) -> SandboxContexts:
        return self.services.sandboxes.contexts(self.parts["sandbox_id"], self.caller)


class ContextTable(ContextEndpoint):
    """The contexts of a sandbox, which are sessions with one file system."""

    needs_body = False

    async def on_post(self) -> Answer:
        asked = sandbox_bodies.parse_new_context(self.body, self._terms)
        view = await self._contexts.add(asked)
        return {"success": True, **describe_session(view)}

    async def on_get(self) -> Answer:
        return {"contexts": [describe_session(context) for context in self._contexts.list()]}


class OneContext(ContextEndpoint):
    """One context of a sandbox; sessions/{id} tells about it."""

    async def on_delete(self) -> Answer:
        context_id = self.parts["context_id"]
        await self._contexts.delete(context_id)
        return {"success": True, "id": context_id}


class ContextRestart(ContextEndpoint):
    """Restarts a context: it gets a new kernel in the same place, and the files stay."""

    takes_body = False

    async def on_post(self) -> Answer:
        parse_nothing(self.body)
        view = await self._contexts.restart(self.parts["context_id"])
        return {"success": True, **describe_session(view)}


def describe_sandbox(view: SandboxView) -> dict[str, Json]:
    """A sandbox as the API shows it; times in ISO 8601 and UTC, durations in milliseconds."""
    return {
        "id": view.id,
        "name": view.asked.name,
        "metadata": dict(view.asked.metadata),
        "state": "busy" if view.is_busy else "idle",
        "createdAt": iso_utc(view.created_utc),
        "lastActivity": iso_utc(view.last_activity_utc),
        "idleTimeout": round(view.idle_s * 1000),
        "endsAt": None if view.ends_utc is None else iso_utc(view.ends_utc),
        "expiresAt": None if view.expires_utc is None else iso_utc(view.expires_utc),
        "contexts": [{"id": context.id, "name": context.name, "language": context.language} for context in view.contexts],
        "commandsRunning": view.commands,
    }
