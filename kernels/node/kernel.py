"""A Jupyter kernel for JavaScript: ipykernel's base class, with a Node process that runs the code."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ipykernel.kernelbase import Kernel as BaseKernel

from kernels.node.binary import Node
from kernels.node.conversation import Conversation, Outlets
from kernels.node.hints import find_hint
from kernels.node.process import NodeProcess
from kernels.serving import setup, small_pictures
from kernels.serving.failure import Failure
from kernels.serving.publisher import Publisher
from kernels.serving.served import NoShellThread, Served
from kernels.serving.streams import OutputRecord, OutputStream

TASKS = ("javascript", "setup", "variables")


@dataclass(frozen=True, slots=True)
class NodeRequest:
    """The validated omega metadata of one request. *is_cell*: declarations are kept, and the last value is the result."""

    task: str
    inputs: dict[str, Any]
    is_cell: bool
    wants_variables: bool
    picture_bytes: int = 0
    tools: list[dict[str, Any]] = field(default_factory=list)


def parse(omega: Any) -> NodeRequest | None:
    """The Request in a message's metadata, or None for a plain client's message."""
    if not isinstance(omega, dict) or omega.get("task") not in TASKS:
        return None
    given = omega.get("inputs")
    inputs = given if isinstance(given, dict) else {}
    picture_bytes = omega.get("picture_bytes")
    return NodeRequest(
        omega["task"],
        inputs,
        inputs.get("session") is True,
        bool(omega.get("variables", True)),
        picture_bytes if type(picture_bytes) is int else 0,
        _tools(omega.get("tools")),
    )


def _tools(value: Any) -> list[dict[str, Any]]:
    """As the gateway sends them; none for what any other client of this kernel may send."""
    try:
        return [{"name": str(row["name"]), "order": [str(name) for name in row["order"]]} for row in value or ()]
    except (LookupError, TypeError):
        return []


class NodeKernel(Served, BaseKernel):
    """One kernel. Made in the zygote without sockets or a Node process; the child attaches both."""

    implementation = "omega-node"
    banner = "JavaScript (sandboxed)"

    def __init__(self, node: Node, publisher: Publisher, record: OutputRecord, **traits: Any) -> None:
        super().__init__(shell_channel_thread=NoShellThread(), iopub_socket=publisher, **traits)
        self.node = node
        self.record = record
        self.streams = OutputStream(record, "stdout", 1), OutputStream(record, "stderr", 2)
        self.implementation_version = node.version
        self.language_info = {
            "name": "javascript",
            "version": node.version,
            "mimetype": "text/javascript",
            "file_extension": ".js",
            "codemirror_mode": "javascript",
            "pygments_lexer": "javascript",
            "nbconvert_exporter": "script",
        }
        self._conversation: Conversation | None = None
        self._call: Callable[[Callable[[], None]], object] = lambda _act: None
        self._runs = 0

    # -- the Node process ---------------------------------------------------------------------------------------------

    def attach(self, process: NodeProcess, loop: asyncio.AbstractEventLoop) -> None:
        """Attach *process*, which runs the code; *loop* is the main thread's."""
        conversation = self._conversation = Conversation(
            process, loop, Outlets(self.record, self._display, self._call_host, self._end_like)
        )
        self._call = loop.call_soon_threadsafe
        signal.signal(signal.SIGCHLD, lambda *_: loop.call_soon_threadsafe(conversation.look))
        signal.signal(signal.SIGINT, lambda *_: self.interrupt())

    def interrupt(self) -> None:
        """Interrupt the running code, from any thread; does nothing if none runs."""
        if self._conversation is not None:
            self._call(self._conversation.interrupt)

    def _display(self, bundle: Any) -> None:
        shown = small_pictures.added_to(bundle) if isinstance(bundle, dict) else bundle
        self.publish("display_data", {"data": shown, "metadata": {}, "transient": {}})

    def _call_host(self, call: Any) -> None:
        self.publish("omega_tool_call", call)

    def take_answer(self, content: bytes) -> None:
        """Pass an answer of the host on to Node, as text: only there it becomes values."""
        conversation, text = self._conversation, content.decode()
        if conversation is not None:
            self._call(lambda: conversation.hand_over(text))

    def _end_like(self, code: int) -> NoReturn:
        """Exit as Node did, so that the spawner sees the cause."""
        self.record.finish()
        self.record.settle()
        if code < 0:
            signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
            os.kill(os.getpid(), -code)
        os._exit(code & 0xFF)

    async def _ask(self, kind: str, **request: Any) -> dict[str, Any]:
        """Node's answer to one request."""
        if self._conversation is None:
            raise RuntimeError("no Node process is attached")
        return await self._conversation.ask(kind, **request)

    # -- requests -----------------------------------------------------------------------------------------------------

    async def do_execute(
        self,
        code: str,
        silent: bool,  # noqa: FBT001  # as ipykernel calls it
        store_history: bool = True,  # noqa: FBT001, FBT002  # as ipykernel calls it
        user_expressions: Any = None,
        allow_stdin: bool = False,  # noqa: FBT001, FBT002  # as ipykernel calls it
        *,
        cell_meta: Any = None,
        cell_id: Any = None,
    ) -> dict[str, Any]:
        """Run *code* and answer with the content of the reply."""
        request = parse((cell_meta or {}).get("omega"))
        small_pictures.begin(0 if request is None else request.picture_bytes)
        match request:
            case NodeRequest(task="setup"):
                answer = await self._set_up(request.inputs)
            case NodeRequest(task="variables"):
                answer = await self._ask("variables")
            case _:
                self._runs += not silent
                answer = await self._run(code, request)
        if self._conversation is not None:
            self._conversation.take_errors()
        if request is not None:
            self._omega = _metadata(answer)
        return self._reply(answer, silent=silent)

    async def _run(self, code: str, request: NodeRequest | None) -> dict[str, Any]:
        return await self._ask(
            "run",
            code=code,
            mode="cell" if request is None or request.is_cell else "body",
            variables=request is not None and request.wants_variables,
            json=request is not None,
            count=max(1, self._runs),
            **_offered(request),
        )

    async def _set_up(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Apply the environment and directory of a session; code sees only the time zone of these."""
        env, cwd = inputs.get("env"), inputs.get("cwd")
        kept = (
            {name: str(value) for name, value in env.items() if not name.startswith("NODE_")}
            if isinstance(env, dict)
            else {}
        )
        try:
            place = setup.make(cwd) if isinstance(cwd, str) and cwd else None
        except setup.SetupError as error:
            return {"failure": {"ename": "SetupError", "evalue": str(error), "traceback": ""}}
        return await self._ask("setup", env=kept, cwd=place)

    def _reply(self, answer: Mapping[str, Any], *, silent: bool) -> dict[str, Any]:
        reply: dict[str, Any] = {
            "status": "ok",
            "execution_count": self.execution_count,
            "user_expressions": {},
            "payload": [],
        }
        failure = _failure(answer.get("failure"))
        if failure is not None:
            reply = {**reply, **failure.content(), "status": "error"}
            self.record.finish()
            self.send_response(self.iopub_socket, "error", failure.content(), ident=self._topic("error"))
        elif isinstance(answer.get("result"), dict) and not silent:
            content = {
                "data": small_pictures.added_to(answer["result"]),
                "metadata": {},
                "execution_count": self.execution_count,
            }
            self.publish("execute_result", content)
        self.record.finish()
        return reply

    async def do_complete(self, code: str, cursor_pos: int) -> dict[str, Any]:
        """Completions at the cursor."""
        found = (await self._ask("complete", code=code, cursor=_in_units(code, cursor_pos))).get("content") or {}
        start, end = (_in_characters(code, found.get(name)) for name in ("start", "end"))
        matches = [name for name in found.get("matches") or () if isinstance(name, str)]
        return {"status": "ok", "matches": matches, "cursor_start": start, "cursor_end": end, "metadata": {}}

    async def do_inspect(self, code: str, cursor_pos: int, detail_level: int = 0, omit_sections: Any = ()) -> dict[str, Any]:
        """Information about the name at the cursor."""
        found = (await self._ask("inspect", code=code, cursor=_in_units(code, cursor_pos))).get("content") or {}
        text = found.get("text")
        data = {"text/plain": text} if isinstance(text, str) else {}
        return {"status": "ok", "found": bool(data), "data": data, "metadata": {}}

    async def do_is_complete(self, code: str) -> dict[str, Any]:
        """Whether *code* is complete."""
        found = (await self._ask("isComplete", code=code)).get("content") or {}
        status = found.get("status")
        if status == "incomplete":
            return {"status": status, "indent": str(found.get("indent", ""))}
        return {"status": status if status in ("complete", "invalid") else "unknown"}

    def pre_handler_hook(self) -> None:
        """Keep the handler of SIGINT: with the base class's one it would end this process."""

    def post_handler_hook(self) -> None:
        """Keep the handler."""

    def _send_interrupt_children(self) -> None:
        self.interrupt()


def _offered(request: NodeRequest | None) -> dict[str, Any]:
    """The tools of the host, and what the ids of their calls begin with: no two runs have it in common."""
    if request is None or not request.tools:
        return {}
    return {"tools": request.tools, "tag": secrets.token_hex(8)}


def _failure(said: Any) -> Failure | None:
    if not isinstance(said, dict):
        return None
    ename, evalue, traceback = (str(said.get(name, "")) for name in ("ename", "evalue", "traceback"))
    return Failure(ename, evalue, traceback, find_hint(ename, evalue, traceback))


def _metadata(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {name: answer[name] for name in ("variables", "usage", "is_last", "return_value") if name in answer}


def _in_units(code: str, characters: int) -> int:
    """A position counted in characters, as Jupyter does, in UTF-16 units, as JavaScript does."""
    return len(code[: max(0, characters)].encode("utf-16-le", "surrogatepass")) // 2


def _in_characters(code: str, units: Any) -> int:
    data = code.encode("utf-16-le", "surrogatepass")
    count = units if isinstance(units, int) else len(data) // 2
    return len(data[: 2 * max(0, count)].decode("utf-16-le", "replace"))
