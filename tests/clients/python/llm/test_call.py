"""Conversations with scripted models, by HTTP: each API, at once and streamed, with and without asyncio."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

import omega_client as omega
from tests.clients.python import peer
from tests.clients.python.both import Both
from tests.clients.python.peer import document
from tests.contract.models.process import Models, Scripted

MODELS = {"openai": "gpt", "openai-responses": "gpt", "anthropic": "claude", "gemini": "gemini-3-pro"}
EVERY = pytest.mark.parametrize("provider", MODELS)
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["at once", "streamed"])
PNG = omega.Chart(b"\x89PNG", "image/png")
SVG = omega.Chart(b"<svg/>", "image/svg+xml")


@omega.tool
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@omega.tool
def draw(fails: bool = False) -> omega.ToolResult:
    """Draw."""
    return omega.ToolResult("drawn", (PNG, SVG), fails)


def base(model: Scripted, provider: str) -> str:
    """Its base URL, as the vendor's SDK wants it."""
    return model.openai if provider.startswith("openai") else model.base


def converse(both: Both, scripted: Scripted, provider: str, **more: Any) -> tuple[list[omega.ModelEvent], omega.Answer]:
    """A conversation that begins with "Go."."""
    tools, messages = more.pop("tools", [add, draw]), more.pop("messages", "Go.")
    asked = {"model": MODELS[provider], "api_key": "k", **more}
    return both.converse(provider, base(scripted, provider), messages, tools, **asked)


def calls(*found: tuple[str, Any]) -> list[dict[str, Any]]:
    """Calls as a script has them."""
    return [{"name": name, "arguments": arguments} for name, arguments in found]


def heard(answer: omega.Answer) -> list[dict[str, Any]]:
    """What the model has read, which it repeats."""
    return list(json.loads(answer.text))


@EVERY
@STREAMED
def test_a_model_uses_tools_until_it_has_its_answer(both: Both, models: Models, provider: str, stream: bool) -> None:
    """Several calls in a turn, one after another turn; what it thinks goes back to it."""
    first = calls(("add", {"a": 2, "b": 3}), ("draw", {}), ("add", '{"a": 1, "b'), ("missing", {}), ("add", {"b": 1}))
    model = models.script(
        {"text": "Let me see: é.", "thinks": True, "calls": first},
        {"thinks": True, "calls": calls(("add", {"a": 40, "b": 2}))},
        {"echoes": True},
    )
    events, answer = converse(both, model, provider, stream=stream)
    model.bodies()
    results = [(outcome.result.text.partition(":")[0], outcome.result.is_error) for outcome in answer.outcomes]
    assert results == [
        ("5", False),
        ("drawn", False),
        ("The arguments are no JSON", True),
        ("There is no tool 'missing'; the tools are", True),
        ("TypeError", True),
        ("42", False),
    ]
    assert [one["text"] for one in heard(answer)] == ["42"]
    assert (answer.rounds, answer.ran_out, answer.images) == (2, False, [PNG, SVG])
    if stream:
        assert "".join(event.text for event in events if event.type == "text") == f"Let me see: é.{answer.text}"
        assert [event.type for event in events].count("result") == len(results)
        pieces = "".join(event.text for event in events if event.type == "arguments" and event.name == "add")
        assert provider == "gemini" or pieces.startswith('{"a": 2, "b": 3}')


@pytest.mark.parametrize(("provider", "model"), [*MODELS.items(), ("gemini", "models/gemini-2.5-flash")])
def test_a_model_sees_what_its_api_can_show(both: Both, models: Models, provider: str, model: str) -> None:
    """Pictures where there is a way; elsewhere it is told that there are some. An error says that it is one."""
    script = models.script({"calls": calls(("draw", {}), ("draw", {"fails": True}))}, {"echoes": True})
    _, answer = converse(both, script, provider, model=model)
    script.bodies()
    good, bad = heard(answer)
    hidden = "[1 picture that you can't see.]"
    if provider == "openai":
        hidden = "[2 pictures that you can't see.]"
    assert good["text"] == f"drawn\n{hidden}"
    shown = [one for result in (good, bad) for one in result["images"]]
    assert shown == ["image/png"] * {"openai": 0, "openai-responses": 2, "anthropic": 1, "gemini": 2}[provider]
    assert (good["is_error"], bad["is_error"]) == ((False, True) if provider in ("anthropic", "gemini") else (None, None))


@EVERY
@STREAMED
def test_after_the_last_round_a_model_has_to_answer(both: Both, models: Models, provider: str, stream: bool) -> None:
    """It is asked once more, and may not call: what it knows by then is better than nothing."""
    model = models.script({"calls": calls(("add", {"a": 1}))})
    _, answer = converse(both, model, provider, stream=stream, max_rounds=2)
    assert (answer.text, answer.rounds, answer.ran_out) == ("I may not call tools any more.", 2, True)
    assert len(model.bodies()) == 3


@EVERY
def test_a_model_that_calls_all_the_same_is_stopped(both: Both, models: Models, provider: str) -> None:
    """The exception has the conversation, and it can go on."""
    stubborn = {"text": "More!", "calls": calls(("add", {"a": 1})), "is_stubborn": True}
    model = models.script(stubborn, stubborn, {"text": "Enough."})
    with pytest.raises(omega.TooManyRounds, match="in 1 rounds") as stopped:
        converse(both, model, provider, max_rounds=1)
    assert stopped.value.text == "More!"
    _, answer = converse(both, model, provider, messages=stopped.value.messages)
    assert answer.text == "Enough."
    model.bodies()


@EVERY
def test_a_conversation_goes_on(both: Both, models: Models, provider: str) -> None:
    """With the messages of the answer, and another one in the plain form."""
    model = models.script({"calls": calls(("add", {"a": 1}))}, {"text": "Two."}, {"text": "Bye."})
    system = {"role": "system", "content": "Be short."}
    _, first = converse(both, model, provider, messages=[system, {"role": "user", "content": "Add."}])
    _, last = converse(both, model, provider, messages=[*first.messages, {"role": "user", "content": "Thanks."}])
    assert (first.text, last.text) == ("Two.", "Bye.")
    bodies = model.bodies()
    assert "Be short." in json.dumps(bodies[0])
    assert "Be short." in json.dumps(bodies[2])
    assert first.messages[0] == system


@EVERY
@STREAMED
def test_a_call_that_was_cut_is_not_carried_out(both: Both, models: Models, provider: str, stream: bool) -> None:
    """Half a program may still be one, and does something else."""
    model = models.script({"calls": calls(("add", {"a": 1}), ("add", {"a": 2})), "is_cut": True}, {"echoes": True})
    _, answer = converse(both, model, provider, stream=stream)
    assert [outcome.result.text[:37] for outcome in answer.outcomes] == ["2", "The answer reached its limit of token"]
    model.bodies()


@EVERY
@STREAMED
def test_what_the_api_refuses_is_told(both: Both, models: Models, provider: str, stream: bool) -> None:
    """In its own words; what passes is tried again."""
    model = models.script({"status": 400, "message": "No such model."})
    with pytest.raises(omega.ModelError, match="status 400: No such model") as refused:
        converse(both, model, provider, stream=stream)
    assert (refused.value.status, len(model.requests())) == (400, 1)
    wait = {"headers": {"Retry-After": "0"}, "message": "Wait."}
    model = models.script({"status": 429, **wait}, {"status": 503, **wait}, {"text": "Here."})
    assert converse(both, model, provider, stream=stream)[1].text == "Here."
    model = models.script({"status": 429, **wait})
    with pytest.raises(omega.ModelError, match="status 429"):
        converse(both, model, provider, stream=stream)
    assert len(model.requests()) == 3


@EVERY
@pytest.mark.parametrize(
    ("turn", "kind"),
    [({"fails": True, "message": "Overloaded."}, omega.ModelError), ({"breaks": True}, omega.ConnectionFailed)],
)
def test_a_stream_that_breaks_off_is_no_answer(
    both: Both, models: Models, provider: str, turn: dict[str, Any], kind: type[Exception]
) -> None:
    """Half a text would be taken for the whole."""
    model = models.script({"text": "All of it, from the beginning to the end.", **turn})
    with pytest.raises(kind):
        converse(both, model, provider, stream=True)


@EVERY
def test_handlers_get_one_mapping(both: Both, models: Models, provider: str) -> None:
    """Definitions may have the form of any API, as those of the registry have by default; other fields go along."""
    schema = {"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]}
    forms = [
        {"type": "function", "function": {"name": "f", "description": "F.", "parameters": schema}},
        {"type": "function", "name": "f", "description": "F.", "parameters": schema, "strict": True},
        {"name": "f", "description": "F.", "input_schema": schema},
        {"name": "f", "description": "F.", "parametersJsonSchema": schema},
        {"functionDeclarations": [{"name": "f", "description": "F.", "parametersJsonSchema": schema}]},
        {"name": "f", "description": "F.", "inputSchema": schema},
    ]
    for form in forms:
        given: list[Any] = []
        model = models.script({"calls": calls(("f", {"code": "1"}))}, {"echoes": True})
        _, answer = converse(both, model, provider, tools=[form], handlers={"f": given.append}, top_p=0.5)
        assert given == [{"code": "1"}]
        assert heard(answer)[0]["text"] == "(no output)"
        body = model.bodies()[0]
        assert body["top_p"] == 0.5
        assert json.dumps(body["tools"]).count('"f"') == 1
        assert '"code"' in json.dumps(body["tools"])


def test_plain_handlers_of_a_turn_go_side_by_side_on_asyncio(models: Models) -> None:
    """In threads: each waits for the other, which in the event loop would never end. What they raise, the model is told."""
    everybody = threading.Barrier(2, timeout=60)

    def meet(arguments: dict[str, Any]) -> None:
        everybody.wait()
        raise StopIteration if arguments["a"] == 1 else LookupError("x")

    definition = {"name": "meet", "input_schema": {"type": "object"}}
    model = models.script({"calls": calls(("meet", {"a": 1}), ("meet", {"a": 2}))}, {"echoes": True})
    on_asyncio = Both("asyncio")
    _, answer = converse(on_asyncio, model, "anthropic", tools=[definition], handlers={"meet": meet})
    on_asyncio.close()
    assert [outcome.result.text for outcome in answer.outcomes] == ["StopIteration: ", "LookupError: x"]


def test_what_can_not_work_is_refused_before_a_model_is_asked(both: Both, models: Models) -> None:
    """A wrong name of a provider, a tool that nobody carries out, no messages, no round."""
    model = models.script({"text": "x"})
    definition = {"name": "f", "input_schema": {"type": "object"}}
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: both.converse("azure", model.base, "Go.", [], model="m"), "There is no provider 'azure'"),
        (lambda: converse(both, model, "anthropic", tools=[definition]), "There is no handler for f"),
        (lambda: converse(both, model, "anthropic", tools=[add, add]), "Each tool needs a name of its own: add, add"),
        (lambda: converse(both, model, "anthropic", messages=[]), "There are no messages"),
        (lambda: converse(both, model, "anthropic", max_rounds=0), "max_rounds must be at least 1"),
        (lambda: converse(both, model, "anthropic", tools="add"), "tools must be a list"),
        (lambda: converse(both, model, "anthropic", tools=[3]), "A tool must be a name"),
        (lambda: both.converse("openai", "ftp://x", "Go.", [], model="m"), "is no URL"),
        (lambda: both.converse("openai", object(), "Go.", [], model="m"), "object has no chat.completions.create"),
    ]
    for wrong, says in cases:
        with pytest.raises((ValueError, TypeError), match=says):
            wrong()
    assert model.requests() == []


@EVERY
def test_what_no_model_can_mend_is_raised(both: Both, models: Models, provider: str) -> None:
    """A wrong token is the program's fault; an end of a session is something a model can go on from."""

    def refused(arguments: object) -> None:
        raise omega.Unauthorized(401, {"message": "The token is not valid."})

    def gone(arguments: object) -> None:
        raise omega.Gone(410, {"message": "It has ended.", "hint": "Make a new one."})

    script = {"calls": calls(("add", {"a": 1}))}
    with pytest.raises(omega.Unauthorized):
        converse(both, models.script(script), provider, handlers={"add": refused})
    _, answer = converse(both, models.script(script, {"echoes": True}), provider, handlers={"add": gone})
    assert heard(answer)[0]["text"] == "Gone: It has ended. Make a new one."


@EVERY
def test_a_model_without_tools_just_answers(both: Both, models: Models, provider: str) -> None:
    """No empty list is sent, which some servers refuse."""
    model = models.script({"text": "Hello."})
    _, answer = converse(both, model, provider, tools=[])
    assert (str(answer), answer.outcomes, answer.rounds) == ("Hello.", (), 0)
    assert "tools" not in model.bodies()[0]


def test_keys_come_from_the_environment(both: Both, models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    """And base URLs, as the vendors' SDKs take them."""
    model = models.script({"text": "Hello."})
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", model.base)
    _, answer = both.converse("anthropic", None, "Go.", [], model="claude")
    assert answer.text == "Hello."
    assert model.requests()[0]["headers"]["X-Api-Key"] == "secret"


@pytest.mark.parametrize("provider", [name for name in MODELS if name != "gemini"])  # its arguments are part of the answer
@STREAMED
@pytest.mark.parametrize("text", ["[" * 20_000, '{"a":' * 5000 + "1" + "}" * 5000, '{"a":' * 900 + "1" + "}" * 900])
def test_a_model_is_told_that_its_arguments_are_nested_too_deep(
    both: Both, models: Models, provider: str, stream: bool, text: str
) -> None:
    """As of other arguments that are no JSON; the conversation goes on."""
    script = models.script({"calls": calls(("add", text))}, {"text": "Sorry."})
    _, answer = converse(both, script, provider, stream=stream)
    (outcome,) = answer.outcomes
    assert outcome.result.is_error
    assert outcome.result.text.startswith("The arguments ")
    assert answer.text == "Sorry."


BASES = {
    "openai": ("/chat/completions", {"": "/v1", "/": "/v1", "/v1": "/v1", "/v1/": "/v1", "/openai/v2": "/openai/v2"}),
    "openai-responses": ("/responses", {"": "/v1", "/v1": "/v1", "/openai/v2": "/openai/v2"}),
    "anthropic": ("/messages", {"": "/v1", "/": "/v1", "/v1": "/v1", "/v1/": "/v1", "/proxy": "/proxy/v1"}),
    "gemini": (
        "/models/gemini-3-pro:generateContent",
        {"": "/v1beta", "/v1beta": "/v1beta", "/v1": "/v1", "/p": "/p/v1beta"},
    ),
}


@EVERY
def test_a_base_url_may_have_the_version_or_not(both: Both, provider: str) -> None:
    """Vendors differ in what their SDKs take. A server with an address of its own may need no key."""
    end, prefixes = BASES[provider]
    with peer.peer(lambda _: [document({"error": {"message": "No."}}, "400 Bad Request")]) as served:
        for path in prefixes:
            with pytest.raises(omega.ModelError, match="No"):
                both.converse(provider, served.url + path, "Go.", [], model=MODELS[provider])
    assert [asked.path for asked in served.asked] == [prefix + end for prefix in prefixes.values()]
    assert not {"authorization", "x-api-key", "x-goog-api-key"} & served.asked[0].headers.keys()


@EVERY
def test_a_missing_key_is_told_before_anything_is_asked(both: Both, monkeypatch: pytest.MonkeyPatch, provider: str) -> None:
    """Neither the vendor nor the gateway."""
    variable = {"anthropic": "ANTHROPIC_API_KEY", "gemini": "GEMINI_API_KEY"}.get(provider, "OPENAI_API_KEY")
    for name in (variable, "GOOGLE_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with peer.peer(lambda _: []) as served:
        monkeypatch.setenv("OMEGA_URL", served.url)
        monkeypatch.setenv("OMEGA_TOKEN", "t")
        with pytest.raises(ValueError) as refused:
            both.converse(provider, None, "Go.", ["code_execute_python"], model="m")
    assert str(refused.value) == f"{provider} needs an api_key (or {variable}), or a client of its SDK"
    assert served.asked == []


def test_a_conversation_that_nobody_reads_leaves_no_connection(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway was asked for its tools before the first event."""
    nowhere, tools = "http://127.0.0.1:9", [{"name": "code_run", "input_schema": {"type": "object"}}]

    async def leave() -> None:
        told = await omega.call_with_tools_async("anthropic", nowhere, "Go.", ["code_run"], model="m", stream=True)
        async with told:
            pass

    with peer.peer(lambda _: [document(tools)]) as served:
        monkeypatch.setenv("OMEGA_URL", served.url)
        monkeypatch.setenv("OMEGA_TOKEN", "t")
        if both.kind == "plain":
            with omega.call_with_tools("anthropic", nowhere, "Go.", ["code_run"], model="m", stream=True):
                pass
        else:
            both.wait(leave())
            both.wait(asyncio.sleep(0))
        assert served.left.wait(60)
