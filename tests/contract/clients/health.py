"""Ask for the gateway's health, as a client of another environment; prints the status code and whether it is well."""

from __future__ import annotations

import json
import os

import requests

answer = requests.get(f"{os.environ['GATEWAY_URL']}/code-interpreter/health", timeout=30)
print(json.dumps({"status": answer.status_code, "type": answer.headers["Content-Type"]}))
