"""The limits of one caller's runs: the gateway's, or the key's own where it has any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.core.limits import Timeouts
from gateway.core.model import Json
from gateway.core.request import Allowance, Caller
from gateway.service.tools.toolbox import ToolCall
from gateway.web.edge.endpoint import Endpoint
from gateway.web.services import WebSettings


@dataclass(frozen=True, slots=True)
class CallerLimits:
    """The timeouts of each language, and how much a run may output."""

    python: Timeouts
    javascript: Timeouts
    allowance: Allowance

    @classmethod
    def of(cls, settings: WebSettings, caller: Caller) -> CallerLimits:
        """The limits of *caller*."""
        limits = caller.limits
        own = limits.output_bytes
        return cls(
            settings.python.within(limits.max_timeout_s),
            settings.javascript.within(limits.max_timeout_s),
            settings.allowance if own is None else replace(settings.allowance, output_bytes=own),
        )


def tool_call(endpoint: Endpoint, name: str, arguments: Mapping[str, Json]) -> ToolCall:
    """The call of the tool *name* that came to *endpoint*, within the limits of its caller."""
    terms = CallerLimits.of(endpoint.services.settings, endpoint.caller)
    return ToolCall(
        name,
        arguments,
        endpoint.caller,
        endpoint.run_id,
        terms.python,
        terms.javascript,
        terms.allowance,
        endpoint.origin,
    )
