"""Packages that kernels have and the zygote does not import: what code asks for by name pays for itself.

Libraries look for some of them while they are imported themselves: pandas for pyarrow, seaborn for statsmodels. In the
zygote they find none, and later they do.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

PACKAGES: Mapping[str, str] = {
    "beautifulsoup4": "bs4",
    "ipywidgets": "ipywidgets",
    "jinja2": "jinja2",
    "lxml": "lxml",
    "nbformat": "nbformat",
    "networkx": "networkx",
    "openpyxl": "openpyxl",
    "patsy": "patsy",
    "plotly": "plotly",
    "pyarrow": "pyarrow",
    "requests": "requests",
    "statsmodels": "statsmodels",
    "sympy": "sympy",
    "tabulate": "tabulate",
    "tqdm": "tqdm",
    "xlsxwriter": "xlsxwriter",
}
"""Each distribution and the module that it is imported by."""
RETRY_S = 0.001
"""The pause of scikit-learn before it asks an unreachable server once more."""


class _Refusal(MetaPathFinder):
    """Says that no package of these exists."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Nothing for other modules: they are found as usual."""
        if path is None and fullname in PACKAGES.values():
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


@contextmanager
def hidden() -> Iterator[None]:
    """Inside the block none of these can be imported."""
    refusal = _Refusal()
    sys.meta_path.insert(0, refusal)
    try:
        yield
    finally:
        sys.meta_path.remove(refusal)


def connect() -> None:
    """Let the libraries that were imported without these use them, and wait for no network."""
    from kernels.python.warmup import arrow  # here: it needs pandas, which the zygote imports when it has prepared for it

    arrow.prepare()
    if importlib.util.find_spec(PACKAGES["statsmodels"]):
        regression: Any = importlib.import_module("seaborn.regression")
        regression._has_statsmodels = True
    datasets: Any = importlib.import_module("sklearn.datasets")
    for name in datasets.__all__:
        options = getattr(getattr(getattr(datasets, name), "__wrapped__", None), "__kwdefaults__", None) or {}
        if "n_retries" in options:
            options |= {"n_retries": 1, "delay": RETRY_S}  # two at least are for others to allow


def versions() -> dict[str, str]:
    """Those that are installed, each with its version: an operator's own environment may lack some."""
    return {name: importlib.metadata.version(name) for name, module in PACKAGES.items() if importlib.util.find_spec(module)}
