"""Gateways and commands in the settings of setting.py."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.settings import Settings, SettingsError, find_kernel_python
from tests import live
from tests.levels import setting
from tests.live import HANG_S

SMALL = ("--pool-min", "1", "--pool-max", "1", "--memory-mb", "192", "--work-mb", "32", "--tmp-mb", "16", "--shm-mb", "16")
"""Kernels small enough that a bomb is over soon."""
AS_ROOT = ("root", "container-root")


def kernel_python() -> str:
    """The interpreter kernels run in, or "" where there is none."""
    named = os.environ.get("OMEGA_KERNEL_PYTHON")
    try:
        return str(find_kernel_python(Settings.model_validate({"kernel_python": named})))
    except SettingsError:
        return ""


def launcher(name: str) -> Sequence[str]:
    """The command line that runs Python in the setting *name*."""
    return (sys.executable, setting.__file__, name, sys.executable)


def prepare(folder: Path, name: str) -> None:
    """Give *folder* and its tmp to the user of the setting *name*."""
    (folder / "tmp").mkdir(exist_ok=True)
    if name not in AS_ROOT:
        for place in (folder, folder / "tmp"):
            os.chown(place, setting.USER, setting.USER)


@contextlib.contextmanager
def serving(name: str, *options: str) -> Iterator[live.Gateway]:
    """A gateway in the setting *name*, ready to answer; nothing of its files is there after it was stopped."""
    with tempfile.TemporaryDirectory(prefix="omega-test-") as folder:
        prepare(Path(folder), name)
        env = {"OMEGA_KERNEL_PYTHON": kernel_python()}
        process, gateway = live.start(Path(folder), *SMALL, *options, env=env, launcher=launcher(name))
        try:
            live.wait_ready(gateway, process)
            yield gateway
        finally:
            code = live.stop(process)
        assert code == 0, gateway.log.read_text()[-3000:]
        assert not (left := list((Path(folder) / "tmp").iterdir())), f"files left behind: {left}"


def omega(name: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """One finished `omega` command in the setting *name*, its files in *folder*."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OMEGA_", "XDG_"))}
    env = {**kept, "OMEGA_KERNEL_PYTHON": kernel_python(), "TMPDIR": str(folder / "tmp"), "OMEGA_TOKEN": "t" * 32}
    return subprocess.run(
        [*launcher(name), "-m", "gateway", *arguments],
        cwd=Path(__file__).resolve().parents[2],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
