"""The addresses of a kernel's channels as unix sockets, as jupyter_client names them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

PORTS: Final = {"shell": 1, "iopub": 2, "stdin": 3, "control": 4, "hb": 5}


def prefix(directory: Path) -> str:
    """What `ip` is in the connection info of the kernel at *directory*."""
    return str(directory / "s")
