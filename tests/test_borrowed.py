"""The table in borrowed.py is whole: every private name of a library that we use has its row, and is there."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator

import pytest

from tests.borrowed import DOCUMENTED, NODE_INTERNALS, TABLE
from tests.live import HANG_S
from tests.source import ROOT, Source, modules

KERNEL_PYTHON = ROOT / ".venv-kernels/bin/python"
IN_PYPROJECT = {
    "tornado": "project",
    "ipykernel": "kernels",
    "ipython": "kernels",
    "matplotlib": "kernels",
    "seaborn": "kernels",
    "ipywidgets": "kernels",
}
"""Where the ceiling of a library stands whose insides are used. SQLAlchemy's and pandas' names are documented."""
OVERRIDES = {"_receive_frame", "_handle_message", "_abort", "_frame_mask", "_cancel_on_sigint", "_execute_sleep"}
OVERRIDES |= {"_get_font_height_metrics", "_update_ticks", "_get_ticklabel_bboxes", "_input_request"}
"""Private names that we define because a base class of a library reads or calls them: no scan can tell these from ours."""


def defined_in(source: Source) -> Iterator[str]:
    """The private names that *source* defines, as functions, classes, variables and attributes."""
    for node in source.nodes():
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Name(ctx=ast.Store()):
                yield node.id
            case ast.Attribute(value=ast.Name(id="self" | "cls"), ctx=ast.Store()):
                yield node.attr


def used_in(source: Source, here: frozenset[str], ours: frozenset[str]) -> Iterator[str]:
    """The private names in *source*, which defines those *here*, that no class or module of *ours* has."""
    for node in source.nodes():
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls" | "super"), attr=name) if is_private(name):
                if name not in ours:
                    yield name
            case ast.Attribute(attr=name) if is_private(name) and name not in here:
                yield name
            case ast.ImportFrom(names=names, module=module) if module and not module.startswith(("gateway", "kernels")):
                yield from (alias.name for alias in names if is_private(alias.name))


def is_private(name: str) -> bool:
    """Whether *name* is somebody's own; ``os._exit`` and what named tuples have are documented."""
    return name.startswith("_") and not name.startswith("__") and name not in DOCUMENTED


def test_every_borrowed_name_has_its_row_and_every_row_its_use() -> None:
    """The table is the list to read before an upgrade, so it has to be whole."""
    defined = [(source, frozenset(defined_in(source))) for source in modules()]
    ours = frozenset(name for _, here in defined for name in here)
    used = {(source.path, name) for source, here in defined for name in used_in(source, here, ours)}
    told = {(row.path, row.name) for row in TABLE}
    assert used - told == set(), "without a row"
    assert {(path, name) for path, name in told - used if name not in OVERRIDES} == set(), "without a use"
    for row in TABLE:
        assert row.name in (ROOT / row.path).read_text(), row


def test_every_internal_of_node_has_its_reason() -> None:
    """`--expose-internals` opens them all."""
    text = "".join(path.read_text() for path in sorted((ROOT / "kernels/node/js").glob("*.cjs")))
    assert set(re.findall(r"require\('(internal/[^']+)'\)", text)) == set(NODE_INTERNALS)


def test_a_library_whose_insides_are_used_has_a_ceiling() -> None:
    """A version nobody has tried must not come by itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = {"project": project["project"]["dependencies"], **project["dependency-groups"]}
    for library, where in IN_PYPROJECT.items():
        (entry,) = [item for item in asked[where] if re.match(rf"{library}\b", item, re.IGNORECASE)]
        assert "<" in entry, entry
    named = {row.library for row in TABLE} - {"python", "SQLAlchemy", "pandas"}
    assert named == set(IN_PYPROJECT)


LOOK = """
import importlib, sys
for line in sys.argv[1:]:
    module, _, path = line.partition(":")
    found = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
"""


@pytest.mark.parametrize("top", ["gateway", "kernels"])
def test_every_borrowed_name_is_there(top: str) -> None:
    """In the versions that are installed; what only instances have is tried by the tests of its module."""
    homes = sorted({row.home for row in TABLE if row.home and row.path.startswith(top)})
    python = ROOT / ".venv/bin/python" if top == "gateway" else KERNEL_PYTHON
    if not python.exists():
        pytest.skip(f"{python.relative_to(ROOT)} is not there: make install-dev makes it")
    done = subprocess.run([str(python), "-W", "ignore", "-c", LOOK, *homes], capture_output=True, text=True, timeout=HANG_S)
    assert done.returncode == 0, done.stderr
