"""One at a time, in order of arrival, whoever leaves the queue in between."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.errors import Busy, Conflict, TooManyRequests
from gateway.service.sessions.turns import Turns
from tests.fakes import in_fake_time


async def work(turns: Turns, name: str, done: list[str], patience_s: float | None = None) -> None:
    """Take a turn of one second."""
    async with turns.turn(patience_s):
        done.append(f"{name} begins")
        await asyncio.sleep(1)
        done.append(f"{name} ends")


def test_turns_come_in_order_of_arrival() -> None:
    """Never two at once."""

    async def main() -> list[str]:
        turns, done = Turns(10), list[str]()
        await asyncio.gather(*(work(turns, name, done) for name in "abcde"))
        assert not turns.is_taken
        return done

    assert in_fake_time(main()) == [f"{name} {part}" for name in "abcde" for part in ("begins", "ends")]


def test_who_leaves_gives_up_the_place() -> None:
    """Those behind move up; a turn that came in the moment of leaving goes on to the next."""

    async def main() -> list[str]:
        turns, done = Turns(10), list[str]()
        tasks = {name: asyncio.create_task(work(turns, name, done)) for name in "abcd"}
        await asyncio.sleep(0.5)
        tasks["b"].cancel()
        await asyncio.sleep(0)
        tasks["a"].cancel()  # its turn is handed to c, which is cancelled before it wakes up
        await asyncio.sleep(0)
        tasks["c"].cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        assert not turns.is_taken
        return done

    assert in_fake_time(main()) == ["a begins", "d begins", "d ends"]


def test_the_queue_has_an_end() -> None:
    """Whoever comes then is told at once to come back."""

    async def main() -> None:
        turns, done = Turns(2), list[str]()
        tasks = [asyncio.create_task(work(turns, name, done)) for name in "abc"]
        await asyncio.sleep(0.5)
        with pytest.raises(TooManyRequests) as refused:
            await work(turns, "d", done)
        assert refused.value.retry_after_s
        await asyncio.gather(*tasks)
        assert len(done) == 6

    in_fake_time(main())


def test_patience_has_an_end() -> None:
    """Busy then, and the place is free."""

    async def main() -> None:
        turns, done = Turns(10), list[str]()
        first = asyncio.create_task(work(turns, "a", done))
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await work(turns, "b", done, patience_s=0.5)
        await work(turns, "c", done, patience_s=5)
        await first
        assert done == ["a begins", "a ends", "c begins", "c ends"]

    in_fake_time(main())


def test_all_who_wait_can_be_turned_away() -> None:
    """The turn that is going on goes on."""

    async def main() -> None:
        turns, done = Turns(10), list[str]()
        tasks = [asyncio.create_task(work(turns, name, done)) for name in "abc"]
        await asyncio.sleep(0.5)
        turns.turn_away(Conflict("restarted"))
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(end) for end in ends] == [type(None), Conflict, Conflict]
        assert done == ["a begins", "a ends"]

    in_fake_time(main())


def test_the_end_of_a_turn_can_be_waited_for() -> None:
    """Of the one that is going on, whoever comes next; without one there is nothing to wait for."""

    async def main() -> None:
        turns, done = Turns(10), list[str]()
        await asyncio.wait_for(turns.end_of_turn(), 0.1)
        working = [asyncio.create_task(work(turns, name, done)) for name in "ab"]
        await asyncio.sleep(0)
        await turns.end_of_turn()
        assert "b ends" not in done
        assert "a ends" in done
        await asyncio.gather(*working)

    in_fake_time(main())
