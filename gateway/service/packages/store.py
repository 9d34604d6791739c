"""Where added packages live: numbered read-only directories, of which one is current; switching is atomic."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import orjson
import structlog

from gateway.service.packages.pip import Pin
from gateway.service.packages.wheels import make_read_only

KEPT = 2
"""Sets kept beside the current one: kernels that run on may still import from them."""
_CURRENT = "current"
_MANIFEST = "manifest.json"
_SITE = "site"

_log = structlog.get_logger("omega.install")


class PackageStore:
    """The sets of added packages below one directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def current_dir(self) -> Path | None:
        """The directory of added packages that kernels see, or None."""
        site = (self._root / _CURRENT).resolve() / _SITE
        return site if site.is_dir() else None

    def pins(self) -> list[Pin]:
        """What is in the current set."""
        try:
            listed = orjson.loads((self._root / _CURRENT / _MANIFEST).read_bytes())
            return [Pin(**item) for item in listed]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            _log.warning("the list of added packages can't be read", reason=type(error).__name__)
            return []

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """A private directory to prepare a set in; gone afterwards."""
        self._root.mkdir(mode=0o755, parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".staging-", dir=self._root))
        try:
            yield work
        finally:
            _remove(work)

    def sweep(self) -> None:
        """Remove what an interrupted installation left; to be called at the start."""
        for left in self._root.glob(".staging-*"):
            _remove(left)

    def activate(self, site: Path, pins: Sequence[Pin]) -> Path:
        """Make the modules in *site* (on the same file system) the current set; the directory kernels are to use."""
        number = max((int(path.name) for path in self._numbered()), default=0) + 1
        made = site.parent / "set"
        made.mkdir(mode=0o755)
        site.rename(made / _SITE)
        (made / _MANIFEST).write_bytes(orjson.dumps([asdict(pin) for pin in pins]))
        make_read_only(made / _SITE)
        target = self._root / str(number)
        made.rename(target)
        link = self._root / ".next"
        link.unlink(missing_ok=True)
        link.symlink_to(str(number))
        link.replace(self._root / _CURRENT)
        for old in sorted(self._numbered(), key=lambda path: int(path.name))[: -1 - KEPT]:
            _remove(old)
        # Without links: the spawner shows nothing that is reached through one.
        return (target / _SITE).resolve()

    def _numbered(self) -> list[Path]:
        return [path for path in self._root.iterdir() if path.name.isdigit()]


def _remove(tree: Path) -> None:
    """Remove *tree*, read-only directories in it too; what can't be removed is left for the next start."""
    for directory, _names, _files in os.walk(tree):
        with contextlib.suppress(OSError):
            Path(directory).chmod(0o700)
    shutil.rmtree(tree, ignore_errors=True)
