"""`call_with_tools`: a model answers, and uses tools by itself."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Literal, overload

from omega_client.llm import tools as bench
from omega_client.llm.dialect import Call, Dialect, ModelEvent, Outcome
from omega_client.llm.loop import Answer, Loop, dialect_of, failure, refusal, result_of
from omega_client.llm.senders import Sender, sender_of
from omega_client.registry import ToolRegistry, ToolResult


class ModelStream:
    """The events of a conversation; `answer` is there when they have ended."""

    def __init__(self, loop: Loop, events: Generator[ModelEvent, None, None], opened: ExitStack) -> None:
        self._loop = loop
        self._events = events
        self._opened = opened

    @property
    def answer(self) -> Answer:
        """The whole answer, once the events have ended. Raises ValueError before."""
        return self._loop.answer

    def __iter__(self) -> Iterator[ModelEvent]:
        """The events that have not been read yet."""
        return self._events

    def __enter__(self) -> ModelStream:
        """For `with`."""
        return self

    def __exit__(self, *how: object) -> None:
        """Stop."""
        self.close()

    def close(self) -> None:
        """Stop, if it goes on."""
        self._events.close()
        self._opened.close()  # events that were never begun have not done so


@overload
def call_with_tools(
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
    registry: ToolRegistry | None = None,
    **options: Any,
) -> Answer: ...


@overload
def call_with_tools(
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
    registry: ToolRegistry | None = None,
    **options: Any,
) -> ModelStream: ...


def call_with_tools(
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
    registry: ToolRegistry | None = None,
    **options: Any,
) -> Answer | ModelStream:
    """The answer of a model that may use *tools*, in as many rounds as it needs up to *max_rounds*.

    *provider* is `openai` (chat completions), `openai-responses`, `anthropic` or `gemini`. *client* is a client of the
    vendor's SDK, the base URL of a server (as the SDK takes it), or None for the vendor's own. *tools* are names of the
    gateway's tools, definitions in any provider's form, and functions with `@tool`. *handlers* are called with the arguments
    as one mapping; the gateway's tools need none, with *registry*, or with OMEGA_URL and OMEGA_TOKEN. *options* are further
    fields of the request. With *stream* the events come one by one.
    """
    dialect = dialect_of(provider)
    sender = sender_of(dialect, client, api_key)
    with ExitStack() as opened:
        opened.callback(sender.close)
        if not registry and bench.needs_gateway(tools, handlers):
            registry = ToolRegistry()
            opened.callback(registry.client.close)
        ready = _bench(dialect, tools, handlers, registry)
        loop = Loop(dialect, model, messages, ready.definitions, max_rounds=max_rounds, options=options)
        kept = opened.pop_all()
    told = ModelStream(loop, _events(loop, sender, ready.handlers, kept, streams=stream), kept)
    if stream:
        return told
    for _ in told:
        pass
    return told.answer


def _bench(
    dialect: Dialect,
    tools: Sequence[bench.Given],
    handlers: Mapping[str, bench.Handler] | None,
    registry: ToolRegistry | None,
) -> bench.Bench:
    names, own = bench.names_in(tools), bench.own_handlers(tools, handlers)
    found = registry.get_tool_definitions(names, dialect.name) if registry and names else []
    definitions = bench.definitions_in(dialect, tools, dict(zip(names, found)))
    missing = bench.without_handler(dialect, definitions, own)
    if missing and registry:
        known = registry.get_names()
        own.update({name: registry.get_tool(name).handler for name in missing if name in known})
    return bench.bench(dialect, definitions, own)


def _events(
    loop: Loop,
    sender: Sender,
    handlers: Mapping[str, bench.Handler],
    opened: ExitStack,
    *,
    streams: bool,
) -> Generator[ModelEvent, None, None]:
    with opened:
        while not loop.is_over:
            asked = loop.ask(streams=streams)
            if streams:
                assembler = loop.assembler()
                for event in sender.stream(asked):
                    yield from assembler.feed(event)
                calls = loop.hear(assembler.answer())
            else:
                calls = loop.hear(sender.ask(asked))
            outcomes = []
            for call in calls:
                yield ModelEvent("call", name=call.name, call=call)
                outcomes.append(Outcome(call, _carried_out(call, handlers)))
                yield ModelEvent("result", name=call.name, call=call, result=outcomes[-1].result)
            loop.carried_out(outcomes)


def _carried_out(call: Call, handlers: Mapping[str, bench.Handler]) -> ToolResult:
    refused = refusal(call, list(handlers))
    if refused is not None:
        return refused
    try:
        return result_of(handlers[call.name](call.arguments))
    except Exception as error:  # noqa: BLE001  # whatever a handler raises, the model is told
        return failure(error)
