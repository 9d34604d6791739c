"""The scripted model refuses what the real APIs refuse: a client that passes here has sent what they want."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.contract.models import anthropic, chat, gemini, responses
from tests.contract.models.script import Answer, Call, Heard, Refused, Saying, Turn, parse, saying

SAID = Saying(0, "m", "Wait.", (Call("a", {"x": "\u00e9"}), Call("b")), thinks=True, is_cut=False)
USER = {"role": "user", "content": "Go."}
SCHEMA = {"type": "object", "properties": {}}
CHAT_TOOLS = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in "ab"]
RESPONSES_TOOLS = [{"type": "function", "name": name, "parameters": SCHEMA} for name in "ab"]
ANTHROPIC_TOOLS = [{"name": name, "input_schema": SCHEMA} for name in "ab"]
CALLED = chat.say(SAID)["choices"][0]["message"]
ITEMS = responses.say(SAID)["output"]
BLOCKS = anthropic.say(SAID)["content"]
PARTS = gemini.say(SAID)["candidates"][0]["content"]["parts"]


def tool(position: int, content: Any = "ok") -> dict[str, Any]:
    """A tool's answer of chat completions."""
    return {"role": "tool", "tool_call_id": f"call_0_{position}", "content": content}


def output(position: int, value: Any = "ok") -> dict[str, Any]:
    """One of Responses."""
    return {"type": "function_call_output", "call_id": f"call_0_{position}", "output": value}


def result(position: int, **fields: Any) -> dict[str, Any]:
    """One of Anthropic's messages."""
    return {"type": "tool_result", "tool_use_id": f"call_thought_0_{position}", "content": "ok", **fields}


def response(position: int, **fields: Any) -> dict[str, Any]:
    """One of Gemini."""
    about = {"id": f"call_thought_0_{position}", "name": "ab"[position], "response": {"output": "ok"}}
    return {"functionResponse": {**about, **fields}}


def asked(*messages: Any, **fields: Any) -> dict[str, Any]:
    """A request of chat completions."""
    return {"model": "m", "messages": [USER, *messages], "tools": CHAT_TOOLS, **fields}


def items(*given: Any, **fields: Any) -> dict[str, Any]:
    """One of Responses."""
    return {"model": "m", "input": [USER, *given], "tools": RESPONSES_TOOLS, **fields}


def told(*messages: Any, **fields: Any) -> dict[str, Any]:
    """One of Anthropic's messages."""
    return {"model": "m", "max_tokens": 9, "messages": [USER, *messages], "tools": ANTHROPIC_TOOLS, **fields}


def generated(*contents: Any, **fields: Any) -> dict[str, Any]:
    """One of Gemini."""
    return {"contents": [{"role": "user", "parts": [{"text": "Go."}]}, *contents], **fields}


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
ASSISTANT = {"role": "assistant", "content": BLOCKS}
MODEL = {"role": "model", "parts": PARTS}


@pytest.mark.parametrize(
    ("module", "body", "says"),
    [
        (chat, asked(CALLED, tool(0)), "did not have response messages: call_0_1"),
        (chat, asked(CALLED, tool(0), USER, tool(1)), "must be followed by tool messages"),
        (chat, asked(CALLED, tool(0), tool(0), tool(1)), "must be a response to a preceeding message"),
        (chat, asked(CALLED, tool(0, None), tool(1)), "expected text"),
        (chat, asked(CALLED, tool(0, [{"type": "image_url"}]), tool(1)), "expected text"),
        (chat, asked(tools=[]), "at least one item"),
        (chat, asked(tools=[{"name": "a"}]), "Missing required parameter"),
        (chat, {"messages": [USER], "tool_choice": "none"}, "'tool_choice' is only allowed when 'tools' are specified"),
        (responses, items(*ITEMS, output(0)), "No tool output found for function call call_0_1"),
        (responses, items(*ITEMS[1:], output(0), output(1)), "without its required 'reasoning' item: 'rs_0'"),
        (responses, items(output(0)), "No tool call found for function call output with call_id call_0_0"),
        (responses, items(*ITEMS, output(0, {}), output(1)), "expected text or an array of parts"),
        (responses, items(*ITEMS, output(0), {**output(1), "name": "b"}), "Unknown parameter: 'input[6].name'"),
        (responses, items(tools=CHAT_TOOLS), "does not match the pattern"),
        (anthropic, told(ASSISTANT, {"role": "user", "content": [result(0)]}), "immediately after: call_thought_0_1"),
        (anthropic, told(ASSISTANT), "without `tool_result` blocks immediately after"),
        (anthropic, told({**ASSISTANT, "content": BLOCKS[1:]}), "Expected `thinking`"),
        (
            anthropic,
            told(ASSISTANT, {"role": "user", "content": [result(0), result(1, is_error=True, content=[IMAGE])]}),
            "all content must be type `text` if `is_error` is true",
        ),
        (
            anthropic,
            told(ASSISTANT, {"role": "user", "content": [result(0), result(1, content=[{"type": "text", "text": ""}])]}),
            "text content blocks must be non-empty",
        ),
        (
            anthropic,
            told(ASSISTANT, {"role": "user", "content": [{"type": "text", "text": "x"}, result(0), result(1)]}),
            "immediately after",
        ),
        (anthropic, {"messages": [USER]}, "max_tokens: Field required"),
        (gemini, generated(MODEL, {"role": "user", "parts": [response(0)]}), "number of function response parts"),
        (gemini, generated(MODEL), "immediately before a function response turn"),
        (
            gemini,
            generated({**MODEL, "parts": [{name: part[name] for name in part if name[:7] != "thought"} for part in PARTS]}),
            "missing a thought_signature",
        ),
        (
            gemini,
            generated(MODEL, {"role": "user", "parts": [response(0, response="ok"), response(1)]}),
            "expected an object",
        ),
    ],
)
def test_what_the_api_refuses_is_refused(module: Any, body: Mapping[str, Any], says: str) -> None:
    """In the words of the API, as far as they are known."""
    with pytest.raises(Refused) as refused:
        module.listen(body)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("module", "body"),
    [
        (chat, asked(CALLED, tool(0), tool(1, [{"type": "text", "text": "ok"}]))),
        (responses, items(*ITEMS, output(0), output(1, [{"type": "input_text", "text": "ok"}]))),
        (
            anthropic,
            told(ASSISTANT, {"role": "user", "content": [result(0), result(1, content=[{"type": "text", "text": "ok"}])]}),
        ),
        (gemini, generated(MODEL, {"role": "user", "parts": [response(0), response(1)]})),
    ],
)
def test_answers_to_calls_are_heard(module: Any, body: Mapping[str, Any]) -> None:
    """Each with its id, so that a script can repeat them."""
    heard = module.listen(body)
    assert [answer.text for answer in heard.answers] == ["ok", "ok"]
    assert [answer.id[-4:] for answer in heard.answers] == ["_0_0", "_0_1"]


@pytest.mark.parametrize("module", [chat, responses, anthropic, gemini])
def test_a_stream_says_in_pieces_what_a_document_says_at_once(module: Any) -> None:
    """Arguments too are cut, within words and escapes."""
    told_of = json.dumps(list(module.stream(SAID)))
    assert '"Wait.", "calls"' not in told_of
    assert told_of.count('"a"') >= 1 and told_of.count('"b"') >= 1


def test_a_script_speaks_in_turns() -> None:
    """A model that may not call says so, unless it is stubborn; an echo is what it has heard."""
    first, second, third = parse(
        [{"calls": [{"name": "a"}]}, {"calls": [{"name": "a"}], "is_stubborn": True}, {"echoes": True}]
    )
    heard = Heard((Answer("1", "ok", ("image/png",), False),), may_call=False, tools=())
    assert saying(first, heard, 0, "m").calls == ()
    assert saying(second, heard, 0, "m").calls == (Call("a"),)
    assert json.loads(saying(third, heard, 0, "m").text) == [
        {"id": "1", "text": "ok", "images": ["image/png"], "is_error": False}
    ]
    with pytest.raises(TypeError):
        parse([{"say": "x"}])
    assert Turn() == parse([{}])[0]
