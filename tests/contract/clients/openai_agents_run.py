"""An agent of the OpenAI Agents SDK with the gateway's tools by MCP, by both transports; its model follows a script.

argv[1] is a Python with the gateway.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from agents import Agent, Runner, set_tracing_disabled
from agents.mcp import MCPServerStdio, MCPServerStreamableHttp
from agents.testing import ModelCall, ModelStep, ScriptedModel, assistant_message, function_call

URL, TOKEN = os.environ["GATEWAY_URL"], os.environ["GATEWAY_TOKEN"]


def server(kind: str) -> Any:
    """The tools, by either transport."""
    if kind == "stdio":
        env = {**os.environ, "OMEGA_TOKEN": TOKEN}
        command = {"command": sys.argv[1], "args": ["-m", "gateway", "mcp", "--url", URL], "env": env}
        return MCPServerStdio(params=command, client_session_timeout_seconds=60)
    params = {"url": f"{URL}/mcp", "headers": {"Authorization": f"Bearer {TOKEN}"}}
    return MCPServerStreamableHttp(params=params, client_session_timeout_seconds=60)


def repeat(call: ModelCall) -> list[Any]:
    """What the model was given by its tools: text, and of pictures how they begin."""
    outputs = [item["output"] for item in call.input if item.get("type") == "function_call_output"]
    read = [[part.get("text") or part["image_url"][:22] for part in parts] for parts in map(_parts, outputs)]
    return [assistant_message(json.dumps({"names": [tool.name for tool in call.tools], "read": read}))]


def _parts(output: Any) -> list[Any]:
    return output if isinstance(output, list) else [{"text": output}]


async def converse(kind: str) -> Any:
    """Two calls in one turn of the model, and then what it read."""
    calls = [
        function_call("code_generate_chart", {"code": "print('drawn'); plt.plot([1, 2])"}, call_id="c1"),
        function_call("code_execute_python", {"code": "1/0"}, call_id="c2"),
    ]
    async with server(kind) as omega:
        agent = Agent(name="analyst", model=ScriptedModel([calls, ModelStep.respond(repeat)]), mcp_servers=[omega])
        return json.loads((await Runner.run(agent, "draw")).final_output)


async def main() -> None:
    """One conversation beside the other."""
    set_tracing_disabled(True)
    http, stdio = await asyncio.gather(converse("http"), converse("stdio"))
    print(json.dumps({"http": http, "stdio": stdio}))


asyncio.run(main())
