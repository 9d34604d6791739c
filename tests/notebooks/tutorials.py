"""The tutorials in notebooks/: executed through a gateway, and what of their outputs is the same every time."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
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


def stable(notebook: Mapping[str, Any], *, has_tracebacks: bool = True) -> Iterator[tuple[str, Any]]:
    """Each code cell's source and outputs as far as they are the same on every machine: of a picture only that it is one.

    Without *has_tracebacks*, of an error only its name and message: each client asks for tracebacks of its own kind.
    """
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            yield cell["source"], [_stable_output(output, has_tracebacks) for output in _joined(cell["outputs"])]


def _joined(outputs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """*outputs* with pieces of one stream put together; some clients keep each as it came."""
    joined: list[Mapping[str, Any]] = []
    for output in outputs:
        if joined and "text" in output and joined[-1].get("name") == output["name"]:
            joined[-1] = {**output, "text": joined[-1]["text"] + output["text"]}
        else:
            joined.append(output)
    return joined


def _stable_output(output: Mapping[str, Any], has_tracebacks: bool) -> Any:
    if "data" in output:
        data = {kind: "a picture" if kind.startswith("image/") else value for kind, value in output["data"].items()}
        return {"type": output["output_type"], "data": data}
    hidden = () if has_tracebacks else ("traceback",)
    return {name: value for name, value in output.items() if name not in hidden}


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
