"""The endpoints that run code or install packages."""

from __future__ import annotations

from dataclasses import replace

from gateway.core.errors import NotImplementedYet
from gateway.service.runner import Allowance, RunRequest
from gateway.web import wire
from gateway.web.answer import describe_run
from gateway.web.endpoint import Endpoint
from gateway.web.services import Answer
from gateway.web.wire import Timeouts


class RunEndpoint(Endpoint):
    """What all runs share: the answer has the seed guide's fields."""

    @property
    def _python(self) -> Timeouts:
        """The timeouts this caller's Python may have."""
        return self.services.settings.python.within(self.caller.limits.max_timeout_s)

    @property
    def _javascript(self) -> Timeouts:
        """The timeouts this caller's JavaScript may have."""
        return self.services.settings.javascript.within(self.caller.limits.max_timeout_s)

    @property
    def _allowance(self) -> Allowance:
        """How much this caller's runs may print."""
        allowance, own = self.services.settings.allowance, self.caller.limits.output_bytes
        return allowance if own is None else replace(allowance, output_bytes=own)

    async def _run(self, request: RunRequest) -> Answer:
        result = await self.services.runner.run(request, self.caller, self.run_id, self._allowance)
        answer = describe_run(request.task, result)
        if request.session:
            answer |= {"sessionId": request.session, "executionCount": result.execution_count}
        return answer


class PythonRuns(RunEndpoint):
    """Runs Python in a fresh kernel."""

    async def on_post(self) -> Answer:
        return await self._run(wire.parse_python(self.body, self._python))


class ChartRuns(RunEndpoint):
    """Runs plotting code and answers with its pictures."""

    async def on_post(self) -> Answer:
        return await self._run(wire.parse_chart(self.body, self._python))


class Analyses(RunEndpoint):
    """Describes structured data."""

    async def on_post(self) -> Answer:
        return await self._run(wire.parse_analyze(self.body, self._python))


class MathRuns(RunEndpoint):
    """Evaluates one expression."""

    async def on_post(self) -> Answer:
        return await self._run(wire.parse_math(self.body, self._python))


class JavascriptRuns(RunEndpoint):
    """Runs JavaScript; not part of this version."""

    async def on_post(self) -> Answer:
        wire.parse_javascript(self.body, self.services.settings.javascript)
        raise NotImplementedYet("JavaScript is not available in this version; Python is.")


class Installs(Endpoint):
    """Installs a package of the whitelist."""

    async def on_post(self) -> Answer:
        done = await self.services.installer.install(wire.parse_install(self.body))
        return {"success": True, "output": done.output, "error": None, "package": done.package, "version": done.version}
