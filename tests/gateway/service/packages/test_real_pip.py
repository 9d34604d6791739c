"""Installations with a real pip, in an environment of its own."""

from __future__ import annotations

import asyncio
import io
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from gateway.core.errors import NotFound, Unavailable
from gateway.service.packages.pip import Pip
from tests.gateway.service.packages.test_installer import installer
from tests.live import HANG_S


def python(*command: str | Path) -> str:
    """What an interpreter prints."""
    return subprocess.run([*map(str, command)], check=True, capture_output=True, text=True, timeout=HANG_S).stdout


@pytest.mark.kernel
async def test_a_real_package_from_the_index(interpreter: Path, tmp_path: Path) -> None:
    """six, resolved, fetched by hash, checked, placed and imported by a fresh interpreter; skipped without an index."""
    made, kernels = installer(tmp_path, Pip(interpreter, os.environ, file_bytes=10_000_000), "six")
    try:
        done = await made.install("six")
    except Unavailable as why:
        if not re.search("index could not be reached|took longer", why.message):
            raise
        pytest.skip("no package index can be reached")
    assert done.output == f"Successfully installed six-{done.version}\n"
    ((directory,),) = kernels.used
    script = f"import sys; sys.path.append({directory!r}); import six; print(six.__version__, six.__file__)"
    found = await asyncio.to_thread(python, interpreter, "-I", "-c", script)
    assert found.split() == [done.version, f"{directory}/six.py"]
    assert sorted(path.name for path in (tmp_path / "packages").iterdir()) == ["1", "current"]


@pytest.mark.kernel
async def test_a_package_without_a_wheel_is_not_built(interpreter: Path, tmp_path: Path) -> None:
    """A source archive stays closed: its build script would run outside of any kernel."""
    source = tmp_path / "index" / "omega-probe-1.0.tar.gz"
    source.parent.mkdir()
    with tarfile.open(source, "w:gz") as archive:
        code = f"open({str(tmp_path / 'ran')!r}, 'w')\n".encode()
        entry = tarfile.TarInfo("omega-probe-1.0/setup.py")
        entry.size = len(code)
        archive.addfile(entry, io.BytesIO(code))
    environ = {"PATH": os.environ["PATH"], "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(source.parent)}
    made, _ = installer(tmp_path, Pip(interpreter, environ, file_bytes=10_000_000), "omega-probe")
    with pytest.raises(NotFound, match="No wheel"):
        await made.install("omega-probe")
    assert not (tmp_path / "ran").exists()


@pytest.mark.kernel
async def test_pip_has_no_capabilities_and_a_file_limit(tmp_path: Path) -> None:
    """It reads what strangers wrote, so it gets nothing it does not need, also when root runs the gateway."""
    fake = tmp_path / "pip" / "__main__.py"
    fake.parent.mkdir()
    (fake.parent / "__init__.py").write_text("")
    seen = tmp_path / "seen"
    fake.write_text(
        "import resource\n"
        f"with open({str(seen)!r}, 'w') as out:\n"
        "    out.write(open('/proc/self/status').read())\n"
        "    print('limit', resource.getrlimit(resource.RLIMIT_FSIZE), file=out)\n"
    )
    script = tmp_path / "python"
    # The first argument, -I, would keep the stand-in for pip from being found.
    script.write_text(f'#!/bin/sh\nshift\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    script.chmod(0o755)
    with pytest.raises(Unavailable):
        await Pip(script, {"PATH": os.environ["PATH"]}, file_bytes=12345).resolve(["six"], tmp_path)
    status = dict(line.partition(":")[::2] for line in seen.read_text().splitlines() if ":" in line)
    assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh")} == {0}
    assert "limit (12345, 12345)" in seen.read_text()
