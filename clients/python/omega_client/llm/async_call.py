"""`call_with_tools_async`: the same on asyncio; see `call`."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from typing import Any, Literal, TypeVar, overload

from omega_client.llm import tools as bench
from omega_client.llm.async_senders import AsyncSender, async_sender_of
from omega_client.llm.dialect import Call, Dialect, ModelEvent, Outcome
from omega_client.llm.loop import Answer, Loop, dialect_of, failure, refusal, result_of
from omega_client.registry import AsyncToolRegistry, ToolResult

T = TypeVar("T")


class AsyncModelStream:
    """The events of a conversation; `answer` is there when they have ended."""

    def __init__(self, loop: Loop, events: AsyncGenerator[ModelEvent, None], opened: ExitStack) -> None:
        self._loop = loop
        self._events = events
        self._opened = opened

    @property
    def answer(self) -> Answer:
        """The whole answer, once the events have ended. Raises ValueError before."""
        return self._loop.answer

    def __aiter__(self) -> AsyncIterator[ModelEvent]:
        """The events that have not been read yet."""
        return self._events

    async def __aenter__(self) -> AsyncModelStream:
        """For `async with`."""
        return self

    async def __aexit__(self, *how: object) -> None:
        """Stop."""
        await self.close()

    async def close(self) -> None:
        """Stop, if it goes on."""
        await self._events.aclose()
        self._opened.close()  # events that were never begun have not done so


@overload
async def call_with_tools_async(
    provider: str,
    client: object,
    messages: str | Sequence[Any],
    tools: Sequence[bench.Given],
    handlers: Mapping[str, bench.Handler] | None = None,
    *,
    model: str,
    max_rounds: int = 10,
    stream: Literal[False] = False,
    api_key: str = "",
    registry: AsyncToolRegistry | None = None,
    **options: Any,
) -> Answer: ...


@overload
async def call_with_tools_async(
    provider: str,
    client: object,
    messages: str | Sequence[Any],
    tools: Sequence[bench.Given],
    handlers: Mapping[str, bench.Handler] | None = None,
    *,
    model: str,
    max_rounds: int = 10,
    stream: Literal[True],
    api_key: str = "",
    registry: AsyncToolRegistry | None = None,
    **options: Any,
) -> AsyncModelStream: ...


async def call_with_tools_async(
    provider: str,
    client: object,
    messages: str | Sequence[Any],
    tools: Sequence[bench.Given],
    handlers: Mapping[str, bench.Handler] | None = None,
    *,
    model: str,
    max_rounds: int = 10,
    stream: bool = False,
    api_key: str = "",
    registry: AsyncToolRegistry | None = None,
    **options: Any,
) -> Answer | AsyncModelStream:
    """The answer of a model that may use *tools*; see `call_with_tools` for the arguments.

    *client* is an SDK's client for asyncio, or a base URL. Handlers may be async, others work in
    threads; the calls of one turn go side by side.
    """
    dialect = dialect_of(provider)
    sender = async_sender_of(dialect, client, api_key)
    with ExitStack() as opened:
        opened.callback(sender.close)
        if not registry and bench.needs_gateway(tools, handlers):
            registry = AsyncToolRegistry()
            opened.callback(registry.client.close)
        ready = await _bench(dialect, tools, handlers, registry)
        loop = Loop(dialect, model, messages, ready.definitions, max_rounds=max_rounds, options=options)
        kept = opened.pop_all()
    told = AsyncModelStream(loop, _events(loop, sender, ready.handlers, kept, streams=stream), kept)
    if stream:
        return told
    async for _ in told:
        pass
    return told.answer


async def _bench(
    dialect: Dialect,
    tools: Sequence[bench.Given],
    handlers: Mapping[str, bench.Handler] | None,
    registry: AsyncToolRegistry | None,
) -> bench.Bench:
    names, own = bench.names_in(tools), bench.own_handlers(tools, handlers)
    found = await registry.get_tool_definitions(names, dialect.name) if registry and names else []
    definitions = bench.definitions_in(dialect, tools, dict(zip(names, found)))
    missing = bench.without_handler(dialect, definitions, own)
    if missing and registry:
        known = await registry.get_names()
        own.update({name: (await registry.get_tool(name)).handler for name in missing if name in known})
    return bench.bench(dialect, definitions, own)


async def _events(
    loop: Loop,
    sender: AsyncSender,
    handlers: Mapping[str, bench.Handler],
    opened: ExitStack,
    *,
    streams: bool,
) -> AsyncGenerator[ModelEvent, None]:
    with opened:
        while not loop.is_over:
            asked = loop.ask(streams=streams)
            if streams:
                assembler = loop.assembler()
                async with _closing(sender.stream(asked)) as told:
                    async for one in told:
                        for event in assembler.feed(one):
                            yield event
                calls = loop.hear(assembler.answer())
            else:
                calls = loop.hear(await sender.ask(asked))
            for call in calls:
                yield ModelEvent("call", name=call.name, call=call)
            results = await _all_of(calls, handlers)
            for call, result in zip(calls, results):
                yield ModelEvent("result", name=call.name, call=call, result=result)
            loop.carried_out([Outcome(call, result) for call, result in zip(calls, results)])


@asynccontextmanager
async def _closing(events: AsyncGenerator[T, None]) -> AsyncIterator[AsyncGenerator[T, None]]:
    """*events*, which end where they are left: `async for` alone leaves that to the garbage collector."""
    try:
        yield events
    finally:
        await events.aclose()


async def _all_of(calls: Sequence[Call], handlers: Mapping[str, bench.Handler]) -> list[ToolResult]:
    """The results of *calls*, side by side; none goes on when one has raised."""
    found = await asyncio.gather(*(_carried_out(call, handlers) for call in calls), return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return [one for one in found if isinstance(one, ToolResult)]


async def _carried_out(call: Call, handlers: Mapping[str, bench.Handler]) -> ToolResult:
    refused = refusal(call, list(handlers))
    if refused is not None:
        return refused
    try:
        handler = handlers[call.name]
        is_async = inspect.iscoroutinefunction(handler)
        begun = _begin(handler, call) if is_async else await asyncio.to_thread(_begin, handler, call)
        return begun if isinstance(begun, ToolResult) else result_of(await begun)
    except Exception as error:  # noqa: BLE001  # whatever a handler raises, the model is told
        return failure(error)


def _begin(handler: bench.Handler, call: Call) -> ToolResult | Awaitable[Any]:
    """The result, or what has to be awaited for it."""
    try:
        given = handler(call.arguments)
        return given if inspect.isawaitable(given) else result_of(given)
    except StopIteration as error:  # a thread can't pass it on
        return failure(error)
