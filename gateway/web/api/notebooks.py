"""The endpoints of notebooks."""

from __future__ import annotations

import asyncio

from gateway.core.errors import GatewayError
from gateway.core.event_log import LoggedEvent
from gateway.core.model import Finished, Json, KernelReport
from gateway.core.notebook import NotebookLanguage, to_file_json, to_json
from gateway.core.request import RunRequest
from gateway.service.sessions.notebooks import CellDone, CellStarted, Executed, NotebookRequest, OnProgress, Progress
from gateway.web.api import answers, events, notebook_bodies, server_sent_events
from gateway.web.api.runs import RunEndpoint
from gateway.web.edge import json_answer
from gateway.web.edge.endpoint import EVENT_STREAM, Endpoint, Reply, begin_events
from gateway.web.services import Answer

NOTEBOOK_TYPE = "application/x-ipynb+json"


class SessionNotebook(Endpoint):
    """The runs of a session so far, as a notebook (.ipynb) with their outputs."""

    async def on_get(self) -> Reply:
        session_id = self.parts["session_id"]
        notebook = to_file_json(self.services.notebooks.export(session_id, self.caller))
        self.set_header("Content-Disposition", f'attachment; filename="session-{session_id}.ipynb"')
        return Reply(json_answer.document(notebook), NOTEBOOK_TYPE)


class NotebookRuns(RunEndpoint):
    """Executes a notebook, in a session of its own or an existing one, and returns it with its outputs."""

    takes_forms = True

    async def on_post(self) -> Answer | Reply:
        sent = self._sent("notebook")
        asked = notebook_bodies.parse_notebook(sent.body, self._python, self._javascript, sent.uploads)
        if server_sent_events.is_asked_for(self.request.headers.get("Accept", "")):
            return await self._stream_progress(asked)
        return describe_execution(await self._execute_notebook(asked, lambda _: None))

    async def _execute_notebook(self, asked: NotebookRequest, on_progress: OnProgress) -> Executed:
        return await self.services.notebooks.execute(asked, self.caller, self.run_id, self._allowance, on_progress)

    async def _stream_progress(self, asked: NotebookRequest) -> Reply:
        """The execution as server-sent events; the last one has the notebook.

        When it can't start, the answer is an error like any other. Events that a slow client has not read yet wait in
        memory: the outputs of a notebook are bounded.
        """
        steps: asyncio.Queue[Progress | None] = asyncio.Queue()
        work = asyncio.create_task(self._execute_notebook(asked, steps.put_nowait))
        work.add_done_callback(lambda _: steps.put_nowait(None))
        try:
            step = await steps.get()
            if step is None:
                work.result()
            begin_events(self)
            story = Story(asked.language)
            while step is not None:
                for event in story.tell(step):
                    await self.write_piece(event)
                step = await self._next(steps)
            await self.write_piece(story.end(work))
        finally:
            work.cancel()
            await asyncio.wait([work])
        return Reply(b"", EVENT_STREAM)

    async def _next(self, steps: asyncio.Queue[Progress | None]) -> Progress | None:
        """The next step. Until it comes, comments keep proxies from closing the connection."""
        while True:
            try:
                async with asyncio.timeout(server_sent_events.KEEPALIVE_S):
                    return await steps.get()
            except TimeoutError:
                await self.write_piece(server_sent_events.KEEPALIVE)


class Story:
    """The progress of one notebook as numbered server-sent events; each but the last names its cell."""

    def __init__(self, language: NotebookLanguage) -> None:
        self._request = RunRequest(language, "", 0.0)
        self._seq = 0
        self._cell = 0

    def tell(self, step: Progress) -> list[bytes]:
        """The event for *step*; none for the steps that clients don't see."""
        match step:
            case CellStarted(index, cell_id):
                self._cell = index
                return [self._encode({"type": "cell_started", "cell": index, "cellId": cell_id})]
            case CellDone(index, cell_id, result):
                told: dict[str, Json] = {
                    "type": "cell_done",
                    "cell": index,
                    "cellId": cell_id,
                    "success": result.success,
                    "error": answers.describe_raised(result.error) if result.error else None,
                    "executionCount": result.execution_count,
                    "executionTime": round(result.wall_s * 1000),
                    "truncated": result.truncated,
                    "limits": [str(result.limit)] if result.limit else [],
                }
                return [self._encode(told)]
            case KernelReport() | Finished():
                return []
            case _:
                told = events.describe(LoggedEvent(self._seq + 1, step), self._request)
                return [self._encode({**told, "cell": self._cell})]

    def end(self, work: asyncio.Task[Executed]) -> bytes:
        """The last event: the answer, or the error. Raises a fault of the gateway."""
        try:
            return self._encode({"type": "done", **describe_execution(work.result())})
        except GatewayError as error:
            return self._encode(events.describe_refusal(error))

    def _encode(self, event: dict[str, Json]) -> bytes:
        self._seq += 1
        return server_sent_events.encode(self._seq, {**event, "seq": self._seq})


def describe_execution(done: Executed) -> dict[str, Json]:
    """The answer to an executed notebook."""
    return {
        "success": done.error is None,
        "error": answers.describe_raised(done.error) if done.error else None,
        "notebook": to_json(done.notebook),
        "cellsRun": done.ran,
        "cellsFailed": done.failed,
        "stoppedAt": done.stopped_at,
        "executionTime": round(done.wall_s * 1000),
        "truncated": done.is_cut,
        "limits": [str(done.limit)] if done.limit else [],
    }
