"""The base of the Jupyter API's endpoints: where its clients put the token, and the form of errors they expect."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus

from gateway.core.errors import GatewayError
from gateway.core.model import Json
from gateway.kernel.in_jupyter.kernelspecs import read_logos
from gateway.service.jupyter.kernel import JupyterKernel
from gateway.service.jupyter.sessions import JupyterSession
from gateway.service.jupyter.table import Spec
from gateway.web.edge import header_rules, json_answer
from gateway.web.edge.endpoint import Endpoint, Reply
from gateway.web.services import Answer

NO_CONTENT = Reply(b"", status=204)


class JupyterEndpoint(Endpoint):
    """One address of the Jupyter API."""

    takes_query_token = True
    takes_body = False  # clients send JSON under any Content-Type or none; without the token no web page gets here

    def _find_token(self) -> str:
        """The token from the header, from the query (``?token=``), or from the start of the address (``/t/TOKEN/api``).

        The last is for clients that open WebSockets without headers, but keep the base address they were given.
        """
        return find_token(
            self.request.headers.get_list("Authorization"),
            self.get_query_arguments("token"),
            self.parts.get(header_rules.PATH_TOKEN),
        )

    def _is_preflight(self) -> bool:
        """Every OPTIONS request is a preflight here, and needs no token."""
        return self.request.method == "OPTIONS"

    def _write_preflight(self) -> None:
        """200 instead of 204, as Jupyter answers: its clients expect it."""
        super()._write_preflight()
        self.set_status(200)

    def _failure_body(self, error: GatewayError) -> bytes:
        """The form of all errors, with the fields that Jupyter clients read."""
        return failure_body(error)

    def _created(self, model: Answer) -> Reply:
        """201 with the address of what was created; *model* has its id."""
        self.set_header("Location", f"{self.request.path.rstrip('/')}/{model['id']}")
        return Reply(json_answer.document(model), status=201)


def find_token(headers: list[str], queries: list[str], path: str | None) -> str:
    """The token, wherever a Jupyter client put it; raises Unauthorized.

    Clients without a token of their own still send ``Authorization: token`` with nothing after it.
    """
    is_shown = len(headers) == 1 and " " in headers[0].strip()
    text = path or ("" if is_shown or len(headers) > 1 else next(iter(queries), ""))
    return header_rules.bearer([f"Bearer {text}"] if text else headers)


def failure_body(error: GatewayError) -> bytes:
    """An error as JSON, for clients of both APIs."""
    described = json_answer.describe_failure(type(error).__name__, error.message, error.code)
    return json_answer.document({**described, "message": error.message, "reason": HTTPStatus(error.status).phrase})


def describe_kernel(kernel: JupyterKernel) -> dict[str, Json]:
    """The model of a kernel."""
    return {
        "id": kernel.kernel_id,
        "name": kernel.name,
        "last_activity": show_time(kernel.last_activity_utc),
        "execution_state": kernel.execution_state,
        "connections": kernel.connections,
    }


def describe_session(session: JupyterSession, kernel: JupyterKernel) -> dict[str, Json]:
    """The model of a session."""
    return {
        "id": session.id,
        "path": session.path,
        "name": session.name,
        "type": session.type,
        "kernel": describe_kernel(kernel),
        "notebook": {"path": session.path, "name": session.name},
    }


def describe_spec(spec: Spec, base: str) -> dict[str, Json]:
    """The model of a kernelspec; its logos are under *base*."""
    return {
        "name": spec.name,
        "spec": {
            "argv": [],
            "env": {},
            "display_name": spec.display_name,
            "language": spec.language,
            "interrupt_mode": "message",
            "metadata": {"debugger": False},
        },
        "resources": {
            name.partition(".")[0]: f"{base}/kernelspecs/{spec.name}/{name}" for name in sorted(read_logos(spec.language))
        },
    }


def show_time(utc_s: float) -> str:
    """A time as Jupyter writes it."""
    return datetime.fromtimestamp(utc_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
