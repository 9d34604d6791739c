"""The gateway's definitions and messages for Gemini, checked by the types of google-genai, which refuse unknown fields."""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.request import Request, urlopen

from google.genai import types

API = os.environ["GATEWAY_URL"] + "/code-interpreter/tools"


def ask(path: str, body: object = None) -> Any:
    """The JSON at *path*."""
    headers = {"Authorization": f"Bearer {os.environ['GATEWAY_TOKEN']}", "Content-Type": "application/json"}
    with urlopen(Request(API + path, None if body is None else json.dumps(body).encode(), headers)) as reply:
        return json.load(reply)


def response_to(code: str) -> Any:
    """What the message of a run of *code* says as the SDK reads it."""
    told = ask("/code_execute_python?format=gemini&call_id=c1", {"code": code})["message"]
    response = types.Content.model_validate({"role": "user", "parts": [told]}).parts[0].function_response
    return [response.id, response.name, response.response]


tool = types.Tool.model_validate({"functionDeclarations": ask("?format=gemini")})
print(
    json.dumps(
        {
            "names": [one.name for one in tool.function_declarations],
            "required": [one.parameters_json_schema["required"] for one in tool.function_declarations],
            "ran": response_to("print(42)"),
            "failed": response_to("raise KeyError"),
        }
    )
)
