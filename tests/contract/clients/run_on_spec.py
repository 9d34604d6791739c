"""Start a kernel of the kernelspec in the first argument on the gateway, run the second on it, restart and end it.

Uses websocket-client and the Jupyter API as its documentation has it; prints what the code wrote and the states seen.
"""

from __future__ import annotations

import json
import os
import sys
import uuid

import requests
import websocket

URL, TOKEN = os.environ["GATEWAY_URL"], os.environ["GATEWAY_TOKEN"]
AUTH = {"Authorization": f"token {TOKEN}"}


def run(kernel_id: str, code: str) -> str:
    """What *code* wrote until it was idle again."""
    address = f"{URL.replace('http', 'ws')}/api/kernels/{kernel_id}/channels?session_id={uuid.uuid4().hex}"
    channels = websocket.create_connection(address, header=AUTH, timeout=30)
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": "", "session": "s", "version": "5.3"}
    content = {"code": code, "silent": False, "allow_stdin": False}
    request = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell", "buffers": []}
    channels.send(json.dumps(request))
    text = ""
    while True:
        message = json.loads(channels.recv())
        if message["parent_header"].get("msg_id") != header["msg_id"]:
            continue
        if message["msg_type"] == "stream":
            text += message["content"]["text"]
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            channels.close()
            return text


specs = requests.get(f"{URL}/api/kernelspecs", headers=AUTH, timeout=30).json()["kernelspecs"]
started = requests.post(f"{URL}/api/kernels", json={"name": sys.argv[1]}, headers=AUTH, timeout=60)
kernel_id = started.json()["id"]
seen = {"title": specs[sys.argv[1]]["spec"]["display_name"], "status": started.status_code}
seen["ran"] = run(kernel_id, sys.argv[2])
seen["restarted"] = requests.post(f"{URL}/api/kernels/{kernel_id}/restart", headers=AUTH, timeout=60).status_code
seen["ran_again"] = run(kernel_id, sys.argv[2])
seen["deleted"] = requests.delete(f"{URL}/api/kernels/{kernel_id}", headers=AUTH, timeout=60).status_code
print(json.dumps(seen))
