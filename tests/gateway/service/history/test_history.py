"""The history: what it keeps, for how long, and that no trouble with its database reaches a run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.errors import Unavailable
from gateway.core.request import RunRecord
from gateway.service.database import DatabaseError
from gateway.service.history import history as module
from gateway.service.history.history import History
from gateway.service.history.store import CODE_BYTES, Retention, Store, fit

ROOT = Path(__file__).parents[4]


class Tally:
    """Counts what the history reports."""

    def __init__(self) -> None:
        self.written = 0
        self.dropped: Counter[str] = Counter()

    def history_written(self, rows: int) -> None:
        self.written += rows

    def history_dropped(self, rows: int, reason: str) -> None:
        self.dropped[reason] += rows


def url_of(path: Path) -> str:
    """The database URL of a file."""
    return f"sqlite:///{path}"


def record(number: int, *, key_id: str = "default", code: str = "", age_s: float = 0) -> RunRecord:
    """A finished run with a number to know it by."""
    return RunRecord(f"run-{number}", key_id, time.time() - age_s, "python", code or f"print({number})", True, 0.25)


@asynccontextmanager
async def opened(path: Path, retention: Retention | None = None, tally: Tally | None = None) -> AsyncIterator[History]:
    """A history on the database file *path*."""
    history = History.open(url_of(path), retention or Retention(), tally or Tally())
    try:
        yield history
    finally:
        await history.close()


async def until(condition: Callable[[], object]) -> None:
    """Wait for the writer thread, which has no event of its own to wait for."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # see above
            await asyncio.sleep(0.01)


async def ids(history: History, key_id: str = "default", limit: int = 500) -> list[str]:
    """The run ids of a key, newest first."""
    return [entry.run_id for entry in await history.newest(key_id, limit)]


async def test_a_run_is_listed_at_once_and_newest_first(tmp_path: Path) -> None:
    """Also while it is still on its way to the disk."""
    async with opened(tmp_path / "h.db") as history:
        for number in range(10):
            history.record(record(number))
            assert (await ids(history))[0] == f"run-{number}"
        assert await ids(history, limit=3) == ["run-9", "run-8", "run-7"]


async def test_runs_that_share_an_id_are_all_listed(tmp_path: Path) -> None:
    """As the cells of a notebook do; also while some are on disk and others are not."""
    async with opened(tmp_path / "h.db", tally=(tally := Tally())) as history:
        for number in range(1, 6):
            history.record(replace(record(number), run_id="notebook"))
            assert [entry.code for entry in await history.newest("default", 500)] == [
                f"print({cell})" for cell in range(number, 0, -1)
            ]
            if number == 3:
                await until(lambda: tally.written == 3)


@pytest.mark.parametrize("arrive_meanwhile", [0, 2, 50])
@pytest.mark.parametrize("are_read", ["before", "after"])
async def test_runs_that_reach_the_disk_while_they_are_read_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arrive_meanwhile: int, are_read: str
) -> None:
    """Whichever comes first, the read or the writing; also beyond the limit of what is read."""
    may_write = threading.Event()
    insert, newest = Store.insert, Store.newest

    def insert_late(store: Store, records: Sequence[RunRecord]) -> None:
        assert may_write.wait(20)
        insert(store, records)

    def read(store: Store, key_id: str, limit: int) -> list[RunRecord]:
        found = newest(store, key_id, limit) if are_read == "before" else []
        for number in range(10, 10 + arrive_meanwhile):
            history.record(record(number))
        may_write.set()
        deadline = time.monotonic() + 20
        while tally.written < 10 + arrive_meanwhile:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return found if are_read == "before" else newest(store, key_id, limit)

    monkeypatch.setattr(Store, "insert", insert_late)
    monkeypatch.setattr(Store, "newest", read)
    async with opened(tmp_path / "h.db", tally=(tally := Tally())) as history:
        for number in range(10):
            history.record(record(number))
        newest_number = 9 if are_read == "before" else 9 + arrive_meanwhile
        assert await ids(history, limit=3) == [f"run-{newest_number - back}" for back in range(3)]
        monkeypatch.undo()
        assert await ids(history) == [f"run-{number}" for number in reversed(range(10 + arrive_meanwhile))]


async def test_runs_survive_a_restart_with_all_their_fields(tmp_path: Path) -> None:
    """What is listed after the restart is what was recorded."""
    async with opened(tmp_path / "h.db") as history:
        history.record(RunRecord("r", "default", 1_769_344_496.5, "chart", "plt.plot()\n# \0 \ud800 日本", False, 1.5))
    async with opened(tmp_path / "h.db", Retention(max_days=36_500)) as history:
        [entry] = await history.newest("default", 10)
    assert (entry.started_utc, entry.task, entry.success, entry.wall_s) == (1_769_344_496.5, "chart", False, 1.5)
    assert entry.code == "plt.plot()\n# \N{SYMBOL FOR NULL} \\ud800 日本"


async def test_a_key_sees_its_own_runs_only(tmp_path: Path) -> None:
    """Neither from the disk nor from the queue."""
    async with opened(tmp_path / "h.db") as history:
        history.record(record(1, key_id="a"))
        history.record(record(2, key_id="b"))
        assert await ids(history, "a") == ["run-1"]
    async with opened(tmp_path / "h.db") as history:
        assert await ids(history, "a") == ["run-1"]
        assert await ids(history, "' OR 1=1 --") == []


def test_long_code_is_cut_with_a_marker() -> None:
    """By bytes, never inside a character."""
    assert fit("abc", 3) == "abc"
    assert fit("x" * 5, 3) == "xxx\n… [cut here: 5 characters in all]"
    assert fit("日本", 4) == "日\n… [cut here: 2 characters in all]"
    assert len(fit("日" * 10**6, CODE_BYTES).encode()) < CODE_BYTES + 100


async def test_only_the_newest_rows_are_kept(tmp_path: Path) -> None:
    """The bound holds at the latest at the next start."""
    async with opened(tmp_path / "h.db") as history:
        for number in range(50):
            history.record(record(number))
    store = Store(url_of(tmp_path / "h.db"), Retention(max_rows=5))
    assert store.prune() == 45
    assert [run.run_id for run in store.newest("default", 500)] == [f"run-{number}" for number in range(49, 44, -1)]
    store.close()


async def test_old_rows_are_removed_at_the_start(tmp_path: Path) -> None:
    """Age counts from when the run began."""
    async with opened(tmp_path / "h.db") as history:
        history.record(record(1, age_s=3 * 86_400))
        history.record(record(2))
    async with opened(tmp_path / "h.db", Retention(max_days=2)) as history:
        async with asyncio.timeout(20):
            while await ids(history) != ["run-2"]:  # noqa: ASYNC110  # as in until()
                await asyncio.sleep(0.01)


async def test_many_rows_are_pruned_while_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that is never restarted keeps its database bounded."""
    monkeypatch.setattr(module, "PRUNE_EVERY_ROWS", 10)
    async with opened(tmp_path / "h.db", Retention(max_rows=20)) as history:
        for number in range(200):
            history.record(record(number))
            await asyncio.sleep(0)
    store = Store(url_of(tmp_path / "h.db"), Retention())
    assert len(store.newest("default", 500)) <= 30
    store.close()


KILLED = """
import asyncio, os, sys, time
from gateway.service.history.history import History
from gateway.service.history.store import Retention
from gateway.core.request import RunRecord
from tests.gateway.service.history.test_history import Tally
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


async def test_a_locked_database_neither_slows_nor_fails_a_run(tmp_path: Path) -> None:
    """The runs are written once the lock is gone, and listed meanwhile."""
    tally = Tally()
    async with opened(tmp_path / "h.db", tally=tally) as history:
        blocker = sqlite3.connect(tmp_path / "h.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        slowest_s = 0.0
        for number in range(20):
            begun = time.perf_counter()
            history.record(record(number))
            slowest_s = max(slowest_s, time.perf_counter() - begun)
        assert slowest_s < 0.1
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
        assert tally.dropped["queue full"] >= 20
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
    assert tally.written >= 2


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


@pytest.mark.parametrize("content", [b"this is no database" * 500, b"SQLite format 3\0" + b"\xff" * 8000])
def test_a_damaged_database_stops_the_start_with_one_sentence(tmp_path: Path, content: bytes) -> None:
    """It names the file and what to do."""
    (tmp_path / "h.db").write_bytes(content)
    with pytest.raises(DatabaseError, match=r"h\.db can't be used: it is damaged or not a SQLite database; restore it"):
        History.open(url_of(tmp_path / "h.db"), Retention(), Tally())


async def test_damage_inside_the_file_is_found_at_the_start(tmp_path: Path) -> None:
    """Not only a broken header."""
    async with opened(tmp_path / "h.db") as history:
        for number in range(200):
            history.record(record(number, code="x" * 2000))
    data = bytearray((tmp_path / "h.db").read_bytes())
    data[4096 * 10 : 4096 * 40] = os.urandom(4096 * 30)
    (tmp_path / "h.db").write_bytes(data)
    with pytest.raises(DatabaseError, match="damaged"):
        History.open(url_of(tmp_path / "h.db"), Retention(), Tally())


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """A gateway that is put back to an older version must not write into what it does not know."""
    async with opened(tmp_path / "h.db"):
        pass
    connection = sqlite3.connect(tmp_path / "h.db")
    connection.execute("UPDATE omega_schema SET version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(DatabaseError, match="has schema version 99, this gateway supports 3"):
        History.open(url_of(tmp_path / "h.db"), Retention(), Tally())


@pytest.mark.parametrize(
    "made", ["omega_runs (x)", "omega_runs AS SELECT 1 AS seq, 2 AS code", "omega_keys (name)", "omega_schema (other)"]
)
def test_somebody_elses_table_stops_the_start(tmp_path: Path, made: str) -> None:
    """It would serve, and neither keep nor show a run; what is in the table stays as it is."""
    with contextlib.closing(sqlite3.connect(tmp_path / "h.db")) as connection:
        connection.execute(f"CREATE TABLE {made}")
        before = list(connection.execute("SELECT sql FROM sqlite_master"))
    with pytest.raises(DatabaseError, match=r"h\.db has a table omega_\w+ that is not the gateway's"):
        History.open(url_of(tmp_path / "h.db"), Retention(), Tally())
    with contextlib.closing(sqlite3.connect(tmp_path / "h.db")) as connection:
        assert list(connection.execute("SELECT sql FROM sqlite_master")) == before


def test_other_tables_beside_the_gateways_are_nobodys_business(tmp_path: Path) -> None:
    """A database may be shared."""
    with contextlib.closing(sqlite3.connect(tmp_path / "h.db")) as connection:
        connection.execute("CREATE TABLE runs (x)")
    store = Store(url_of(tmp_path / "h.db"), Retention())
    store.prepare()
    store.close()


def test_a_directory_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    """One sentence with the path."""
    with pytest.raises(DatabaseError, match=r"gone/h\.db can't be opened: No such file or directory"):
        History.open(url_of(tmp_path / "gone" / "h.db"), Retention(), Tally())


async def test_the_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Code of all callers is in them; -wal and -shm too."""
    before = os.umask(0)
    try:
        async with opened(tmp_path / "h.db") as history:
            history.record(record(1))
            await ids(history)
            modes = _modes(tmp_path)
    finally:
        os.umask(before)
    assert set(modes) >= {"h.db", "h.db-wal"}
    assert set(modes.values()) == {0o600}


def _modes(directory: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}


async def test_a_read_that_fails_is_answered_as_unavailable(tmp_path: Path) -> None:
    """A caller sees 503, not an internal error."""
    async with opened(tmp_path / "h.db") as history:
        history._store.close()
        history._store._database._engine = Store(url_of(tmp_path / "other.db"), Retention())._database._engine
        with pytest.raises(Unavailable):
            await history.newest("default", 1)


async def test_closing_writes_what_is_queued(tmp_path: Path) -> None:
    """A stop loses nothing; what comes later is counted as dropped."""
    tally = Tally()
    async with opened(tmp_path / "h.db", tally=tally) as history:
        for number in range(1000):
            history.record(record(number))
    assert tally.written == 1000
    history.record(record(1001))
    assert tally.dropped == {"closing": 1}
