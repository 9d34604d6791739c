"""Log lines on stderr, as text or JSON, with the run's id and without code, tokens and query strings."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import Processor

Fields = MutableMapping[str, Any]
SECRET_FIELDS = frozenset({"authorization", "body", "code", "cookie", "password", "query", "source", "token"})
"""Names of private fields; their values are never logged."""
FIELD_CHARS = 2000
_QUERY = re.compile(r"\?[^\s'\")\]]*")
_URL_PASSWORD = re.compile(r"(://[^\s:/@]*):[^\s@/]*@")


def set_up_log(level: str, form: Literal["json", "console"], stream: TextIO | None = None) -> None:
    """Send every log line of this process, including those of libraries, to *stream* (stderr) in one format."""
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(shared, form, stream))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    _quieten(root.level)


def _formatter(shared: list[Processor], form: Literal["json", "console"], stream: TextIO) -> logging.Formatter:
    """Formats lines of structlog and of plain loggers alike, without secrets and control characters."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, _scrub_foreign],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            hide_secrets,
            escape_controls,
            _renderer(form, stream),
        ],
    )


def _quieten(level: int) -> None:
    """Suppress lines of libraries that would show secrets or repeat ours."""
    # Our own line replaces Tornado's, which has the query string in it.
    logging.getLogger("tornado.access").setLevel(logging.CRITICAL)
    # Tornado's lines on malformed requests quote headers, and so tokens.
    for noisy in ("sqlalchemy", "asyncio", "traitlets", "tornado.general"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, level))
    # A full disk or a closed pipe under stderr must not print tracebacks of the logging itself.
    logging.raiseExceptions = False


def bind_run(run_id: str) -> None:
    """Name *run_id* on every later line of this task and of the tasks it starts."""
    structlog.contextvars.bind_contextvars(run_id=run_id)


def hide_secrets(_logger: object, _method: str, fields: Fields) -> Fields:
    """*fields* without the values of private names."""
    for name in SECRET_FIELDS & fields.keys():
        fields[name] = "[hidden]"
    return fields


def escape_controls(_logger: object, _method: str, fields: Fields) -> Fields:
    """*fields* with every character escaped that could start a line or steer a terminal; long text is cut."""
    for name, value in fields.items():
        if isinstance(value, str):
            keep = "\n" if name in ("exception", "stack") else ""
            fields[name] = _escape(value if keep else value[:FIELD_CHARS], keep)
        elif value is not None and not isinstance(value, (bool, int, float)):
            fields[name] = _escape(str(value)[:FIELD_CHARS], "")
    return fields


def _escape(text: str, keep: str) -> str:
    if text.isprintable():
        return text
    escaped = "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape", "replace").decode() for char in text
    )
    # Indented, a line that came from outside can't pass for a line of the log.
    return escaped.replace("\n", "\n    ") if keep else escaped


def _scrub_foreign(_logger: object, _method: str, fields: Fields) -> Fields:
    """Lines of other libraries, without query strings and passwords in URLs."""
    for name in ("event", "exception"):
        if isinstance(text := fields.get(name), str):
            fields[name] = _URL_PASSWORD.sub(r"\1:…@", _QUERY.sub("?…", text))
    return fields


def _renderer(form: Literal["json", "console"], stream: TextIO) -> Processor:
    if form == "json":
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
    )
