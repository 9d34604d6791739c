"""What runs give, as values. Pure."""

from __future__ import annotations

import base64
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omega_client import wire
from omega_client.errors import RunFailed

BRIEF = reprlib.Repr()
"""For `repr`: pictures and files are text of any length in what the gateway says."""
BRIEF.maxdict, BRIEF.maxlist, BRIEF.maxstring, BRIEF.maxother = 40, 10, 120, 120


@dataclass(frozen=True)
class Chart:
    """A picture: *data* is the file. *chart_data* tells what was drawn, None where that is not known."""

    data: bytes
    mime_type: str
    chart_data: Any = None

    def __repr__(self) -> str:
        """Its type and size: nobody reads the bytes."""
        return f"<Chart {self.mime_type}, {len(self.data)} bytes>"

    def save(self, path: str | Path) -> None:
        """Write the file."""
        Path(path).write_bytes(self.data)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """How notebooks show it."""
        return {self.mime_type: self.data.decode() if self.mime_type == "image/svg+xml" else self.data}


def read_run(answer: Any) -> Run:
    """The run in an answer. Raises ConnectionFailed if a part of it is not as documented."""
    run = Run(answer)
    with wire.reading():
        for part in (run.success, run.output, run.error, run.value, run.charts, run.variables, run.fetched):
            del part
        for shown in run.results:
            shown.get("type")
    return run


def read_chart(shown: Mapping[str, Any]) -> Chart:
    """The picture in an answer or event."""
    return Chart(base64.b64decode(shown["base64"]), str(shown["mimeType"]), shown.get("chartData"))


@dataclass(frozen=True)
class RunError:
    """Why code has failed: *type* and *message* as in the language, *traceback* in the lines of the caller's code."""

    type: str
    message: str
    traceback: str
    hint: str

    def __str__(self) -> str:
        """What a person reads: type, message, and the hint, which names the limit that was reached."""
        told = f"{self.type}: {self.message}" if self.message else self.type
        return f"{told} {self.hint}" if self.hint else told


@dataclass(frozen=True)
class Run:
    """A run that has ended. *answer* is everything the gateway says of it; the rest names what most callers want."""

    answer: Mapping[str, Any]

    def __repr__(self) -> str:
        """Its answer, where that is long only the beginnings and ends."""
        return f"Run({BRIEF.repr(dict(self.answer))})"

    @property
    def success(self) -> bool:
        """Whether the code ended without an error."""
        return bool(self.answer["success"])

    @property
    def output(self) -> str:
        """What it wrote to stdout and stderr, in the order written."""
        return str(self.answer.get("output") or "")

    @property
    def error(self) -> RunError | None:
        """Why it failed, None if it did not."""
        found = self.answer.get("error")
        if not found:
            return None
        return RunError(*(str(found.get(name) or "") for name in ("type", "message", "traceback", "hint")))

    @property
    def value(self) -> Any:
        """The value of the last expression, or what JavaScript returned: as JSON where it has such a form, else as text."""
        if "returnValue" in self.answer:
            return self.answer["returnValue"]
        for shown in reversed(self.results):
            if shown.get("type") == "result":
                data = shown.get("data") or {}
                return data.get("application/json", data.get("text/plain"))
        return None

    @property
    def results(self) -> list[Mapping[str, Any]]:
        """What was displayed, and the value: `type`, and `data` by MIME type."""
        return list(self.answer.get("results") or ())

    @property
    def charts(self) -> list[Chart]:
        """Every picture once."""
        return [read_chart(shown) for shown in self.answer.get("charts") or ()]

    @property
    def variables(self) -> Mapping[str, Any]:
        """The names that the code bound, with type and preview."""
        return dict(self.answer.get("variables") or {})

    @property
    def fetched(self) -> Mapping[str, bytes]:
        """The files that came back, by path."""
        files = (self.answer.get("fetched") or {}).get("files") or ()
        return {file["path"]: base64.b64decode(file["base64"]) for file in files}

    def check(self) -> Run:
        """The run itself, if it succeeded; RunFailed if not."""
        if not self.success:
            raise RunFailed(str(self.error or "The run has failed."), self)
        return self

    def __str__(self) -> str:
        """Its output, and then its value or error."""
        last = str(self.error) if self.error else "" if self.value is None else str(self.value)
        return "\n".join(part for part in (self.output.rstrip("\n"), last) if part)
