"""Conversations of the Python client by the vendors' own SDKs, whose models are where the argument says.

It is JSON: for each provider five addresses, one a conversation. What is printed is what each model has read in the end:
plain and on asyncio, at once and streamed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "clients" / "python"))

import omega_client as omega

KEY = "k"
MODEL = "gemini-3-pro"


@omega.tool
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@omega.tool
def draw() -> omega.ToolResult:
    """Draw."""
    return omega.ToolResult("drawn", (omega.Chart(b"\x89PNG", "image/png"),))


def openai(base: str, is_async: bool) -> Any:
    """A client of OpenAI's SDK."""
    import openai

    return (openai.AsyncOpenAI if is_async else openai.OpenAI)(api_key=KEY, base_url=f"{base}/v1", max_retries=0)


def anthropic(base: str, is_async: bool) -> Any:
    """A client of Anthropic's SDK."""
    import anthropic

    return (anthropic.AsyncAnthropic if is_async else anthropic.Anthropic)(api_key=KEY, base_url=base, max_retries=0)


def gemini(base: str, is_async: bool) -> Any:
    """A client of Google's SDK, which is for both."""
    from google import genai
    from google.genai import types

    return genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=base))


MAKERS: dict[str, Callable[[str, bool], Any]] = {
    "openai": openai,
    "openai-responses": openai,
    "anthropic": anthropic,
    "gemini": gemini,
}


def ask(provider: str, base: str, streams: bool) -> omega.Answer:
    """A conversation without asyncio."""
    client = MAKERS[provider](base, False)
    if not streams:
        return omega.call_with_tools(provider, client, "Go.", [add, draw], model=MODEL)
    told = omega.call_with_tools(provider, client, "Go.", [add, draw], model=MODEL, stream=True)
    assert "".join(event.text for event in told if event.type == "text").startswith("Let me see: \u00e9.")
    return told.answer


async def ask_async(provider: str, base: str, streams: bool) -> omega.Answer:
    """One on asyncio."""
    client = MAKERS[provider](base, True)
    if not streams:
        return await omega.call_with_tools_async(provider, client, "Go.", [add, draw], model=MODEL)
    told = await omega.call_with_tools_async(provider, client, "Go.", [add, draw], model=MODEL, stream=True)
    assert "".join([event.text async for event in told if event.type == "text"]).startswith("Let me see: \u00e9.")
    return told.answer


def wrong(provider: str, base: str) -> list[str]:
    """What the caller is told who passes a client of the other kind."""
    told = []
    for is_async in (True, False):
        client = MAKERS[provider](base, is_async)
        try:
            if is_async:
                omega.call_with_tools(provider, client, "Go.", [add], model="m")
            else:
                asyncio.run(omega.call_with_tools_async(provider, client, "Go.", [add], model="m"))
        except TypeError as error:
            told.append(str(error))
    return told


def tried(provider: str, bases: list[str]) -> dict[str, Any]:
    """All of it, for one provider."""
    answers = [
        ask(provider, bases[0], False),
        ask(provider, bases[1], True),
        asyncio.run(ask_async(provider, bases[2], False)),
        asyncio.run(ask_async(provider, bases[3], True)),
    ]
    assert all(answer.rounds == 2 for answer in answers)
    kinds = wrong(provider, bases[4]) if provider != "gemini" else []  # whose one client is for both
    return {"heard": [json.loads(answer.text) for answer in answers], "wrong": kinds}


print(json.dumps({provider: tried(provider, bases) for provider, bases in json.loads(sys.argv[1]).items()}))
