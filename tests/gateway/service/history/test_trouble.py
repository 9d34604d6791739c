"""No trouble with its database reaches a run: a kill, a lock, a full disk."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gateway.core.request import RunRecord
from gateway.service.history import history as module
from gateway.service.history.store import CODE_BYTES, Retention, Store
from tests.gateway.service.history.history_world import Tally, ids, opened, record, until, url_of
from tests.live import HANG_S

ROOT = Path(__file__).parents[4]


KILLED = """
import asyncio, os, sys, time
from gateway.service.history.history import History
from gateway.service.history.store import Retention
from gateway.core.request import RunRecord
from tests.gateway.service.history.history_world import Tally
async def main():
    tally = Tally()
    history = History.open(sys.argv[1], Retention(), tally)
    number = 0
    while True:
        history.record(RunRecord(f"run-{number}", "default", time.time(), "python", "x", True, 0.1))
        number += 1
        if number == 500:
            while tally.written < 500:
                await asyncio.sleep(0.01)
            print("written", flush=True)
        await asyncio.sleep(0)
asyncio.run(main())
"""


def test_what_was_written_survives_kill_9(tmp_path: Path) -> None:
    """Killed in the middle of writing, the database is whole and has all that was committed."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", KILLED, url_of(tmp_path / "h.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.send_signal(signal.SIGKILL)
    store = Store(url_of(tmp_path / "h.db"), Retention())
    store.prepare()
    assert {f"run-{number}" for number in range(500)} <= {run.run_id for run in store.newest("default", 100_000)}
    store.close()


async def test_a_locked_database_neither_slows_nor_fails_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recording does not wait for a write under way; the runs are written once the lock is gone, and listed meanwhile."""
    tally, insert = Tally(), Store.insert
    is_writing, are_recorded = threading.Event(), threading.Event()

    def insert_late(store: Store, records: Sequence[RunRecord]) -> None:
        is_writing.set()
        assert are_recorded.wait(HANG_S)
        insert(store, records)

    monkeypatch.setattr(Store, "insert", insert_late)
    async with opened(tmp_path / "h.db", tally=tally) as history:
        blocker = sqlite3.connect(tmp_path / "h.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        history.record(record(0))
        assert await asyncio.to_thread(is_writing.wait, HANG_S)
        for number in range(1, 20):
            history.record(record(number))
        are_recorded.set()
        assert len(await ids(history)) == 20
        blocker.execute("ROLLBACK")
        blocker.close()
        await until(lambda: tally.written == 20)
    assert not tally.dropped


@pytest.mark.thorough
async def test_runs_are_dropped_and_counted_while_the_lock_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays bounded however long it takes."""
    monkeypatch.setattr(module, "RETRY_WAITS_S", (0.0,))
    monkeypatch.setattr(module, "QUEUE_ROWS", 5)
    tally = Tally()
    blocker = sqlite3.connect(tmp_path / "h.db", isolation_level=None)
    async with opened(tmp_path / "h.db", tally=tally) as history:
        blocker.execute("BEGIN EXCLUSIVE")
        for number in range(30):
            history.record(record(number))
        assert tally.dropped["queue full"] >= 20  # 5 wait, and 5 at most are with the writer
        await until(lambda: sum(tally.dropped.values()) == 30)
        blocker.close()
        history.record(record(99))
        assert (await ids(history))[0] == "run-99"
    assert tally.written == 1


@pytest.mark.thorough
async def test_a_start_while_the_database_is_locked_succeeds(tmp_path: Path) -> None:
    """What is recorded is written when the lock is gone."""
    (tmp_path / "h.db").touch()
    blocker = sqlite3.connect(tmp_path / "h.db", isolation_level=None)
    blocker.execute("BEGIN EXCLUSIVE")
    tally = Tally()
    async with opened(tmp_path / "h.db", tally=tally) as history:
        history.record(record(1))
        blocker.close()
        await until(lambda: tally.written)


async def test_a_full_disk_drops_runs_and_the_next_free_space_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own page limit stands for the disk: the error is the same."""
    monkeypatch.setattr(module, "RETRY_WAITS_S", ())
    tally = Tally()
    async with opened(tmp_path / "h.db", tally=tally) as history:
        history.record(record(0))
        await until(lambda: tally.written)
        engine = history._store._database._engine
        _limit_pages(engine, 16)
        for number in range(1, 9):
            history.record(record(number, code="x" * CODE_BYTES))
        await until(lambda: tally.written + sum(tally.dropped.values()) == 9)
        assert tally.dropped
        assert "run-0" in await ids(history)
        _limit_pages(engine, 1_000_000)
        history.record(record(9))
    assert tally.written >= 2  # the first and the last, and what found room between them


def _limit_pages(engine: object, pages: int) -> None:
    """Let every connection of *engine* grow the file to *pages* pages only."""
    from sqlalchemy import Engine, event

    assert isinstance(engine, Engine)
    engine.dispose()
    event.listen(engine, "connect", lambda connection, _record: connection.execute(f"PRAGMA max_page_count={pages}"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.sandbox
async def test_a_really_full_file_system_never_fails_a_run(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Filled to the last byte, it costs the history some runs; with room again, the next ones are kept."""
    monkeypatch.setattr(module, "RETRY_WAITS_S", ())
    tally = Tally()
    async with opened(small_disk / "h.db", tally=tally) as history:
        history.record(record(0))
        await until(lambda: tally.written)
        _fill(small_disk / "ballast")
        for number in range(1, 40):
            history.record(record(number, code="x" * CODE_BYTES))
        await until(lambda: tally.written + sum(tally.dropped.values()) == 40)
        assert tally.dropped
        (small_disk / "ballast").unlink()
        history.record(record(99))
    async with opened(small_disk / "h.db") as history:
        assert (await ids(history))[0] == "run-99"


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return
