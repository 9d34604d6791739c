"""The scripted model as an HTTP server.

`POST /scripts` with `{"turns": [...]}` (see `script.Turn`) answers with `{"base": ...}`, an address at which all four APIs
are spoken. Requests there get one turn after another; the last one is said again and again, or, if the script
`restarts`, the first one comes after it. `GET {base}/requests` tells what
was asked. Scripts know nothing of one another, so that tests can use one server at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from tornado.iostream import StreamClosedError
from tornado.web import Application, RequestHandler

from tests.contract.models import anthropic, chat, gemini, responses
from tests.contract.models.script import Heard, Refused, Saying, Turn, parse, saying


@dataclass(slots=True)
class Script:
    """What a model says, and what it was asked."""

    turns: tuple[Turn, ...]
    restarts: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)

    def next(self) -> tuple[int, Turn]:
        """The turn whose time has come, and its number."""
        number, last = len(self.asked) - 1, len(self.turns) - 1
        return number, self.turns[number % (last + 1) if self.restarts else min(number, last)]


@dataclass(frozen=True, slots=True)
class Api:
    """One API: where it is, its module, and the headers that may have the key."""

    path: str
    module: ModuleType
    keys: tuple[str, ...]

    def has_key(self, headers: Mapping[str, str]) -> bool:
        """Whether the request has a key where this API looks for it."""
        given = {name: headers.get(name, "") for name in self.keys}
        return any(key.startswith("Bearer ") if name == "authorization" else key for name, key in given.items())


GEMINI = r"/v1(?:beta)?/models/(?P<model>[^/:]+):(?P<method>generateContent|streamGenerateContent)"
APIS = (
    Api("/v1/chat/completions", chat, ("authorization",)),
    Api("/v1/responses", responses, ("authorization",)),
    Api("/v1/messages", anthropic, ("x-api-key", "authorization")),
    Api(GEMINI, gemini, ("x-goog-api-key",)),
)


class Scripts(RequestHandler):
    """Takes scripts."""

    def initialize(self, scripts: dict[str, Script]) -> None:
        """With all there are."""
        self.scripts = scripts

    def post(self) -> None:
        """Keep one and say where it is spoken."""
        name = f"s{len(self.scripts)}"
        told = json.loads(self.request.body)
        self.scripts[name] = Script(parse(told["turns"]), bool(told.get("restarts")))
        self.finish({"base": f"{self.request.protocol}://{self.request.host}/scripts/{name}"})


class Requests(RequestHandler):
    """Tells what was asked."""

    def initialize(self, scripts: dict[str, Script]) -> None:
        """With all there are."""
        self.scripts = scripts

    def get(self, name: str) -> None:
        """The requests in order."""
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(self.scripts[name].asked))


class Model(RequestHandler):
    """Speaks."""

    def initialize(self, scripts: dict[str, Script], api: Api) -> None:
        """One API."""
        self.scripts, self.api = scripts, api

    async def post(self, script: str, model: str = "", method: str = "") -> None:
        """Answer with the turn whose time has come."""
        told = self.scripts[script]
        body = json.loads(self.request.body)
        entry: dict[str, Any] = {"path": self.request.path, "headers": dict(self.request.headers), "body": body}
        told.asked.append(entry)
        try:
            heard = self._listen(body, model)
        except Refused as refused:
            entry["problem"] = str(refused)
            self._refuse(refused.status, str(refused), {})
            return
        number, turn = told.next()
        if turn.status != 200:
            self._refuse(turn.status, turn.message, turn.headers)
            return
        said = saying(turn, heard, number, model or body["model"])
        if body.get("stream") or method == "streamGenerateContent":
            await self._stream(turn, said)
        elif turn.fails:
            self._refuse(500, turn.message or "The model failed.", {})
        else:
            self._send(200, self.api.module.say(said))

    def _listen(self, body: Mapping[str, Any], model: str) -> Heard:
        if not self.api.has_key(self.request.headers):
            raise Refused(f"No key in {' or '.join(self.api.keys)}.", 401)
        if self.api.module is anthropic and "anthropic-version" not in self.request.headers:
            raise Refused("anthropic-version: header is required")
        if not model and not isinstance(body.get("model"), str):
            raise Refused("model: Field required")
        heard = self.api.module.listen(body)
        assert isinstance(heard, Heard)
        return heard

    def _refuse(self, status: int, message: str, headers: Mapping[str, str]) -> None:
        for name, value in headers.items():
            self.set_header(name, value)
        self._send(status, self.api.module.fault(status, message))

    def _send(self, status: int, document: object) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(document))

    async def _stream(self, turn: Turn, said: Saying) -> None:
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        events = list(self.api.module.stream(said))
        if turn.fails or turn.breaks:
            del events[len(events) // 2 :]
        if turn.fails:
            events.append(self.api.module.broken(turn.message or "The model failed."))
        try:
            for event, data in events:
                self.write("".join(_lines(event, data)))
                await self.flush()
        except StreamClosedError:
            return
        if turn.breaks:
            connection = self.detach()
            connection.close()
        else:
            self.finish()

    def check_etag_header(self) -> bool:
        """Nothing is asked twice."""
        return False


def _lines(event: str, data: object) -> Iterator[str]:
    if event:
        yield f"event: {event}\n"
    yield f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n"


def application() -> Application:
    """The whole server."""
    scripts: dict[str, Script] = {}
    shared: dict[str, Any] = {"scripts": scripts}
    at = r"/scripts/(?P<script>\w+)"
    models = [(at + api.path + r"/?", Model, {**shared, "api": api}) for api in APIS]
    return Application(
        [(r"/scripts", Scripts, shared), (r"/scripts/(?P<name>\w+)/requests", Requests, shared), *models],
        log_function=lambda handler: None,
    )
