"""The endpoints of sessions."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.core.model import Json
from gateway.core.request import look_at_variables
from gateway.service.sessions.table import SessionView
from gateway.web.api import session_bodies
from gateway.web.api.answers import describe_raised, iso_utc
from gateway.web.api.runs import RunEndpoint
from gateway.web.api.watching import describe_current
from gateway.web.edge.endpoint import Endpoint, Reply
from gateway.web.services import Answer


class SessionTable(RunEndpoint):
    """The caller's sessions."""

    needs_body = False

    async def on_post(self) -> Answer:
        asked = session_bodies.parse_new_session(
            self.body, self._python, self._javascript, self.services.settings.session_idle
        )
        return {"success": True, **describe_session(await self.services.sessions.create(asked, self.caller))}

    async def on_get(self) -> Answer:
        return {"sessions": [describe_session(view) for view in self.services.sessions.list(self.caller)]}


class OneSession(Endpoint):
    """One of the caller's sessions."""

    async def on_get(self) -> Answer:
        return describe_session(self.services.sessions.show(self.parts["session_id"], self.caller))

    async def on_delete(self) -> Answer:
        session_id = self.parts["session_id"]
        await self.services.sessions.delete(session_id, self.caller)
        return {"success": True, "id": session_id}


class SessionRuns(RunEndpoint):
    """Runs code in a session."""

    takes_forms = True

    async def on_post(self) -> Answer | Reply:
        view = self.services.sessions.show(self.parts["session_id"], self.caller)
        timeouts = self._javascript if view.language == "javascript" else self._python
        sent = self._sent()
        return await self._run(session_bodies.parse_execute(sent.body, view.id, view.language, timeouts, sent.uploads))


class SessionInterrupt(Endpoint):
    """Interrupts the current run of a session, which keeps its state unless the code does not stop within the grace."""

    takes_body = False

    async def on_post(self) -> Answer:
        session_bodies.parse_nothing(self.body)
        stopped = await self.services.sessions.interrupt(self.parts["session_id"], self.caller)
        return {"interrupted": stopped.was_running, "kernelReplaced": stopped.kernel_replaced}


class SessionRestart(Endpoint):
    """Restarts a session: it gets a new kernel and loses its state."""

    takes_body = False

    async def on_post(self) -> Answer:
        session_bodies.parse_nothing(self.body)
        view = await self.services.sessions.restart(self.parts["session_id"], self.caller)
        return {"success": True, **describe_session(view)}


class SessionVariables(RunEndpoint):
    """Lists the variables of a session."""

    async def on_get(self) -> Answer:
        result = await self.services.runner.run(self._submission(look_at_variables(self.parts["session_id"])))
        return {
            "success": result.success,
            "error": describe_raised(result.error) if result.error else None,
            "variables": [_describe_variable(name, row) for name, row in result.variables.items()],
            "truncated": result.truncated,
            "kernelReplaced": result.kernel_replaced,
        }


def _describe_variable(name: str, row: Json) -> Json:
    return {**(row if isinstance(row, Mapping) else {}), "name": name}


def describe_session(view: SessionView) -> dict[str, Json]:
    """A session as the API shows it; times in ISO 8601 and UTC, durations in milliseconds."""
    return {
        "id": view.id,
        "name": view.name,
        "language": view.language,
        "state": view.state,
        "createdAt": iso_utc(view.created_utc),
        "lastActivity": iso_utc(view.last_activity_utc),
        "idleTimeout": round(view.idle_s * 1000),
        "timeout": round(view.timeout_s * 1000),
        "executionCount": view.execution_count,
        "kernelsReplaced": view.kernels_replaced,
        "cwd": view.cwd,
        "expiresAt": None if view.expires_utc is None else iso_utc(view.expires_utc),
        "currentRun": describe_current(view.current_run),
    }
