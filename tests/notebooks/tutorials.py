"""The tutorials in notebooks/: executed through a gateway, and what of their outputs is the same every time."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat

from tests.live import Gateway, serving

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
TUTORIALS = sorted(FOLDER.glob("*.ipynb"))
TIMEOUT_MS = 60_000


def read(path: Path) -> Any:
    """The notebook in *path*, as its JSON with whole texts; valid, or an exception."""
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    return json.loads(json.dumps(notebook))


def execute(gateway: Gateway, notebook: Mapping[str, Any]) -> Any:
    """The same notebook with the outputs it has now; AssertionError when it stops at an error."""
    body = {"notebook": notebook, "timeout": TIMEOUT_MS}
    reply = gateway.ask("POST", "/code-interpreter/notebook", body, timeout_s=300)
    assert reply.status == 200, reply.body
    assert reply.body["success"], (reply.body["stoppedAt"], reply.body["error"])
    return reply.body["notebook"]


def stable(notebook: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each code cell's source and outputs as far as they are the same on every machine: of a picture only that it is one."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            yield cell["source"], [_stable_output(output) for output in cell["outputs"]]


def _stable_output(output: Mapping[str, Any]) -> Any:
    if "data" not in output:
        return dict(output)
    data = {kind: "a picture" if kind.startswith("image/") else value for kind, value in output["data"].items()}
    return {"type": output["output_type"], "data": data}


def main() -> int:
    """Execute every tutorial and write its outputs into its file."""
    with serving() as gateway:
        for path in TUTORIALS:
            executed = nbformat.from_dict(execute(gateway, read(path)))
            nbformat.write(executed, path)
            print(f"{path.relative_to(FOLDER.parent)}: {path.stat().st_size // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
