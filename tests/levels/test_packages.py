"""Added packages are code of strangers: it runs in kernels and nowhere else."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import live
from tests.levels import places
from tests.live import Gateway

pytestmark = [pytest.mark.kernel, pytest.mark.sandbox]


def add(folder: Path, name: str, text: str) -> Path:
    """Put the module *name* with this *text* among the added packages of the gateway in *folder*; where they are."""
    site = folder / "state" / "packages" / "1" / "site"
    (site / name).mkdir(parents=True)
    (site / name / "__init__.py").write_text(text)
    (site.parents[1] / "current").symlink_to("1")
    (folder / "state").chmod(0o700)
    return site


@contextlib.contextmanager
def serving(name: str, folder: Path) -> Iterator[Gateway]:
    """A gateway in the setting *name* that has *folder*, where packages may be already."""
    places.prepare(folder, name)
    owner = (folder / "tmp").stat()
    for place in folder.rglob("*"):
        os.lchown(place, owner.st_uid, owner.st_gid)
    env = {"OMEGA_KERNEL_PYTHON": places.kernel_python()}
    process, gateway = live.start(folder, *places.SMALL, env=env, launcher=places.launcher(name))
    try:
        live.wait_ready(gateway, process)
        yield gateway
    finally:
        live.stop(process)


def test_no_code_of_an_added_package_runs_in_the_zygote(folder: Path) -> None:
    """Libraries import optional packages that they find (pandas asks for bottleneck); the zygote holds privileges."""
    add(folder, "bottleneck", "__version__ = '99'\n")
    with serving("root", folder) as gateway:
        code = "import sys\nprint('bottleneck' in sys.modules)\nimport bottleneck\nprint(bottleneck.__version__)"
        assert gateway.run(code)["output"] == "False\n99\n"


LOOK = """
import os, sys
place = sys.path[-1]
try:
    print(sorted(os.listdir(place)), open(place + '/added/__init__.py').read())
except OSError as error:
    print(type(error).__name__)
print([os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd') if os.path.isdir(f'/proc/self/fd/{fd}')])
"""
"""What is seen of the added packages, by their path, and which directories are open."""


@pytest.mark.parametrize("name", ["root", "user", "container-user", "container-root"])
def test_what_takes_the_place_of_added_packages_is_not_seen(folder: Path, name: str) -> None:
    """A link to what everybody on the machine may read: code in kernels may not, and nothing leads it there."""
    site = add(folder, "added", "here = True")
    (secret := folder / "secret").mkdir()
    (secret / "added").mkdir()
    (secret / "added" / "__init__.py").write_text("TOP SECRET")
    with serving(name, folder) as gateway:
        for place in site.parents[:3]:
            place.chmod(0o755)
        assert gateway.run("import added; print(added.here)")["output"] == "True\n"
        assert gateway.run(LOOK)["output"] == "['added'] here = True\n[]\n"
        site.rename(site.with_name("was"))
        site.symlink_to("../../../secret")
        for _ in range(3):
            assert gateway.run(LOOK)["output"] in ("['added'] here = True\n[]\n", "PermissionError\n[]\n")
