"""The endpoints that run code or install packages."""

from __future__ import annotations

from gateway.core.errors import NotImplementedYet
from gateway.service.runner import RunRequest
from gateway.web import wire
from gateway.web.answer import describe_run
from gateway.web.endpoint import Endpoint
from gateway.web.services import Answer


class RunEndpoint(Endpoint):
    """What all runs share: the answer has the seed guide's fields."""

    async def _run(self, request: RunRequest) -> Answer:
        allowance = self.services.settings.allowance
        result = await self.services.runner.run(request, self.caller, self.run_id, allowance)
        return describe_run(request.task, result)


class PythonRuns(RunEndpoint):
    """Runs Python in a fresh kernel."""

    async def on_post(self) -> Answer:
        return await self._run(wire.parse_python(self.body, self.services.settings.python))


class ChartRuns(RunEndpoint):
    """Runs plotting code and answers with its pictures."""

    async def on_post(self) -> Answer:
        return await self._run(wire.parse_chart(self.body, self.services.settings.python))


class Analyses(RunEndpoint):
    """Describes structured data."""

    async def on_post(self) -> Answer:
        return await self._run(wire.parse_analyze(self.body, self.services.settings.python))


class MathRuns(RunEndpoint):
    """Evaluates one expression."""

    async def on_post(self) -> Answer:
        return await self._run(wire.parse_math(self.body, self.services.settings.python))


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
