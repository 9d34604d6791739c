"""The library as it is installed: on every Python from 3.9 on, without anything else."""

from __future__ import annotations

import ast
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import omega_client as omega
from tests.source import CLIENT, ROOT, modules

FOLDER = (ROOT / CLIENT).parent
PROJECT = tomllib.loads((FOLDER / "pyproject.toml").read_text())["project"]
OLDEST = (3, 9)
USE = """
import asyncio, sys, typing
sys.path.insert(0, sys.argv[1])
import omega_client as omega
from omega_client.endpoints import RunOptions
from omega_client.http1 import read_head
from omega_client.sse import EventReader

@omega.tool
def query(sql: str, limit: typing.Optional[int] = None) -> list:
    return [sql, limit]

assert query.parameters["properties"]["limit"]["anyOf"] == [{"type": "integer"}, {"type": "null"}]
assert EventReader().feed(b"data: x\\n\\n") == ["x"]
assert read_head(b"HTTP/1.1 200 OK\\r\\n\\r\\n").status == 200
assert "timeout_s" in RunOptions.__annotations__
for client in (omega.Client("http://127.0.0.1:9", "t", max_retries=0), omega.AsyncClient("http://127.0.0.1:9", "t")):
    try:
        run = client.run("1", tools=[query], timeout_s=1)
        if asyncio.iscoroutine(run):
            asyncio.run(run)
    except omega.ConnectionFailed:
        continue
    raise AssertionError("somebody answered")
for provider in ("openai", "openai-responses", "anthropic", "gemini"):
    try:
        omega.call_with_tools(provider, "http://127.0.0.1:9", "Hello.", [query], model="m", api_key="k")
    except omega.ConnectionFailed:
        continue
    raise AssertionError("somebody answered")
print("works")
"""


def interpreters() -> list[str]:
    """Other Pythons of this machine that are not too old."""
    found = sorted(Path.home().glob(".pyenv/versions/*/bin/python"))
    versions = {
        path: tuple(map(int, path.parents[1].name.split(".")[:2])) for path in found if path.parents[1].name[0] == "3"
    }
    return [str(path) for path, version in versions.items() if version >= OLDEST]


@pytest.mark.parametrize("source", modules(CLIENT), ids=lambda source: source.path)
def test_every_module_is_of_the_oldest_syntax(source: object) -> None:
    """What newer ones have would fail where it is imported."""
    text = source.text  # type: ignore[attr-defined]  # of tests.source
    ast.parse(text, feature_version=OLDEST)


@pytest.mark.parametrize("python", [sys.executable, *interpreters()])
def test_it_works_on_every_python_here(python: str) -> None:
    """Its imports, and as much as works without a server; warnings are errors."""
    command = [python, "-I", "-X", "dev", "-W", "error", "-B", "-c", USE, str(FOLDER)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("works\n", "")


def test_its_metadata_are_true() -> None:
    """One version, one licence, no dependency."""
    assert PROJECT["version"] == omega.__version__
    assert f"omega-client/{omega.__version__} " in (ROOT / CLIENT / "client.py").read_text()
    assert PROJECT["dependencies"] == []
    assert PROJECT["requires-python"] == f">={OLDEST[0]}.{OLDEST[1]}"
    assert (FOLDER / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert sorted(name for name in omega.__all__ if not hasattr(omega, name)) == []


def test_wheel_and_sdist_have_every_module(tmp_path: Path) -> None:
    """And the mark that it has types; they are built without an index."""
    copied = tmp_path / "python"
    subprocess.run(["cp", "-r", str(FOLDER), str(copied)], check=True)
    build = "import setuptools.build_meta as b, sys; to = sys.argv[1]; b.build_wheel(to); b.build_sdist(to)"
    command = [sys.executable, "-c", build, str(tmp_path)]
    done = subprocess.run(command, cwd=copied, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wheel, sdist = (next(tmp_path.glob(f"omega_client-*{end}")) for end in (".whl", ".tar.gz"))
    expected = {source.path.removeprefix("clients/python/") for source in modules(CLIENT)} | {"omega_client/py.typed"}
    assert {name for name in zipfile.ZipFile(wheel).namelist() if "dist-info" not in name} == expected
    with tarfile.open(sdist) as packed:
        assert {f"{packed.getnames()[0]}/{name}" for name in (*expected, "LICENSE", "README.md")} <= set(packed.getnames())
