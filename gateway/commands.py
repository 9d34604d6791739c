"""The form that all commands and actions of ``omega`` have."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

PROGRAM = "omega"


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, about: str
) -> argparse.ArgumentParser:
    """The parser of a new command: options are written out, and those not given leave no trace among the values."""
    return commands.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )


def as_typed(command: str) -> str:
    """How to call *command* of this program from where it was called: it need not be on the PATH."""
    called = sys.argv[0]
    if Path(called).name != PROGRAM or shutil.which(PROGRAM) == called:
        called = PROGRAM
    return f"{shlex.quote(called)} {command}"


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Write *rows*, which are of one length, with their columns below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
