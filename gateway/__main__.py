"""The command ``omega``; also ``python -m gateway``."""

from __future__ import annotations

import sys

from gateway.cli import run
from gateway.signals import take_signals_back


def main() -> int:
    """The exit code of one command, see gateway.cli."""
    take_signals_back()
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
