"""The zygote's preparation: imports the data stack, warms it up, and builds a kernel without sockets."""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from kernels.python.warmup import exercise, memory

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")  # as in identity.py
PACKAGES = (
    "numpy",
    "pandas",
    "matplotlib",
    "seaborn",
    "scipy",
    "scikit-learn",
    "ipykernel",
    "ipython",
    "pyzmq",
    "jupyter_client",
    "pillow",
    "joblib",
)


class PreloadError(RuntimeError):
    """The zygote must not fork, because it has something that a kernel must not inherit."""


CACHES = ("MPLCONFIGDIR", "IPYTHONDIR")
"""Where libraries are told their caches are; without a home they would make directories of their own, and leave them."""


def preload(prepare: Callable[[], dict[str, str]] = dict) -> dict[str, str]:
    """Import, warm up and freeze everything; returns the packages' versions. Call it once, before any fork.

    *prepare* does the same for kernels of another language, after the imports, and returns more versions.
    """
    for name in THREADS:
        os.environ[name] = "1"  # read when the libraries load: no thread of theirs may exist when the zygote forks
    os.environ["MPLBACKEND"] = "agg"  # until our own backend is installed
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="omega-zygote-") as caches:
        warnings.simplefilter("ignore")
        # Without a root of its own (level L1) it must leave no files on the machine.
        os.environ |= dict.fromkeys(CACHES, caches)
        _import()
        _prepare_figures()
        exercise.exercise()
        _build()
        importlib.import_module("kernels.python.child")  # the modules of a forked kernel, which imports nothing more
        others = prepare()
        for name in CACHES:
            del os.environ[name]
    # Python 3.12 and newer warn of os.fork() in a process with threads; a kernel always has some.
    warnings.filterwarnings("ignore", message=r"This process .* is multi-threaded", category=DeprecationWarning)
    _check()
    memory.settle()
    return {**{name: importlib.metadata.version(name) for name in PACKAGES}, **others}


def _import() -> None:
    """Import the data stack; nearly all that this makes stays, so the collector looks through it once and never again."""
    gc.disable()
    try:
        for name in exercise.MODULES:
            importlib.import_module(name)
    finally:
        gc.enable()
    gc.collect()
    gc.freeze()


def _prepare_figures() -> None:
    from kernels.python.shown import figures, fonts  # here: the libraries read the environment when they are imported

    fonts.configure()
    figures.install()


def _build() -> None:
    from kernels.python import parts
    from kernels.python.warmup import rehearsal

    rehearsal.rehearse(parts.build())


def _check() -> None:
    if "debugpy" in sys.modules:
        raise PreloadError("debugpy was imported")
    tasks = Path("/proc/self/task")
    if tasks.is_dir() and len(list(tasks.iterdir())) != 1:
        raise PreloadError("the zygote has more than one thread")
