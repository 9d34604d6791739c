"""The endpoints that run code or install packages."""

from __future__ import annotations

from gateway.core.limits import Timeouts
from gateway.core.request import Allowance, RunRequest, Submission
from gateway.service.runs import host_turns
from gateway.web.api import form_bodies, host_answers, multipart, run_bodies, server_sent_events
from gateway.web.api.answers import describe_answer
from gateway.web.api.form_bodies import Sent
from gateway.web.caller_limits import CallerLimits
from gateway.web.edge.endpoint import EVENT_STREAM, Endpoint, Reply, begin_events
from gateway.web.services import Answer


class RunEndpoint(Endpoint):
    """The base of all endpoints that run code."""

    takes_forms = False
    """Whether the body may be a form, with files."""

    def _check_content(self) -> None:
        content_type = self.request.headers.get("Content-Type")
        if self.takes_forms and form_bodies.is_form(content_type):
            multipart.boundary_of(content_type)
        else:
            super()._check_content()

    def _sent(self, document: str = "") -> Sent:
        """The body as JSON, with its files if it is a form."""
        content_type = self.request.headers.get("Content-Type")
        if self.takes_forms and form_bodies.is_form(content_type):
            return form_bodies.read_form(content_type, self.body, document)
        return Sent(self.body)

    @property
    def _terms(self) -> CallerLimits:
        """The limits of this caller's runs."""
        return CallerLimits.of(self.services.settings, self.caller)

    @property
    def _python(self) -> Timeouts:
        """The timeouts of this caller's Python."""
        return self._terms.python

    @property
    def _javascript(self) -> Timeouts:
        """The timeouts of this caller's JavaScript."""
        return self._terms.javascript

    @property
    def _allowance(self) -> Allowance:
        """How much this caller's runs may output."""
        return self._terms.allowance

    def _submission(self, request: RunRequest) -> Submission:
        """*request* as a run of this caller, with the id of this HTTP request."""
        return Submission(request, self.caller, self.run_id, self._allowance)

    async def _run(self, request: RunRequest) -> Answer | Reply:
        if server_sent_events.is_asked_for(self.request.headers.get("Accept", "")):
            return await self._stream_run(request)
        if request.tools:
            run = self.services.live.start_in_turns(self._submission(request))
            return host_answers.describe_turn(run, await host_turns.next_turn(run))
        result = await self.services.runner.run(self._submission(request))
        return describe_answer(request, result)

    async def _stream_run(self, request: RunRequest) -> Reply:
        """The run as server-sent events. When it can't start, the answer is an error like any other."""
        run = self.services.live.start(self._submission(request), grace_s=0)
        with run.reading() as news:
            await run.begun(news)
            begin_events(self)
            async for piece in server_sent_events.stream(run, news):
                await self.write_piece(piece)
        return Reply(b"", EVENT_STREAM)


class PythonRuns(RunEndpoint):
    """Runs Python in a fresh kernel."""

    takes_forms = True

    async def on_post(self) -> Answer | Reply:
        sent = self._sent()
        return await self._run(run_bodies.parse_python(sent.body, self._python, sent.uploads))


class ChartRuns(RunEndpoint):
    """Runs plotting code and returns its charts."""

    takes_forms = True

    async def on_post(self) -> Answer | Reply:
        sent = self._sent()
        return await self._run(run_bodies.parse_chart(sent.body, self._python, sent.uploads))


class Analyses(RunEndpoint):
    """Analyzes structured data."""

    async def on_post(self) -> Answer | Reply:
        return await self._run(run_bodies.parse_analyze(self.body, self._python))


class MathRuns(RunEndpoint):
    """Evaluates one expression."""

    async def on_post(self) -> Answer | Reply:
        return await self._run(run_bodies.parse_math(self.body, self._python))


class JavascriptRuns(RunEndpoint):
    """Runs JavaScript in a fresh kernel: the body of an async function, whose result is ``returnValue``."""

    async def on_post(self) -> Answer | Reply:
        return await self._run(run_bodies.parse_javascript(self.body, self._javascript))


class Installs(Endpoint):
    """Installs an allowed package."""

    async def on_post(self) -> Answer:
        done = await self.services.installer.install(run_bodies.parse_install(self.body))
        return {"success": True, "output": done.output, "error": None, "package": done.package, "version": done.version}
