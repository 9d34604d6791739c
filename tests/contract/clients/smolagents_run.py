"""smolagents' Jupyter half (Docker and Modal executors use it): a new WebSocket for each piece of code, one kernel."""

import json
import os

from smolagents.monitoring import AgentLogger, LogLevel
from smolagents.remote_executors import CodeOutput, _create_kernel_http, _websocket_run_code_raise_errors
from smolagents.utils import AgentError
from websocket import create_connection

base, token, log = os.environ["GATEWAY_URL"], os.environ["GATEWAY_TOKEN"], AgentLogger(LogLevel.OFF)
kernel_id = _create_kernel_http(f"{base}/api/kernels?token={token}", log)


def run(code: str) -> CodeOutput:
    socket = create_connection(f"{base.replace('http', 'ws', 1)}/api/kernels/{kernel_id}/channels?token={token}")
    try:
        return _websocket_run_code_raise_errors(code, socket, log)
    finally:
        socket.close()


first = run("a = 1\nprint('hello')\na + 1")
second = run("a + 40")
try:
    run("1 / 0")
    error = ""
except AgentError as raised:
    error = str(raised)
print(json.dumps({"kernel": kernel_id, "output": [first.output, second.output], "logs": first.logs, "error": error}))
