"""Orphans where no pid namespace holds them: found by parent, killed with all they started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from kernels.spawner.tree import children_of, descendants, is_own_child
from tests.live import HANG_S

ORPHAN_MAKER = """
import os, signal, sys, time
sys.path.insert(0, {root!r})
from kernels.sandbox import sysc
from kernels.spawner.tree import children_of, kill_orphans
sysc.set_subreaper()
known = os.fork()
if known == 0:
    signal.pause()
told, tell = os.pipe()
middle = os.fork()
if middle == 0:
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            os.fork()
            os.write(tell, b"x")
            while True:
                time.sleep(60)
    os._exit(0)
os.waitpid(middle, 0)
for _ in range(6):
    os.read(told, 1)  # all six are there
print(kill_orphans({{known}}), children_of(os.getpid()) == [known])
os.kill(known, 9)
os.waitpid(known, 0)
"""


def test_orphans_and_what_they_started_are_killed_and_the_known_are_spared() -> None:
    """Three daemons, each with a child of its own, are gone; the process that is known lives."""
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", ORPHAN_MAKER.format(root=root)], capture_output=True, text=True, timeout=HANG_S, check=True
    )
    assert done.stdout.split() == ["6", "True"], done.stderr


def test_a_process_name_with_parentheses_does_not_hide_a_child(tmp_path: Path) -> None:
    """The name of a process is its own choice and must not confuse who its parent is."""
    for pid, stat in {"10": "10 (a) b) S 7 10 10", "11": "11 (x y) Z 7 11", "12": "12 (z) R 8 1", "self": ""}.items():
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "stat").write_text(stat)
    (tmp_path / "13").mkdir()  # it ended while we looked
    assert sorted(children_of(7, tmp_path)) == [10, 11]
    assert os.getpid() not in children_of(7, tmp_path)


def test_only_a_child_of_ones_own_is_taken_for_one() -> None:
    """Whatever a /proc of another pid namespace shows under the same number."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        assert is_own_child(child.pid)
        assert not any(is_own_child(pid) for pid in (1, os.getpid(), os.getppid()))
        assert descendants([child.pid]) == {child.pid: 1}
    finally:
        child.kill()
        child.wait()
    assert not is_own_child(child.pid)
