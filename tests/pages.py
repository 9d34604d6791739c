"""The project's Markdown pages: their blocks, the commands in these with the output shown, their links and headings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = ("notebooks/02-analyse-a-csv.ipynb",)
"""Notebooks that also show commands."""
GUIDES = ("README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))
"""What users read."""
OTHERS = ("CONTRIBUTING.md", "docker/README.md", "gateway/ARCHITECTURE.md", "kernels/SECURITY.md")
PAGES = (*GUIDES, *OTHERS)


@dataclass(frozen=True, slots=True)
class Why:
    """Why a block is not executed, and the test that covers what it does."""

    reason: str
    covered_by: str = ""


_NO_ENGINE = Why("there is no container engine here")
NOT_RUN = {
    ("README.md", "$ make serve"): Why(
        "installs packages, and serves until it is stopped",
        "tests/gateway/test_serve.py::test_the_first_start_shows_a_token_and_a_curl_that_works",
    ),
    ("docs/jupyter.md", "$ export TOKEN=$(cat ~/.local/state/omega/token)"): Why(
        "opens a browser", "tests/contract/test_jupyterlab.py::test_a_notebook_runs_in_jupyterlab"
    ),
    ("docs/jupyter.md", "$ pip install /path/to/this/clone"): Why("needs a package index; `make install-clients` does it"),
    ("docs/clients.md", "$ pip install /path/to/this/clone/clients/python"): Why(
        "installs a package", "tests/clients/python/test_distribution.py::test_wheel_and_sdist_have_every_module"
    ),
    ("docs/operating.md", "$ .venv/bin/pip install 'psycopg[binary]'"): Why("needs a package index and a database server"),
    ("docker/README.md", "export OMEGA_TOKEN=$(openssl rand -hex 32)"): _NO_ENGINE,
    (
        "docs/agents.md",
        'claude mcp add --transport http omega http://127.0.0.1:8080/mcp --header "Authorization: Bearer $TOKEN"',
    ): Why("needs Claude Code and an account of it", "tests/api/test_mcp.py::test_tools_are_listed_alike_in_both_eras"),
    ("docs/agents.md", "claude mcp add omega -- /home/ada/omega/.venv/bin/omega mcp --serve"): Why(
        "needs Claude Code and an account of it", "tests/api/test_mcp_stdio.py::test_a_gateway_of_its_own_ends_with_it"
    ),
    (
        "docker/README.md",
        "docker compose --file docker/compose.yaml --file docker/compose.namespaces.yaml up --build --detach",
    ): _NO_ENGINE,
}
"""The blocks of the language sh, by page and first line."""
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.S)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of *page*: its *language* is empty for drawings."""

    page: str
    language: str
    text: str

    @property
    def first_line(self) -> str:
        """What it is known by."""
        return self.text.partition("\n")[0]


@dataclass(frozen=True, slots=True)
class Step:
    """A command (or a program) and the output that the page shows for it; without any, every output will do."""

    command: str
    shown: str


def read(page: str) -> str:
    """The text of *page*; of a notebook that of its cells of text."""
    text = (ROOT / page).read_text()
    if not page.endswith(".ipynb"):
        return text
    return "\n\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown")


def blocks(page: str) -> list[Block]:
    """The fenced blocks of *page* in order."""
    return [Block(page, *found.groups()) for found in _FENCE.finditer(read(page))]


def steps(block: Block) -> list[Step]:
    """What a block of the language console, python or js has one do, and see."""
    if block.language == "console":
        return list(_console(block.text))
    mark = {"python": "#", "js": "//"}[block.language]
    lines = block.text.splitlines()
    code = list(lines)
    while code and code[-1].startswith(f"{mark} "):
        code.pop()
    shown = [line.removeprefix(f"{mark} ") for line in lines[len(code) :]]
    return [Step("\n".join(code), "\n".join(shown))]


def _console(text: str) -> Iterator[Step]:
    """Commands stand behind "$ " and go on after a backslash at a line's end; what follows is what they show."""
    for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
        found = re.match(r"(?:[^\n]*\\\n)*[^\n]*\n?", part)
        assert found is not None
        yield Step(found[0].rstrip("\n"), part[found.end() :].rstrip("\n"))


_VOLATILE = (
    (r"(?m:^\.\.\.$)\n?", r".*?"),  # any lines, or none
    (r"\.\.\.", r".*?"),
    (r"\n\s+", r"\s*"),  # a long line that the page breaks
    (r"\b[0-9a-f]{32}\b", r"[0-9a-f]{32}"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
    (r'"executionTime":\d+', r'"executionTime":\d+'),
    (r"\b(?:Python|Node\.js) \d+\.\d+\.\d+", r"(?:Python|Node\.js) \d+\.\d+\.\d+"),
    (r"\bL3\b", r"L(?:3|2\+|2|1)"),
)
_PIECES = re.compile("|".join(f"({shown})" for shown, _ in _VOLATILE))


def as_pattern(shown: str) -> re.Pattern[str]:
    """What matches the output *shown*: "..." stands for anything, and ids, times and versions may differ."""
    pattern, end = "", 0
    for found in _PIECES.finditer(shown):
        assert found.lastindex is not None
        pattern += re.escape(shown[end : found.start()]) + _VOLATILE[found.lastindex - 1][1]
        end = found.end()
    return re.compile(pattern + re.escape(shown[end:]), re.S)


def links(page: str) -> list[tuple[str, str]]:
    """The relative links of *page*: the file, empty for the page itself, and the anchor, empty for none."""
    targets = re.findall(r"\]\(([^)\s]+)\)", _CODE.sub("", read(page)))
    return [(path, anchor) for path, _, anchor in (target.partition("#") for target in targets) if "://" not in path]


def anchors(page: str) -> set[str]:
    """What a link to a heading of *page* may name, as forges make it."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", read(page)), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code_words(page: str) -> list[str]:
    """What stands in backticks in the text of *page*."""
    return re.findall(r"`([^`\n]+)`", _FENCE.sub("", read(page)))


def table(page: str, heading: str) -> list[list[str]]:
    """The rows of the first table below *heading*, without its head."""
    section = read(page).split(f"# {heading}\n", 1)[1].split("\n#", 1)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")]
    return rows[2:]
