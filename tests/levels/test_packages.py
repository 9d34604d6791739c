"""Added packages are code of strangers: it runs in kernels and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import live
from tests.levels import places

pytestmark = [pytest.mark.kernel, pytest.mark.sandbox]


def test_no_code_of_an_added_package_runs_in_the_zygote(folder: Path) -> None:
    """Libraries import optional packages that they find (pandas asks for bottleneck); the zygote holds privileges."""
    site = folder / "state" / "packages" / "1" / "site"
    (site / "bottleneck").mkdir(parents=True)
    (site / "bottleneck" / "__init__.py").write_text("__version__ = '99'\n")
    (site.parents[1] / "current").symlink_to("1")
    (folder / "state").chmod(0o700)
    env = {"OMEGA_KERNEL_PYTHON": places.kernel_python()}
    process, gateway = live.start(folder, *places.SMALL, env=env, launcher=places.launcher("root"))
    try:
        live.wait_ready(gateway, process)
        code = "import sys\nprint('bottleneck' in sys.modules)\nimport bottleneck\nprint(bottleneck.__version__)"
        assert gateway.run(code)["output"] == "False\n99\n"
    finally:
        live.stop(process)
