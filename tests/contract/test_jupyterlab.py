"""JupyterLab with its kernels on the gateway (``--gateway-url``), used by hand as it were: in a real browser."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.contract.conftest import RunClient

pytestmark = pytest.mark.kernel

CELLS = (
    "print('from a sandboxed kernel')",
    "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.show()",
    "import os\n6 * 7, os.getcwd()",
)


@pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="no browser: Debian's packages chromium and chromium-driver bring it",
)
def test_a_notebook_runs_in_jupyterlab(run_client: RunClient, tmp_path: Path) -> None:
    """Opened, all cells run from the menu: text, picture and value stand in the page, from a kernel of the gateway."""
    notebook = tmp_path / "three cells.ipynb"
    notebook.write_text(json.dumps(_notebook(CELLS)))
    page = run_client("jupyterlab", str(notebook), "", timeout_s=180.0)
    assert page["prompts"] == ["[1]:", "[2]:", "[3]:"]
    assert page["texts"] == ["from a sandboxed kernel", "", "(42, '/work')"]
    assert page["pictures"] == 1
    assert page["kernel"] == ["Python (sandboxed)"]


def _notebook(cells: tuple[str, ...]) -> dict[str, object]:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made: list[dict[str, object]] = [
        {"cell_type": "code", "id": f"cell-{n}", "metadata": {}, "execution_count": None, "outputs": [], "source": source}
        for n, source in enumerate(cells)
    ]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": made}
