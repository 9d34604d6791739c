"""What all commands and actions of ``omega`` share."""

from __future__ import annotations

import argparse
import difflib
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

PROGRAM = "omega"
_CHOICE = re.compile(r"argument (COMMAND|ACTION): invalid choice: (.*) \(choose from ", re.DOTALL)


class CommandParser(argparse.ArgumentParser):
    """A parser that answers an unknown argument with one sentence, which suggests the nearest option or command."""

    _choices: Iterable[str] = ()

    def add_subparsers(self, **options: Any) -> Any:
        """As argparse, but the names are remembered, to suggest one of them."""
        made = super().add_subparsers(**options)
        self._choices = made.choices
        return made

    def error(self, message: str) -> NoReturn:
        """Exit with 2 and the reason; for an unknown command or action in one sentence."""
        found = _CHOICE.match(message)
        if found is None:
            super().error(message)
        kind, quoted = found[1].lower(), found[2]
        close = difflib.get_close_matches(quoted[1:-1], self._choices, n=1)
        advice = f"did you mean {close[0]}?" if close else f"use one of {', '.join(self._choices)}"
        article = "an" if kind == "action" else "a"
        self.exit(2, f"{PROGRAM}: {quoted} is not {article} {kind} of `{self.prog}`; {advice}\n")

    def parse_known_args(  # type: ignore[override]  # typeshed has overloads for namespaces of other kinds
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """The values; the parser of the command exits with 2 for unknown arguments."""
        values, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.exit(2, f"{PROGRAM}: {self._explain(unknown)}\n")
        return values, unknown

    def _explain(self, unknown: Sequence[str]) -> str:
        option = next((text.partition("=")[0] for text in unknown if text.startswith("-")), "")
        if not option:
            return f"unexpected argument {unknown[0]!r}; `{self.prog} --help` lists what it takes"
        close = difflib.get_close_matches(
            option, re.findall(r"^  (?:-\w, )?(--[\w-]+)", self.format_help(), re.MULTILINE), n=1
        )
        advice = f"did you mean {close[0]}?" if close else f"`{self.prog} --help` lists all options"
        return f"{option} is not an option of `{self.prog}`; {advice}"


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, about: str
) -> argparse.ArgumentParser:
    """The parser of a new command: options can't be abbreviated, and options not given are absent from the values."""
    return commands.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )


def as_typed(command: str) -> str:
    """How to type *command* of this program, which need not be on the PATH."""
    called = sys.argv[0]
    if Path(called).name != PROGRAM or shutil.which(PROGRAM) == called:
        called = PROGRAM
    return f"{shlex.quote(called)} {command}"


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print *rows* of equal length with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
