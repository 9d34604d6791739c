"""The endpoints that only report: history, health, examples, metrics, the first page."""

from __future__ import annotations

from gateway.core.request import RunRecord
from gateway.service.examples.gallery import Example
from gateway.web.api.answers import iso_utc
from gateway.web.api.run_bodies import parse_limit
from gateway.web.edge import json_answer
from gateway.web.edge.endpoint import Endpoint, Reply
from gateway.web.services import Answer

HISTORY_DEFAULT = 10
HISTORY_MAX = 500
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class HistoryList(Endpoint):
    """The caller's newest runs."""

    async def on_get(self) -> Answer:
        limit = parse_limit(self.get_query_arguments("limit"), HISTORY_DEFAULT, HISTORY_MAX)
        entries = await self.services.history.newest(self.caller.key_id, limit)
        return {"history": [_describe_entry(entry) for entry in entries]}


class HealthCheck(Endpoint):
    """Whether the gateway can run code. Needs no token, contains no secrets."""

    public = True

    async def on_get(self) -> Reply:
        report, settings = self.services.health.report(), self.services.settings
        body: Answer = {
            "status": "healthy" if report.available else "unhealthy",
            "python": {"available": report.available, "version": report.python_version},
            "javascript": {"available": report.has_javascript, "version": report.javascript_version},
            "config": {
                "pythonTimeout": round(settings.python.default_s * 1000),
                "javascriptTimeout": round(settings.javascript.default_s * 1000),
                "maxOutputSize": settings.allowance.output_bytes,
            },
            "isolation": report.isolation,
        }
        if report.unavailable_since_utc is not None:
            body["unavailableSince"] = iso_utc(report.unavailable_since_utc)
        if report.not_sandboxed:
            body["notSandboxed"] = list(report.not_sandboxed)
        return Reply(json_answer.document(body), status=200 if report.available else 503)


class Examples(Endpoint):
    """The gallery of examples."""

    async def on_get(self) -> Answer:
        return {"examples": [_describe_example(example) for example in self.services.gallery.list()]}


class MetricsText(Endpoint):
    """Metrics for Prometheus."""

    async def on_get(self) -> Reply:
        return Reply(self.services.metrics.render(), METRICS_TYPE)


class Home(Endpoint):
    """Links to the API, its description and its documentation."""

    async def on_get(self) -> Answer:
        return {
            "name": "Omega Gateway",
            "version": self.services.settings.version,
            "api": "/code-interpreter",
            "examples": "/code-interpreter/examples",
            "openapi": "/openapi.json",
            "documentation": "README.md",
        }


def _describe_entry(entry: RunRecord) -> Answer:
    return {
        "timestamp": iso_utc(entry.started_utc),
        "type": entry.task,
        "code": entry.code,
        "success": entry.success,
        "executionTime": round(entry.wall_s * 1000),
    }


def _describe_example(example: Example) -> Answer:
    return {
        "title": example.title,
        "language": example.language,
        "description": example.description,
        "endpoint": example.endpoint,
        "request": dict(example.request),
        "code": example.code,
        "output": example.output,
    }
