"""The table of sessions: who sees them, when they end, and what is said of them then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from gateway.core.errors import BadRequest, Busy, Conflict, Gone, NotFound, NotImplementedYet, TooManyRequests, Unavailable
from gateway.core.event_log import SessionEnded, SessionRestarted
from gateway.core.session_log import Told
from gateway.service.session_feed import Watch, Watched
from gateway.service.sessions.ended import MAX_ENDED
from gateway.service.sessions.table import SessionSettings
from tests.fakes import spec
from tests.gateway.service.session_world import ONE, TWO, World, sentence, trying


def test_another_keys_session_is_not_there() -> None:
    """Neither alive nor ended, by no way of asking; the answer is the one of an id that never was."""

    async def main(world: World) -> None:
        alive, ended = await world.create(), await world.create()
        await world.sessions.delete(ended, ONE)
        sessions, said = world.sessions, set()
        for session_id in (alive, ended, "0" * 32, ""):
            asking: list[Callable[[], Any]] = [
                partial(sessions.show, session_id, TWO),
                partial(sessions.kernel_id, session_id, TWO),
                partial(sessions.transcript, session_id, TWO),
                partial(sessions.feed, session_id, TWO),
                partial(sessions.delete, session_id, TWO),
                partial(sessions.interrupt, session_id, TWO),
                partial(sessions.restart, session_id, TWO),
                partial(world.run, session_id, caller=TWO),
            ]
            for ask in asking:
                with pytest.raises(NotFound) as told:
                    answer = ask()
                    await answer
                said.add(told.value.message)
        assert len(said) == 1
        assert sessions.list(TWO) == []
        assert [view.id for view in sessions.list(ONE)] == [alive]

    trying(main)


def test_a_watch_keeps_no_session_alive_and_hears_of_its_end() -> None:
    """It is no activity, to open one or to look at what runs; each way to end has its own word."""

    async def main(world: World) -> None:
        ends = []
        for end in ("culled", "deleted", "revoked", "shutdown"):
            session_id = await world.create(idle_s=60.0)
            active = world.sessions.show(session_id, ONE).last_activity_utc
            watch = Watch(world.sessions.feed(session_id, ONE), None, asyncio.Event())
            await asyncio.sleep(59)
            assert world.sessions.show(session_id, ONE).last_activity_utc == active
            match end:
                case "culled":
                    await asyncio.sleep(2)
                case "deleted":
                    await world.sessions.delete(session_id, ONE)
                case "revoked":
                    world.sessions.keep_only(frozenset())
                case _:
                    await world.sessions.close()
            heard = [found.entry.item for found in told_by(watch) if isinstance(found, Told)]
            assert isinstance(heard[-1], SessionEnded)
            ends.append(heard[-1].how)
            watch.close()
        assert ends == world.ends == ["culled", "deleted", "revoked", "shutdown"]

    trying(main)


def told_by(watch: Watch) -> list[Watched]:
    """All that there is to tell."""
    told: list[Watched] = []
    while (found := watch.next()) is not None:
        watch.take(found)
        told.append(found)
    return told


def test_a_restart_is_told_to_those_who_watch() -> None:
    """Also one that finds no kernel: the state is lost."""

    async def main(world: World) -> None:
        session_id = await world.create()
        watch = Watch(world.sessions.feed(session_id, ONE), None, asyncio.Event())
        await world.sessions.restart(session_id, ONE)
        world.full = True
        with pytest.raises(Busy):
            await world.sessions.restart(session_id, ONE)
        items = [found.entry.item for found in told_by(watch) if isinstance(found, Told)]
        assert items == [SessionRestarted(), SessionRestarted()]

    trying(main)


def test_a_session_without_runs_is_culled() -> None:
    """After its own time, or else the gateway's; later it says when and why."""

    async def main(world: World) -> None:
        short, usual = await world.create(idle_s=60.0), await world.create()
        await asyncio.sleep(59)
        assert len(world.sessions.list(ONE)) == 2
        await asyncio.sleep(2)
        assert world.alive == ["k1"]
        assert await sentence(world.run(short)) == (
            "This session was ended after 1 minute without a run, at 1970-01-01T00:16:40Z: create a new one."
        )
        await asyncio.sleep(1800)
        assert "after 30 minutes without a run" in await sentence(world.sessions.delete(usual, ONE))
        assert world.ends == ["culled", "culled"]
        assert world.quota.taken == 0

    trying(main)


def test_the_idle_time_starts_at_the_end_of_a_run() -> None:
    """A session that is busy, or has runs waiting, is never culled."""

    async def main(world: World) -> None:
        session_id = await world.create(idle_s=2.0)
        await asyncio.gather(*(world.run(session_id, "sleep") for _ in range(3)))
        await asyncio.sleep(1.9)
        view = world.sessions.show(session_id, ONE)
        assert view.expires_utc is not None
        assert view.expires_utc - 1_000.0 == pytest.approx(0.1)
        await asyncio.sleep(0.2)
        assert "after 2 seconds" in await sentence(world.run(session_id))

    trying(main)


def test_a_look_keeps_no_session_alive() -> None:
    """An open page asks again and again; what is done to the session counts, what is only told of it does not."""

    async def main(world: World) -> None:
        session_id = await world.create(idle_s=10.0)
        for code in ("", "", "", "sleep"):
            await asyncio.sleep(2)
            async with world.sessions.look(session_id, ONE, patience_s=1.0) as kernel:
                assert (await kernel.run(spec(code, task="table"))).success
            world.sessions.kernel_id(session_id, ONE)
        await asyncio.sleep(0.1)  # it became due while it was looked at
        assert "after 10 seconds without a run" in await sentence(world.run(session_id))
        kept = await world.create(idle_s=10.0)
        await asyncio.sleep(9)
        world.sessions.note_activity(kept, ONE)
        await asyncio.sleep(9)
        assert (await world.run(kept)).success

    trying(main)


def test_a_look_waits_as_long_as_it_may() -> None:
    """For the run that goes on; one that is refused changes nothing."""

    async def main(world: World) -> None:
        session_id = await world.create()
        running = asyncio.create_task(world.run(session_id, "sleep"))
        await asyncio.sleep(1)
        with pytest.raises(Busy, match="busy with a run"):
            async with world.sessions.look(session_id, ONE, patience_s=1.0):
                pass
        async with world.sessions.look(session_id, ONE, patience_s=5.0) as kernel:
            assert (await kernel.run(spec("", task="table"))).success
        assert (await running).success

    trying(main)


def test_no_session_lives_longer_than_it_may() -> None:
    """A run may finish; the next one is not begun, and the session ends with the last."""

    async def main(world: World) -> None:
        session_id = await world.create()
        await asyncio.sleep(7)
        running = asyncio.create_task(world.run(session_id, "sleep"))
        await asyncio.sleep(4)
        assert "its maximum lifetime, 10 seconds" in await sentence(world.run(session_id))
        assert (await running).success
        await asyncio.sleep(0.1)
        assert world.ends == ["expired"]
        assert "its maximum lifetime" in await sentence(world.run(session_id))

    trying(main, World(SessionSettings(idle_s=1800.0, lifetime_s=10.0)))


def test_the_number_of_ended_sessions_remembered_is_bounded() -> None:
    """The oldest of a key's are forgotten; those of others are not."""

    async def main(world: World) -> None:
        others = await world.create(TWO)
        await world.sessions.delete(others, TWO)
        ids = []
        for _ in range(MAX_ENDED + 1):
            ids.append(await world.create())
            await world.sessions.delete(ids[-1], ONE)
        with pytest.raises(NotFound):
            world.sessions.show(ids[0], ONE)
        for session_id, caller in ((ids[1], ONE), (ids[-1], ONE), (others, TWO)):
            with pytest.raises(Gone):
                world.sessions.show(session_id, caller)

    trying(main)


def test_a_session_that_could_not_start_leaves_nothing() -> None:
    """No kernel, no free kernel taken for a moment, no set-up as asked: each is told, and no seat is lost."""

    async def main(world: World) -> None:
        world.full = True
        with pytest.raises(Busy):
            await world.create()
        world.full = False
        with pytest.raises(BadRequest, match=r"^not there\.$"):
            await world.create(cwd="/etc")
        with pytest.raises(NotImplementedYet, match="use python"):
            await world.create(language="javascript")
        creating = asyncio.create_task(world.create())
        await asyncio.sleep(0)
        creating.cancel()
        await asyncio.gather(creating, return_exceptions=True)
        await asyncio.sleep(0.1)
        assert world.alive == []
        assert world.quota.taken == 0
        assert world.sessions.list(ONE) == []

    trying(main)


def test_keys_have_so_many_sessions() -> None:
    """One over the limit is refused; one that ended makes room."""

    async def main(world: World) -> None:
        first, _ = await world.create(), await world.create()
        with pytest.raises(TooManyRequests):
            await world.create()
        await world.create(TWO)
        await world.sessions.delete(first, ONE)
        await world.create()

    trying(main, World(per_key=2))


def test_another_language_does_not_fit() -> None:
    """The session is as it was."""

    async def main(world: World) -> None:
        session_id = await world.create()
        with pytest.raises(Conflict, match="python session"):
            async with world.sessions.lease(session_id, ONE, language="javascript"):
                pass
        assert (await world.run(session_id)).execution_count == 1

    trying(main)


def test_a_gateway_that_is_ending_takes_no_new_sessions() -> None:
    """What is there ends with it, and says so."""

    async def main(world: World) -> None:
        session_id = await world.create()
        running = asyncio.create_task(world.run(session_id, "sleep"))
        await asyncio.sleep(1)
        world.drain.close()
        with pytest.raises(Unavailable):
            await world.create()
        with pytest.raises(Unavailable):
            await world.sessions.restart(session_id, ONE)
        await world.sessions.close()
        ended = await running
        assert ended.error is not None
        assert "ended when the gateway stopped" in ended.error.message
        assert world.ends == ["shutdown"]

    trying(main)
