"""Execute the notebooks named as arguments by nbclient through the gateway's Jupyter API; prints them, executed."""

from __future__ import annotations

import json
import os
import sys

import nbformat
from jupyter_server.gateway.gateway_client import GatewayClient
from jupyter_server.gateway.managers import GatewayKernelManager
from nbclient import NotebookClient

# Its WebSocket client sends no header with the token, so that stands in the address; left to itself it would write that in
# small letters.
address = f"{os.environ['GATEWAY_URL']}/t/{os.environ['GATEWAY_TOKEN']}"
GatewayClient.instance().url = address
GatewayClient.instance().ws_url = address.replace("http", "ws", 1)
executed = []
for path in sys.argv[1:]:
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=60, kernel_manager_class=GatewayKernelManager)
    client.execute(kernel_name=notebook.metadata.kernelspec.name)  # this manager takes it nowhere else
    nbformat.validate(notebook)
    executed.append(notebook)
print(json.dumps(executed))
