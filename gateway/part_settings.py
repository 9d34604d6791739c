"""What each part is told of the settings."""

from __future__ import annotations

from gateway import listen
from gateway.core.host_tools import CallLimits
from gateway.core.limits import Timeouts
from gateway.core.plan import Limits
from gateway.core.request import Allowance
from gateway.pool.pool import PoolSettings
from gateway.service.health import NODE
from gateway.settings import Settings, is_loopback
from gateway.version import VERSION
from gateway.web.edge.header_rules import ANY_HOST
from gateway.web.services import LOCAL_HOSTS, WebSettings
from kernels.contract import MIB, Language, Ready

RESERVED_FILES, FILES_PER_KERNEL = 128, 16
Languages = tuple[Language, ...]


def languages_of(ready: Ready) -> Languages:
    """The languages that the spawner's environment supports."""
    return ("python", "javascript") if NODE in ready.packages else ("python",)


def pool_settings(settings: Settings, languages: Languages) -> PoolSettings:
    """How many kernels the pool keeps ready, with which limits, and who waits for how long."""
    minimum: dict[Language, int] = {"python": settings.pool_min, "javascript": settings.pool_min_javascript}
    limits = Limits(kernels=settings.max_kernels, memory_bytes=settings.pool_memory_mb * MIB)
    return PoolSettings(
        minimum={language: minimum[language] for language in languages},
        maximum_idle=settings.pool_max,
        policy=settings.policy(),
        limits=limits,
        queue=settings.queue_limit,
        wait_s=settings.queue_wait_s,
    )


def web_settings(settings: Settings) -> WebSettings:
    """What the API accepts, and within which limits."""
    # A gateway that other machines can reach has a configured token, and it can't know the names they use for it.
    is_any = not settings.allowed_hosts and not is_loopback(settings.host)
    hosts = {ANY_HOST} if is_any else {*LOCAL_HOSTS, settings.host.lower(), *settings.allowed_hosts}
    return WebSettings(
        version=VERSION,
        allowed_hosts=frozenset(hosts),
        allowed_origins=frozenset(settings.allowed_origins),
        body_bytes=settings.body_bytes,
        file_bytes=settings.file_bytes,
        max_connections=listen.room_for(settings.max_connections, RESERVED_FILES + settings.max_kernels * FILES_PER_KERNEL),
        python=Timeouts(settings.python_timeout_s, settings.max_timeout_s),
        javascript=Timeouts(settings.javascript_timeout_s, settings.max_timeout_s),
        session_idle=Timeouts(settings.session_idle_s, settings.session_max_idle_s),
        allowance=Allowance(
            settings.output_bytes,
            settings.rich_bytes,
            settings.chart_data_bytes,
            settings.fetch_bytes,
            CallLimits(settings.tool_calls, settings.tool_bytes, settings.tool_wait_s),
        ),
    )
