"""Commands of package managers in cells: what is installed is told; what is not fails at once, with what to do instead."""

from __future__ import annotations

import importlib.metadata
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from typing import Any

from IPython.core.error import UsageError

from kernels.contract import EXTRA_PACKAGES
from kernels.python.shown import missing

OTHERS = ("conda", "mamba", "micromamba", "uv")
"""Magics of package managers that kernels do not have."""
NO_OTHER = "kernels have no {}: `%pip list` shows what is installed"
NO_FILES = f"code can't install packages: ask the operator to add them to {EXTRA_PACKAGES}"
OTHER_VERSION = "{} {} is installed and no other version: it takes an environment of the operator's (OMEGA_KERNEL_PYTHON)"
INSTALL = re.compile(
    r"\s*(?:\S*python\S*\s+-m\s+)?pip[\d.]*\s+install\b(?![^\n]*\s(?:-t|--target|--prefix|--root)\b)(?P<what>(?:>&|[^;&|\n])*)$"
)
"""A pip command for this Python; it would find no network, and print paths of this machine."""
_WITH_VALUE = ("-c", "--constraint", "-i", "--index-url", "--extra-index-url", "-f", "--find-links")
_FILES = ("-r", "--requirement", "-e", "--editable")
_REDIRECTED = re.compile(r"(?:\d|&)?>{1,2} |.* (?:\d|&)?>")


def refusal(command: str, hint: str) -> UsageError:
    """The error for *command*, which Jupyter shows without a traceback; *hint* says what to do."""
    error = UsageError(f"{command} is not available here: {hint}")
    error.hint = hint  # type: ignore[attr-defined]  # for hints.py
    return error


def add_magics(shell: Any) -> None:
    """Let ``%pip`` do what ``!pip`` does, and refuse those of other package managers."""

    def pip(line: str) -> None:
        """Run pip: what is installed can be listed, and nothing can be added."""
        shell.system(f"{shlex.quote(sys.executable)} -m pip {line}")

    shell.register_magic_function(pip, "line", "pip")
    for name in OTHERS:
        shell.register_magic_function(_refuse(name), "line", name)


def _refuse(name: str) -> Callable[[str], None]:
    def magic(line: str) -> None:
        _command, is_to_install, asked = line.partition("install ")
        names = [word for word in asked.split() if re.match(r"\w", word)]
        raise refusal(f"%{name}", missing.advise(names[0]) if is_to_install and names else NO_OTHER.format(name))

    magic.__name__, magic.__doc__ = name, f"%{name} is not available: kernels have no network."
    return magic


def answer_install(command: str) -> str | None:
    """What pip would say if *command* asks for what is there already; None if it is no such command.

    Raises UsageError if it asks for anything else.
    """
    found = INSTALL.match(command)
    if found is None:
        return None
    said = [_satisfied(asked) for asked in _asked(found["what"])]
    return "".join(f"Requirement already satisfied: {asked} ({version})\n" for asked, version in said)


def _asked(arguments: str) -> Iterator[str]:
    """The requirements among *arguments*; one that is a file or an address is not met by anything installed."""
    try:
        words = shlex.split(arguments, comments=True)
    except ValueError:
        words = arguments.split()
    for before, word in zip(["", *words], words, strict=False):
        if before in _FILES or not (word.startswith("-") or before in _WITH_VALUE or _REDIRECTED.match(f"{before} {word}")):
            yield "./" + word if before in _FILES else word


def _satisfied(asked: str) -> tuple[str, str]:
    """*asked* and the version that meets it. Raises UsageError."""
    from packaging.requirements import InvalidRequirement, Requirement  # here: few runs need it

    try:
        requirement = Requirement(asked)
    except InvalidRequirement:
        raise refusal("pip install", NO_FILES) from None
    name = missing.DISTRIBUTIONS.get(requirement.name, requirement.name)
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        raise refusal("pip install", missing.advise(requirement.name)) from None
    if requirement.url is not None or not requirement.specifier.contains(version, prereleases=True):
        raise refusal(f"pip install {asked}", OTHER_VERSION.format(name, version))
    return asked, version
