"""Runs that call tools of their client, over plain HTTP: each answer says what the client is to do next."""

from __future__ import annotations

from typing import Final

from gateway.core.errors import Conflict
from gateway.core.host_tools import HostAnswer, HostCall, read_answers
from gateway.core.json_limits import RESULTS_DEPTH
from gateway.core.model import Result
from gateway.service.runs import host_turns
from gateway.service.runs.live_run import LiveRun
from gateway.web.api import run_bodies
from gateway.web.api.answers import describe_answer
from gateway.web.api.events import describe_call
from gateway.web.api.host_fields import Results
from gateway.web.edge.endpoint import Endpoint
from gateway.web.services import Answer

RESULTS: Final = "/code-interpreter/runs/{run_id}/tool-results"
NO_TOOLS: Final = "The run was given no tools, so it waits for no results."


class ResultsBody(run_bodies.Body):
    """What the client's tools returned."""

    results: Results


def parse_results(body: bytes, most: int) -> tuple[HostAnswer, ...]:
    """The answers in *body*, at most so many."""
    return read_answers(run_bodies.read(ResultsBody, body, RESULTS_DEPTH).results, most)


def describe_turn(run: LiveRun, turn: tuple[HostCall, ...] | Result) -> Answer:
    """The calls that wait for the client and where it answers them; or the answer to the run."""
    if isinstance(turn, Result):
        return {**describe_answer(run.request, turn), "status": "completed"}
    return {
        "status": "tool_call_required",
        "run": run.run_id,
        "continuation": RESULTS.format(run_id=run.run_id),
        "toolCalls": [describe_call(call) for call in turn],
    }


class ToolResults(Endpoint):
    """Takes the results of the client's tools that the code of a run has called."""

    async def on_post(self) -> Answer:
        answers = parse_results(self.body, self.services.settings.allowance.calls.calls)
        run = self.services.live.find(self.parts["run_id"], self.caller)
        if run.calls is None:
            raise Conflict(NO_TOOLS)
        if run.kept is None:
            run.calls.answer(answers)
            return {"accepted": len(answers)}
        host_turns.answer(run.calls, answers)
        turn = await host_turns.next_turn(run)
        if not isinstance(turn, Result):
            self._held.take(self._key_id, sum(call.size_bytes for call in turn))
        return describe_turn(run, turn)
