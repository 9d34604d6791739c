"""The endpoints of notebooks."""

from __future__ import annotations

from gateway.core.model import Json
from gateway.core.notebook import to_file_json, to_json
from gateway.service.notebooks import Executed
from gateway.web import answer, wire_notebooks
from gateway.web.endpoint import Endpoint, Reply
from gateway.web.runs import RunEndpoint
from gateway.web.services import Answer

NOTEBOOK_TYPE = "application/x-ipynb+json"


class SessionNotebook(Endpoint):
    """What was run in a session so far, as a notebook (.ipynb) with its outputs."""

    async def on_get(self) -> Reply:
        session_id = self.parts["session_id"]
        notebook = to_file_json(self.services.notebooks.export(session_id, self.caller))
        self.set_header("Content-Disposition", f'attachment; filename="session-{session_id}.ipynb"')
        return Reply(answer.dump(notebook), NOTEBOOK_TYPE)


class NotebookRuns(RunEndpoint):
    """Runs the cells of a notebook in a session of its own and answers with the notebook executed."""

    async def on_post(self) -> Answer:
        asked = wire_notebooks.parse_notebook(self.body, self._python, self._javascript)
        done = await self.services.notebooks.execute(asked, self.caller, self.run_id, self._allowance, lambda _: None)
        return describe_execution(done)


def describe_execution(done: Executed) -> dict[str, Json]:
    """The answer to an executed notebook."""
    return {
        "success": done.error is None,
        "error": answer.describe_raised(done.error) if done.error else None,
        "notebook": to_json(done.notebook),
        "cellsRun": done.ran,
        "cellsFailed": done.failed,
        "stoppedAt": done.stopped_at,
        "executionTime": round(done.wall_s * 1000),
        "truncated": done.is_cut,
        "limits": [str(done.limit)] if done.limit else [],
    }
