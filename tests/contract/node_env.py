"""The Node program of the kernels' environment: newer than most systems', and there wherever the tests run."""

from __future__ import annotations

from tests.source import ROOT


def newest() -> str | None:
    """Its path, or None where the environment has none."""
    found = sorted((ROOT / ".venv-kernels").glob("lib/python*/site-packages/nodejs*/bin/node"))
    return str(found[-1]) if found else None
