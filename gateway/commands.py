"""The form that all commands and actions of ``omega`` have."""

from __future__ import annotations

import argparse


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
