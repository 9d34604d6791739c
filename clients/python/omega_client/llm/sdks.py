"""How the vendors' SDKs are called. Nothing of them is imported before one of their clients is there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from omega_client.llm.dialect import Asked, Dialect

METHODS = {
    "openai": "chat.completions.create",
    "openai-responses": "responses.create",
    "anthropic": "messages.create",
    "gemini": "models.generate_content",
}


def method_of(dialect: Dialect, client: Any, asked: Asked) -> Callable[..., Any]:
    """What to call. TypeError if *client* is none of the vendor's."""
    name = METHODS[dialect.name]
    if dialect.name == "gemini" and asked.streams:
        name += "_stream"
    found = client
    for part in name.split("."):
        found = getattr(found, part, None)
        if found is None:
            raise TypeError(f"{type(client).__name__} has no {name}: it is no client for {dialect.name}")
    return found  # type: ignore[no-any-return]  # nothing is known of other people's clients


def arguments_of(dialect: Dialect, asked: Asked) -> dict[str, Any]:
    """What to call it with: the fields of the body, but for Gemini, whose SDK has a form of its own."""
    body = dialect.body(asked)
    return _for_gemini(asked, body) if dialect.name == "gemini" else body


def _for_gemini(asked: Asked, body: dict[str, Any]) -> dict[str, Any]:
    """As types of the SDK, made from JSON: only so is a signature, which is bytes there, the same as it came."""
    from google.genai import types  # only who has it passes a client of it

    contents = [
        types.Content.model_validate_json(json.dumps(one)) if isinstance(one, Mapping) else one
        for one in body.pop("contents")
    ]
    fields = {**body.pop("generationConfig", {}), **body, "automaticFunctionCalling": {"disable": True}}
    config = types.GenerateContentConfig.model_validate_json(json.dumps(fields))
    return {"model": asked.model, "contents": contents, "config": config}


def as_document(given: Any) -> Mapping[str, Any]:
    """What an SDK gave, as the API had sent it."""
    if isinstance(given, Mapping):
        return given
    if hasattr(given, "to_dict"):
        found: Mapping[str, Any] = given.to_dict(mode="json", warnings=False)
        return found
    if hasattr(given, "model_dump"):
        dumped: Mapping[str, Any] = given.model_dump(mode="json", by_alias=True, exclude_none=True)
        return dumped
    raise TypeError(f"The SDK gave a {type(given).__name__}, which is no answer of a model")
