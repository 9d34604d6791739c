"""The text shown when the gateway has started: its address, its isolation level, and a first request to paste."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TextIO

from gateway.commands import as_typed
from gateway.state import StoredToken

EXAMPLE = '{"code": "import numpy as np; print(np.arange(5) ** 2)"}'


@dataclass(frozen=True, slots=True)
class Serving:
    """The facts of a start. *token* is None when the token was configured rather than stored."""

    host: str
    port: int
    level: str
    python_version: str
    token: StoredToken | None
    node_version: str | None = None


@dataclass(frozen=True, slots=True)
class Banner:
    """Writes the facts of a start in readable form."""

    stream: TextIO

    def announce(self) -> None:
        """Announce that the start takes a moment."""
        self._write("Starting: loading the kernels' packages takes a few seconds ...")

    def show(self, serving: Serving) -> None:
        """Write the lines; a closed stream does not stop the gateway."""
        self._write("\n".join(_lines(serving)))

    def _write(self, text: str) -> None:
        try:
            print(text, file=self.stream, flush=True)
        except (BrokenPipeError, UnicodeEncodeError):
            return


def url_of(host: str, port: int) -> str:
    """The address to open: a machine's own one when the gateway listens on all of them."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _lines(serving: Serving) -> list[str]:
    url = url_of(serving.host, serving.port)
    return [
        f"Omega Gateway is ready at {url}",
        f"  kernels    {_kernels_line(serving)}, isolation level {serving.level} (see `{as_typed('doctor')}`)",
        f"  token      {_token_line(serving.token)}",
        "",
        f"  curl {url}/code-interpreter/python -H 'Content-Type: application/json' \\",
        f'    -H "Authorization: Bearer {_token_source(serving.token)}" \\',
        f"    -d {shlex.quote(EXAMPLE)}",
        "",
    ]


def _kernels_line(serving: Serving) -> str:
    python, node = f"Python {serving.python_version}", serving.node_version
    return f"{python} and Node.js {node}" if node else f"{python} (no Node.js, so no JavaScript)"


def _token_line(token: StoredToken | None) -> str:
    if token is None:
        return "the configured token"
    if token.is_new:
        return f"{token.value}  (shown only this once; stored in {token.path})"
    return f"stored in {token.path}; `{as_typed('token print')}` prints it"


def _token_source(token: StoredToken | None) -> str:
    """A shell expression for the token, which keeps it off the screen and out of the shell's history."""
    return "$OMEGA_TOKEN" if token is None else f"$(cat {shlex.quote(str(token.path))})"
