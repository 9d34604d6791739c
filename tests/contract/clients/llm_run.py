"""Conversations of the Python client by a vendor's own SDK: `llm_run.py PROVIDER BASE...`, one address a conversation.

It prints what the model has read in the end, for each: plain and on asyncio, at once and streamed.
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

PROVIDER, *BASES = sys.argv[1:]
KEY = "k"


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


def ask(base: str, streams: bool) -> omega.Answer:
    """A conversation without asyncio."""
    client = MAKERS[PROVIDER](base, False)
    if not streams:
        return omega.call_with_tools(PROVIDER, client, "Go.", [add, draw], model="gemini-3-pro")
    told = omega.call_with_tools(PROVIDER, client, "Go.", [add, draw], model="gemini-3-pro", stream=True)
    assert "".join(event.text for event in told if event.type == "text").startswith("Let me see: \u00e9.")
    return told.answer


async def ask_async(base: str, streams: bool) -> omega.Answer:
    """One on asyncio."""
    client = MAKERS[PROVIDER](base, True)
    if not streams:
        return await omega.call_with_tools_async(PROVIDER, client, "Go.", [add, draw], model="gemini-3-pro")
    told = await omega.call_with_tools_async(PROVIDER, client, "Go.", [add, draw], model="gemini-3-pro", stream=True)
    assert "".join([event.text async for event in told if event.type == "text"]).startswith("Let me see: \u00e9.")
    return told.answer


def wrong(base: str) -> list[str]:
    """What the caller is told who passes a client of the other kind."""
    told = []
    for is_async in (True, False):
        client = MAKERS[PROVIDER](base, is_async)
        try:
            if is_async:
                omega.call_with_tools(PROVIDER, client, "Go.", [add], model="m")
            else:
                asyncio.run(omega.call_with_tools_async(PROVIDER, client, "Go.", [add], model="m"))
        except TypeError as error:
            told.append(str(error))
    return told


answers = [
    ask(BASES[0], False),
    ask(BASES[1], True),
    asyncio.run(ask_async(BASES[2], False)),
    asyncio.run(ask_async(BASES[3], True)),
]
assert all(answer.rounds == 2 for answer in answers)
kinds = wrong(BASES[4]) if PROVIDER != "gemini" else []  # whose one client is for both
print(json.dumps({"heard": [json.loads(answer.text) for answer in answers], "wrong": kinds}))
