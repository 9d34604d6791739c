"""The scripted model as tests start it: a process of its own."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class Scripted:
    """A model with a script, at *base*."""

    base: str

    @property
    def openai(self) -> str:
        """The base URL that clients of OpenAI want."""
        return f"{self.base}/v1"

    def requests(self) -> Any:
        """What it was asked so far: `path`, `headers`, `body`, and `problem` where it refused."""
        with urlopen(f"{self.base}/requests") as reply:
            return json.load(reply)

    def bodies(self) -> list[Any]:
        """The bodies of these; AssertionError if one was refused."""
        asked = self.requests()
        assert not [one["problem"] for one in asked if "problem" in one]
        return [one["body"] for one in asked]


@dataclass(frozen=True, slots=True)
class Models:
    """The running server."""

    url: str

    def script(self, *turns: dict[str, Any], restarts: bool = False) -> Scripted:
        """A model that says *turns*, one after another; see `script.Turn` for their fields."""
        told = Request(f"{self.url}/scripts", json.dumps({"turns": turns, "restarts": restarts}).encode())
        with urlopen(told) as reply:
            return Scripted(json.load(reply)["base"])


@contextlib.contextmanager
def running() -> Iterator[Models]:
    """The server, ended afterwards."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.contract.models"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield Models(process.stdout.readline().strip())
        finally:
            process.stdin.close()
            process.wait(30)
