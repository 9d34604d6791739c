"""Added packages are code of strangers: it runs in kernels and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import live
from tests.levels import places

pytestmark = [pytest.mark.kernel, pytest.mark.sandbox]


MODULES = {
    "bottleneck/__init__.py": "__version__ = '99'\n",
    "numexpr/__init__.py": "__version__ = '99'\n",
    "fsspec.py": (
        "import io\n__version__ = '9999'\nclass open:\n    def __init__(self, *_, **__): pass\n    def close(self): pass\n"
        "    def open(self): return io.BytesIO(b'a\\nthe added one')\n"
    ),
    "tabulate.py": "raise SystemExit('in the place of the one that the environment imports when asked')\n",
    "numpy/__init__.py": "raise SystemExit('in the place of the environment's')\n",
    "json.py": "raise SystemExit('in the place of Python's')\n",
    "sitecustomize.py": "",
    "usercustomize.py": "",
    "evil.pth": "import evil\n",
    "evil.py": "",
}
"""What an installation places, and what it would refuse: one that got there in some other way changes nothing either."""
WORK = """
import subprocess, sys, pandas as pd

def added():
    files = {name: getattr(module, '__file__', None) or '' for name, module in list(sys.modules.items())}
    return sorted(name for name, file in files.items() if '/extra/' in file)

frame = pd.DataFrame({'a': range(50_000), 'b': ['x', 'y'] * 25_000})
frame.a * 2 + frame.a
frame.query('a > 3').groupby('b').mean()
frame.rolling(3, on='a').count()
frame._repr_html_()
print(added())
code = "import json, sys; print([name for name in ('evil', 'sitecustomize') if '/extra/' in str(sys.modules.get(name))])"
print(subprocess.run([sys.executable, '-c', code], capture_output=True, text=True).stdout, end='')
print(pd.read_csv("memory://a")["a"][0], added())
frame.head().to_markdown(), added()
import bottleneck
print(bottleneck.__version__)
"""


def test_added_packages_run_where_they_are_asked_for_and_nowhere_else(folder: Path) -> None:
    """Not in the zygote, which holds privileges, though libraries import what they find while they are imported themselves.

    Nor in ordinary work, or in the place of what is there. pandas uses one where the code uses what it is for.
    """
    site = folder / "state" / "packages" / "1" / "site"
    for name, content in MODULES.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(content)
    (site.parents[1] / "current").symlink_to("1")
    (folder / "state").chmod(0o700)
    env = {"OMEGA_KERNEL_PYTHON": places.kernel_python()}
    process, gateway = live.start(folder, *places.SMALL, env=env, launcher=places.launcher("root"))
    try:
        live.wait_ready(gateway, process)
        answer = gateway.run(WORK, timeout=60_000)
        assert answer["output"] == "[]\n[]\nthe added one ['fsspec']\n99\n", answer
    finally:
        live.stop(process)
