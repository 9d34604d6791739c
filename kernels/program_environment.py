"""The environment of what runs in a sandbox: kernels, and the programs that a command starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def environment(python: str, work_dir: str, given: Mapping[str, str]) -> dict[str, str]:
    """The complete environment of a kernel whose interpreter is *python*; *given* overrides it."""
    folders = (str(Path(python).parent), "/usr/local/bin", "/usr/bin", "/bin")
    fixed = {
        "HOME": work_dir,
        "PATH": os.pathsep.join(folders),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
        "NO_COLOR": "1",
        "PAGER": "cat",
        "TMPDIR": "/tmp",
        "TZ": "UTC",
        "USER": "omega",
        "MPLBACKEND": "agg",  # of programs that the code starts; the kernel's own backend shows figures in the answer
        # Without these they would retry without a network: for twelve seconds, and for minutes.
        "PIP_NO_INDEX": "1",
        "npm_config_offline": "true",
        # Figures as data, and as a page that names the library; its own choice is a page with the library in it: 5 MB.
        "PLOTLY_RENDERER": "plotly_mimetype+colab",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONUNBUFFERED": "1",
    }
    return {**fixed, **dict.fromkeys(THREADS, "1"), **given}
