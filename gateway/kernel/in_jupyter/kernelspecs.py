"""The kernelspecs that let any Jupyter start our kernels: "Python (sandboxed)" and "JavaScript (sandboxed)"."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from gateway.core.errors import CommandFailed
from kernels.contract import Language

PROVISIONER: Final = "omega"
TITLES: Final[dict[Language, str]] = {"python": "Python (sandboxed)", "javascript": "JavaScript (sandboxed)"}
LOGOS: Final = Path(__file__).with_name("logos")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
# What a program too old to know provisioners would run instead.
_EXPLAIN = (
    "echo 'This kernel needs jupyter_client 7 or newer, and the package omega-gateway in the same environment.' >&2; exit 1"
)


class KernelspecError(CommandFailed):
    """Kernelspecs can't be written or removed; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What kernels started through a kernelspec are to be: see the traits of `SandboxProvisioner`."""

    kernel_python: Path
    require_isolation: str
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InstalledSpec:
    """One of our kernelspecs on this machine."""

    name: str
    title: str
    directory: Path
    kernel_python: str


@cache
def read_logos(language: str) -> Mapping[str, bytes]:
    """The pictures beside the name of a kernel, by file name; none for a language that is not ours."""
    files = (LOGOS / language).iterdir() if language in TITLES else ()
    return {file.name: file.read_bytes() for file in files if file.suffix in (".svg", ".png")}


def data_dir(prefix: Path | None) -> Path:
    """Where Jupyter looks for kernelspecs: of the environment at *prefix*, or of this user."""
    from jupyter_core.paths import jupyter_data_dir  # here: most commands of omega load this module and need no Jupyter

    return (prefix / "share/jupyter" if prefix else Path(jupyter_data_dir())) / "kernels"


def install(name: str, wish: Wish, directory: Path) -> list[InstalledSpec]:
    """Write the kernelspecs NAME-python and NAME-javascript into *directory*; raises KernelspecError.

    Ours that are there already are replaced, others are not.
    """
    _check_name(name)
    targets = {language: directory / f"{name}-{language}" for language in TITLES}
    for target in targets.values():
        if target.exists() and _read(target) is None:
            raise KernelspecError(f"{target} exists and was not installed by omega: remove it, or choose another --name")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for language, target in targets.items():
            _write(language, wish, target)
    except OSError as error:
        raise KernelspecError(f"kernelspecs can't be written to {directory}: {error.strerror}") from None
    return [found for target in targets.values() if (found := _read(target))]


def remove(name: str, directory: Path) -> list[Path]:
    """Remove NAME-python and NAME-javascript from *directory*, and say which were there; raises KernelspecError."""
    _check_name(name)
    ours = [target for language in TITLES if _read(target := directory / f"{name}-{language}")]
    if not ours:
        raise KernelspecError(f"omega has installed no kernelspecs {name}-python and {name}-javascript in {directory}")
    try:
        for target in ours:
            shutil.rmtree(target)
    except OSError as error:
        raise KernelspecError(f"{directory} can't be changed: {error.strerror}") from None
    return ours


def installed() -> list[InstalledSpec]:
    """Ours among the kernelspecs that a Jupyter in this environment sees."""
    from jupyter_core.paths import jupyter_path  # here: as in data_dir()

    folders = (Path(folder) for folder in jupyter_path("kernels"))
    listed = (target for folder in folders if folder.is_dir() for target in sorted(folder.iterdir()))
    return [found for target in listed if (found := _read(target))]


def kernel_json(language: Language, wish: Wish) -> dict[str, Any]:
    """The content of kernel.json."""
    config = {
        "kernel_python": str(wish.kernel_python),
        "require_isolation": wish.require_isolation,
        "limits": dict(wish.limits),
    }
    return {
        "argv": ["/bin/sh", "-c", _EXPLAIN],
        "display_name": TITLES[language],
        "language": language,
        "interrupt_mode": "message",
        "metadata": {"debugger": False, "kernel_provisioner": {"provisioner_name": PROVISIONER, "config": config}},
    }


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise KernelspecError(f"--name is {name!r}: use lower case letters, digits, dots, hyphens and underscores")


def _write(language: Language, wish: Wish, target: Path) -> None:
    """Put the kernelspec in place whole: a Jupyter may be looking."""
    with tempfile.TemporaryDirectory(prefix=".omega-", dir=target.parent) as draft:
        made = Path(draft) / "made"
        shutil.copytree(LOGOS / language, made)
        (made / "kernel.json").write_text(json.dumps(kernel_json(language, wish), indent=1) + "\n", encoding="utf-8")
        os.chmod(made, 0o755)
        if target.exists():
            target.rename(Path(draft) / "old")
        made.rename(target)


def _read(directory: Path) -> InstalledSpec | None:
    """The kernelspec in *directory* if it is one of ours."""
    try:
        spec = json.loads((directory / "kernel.json").read_text(encoding="utf-8"))
        provisioner = spec["metadata"]["kernel_provisioner"]
        if provisioner["provisioner_name"] != PROVISIONER:
            return None
        return InstalledSpec(
            directory.name, str(spec["display_name"]), directory, str(provisioner["config"]["kernel_python"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
