"""The command ``omega``; also ``python -m gateway``."""

from __future__ import annotations

import sys

from gateway.cli import run


def main() -> int:
    """The exit code of one command, see gateway.cli."""
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
