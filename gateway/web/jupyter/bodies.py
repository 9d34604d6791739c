"""The JSON bodies of the Jupyter API. Unknown fields are ignored, and an empty body asks for the defaults. Pure."""

from __future__ import annotations

from gateway.core.errors import BadRequest
from gateway.core.model import Json
from gateway.service.jupyter.sessions import SessionChange
from gateway.service.jupyter.table import NewKernel
from gateway.web.edge.body import name_of, parse_object

MAX_CHARS = 1024


def parse_kernel(body: bytes) -> NewKernel:
    """The kernel that *body* asks for: ``{"name", "kernel_id"?, "env"?}``; raises BadRequest."""
    value = parse_object(body) if body.strip() else {}
    return _kernel(value, _text(value, "kernel_id"))


def parse_session(body: bytes) -> SessionChange:
    """The session that *body* asks for, or the changes to one: ``{"path", "name", "type", "kernel"}``."""
    value = parse_object(body) if body.strip() else {}
    # Older clients put path and name into "notebook".
    notebook = value.get("notebook")
    named = {**notebook, **value} if isinstance(notebook, dict) else value
    kernel = value.get("kernel")
    if kernel is not None and not isinstance(kernel, dict):
        raise BadRequest(f"kernel must be an object, not {name_of(kernel)}.")
    asked = kernel or {}
    kernel_id = _text(asked, "id")
    return SessionChange(
        _text(named, "path"),
        _text(named, "name"),
        _text(named, "type"),
        kernel_id or None,
        _kernel(asked, None) if asked and not kernel_id else None,
    )


def _kernel(value: dict[str, Json], kernel_id: str | None) -> NewKernel:
    return NewKernel(_text(value, "name") or "", kernel_id or "", _env(value.get("env")))


def _text(value: dict[str, Json], name: str) -> str | None:
    text = value.get(name)
    if text is None or (isinstance(text, str) and len(text) <= MAX_CHARS):
        return text
    raise BadRequest(f"{name} must be a string of at most {MAX_CHARS} characters.")


def _env(value: Json) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest(f"env must be an object, not {name_of(value)}.")
    # Clients may send their whole environment; values that are not text are ignored.
    return {name: item for name, item in value.items() if isinstance(item, str)}
