"""The history: what it keeps, in which order, for whom and for how long."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.errors import Unavailable
from gateway.core.request import RunRecord
from gateway.service.history import history as module
from gateway.service.history.store import CODE_BYTES, Retention, Store, fit
from tests.gateway.service.history.history_world import Tally, ids, opened, record, until, url_of
from tests.live import HANG_S


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


async def test_runs_are_gathered_and_written_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write for each run costs as much as a tenth of it. A full batch and the end wait for no more."""
    batches: list[int] = []
    insert = Store.insert

    def insert_counted(store: Store, records: Sequence[RunRecord]) -> None:
        batches.append(len(records))
        insert(store, records)

    monkeypatch.setattr(Store, "insert", insert_counted)
    monkeypatch.setattr(module, "GATHER_S", 3600.0)
    monkeypatch.setattr(module, "BATCH_ROWS", 4)
    async with opened(tmp_path / "h.db", tally=(tally := Tally())) as history:
        for number in range(4):
            history.record(record(number))
        await until(lambda: tally.written == 4)
        for number in range(4, 7):
            history.record(record(number))
        assert len(await ids(history)) == 7
    assert batches == [4, 3]
    assert tally.written == 7 and not tally.dropped


@pytest.mark.parametrize("arrive_meanwhile", [0, 2, 50])
@pytest.mark.parametrize("are_read", ["before", "after"])
async def test_runs_that_reach_the_disk_while_they_are_read_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arrive_meanwhile: int, are_read: str
) -> None:
    """Whichever comes first, the read or the writing; also beyond the limit of what is read."""
    may_write = threading.Event()
    insert, newest = Store.insert, Store.newest

    def insert_late(store: Store, records: Sequence[RunRecord]) -> None:
        assert may_write.wait(HANG_S)
        insert(store, records)

    def read(store: Store, key_id: str, limit: int) -> list[RunRecord]:
        found = newest(store, key_id, limit) if are_read == "before" else []
        for number in range(10, 10 + arrive_meanwhile):
            history.record(record(number))
        may_write.set()
        deadline = time.monotonic() + HANG_S
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
        async with asyncio.timeout(HANG_S):
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


async def test_a_read_that_fails_is_answered_as_unavailable(tmp_path: Path) -> None:
    """A caller sees 503, not an internal error."""
    async with opened(tmp_path / "h.db") as history:
        database = history._store._database
        engine, database._engine = database._engine, Store(url_of(tmp_path / "other.db"), Retention())._database._engine
        with pytest.raises(Unavailable):
            await history.newest("default", 1)
        engine.dispose()


async def test_closing_writes_what_is_queued(tmp_path: Path) -> None:
    """A stop loses nothing; what comes later is counted as dropped."""
    tally = Tally()
    async with opened(tmp_path / "h.db", tally=tally) as history:
        for number in range(1000):
            history.record(record(number))
    assert tally.written == 1000
    history.record(record(1001))
    assert tally.dropped == {"closing": 1}
