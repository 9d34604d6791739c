"""The tools, each once: what a model reads about it, and the form of its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.core.errors import NotFound
from gateway.service.tools.arguments import (
    AnalyzeArguments,
    Arguments,
    ChartArguments,
    FilesArguments,
    JavascriptArguments,
    PythonArguments,
    VariablesArguments,
    parameters,
)


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool. Models choose by its *description*; people see its *title*."""

    name: str
    title: str
    description: str
    takes: type[Arguments]
    is_read_only: bool = False
    """Whether it changes nothing, not even in a session."""

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON schema of its arguments."""
        return parameters(self.takes)


TOOLS: Final[Mapping[str, Tool]] = {
    tool.name: tool
    for tool in (
        Tool(
            "code_execute_python",
            "Run Python",
            "Run Python in a fresh kernel without network. Has numpy, pandas, matplotlib, seaborn, scipy, scikit-learn. "
            "Returns what it prints, the last expression's value, errors, and figures as images. "
            "State and files stay only in a session.",
            PythonArguments,
        ),
        Tool(
            "code_execute_javascript",
            "Run JavaScript",
            "Run JavaScript as the body of an async function: no network, files or modules. "
            "Returns what console.log prints, the returned value and errors.",
            JavascriptArguments,
        ),
        Tool(
            "code_generate_chart",
            "Draw a chart",
            "Draw with matplotlib or seaborn: plt, sns, np, pd are imported. Returns each figure as an image, also unsaved.",
            ChartArguments,
        ),
        Tool(
            "code_analyze_data",
            "Analyze a table",
            "Analyze a table with pandas: 'summary' of all columns, 'correlation' of the numeric ones, or 'stats' (mean, "
            "median, deviation, minimum, maximum).",
            AnalyzeArguments,
            is_read_only=True,
        ),
        Tool(
            "code_session_files",
            "Files of a session",
            "List the files of a session, read one as text (100 kB at most), or write one.",
            FilesArguments,
        ),
        Tool(
            "code_session_variables",
            "Variables of a session",
            "List the variables of a session with type, shape and preview.",
            VariablesArguments,
            is_read_only=True,
        ),
    )
}
"""By name, in the order in which they are listed."""


def find(name: str) -> Tool:
    """The tool *name*. Raises NotFound."""
    if name not in TOOLS:
        raise NotFound(f"There is no tool {name[:60]!r}: the tools are {', '.join(TOOLS)}.")
    return TOOLS[name]
