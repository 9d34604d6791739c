"""The REST endpoints of the Jupyter API: kernelspecs, kernels, sessions, and what clients read when they connect."""

from __future__ import annotations

import re

from gateway.core.errors import NotFound
from gateway.core.model import Json
from gateway.kernel.in_jupyter.kernelspecs import read_logos
from gateway.web.edge import header_rules, json_answer
from gateway.web.edge.endpoint import Reply
from gateway.web.jupyter.bodies import parse_kernel, parse_session
from gateway.web.jupyter.endpoint import (
    NO_CONTENT,
    JupyterEndpoint,
    describe_kernel,
    describe_session,
    describe_spec,
    show_time,
)
from gateway.web.operations import Operation, RouteEntry
from gateway.web.services import Answer


def _list(items: list[Json]) -> Reply:
    return Reply(json_answer.document(items))


class ApiVersion(JupyterEndpoint):
    """The version of the server."""

    async def on_get(self) -> Answer:
        return {"version": self.services.settings.version}


class ApiStatus(JupyterEndpoint):
    """How many kernels and connections there are."""

    async def on_get(self) -> Answer:
        kernels = self.services.jupyter.list(self.caller)
        started_utc = self.services.jupyter.started_utc
        return {
            "started": show_time(started_utc),
            "last_activity": show_time(max([kernel.last_activity_utc for kernel in kernels], default=started_utc)),
            "kernels": len(kernels),
            "connections": sum(kernel.connections for kernel in kernels),
        }


class Identity(JupyterEndpoint):
    """The caller's identity."""

    async def on_get(self) -> Answer:
        name = self.caller.name
        who: Answer = {"username": name, "name": name, "display_name": name, "initials": name[:1].upper()}
        return {"identity": {**who, "avatar_url": None, "color": None}, "permissions": {}}


class KernelSpecs(JupyterEndpoint):
    """The available kernelspecs."""

    async def on_get(self) -> Answer:
        specs = self.services.jupyter.specs()
        shown: Answer = {spec.name: describe_spec(spec, self._base) for spec in specs}
        return {"default": specs[0].name if specs else "", "kernelspecs": shown}

    @property
    def _base(self) -> str:
        """The path in front of the addresses of this API."""
        return self.request.path.partition("/api/")[0]


class OneKernelSpec(KernelSpecs):
    """One kernelspec."""

    async def on_get(self) -> Answer:
        spec = self.services.jupyter.spec(self.parts["name"])
        if spec is None:
            raise NotFound("There is no kernelspec of this name.")
        return describe_spec(spec, self._base)


class KernelSpecResource(JupyterEndpoint):
    """A file of a kernelspec, such as a logo."""

    async def on_get(self) -> Reply:
        spec = self.services.jupyter.spec(self.parts["name"])
        logo = read_logos(spec.language).get(self.parts["resource"]) if spec else None
        if logo is None:
            raise NotFound("The kernelspec has no such file.")
        return Reply(logo, "image/svg+xml" if self.parts["resource"].endswith(".svg") else "image/png")


class KernelList(JupyterEndpoint):
    """The caller's kernels."""

    async def on_get(self) -> Reply:
        return _list([describe_kernel(kernel) for kernel in self.services.jupyter.list(self.caller)])

    async def on_post(self) -> Reply:
        kernel = await self.services.jupyter.start(parse_kernel(self.body), self.caller)
        return self._created(describe_kernel(kernel))


class OneKernel(JupyterEndpoint):
    """One of the caller's kernels."""

    async def on_get(self) -> Answer:
        return describe_kernel(self.services.jupyter.find(self.parts["kernel_id"], self.caller))

    async def on_delete(self) -> Reply:
        await self.services.jupyter.delete(self.parts["kernel_id"], self.caller)
        return NO_CONTENT


class KernelInterrupt(JupyterEndpoint):
    """Interrupts a kernel; it keeps its state."""

    async def on_post(self) -> Reply:
        await self.services.jupyter.interrupt(self.parts["kernel_id"], self.caller)
        return NO_CONTENT


class KernelRestart(JupyterEndpoint):
    """Restarts a kernel: it loses its state and keeps its connections."""

    async def on_post(self) -> Answer:
        return describe_kernel(await self.services.jupyter.restart(self.parts["kernel_id"], self.caller))


class JupyterSessionTable(JupyterEndpoint):
    """The caller's Jupyter sessions: notebooks and their kernels."""

    async def on_get(self) -> Reply:
        return _list([describe_session(*found) for found in self.services.jupyter_sessions.list(self.caller)])

    async def on_post(self) -> Reply:
        found = await self.services.jupyter_sessions.create(parse_session(self.body), self.caller)
        return self._created(describe_session(*found))


class OneJupyterSession(JupyterEndpoint):
    """One Jupyter session: a notebook and its kernel."""

    async def on_get(self) -> Answer:
        return describe_session(*self.services.jupyter_sessions.find(self.parts["session_id"], self.caller))

    async def on_patch(self) -> Answer:
        wanted = parse_session(self.body)
        return describe_session(*await self.services.jupyter_sessions.change(self.parts["session_id"], wanted, self.caller))

    async def on_delete(self) -> Reply:
        await self.services.jupyter_sessions.delete(self.parts["session_id"], self.caller)
        return NO_CONTENT


class SwaggerJson(JupyterEndpoint):
    """The description of this API, as Swagger 2.0."""

    async def on_get(self) -> Reply | Answer:
        return self._describe()

    def _describe(self) -> Answer:
        paths: Answer = {
            route.path: {operation.method.lower(): _describe(route, operation) for operation in route.operations}
            for route in self.settings["routes"]
            if issubclass(route.endpoint, JupyterEndpoint)
        }
        return {
            "swagger": "2.0",
            "info": {"title": "Omega Gateway: Jupyter API", "version": self.services.settings.version},
            "basePath": "/",
            "produces": ["application/json"],
            "consumes": ["application/json"],
            "securityDefinitions": {
                "tokenHeader": {"type": "apiKey", "name": "Authorization", "in": "header"},
                "tokenParam": {"type": "apiKey", "name": header_rules.TOKEN_NAMES[0], "in": "query"},
            },
            "paths": paths,
        }


class SwaggerYaml(SwaggerJson):
    """This API's description, as Swagger 2.0 in YAML."""

    async def on_get(self) -> Reply:
        return Reply(json_answer.document(self._describe()), "text/x-yaml; charset=utf-8")


def _describe(route: RouteEntry, operation: Operation) -> Json:
    summary = (route.endpoint.__doc__ or "").partition("\n")[0]
    parameters: list[Json] = [
        {"name": name, "in": "path", "required": True, "type": "string"} for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    if operation.takes:
        parameters.append({"name": "body", "in": "body", "schema": {"type": "object"}})
    return {
        "summary": summary,
        "operationId": f"{operation.method.lower()}{route.endpoint.__name__}",
        "produces": list(operation.content_types),
        "parameters": parameters,
        "responses": {
            str(operation.status): {"description": summary},
            "default": {"description": "The request failed."},
        },
    }
