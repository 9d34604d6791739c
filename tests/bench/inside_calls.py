"""Calls of the client's tools from inside a run, over its WebSocket: what one costs beside the client's own work."""

from __future__ import annotations

import json

from tests.bench.numbers import Samples
from tests.bench.websocket import WebSocket
from tests.live import Gateway

CALLS, FIRST_CALLS = 200, 5
CODE = f"""
import json, time
took = []
for number in range({CALLS + FIRST_CALLS}):
    begun = time.perf_counter()
    assert tools.same(number) == number
    took.append((time.perf_counter() - begun) * 1000)
print(json.dumps(took))
"""
TOOL = {"name": "same", "parameters": {"properties": {"number": {}}}}


def call_from_inside(gateway: Gateway) -> Samples:
    """From the call in the code to the value in the code, with a client that answers at once."""
    stream = WebSocket(gateway, "/code-interpreter/stream")
    stream.send({"type": "python", "code": CODE, "tools": [TOOL]})
    text = ""
    while (event := stream.receive())["type"] != "done":
        if event["type"] == "tool_call":
            stream.send({"type": "tool_result", "id": event["id"], "output": event["input"]["number"]})
        text += event["text"] if event["type"] == "stdout" else ""
    if not event["success"]:
        raise RuntimeError(f"the run failed: {event}")
    stream.close()
    return Samples(tuple(json.loads(text)[FIRST_CALLS:]))
