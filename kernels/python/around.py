"""What a run is given beside its code, and what is told about its files afterwards."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from kernels import workfiles
from kernels.python import run_files, standard_input
from kernels.python.request import NOTHING, TaskRequest
from kernels.workfiles import Look, Mark

_environ = os.environ
"""The environment of this process, also if code puts something else in its place."""


@dataclass(frozen=True, slots=True)
class WorkFolder:
    """A kernel's work directory; *hidden* is the directory in it that is skipped, *born* its mark when it was empty."""

    path: str = ""
    hidden: str = ""
    born: Mark | None = None

    def look(self) -> Look:
        """Its files."""
        return workfiles.look(self.path, self.hidden)


class Around:
    """All that surrounds the code of one run."""

    def __init__(self, folder: WorkFolder, request: TaskRequest) -> None:
        self._folder = folder
        self._given = request.given
        self._reports_files = request.reports_files
        self._before: Look | None = None

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Give the run inside the block what it asks for; raises FilesError, and then nothing was done."""
        given = self._given
        if given is NOTHING:
            self._look()
            yield
            return
        with ExitStack() as stack:
            if given.stdin is not None:
                stack.enter_context(standard_input.provided(given.stdin))
            if given.env:
                stack.enter_context(environment(given.env))
            if given.files:  # last, so that nothing after them can fail
                run_files.write_all(self._folder.path, given.files)
                importlib.invalidate_caches()
            self._look()
            yield

    def _look(self) -> None:
        if self._reports_files == "changed" or (self._reports_files == "new" and self._given.files):
            self._before = Look(is_cut=True)  # what stays if code has changed what looks for files
            with suppress(Exception):
                self._before = self._folder.look()

    def report(self) -> dict[str, Any]:
        """What the reply tells about files."""
        try:
            return self._report()
        except Exception:  # noqa: BLE001  # code can change all that looks for files; its run needs a reply all the same
            return {"files": {"files": [], "cut": True}, "fetched": {"cut": True}}

    def _report(self) -> dict[str, Any]:
        """For a directory that was empty, one look at it is mostly all."""
        told: dict[str, Any] = {}
        before = self._before
        if before is None and self._reports_files == "new" and workfiles.mark(self._folder.path) != self._folder.born:
            before = Look()
        if before is not None:
            told["files"] = workfiles.changes(before, self._folder.look())
        if self._given.globs:
            told["fetched"] = self._fetch()
        return told

    def _fetch(self) -> dict[str, Any]:
        folder, given = self._folder, self._given
        try:
            return run_files.fetch(folder.path, given.globs, given.fetch_bytes, folder.hidden)
        except MemoryError:
            return {"cut": True}


@contextmanager
def environment(env: Mapping[str, str]) -> Iterator[None]:
    """Have the variables *env* inside the block, and after it those that were there before, whatever the code does."""
    before = {name: _environ.get(name) for name in env}
    _environ.update(env)
    time.tzset()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                _environ.pop(name, None)
            else:
                _environ[name] = value
        time.tzset()
