"""Converts the events of runs to the outputs of a notebook's cells, as Jupyter's own clients keep them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from gateway.core.charts import without_ours
from gateway.core.host_tools import HostCall
from gateway.core.model import Cleared, Display, Event, Finished, Json, KernelReport, Raised, Text
from gateway.core.notebook import Output
from gateway.core.strict_json import NODE_BYTES, size_bytes, text_bytes

LEFT_OUT = "[Some output was dropped here: it is over the limit.]\n"
_OUTPUT_BYTES = 128
"""Bytes charged per output in addition to its content."""
_JSON = "application/json"
_JSON_TYPE = re.compile(r"application/(.*\+)?json")
"""The MIME types whose values are JSON in nbformat; all others are text."""


@dataclass(slots=True)
class _Stream:
    name: str
    pieces: list[str]


@dataclass(slots=True)
class _Content:
    """The content of one display id, shared by all its displays: an update changes it once."""

    data: Mapping[str, Json]
    metadata: Mapping[str, Json]
    display_id: str = ""
    uses: int = 0
    _size: int | None = None

    def replace(self, display: Display) -> None:
        """Replace the content with *display*."""
        self.data, self.metadata, self._size = display.data, display.metadata, None

    def size(self) -> int:
        """Its approximate size, computed once for all displays that share it."""
        if self._size is None:
            self._size = size_bytes(self.data) + size_bytes(self.metadata)
        return self._size


@dataclass(slots=True)
class _Shown:
    is_result: bool
    content: _Content


@dataclass(slots=True)
class _Cell:
    outputs: list[_Stream | _Shown | Raised] = field(default_factory=list)
    is_to_clear: bool = False
    is_cut: bool = False
    execution_count: int | None = None


class CellOutputs:
    """Collects the outputs of a notebook's cells in order. A later cell may update displays of an earlier one.

    It renders at most *limit_bytes* in total; a line replaces outputs beyond the limit.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._cells: list[_Cell] = []
        self._by_id: dict[str, _Content] = {}

    def start(self) -> None:
        """Start the next cell: later events belong to it."""
        self._cells.append(_Cell())

    def add(self, event: Event) -> None:
        """Add an event of the current cell's run."""
        cell = self._cells[-1]
        match event:
            case Text(stream, text):
                self._write(cell, stream, text)
            case Display() as display:
                self._show(cell, display)
            case Cleared(wait):
                cell.is_to_clear = True
                if not wait:
                    self._clear_if_asked(cell)
            case Raised() as raised:
                self._clear_if_asked(cell)
                cell.outputs.append(raised)
            case KernelReport() | Finished() | HostCall():
                pass
            case _ as never:
                assert_never(never)

    def end(self, error: Raised | None, execution_count: int, *, is_cut: bool = False) -> None:
        """The current cell's run has ended, with *error* if it failed; *is_cut*: some of its output was lost.

        *error* may differ from what the code raised: a run over its time limit raised KeyboardInterrupt.
        """
        cell = self._cells[-1]
        cell.execution_count, cell.is_cut = execution_count or None, is_cut
        raised = [index for index, output in enumerate(cell.outputs) if isinstance(output, Raised)]
        if error is None:
            # An exit with status 0 is no failure.
            cell.outputs = [one for one in cell.outputs if not (isinstance(one, Raised) and one.type == "SystemExit")]
        elif raised:
            cell.outputs[raised[-1]] = error
        else:
            cell.outputs.append(error)

    def render(self) -> list[tuple[list[Output], int | None, bool]]:
        """For each cell its outputs, its execution count, and whether outputs are missing."""
        left_bytes, rendered = self._limit_bytes, []
        for cell in self._cells:
            outputs: list[Output] = []
            is_cut = cell.is_cut
            for output in cell.outputs:
                cost = _size(output)
                if cost > left_bytes:
                    is_cut = True
                    continue
                left_bytes -= cost
                outputs.append(_render(output, cell.execution_count))
            if is_cut:
                outputs.append({"output_type": "stream", "name": "stderr", "text": LEFT_OUT})
            rendered.append((outputs, cell.execution_count, is_cut))
        return rendered

    def _write(self, cell: _Cell, stream: str, text: str) -> None:
        self._clear_if_asked(cell)
        last = cell.outputs[-1] if cell.outputs else None
        if isinstance(last, _Stream) and last.name == stream:
            last.pieces.append(text)
        else:
            cell.outputs.append(_Stream(stream, [text]))

    def _show(self, cell: _Cell, display: Display) -> None:
        content = self._by_id.get(display.display_id)
        if content is not None:
            content.replace(display)
            if display.updates:
                return
        # An update of an unknown display is shown, not lost.
        self._clear_if_asked(cell)
        if content is None or not content.uses:
            content = _Content(display.data, display.metadata, display.display_id)
            if display.display_id:
                self._by_id[display.display_id] = content
        content.uses += 1
        cell.outputs.append(_Shown(display.kind == "result", content))

    def _clear_if_asked(self, cell: _Cell) -> None:
        if not cell.is_to_clear:
            return
        for output in cell.outputs:
            if isinstance(output, _Shown):
                self._drop(output.content)
        cell.outputs, cell.is_to_clear = [], False

    def _drop(self, content: _Content) -> None:
        content.uses -= 1
        if not content.uses:
            self._by_id.pop(content.display_id, None)


def _size(output: _Stream | _Shown | Raised) -> int:
    match output:
        case _Stream(_, pieces):
            return _OUTPUT_BYTES + sum(text_bytes(piece) for piece in pieces)
        case _Shown(_, content):
            return _OUTPUT_BYTES + content.size()
        case Raised(kind, message, traceback):
            return _OUTPUT_BYTES + NODE_BYTES + text_bytes(kind) + text_bytes(message) + text_bytes(traceback)
        case _ as never:
            assert_never(never)


def _render(output: _Stream | _Shown | Raised, execution_count: int | None) -> Output:
    match output:
        case _Stream(name, pieces):
            return {"output_type": "stream", "name": name, "text": "".join(pieces)}
        case Raised(kind, message, traceback):
            lines: list[Json] = [*(traceback.rstrip("\n").split("\n") if traceback else [f"{kind}: {message}"])]
            return {"output_type": "error", "ename": kind, "evalue": message, "traceback": lines}
        case _Shown(is_result, content):
            data = without_ours(_for_people(content) if is_result else content.data)
            shown: Output = {
                "output_type": "execute_result" if is_result else "display_data",
                "data": {kind: _value(kind, value) for kind, value in data.items()},
                "metadata": dict(content.metadata),
            }
            return shown | {"execution_count": execution_count} if is_result else shown
        case _ as never:
            assert_never(never)


def _for_people(content: _Content) -> Mapping[str, Json]:
    """A result without the JSON that kernels add for programs: Jupyter would show it as a tree of nodes.

    JSON that the caller's code displays, with ``IPython.display.JSON``, has metadata of its own.
    """
    data = content.data
    if "text/plain" not in data or _JSON in content.metadata:
        return data
    return {kind: value for kind, value in data.items() if kind != _JSON}


def _value(kind: str, value: Json) -> Json:
    """*value* in nbformat's form for *kind*: JSON of a type outside ``application/`` has to be text."""
    return value if isinstance(value, str) or _JSON_TYPE.fullmatch(kind) else json.dumps(value)
