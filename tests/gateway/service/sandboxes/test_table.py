"""The table of sandboxes: what is in one, who sees it, when it ends, and what ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from gateway.core.errors import Busy, Gone, NotFound, TooManyRequests, Unavailable
from gateway.service.sandboxes.contexts import MAX_CONTEXTS
from gateway.service.sandboxes.table import NewSandbox, SandboxSettings
from gateway.service.sessions.table import NewSession
from tests.fakes import in_fake_time, spec
from tests.gateway.service.sandbox_world import LANGUAGES, World
from tests.gateway.service.session_world import ONE, TWO


def trying(main: Callable[[World], Coroutine[Any, Any, None]], settings: SandboxSettings | None = None) -> World:
    """Do *main*; afterwards no sandbox, no context, no place and no seat may be left."""
    made: list[World] = []

    async def whole() -> None:
        world = World(settings) if settings else World()
        made.append(world)
        await main(world)
        await world.sandboxes.close()
        assert world.places.held == {}
        assert world.quota.taken == 0
        assert world.sandboxes.states() == {"busy": 0, "idle": 0}
        assert world.sessions.states() == {}
        for gone in world.counted:
            await gone()

    in_fake_time(whole())
    return made[0]


def test_a_sandbox_has_one_place_for_all_of_its_kernels() -> None:
    """The first is the pool's, with the key's limits; the others join it when they are used."""

    async def main(world: World) -> None:
        view = await world.create(env={"A": "1", "B": "1"})
        python, javascript = view.contexts
        assert [(one.name, one.language, one.state) for one in view.contexts] == [
            ("python", "python", "idle"),
            ("javascript", "javascript", "unused"),
        ]
        assert [kernel.request.place for kernel in world.kernels] == [""]
        async with world.sessions.lease(javascript.id, ONE) as turn:
            await turn.run(spec("1"))
        made = await world.sandboxes.contexts(view.id, ONE).add(NewSession(env={"B": "2"}))
        assert [kernel.request.place for kernel in world.kernels] == ["", "k0", "k0"]
        assert {kernel.request.policy.processes for kernel in world.kernels} == {7}
        for context in (python, javascript, made):
            assert world.sessions.kernel_id(context.id, ONE) == "k0"
            assert world.sessions.show(context.id, ONE).sandbox_id == view.id
        assert world.sessions.list(ONE) == [], "they are not sessions of their own"
        assert world.quota.taken == 1

    trying(main)


def test_a_context_whose_kernel_is_gone_gets_another_in_the_same_place() -> None:
    """Also the first one, whose place it is; the sandbox stays. A restart does the same."""

    async def main(world: World) -> None:
        view = await world.create()
        context = view.contexts[0].id
        world.kernels[0].die()
        async with world.sessions.lease(context, ONE) as turn:
            assert (await turn.run(spec("1"))).kernel_replaced
        contexts = world.sandboxes.contexts(view.id, ONE)
        await contexts.restart(context)
        assert [kernel.request.place for kernel in world.kernels] == ["", "k0", "k0"]
        await asyncio.sleep(1)
        assert [kernel.is_alive for kernel in world.kernels] == [False, False, True]
        await contexts.delete(context)
        await asyncio.sleep(1)
        assert not world.kernels[2].is_alive
        assert [one.language for one in contexts.list()] == ["javascript"]
        assert world.sandboxes.show(view.id, ONE).id == view.id

    trying(main)


def test_another_keys_sandbox_is_not_there() -> None:
    """Nor are its contexts, nor one of another sandbox by this one's address."""

    async def main(world: World) -> None:
        one, other = await world.create(), await world.create()
        sandboxes, said = world.sandboxes, set()
        for sandbox_id in (one.id, "0" * 32, ""):
            for ask in (sandboxes.show, sandboxes.contexts, sandboxes.commands):
                with pytest.raises(NotFound) as told:
                    ask(sandbox_id, TWO)
                said.add(told.value.message)
            with pytest.raises(NotFound) as told:
                sandboxes.extend(sandbox_id, TWO, 1.0)
            said.add(told.value.message)
            with pytest.raises(NotFound) as told:
                await sandboxes.delete(sandbox_id, TWO)
            said.add(told.value.message)
        assert len(said) == 1
        assert sandboxes.list(TWO) == []
        assert len(sandboxes.list(ONE)) == 2
        foreign = other.contexts[0].id
        for asked in (sandboxes.contexts(one.id, ONE).delete, sandboxes.contexts(one.id, ONE).restart):
            with pytest.raises(NotFound, match="context"):
                await asked(foreign)
        with pytest.raises(NotFound):
            world.sessions.show(foreign, TWO)

    trying(main)


def test_what_ends_a_sandbox_ends_all_of_it_and_is_told() -> None:
    """Of the sandbox and of its contexts; the seat comes back when nothing is left."""

    async def main(world: World) -> None:
        for end, reason in (
            ("deleted", "was deleted"),
            ("revoked", "was ended because its key is no longer valid"),
            ("lost", "was ended because it went over a limit, or the gateway lost it"),
            ("shutdown", "ended when the gateway stopped"),
        ):
            view = await world.create()
            match end:
                case "deleted":
                    await world.sandboxes.delete(view.id, ONE)
                case "revoked":
                    world.sandboxes.keep_only(frozenset({"other"}))
                    world.sandboxes.keep_only(frozenset({"k1"}))
                case "lost":
                    await world.places.end_place(view.contexts[0].id and world.kernels[-1].kernel_id)
                case _:
                    await world.sandboxes.close()
            await asyncio.sleep(1)
            assert world.quota.taken == 0
            if end == "revoked":
                continue  # what ended is forgotten with the key
            with pytest.raises(Gone) as told:
                world.sandboxes.show(view.id, ONE)
            assert told.value.message == f"This sandbox {reason}, at 1970-01-01T00:16:40Z: create a new one."
            with pytest.raises(Gone) as told:
                world.sessions.show(view.contexts[0].id, ONE)
            assert f"ended with its sandbox, which {reason}" in told.value.message

    trying(main)


def test_a_sandbox_ends_at_its_time_and_extend_sets_that_anew() -> None:
    """Whatever is done in it; never later than the gateway allows, and not while nothing says so."""

    async def main(world: World) -> None:
        view = await world.create(lifetime_s=100.0, idle_s=500.0)
        endless = await world.create(idle_s=500.0)
        assert (view.ends_utc, view.expires_utc) == (1_100.0, 1_100.0)
        assert (endless.ends_utc, endless.expires_utc) == (1_000.0 + 1000.0, 1_500.0)
        await asyncio.sleep(90)
        assert world.sandboxes.extend(view.id, ONE, 50.0).ends_utc == 1_050.0
        assert world.sandboxes.extend(endless.id, ONE, 10_000.0).ends_utc == 1_910.0
        assert world.sandboxes.extend(endless.id, ONE, None).ends_utc == 1_910.0
        await asyncio.sleep(49)
        world.sandboxes.show(view.id, ONE)
        await asyncio.sleep(2)
        with pytest.raises(Gone, match="reached the end of its lifetime"):
            world.sandboxes.show(view.id, ONE)
        world.sandboxes.show(endless.id, ONE)

    trying(main, SandboxSettings(lifetime_s=1000.0, languages=LANGUAGES))


def test_a_sandbox_without_activity_is_culled() -> None:
    """A run in any context is activity, a look at it is none; a run under way is waited for."""

    async def main(world: World) -> None:
        view = await world.create(idle_s=60.0)
        context = view.contexts[0].id
        await asyncio.sleep(50)
        async with world.sessions.lease(context, ONE) as turn:
            await turn.run(spec("1"))
            await asyncio.sleep(100)
            assert world.sandboxes.show(view.id, ONE).is_busy
            assert world.sandboxes.show(view.id, ONE).expires_utc is None
            assert world.sandboxes.states() == {"busy": 1, "idle": 0}
        await asyncio.sleep(50)
        world.sessions.note_activity(context, ONE)
        await asyncio.sleep(59)
        world.sandboxes.list(ONE)
        await asyncio.sleep(2)
        with pytest.raises(Gone, match="after 1 minute without activity"):
            world.sandboxes.show(view.id, ONE)

    trying(main)


def test_the_end_of_its_life_does_not_wait_for_a_run() -> None:
    """The run fails with a reason."""

    async def main(world: World) -> None:
        view = await world.create(lifetime_s=10.0)
        async with world.sessions.lease(view.contexts[0].id, ONE) as turn:
            await asyncio.sleep(11)
            with pytest.raises(Gone, match="reached the end of its lifetime"):
                await turn.run(spec("1"))

    trying(main)


def test_seats_and_contexts_are_limited() -> None:
    """A sandbox takes one seat of its key; a context that is being made counts."""

    async def main(world: World) -> None:
        views = [await world.create() for _ in range(3)]
        with pytest.raises(TooManyRequests):
            await world.create()
        contexts = world.sandboxes.contexts(views[0].id, ONE)
        asked = [contexts.add(NewSession()) for _ in range(MAX_CONTEXTS)]
        done = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(isinstance(one, TooManyRequests) for one in done) == 2
        assert len(contexts.list()) == MAX_CONTEXTS

    trying(main)


@pytest.mark.parametrize("trouble", ["full", "lost", "setup", "drain"])
def test_a_sandbox_that_does_not_start_leaves_nothing(trouble: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a seat nor a kernel."""

    async def main(world: World) -> None:
        expected: type[Exception] = Unavailable
        match trouble:
            case "full":
                world.full, expected = True, Busy
            case "lost":
                monkeypatch.setattr(world.places, "hold", _no_spawner)
            case "setup":
                monkeypatch.setattr(world.sessions, "add_context", _no_kernel)
            case _:
                world.drain.close()
        with pytest.raises(expected):
            await world.sandboxes.create(NewSandbox(env={"A": "1"}), ONE)
        await asyncio.sleep(1)
        assert world.sandboxes.list(ONE) == []
        assert world.quota.taken == 0
        assert len(world.discarded) == (trouble == "lost")

    trying(main)


def _no_spawner(_kernel_id: str) -> None:
    raise Unavailable("no spawner")


async def _no_kernel(*_arguments: object, **_named: object) -> None:
    raise Unavailable("no kernel")
