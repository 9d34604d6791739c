"""Which tests one worker runs, where there are several: those that share a gateway or a preloaded process.

pytest-xdist 3.8 writes the group of a test into a name that pytest 9.2 no longer reads: its own groups are of one test each.
"""

from __future__ import annotations

import re

from xdist.scheduler import LoadScopeScheduling

TOGETHER = {"api": "gateway", "clients": "gateway", "notebooks": "gateway", "contract": "contract"}
"""Directories whose tests share a gateway, and the group they are in."""
PRELOADED = ("kernels/node/", "kernels/python/")
"""Directories whose tests fork their kernels from one process."""
ONE_EACH = re.compile(r"(levels/test_levels\.py::.*|promises/.*)\[(container-\w+|five|masked|root|user)\b")
"""Tests of one gateway after another: one of each setting."""
LONGEST = (
    *("gateway", "attacked-root", "attacked-user", "contract", "preloaded", "gateway/test_serve.py"),
    *("gateway/kernel/test_loop.py", "levels/test_apart.py", "test_docs_run.py"),
)
"""Groups that take minutes, whatever their number of tests: they come first, so that no worker is left alone with one."""


def group_of(node_id: str) -> str:
    """The group of a test: its gateway's, or else its file."""
    name = node_id.removeprefix("tests/")
    if found := ONE_EACH.match(name):
        return f"{'levels' if name.startswith('levels') else 'attacked'}-{found[2]}"
    if name.startswith(PRELOADED):
        return "preloaded"
    return TOGETHER.get(name.split("/")[0], name.partition("::")[0])


class Groups(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Gives a worker one group after another: the longest first, then those of most tests."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)

    def _assign_work_unit(self, node: object) -> None:
        longest = next((group for group in LONGEST if group in self.workqueue), None)
        if longest is not None:
            self.workqueue.move_to_end(longest, last=False)
        super()._assign_work_unit(node)
