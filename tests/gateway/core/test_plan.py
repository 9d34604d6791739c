"""Pool state to actions: right sizes, fair shares, no stampede."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.plan import (
    MIB,
    Demand,
    Limits,
    PoolState,
    Start,
    Stop,
    Wake,
    backoff_s,
    plan,
    room_for,
)

NOW = 1000.0
ROOMY = Limits(kernels=100, memory_bytes=10**12, start_concurrency=100)


def pool(**state: Any) -> PoolState:
    """One pool, named p unless told."""
    return PoolState(**{"name": "p", **state})


def ids(count: int) -> tuple[str, ...]:
    """Names of kernels."""
    return tuple(f"k{number}" for number in range(count))


def test_an_empty_pool_is_filled_to_its_target() -> None:
    """What is starting counts already, so that two decisions in a row do not overshoot."""
    assert plan([pool(target=3)], ROOMY, NOW) == [Start("p", 3)]
    assert plan([pool(target=3, starting=2)], ROOMY, NOW) == [Start("p", 1)]
    assert plan([pool(target=3, starting=1, idle=ids(2))], ROOMY, NOW) == []


def test_those_who_wait_are_served_on_top_of_the_target() -> None:
    """Serving them would leave the pool empty again."""
    assert plan([pool(target=2, waiting=3, starting=1)], ROOMY, NOW) == [Start("p", 4)]


def test_starts_at_the_same_time_are_bounded() -> None:
    """Too many at once make all of them slow."""
    limits = Limits(kernels=100, memory_bytes=10**12, start_concurrency=2)
    assert plan([pool(target=5)], limits, NOW) == [Start("p", 2)]
    assert plan([pool(target=5, starting=2)], limits, NOW) == []
    assert plan([pool(target=5, starting=1), pool(name="q", target=5, starting=1)], limits, NOW) == []


def test_kernels_are_bounded_in_number() -> None:
    """Lent and dying ones count: they are still there."""
    limits = Limits(kernels=5, memory_bytes=10**12, start_concurrency=100)
    assert plan([pool(target=5, leased=2, ending=1)], limits, NOW) == [Start("p", 2)]
    assert plan([pool(target=5, leased=5, waiting=3)], limits, NOW) == []


def test_kernels_are_bounded_by_memory() -> None:
    """Lent ones are expected to use their share of their limit."""
    limits = Limits(kernels=100, memory_bytes=1000 * MIB, idle_bytes=50 * MIB, used_share=0.5)
    assert room_for([], limits) == 20
    assert room_for([pool(idle=ids(2), starting=1)], limits) == 17
    assert room_for([pool(leased=2, ending=1, memory_bytes=200 * MIB)], limits) == 14
    assert room_for([pool(leased=1, memory_bytes=10 * MIB)], limits) == 19


def test_unused_kernels_over_the_target_are_ended_oldest_first() -> None:
    """Demand has gone."""
    assert plan([pool(idle=ids(5), target=3)], ROOMY, NOW) == [Stop("p", ("k0", "k1"))]
    assert plan([pool(idle=ids(1), starting=4, target=3)], ROOMY, NOW) == [Stop("p", ("k0",))]


def test_nothing_is_ended_while_somebody_waits() -> None:
    """The kernel would be started again at once."""
    assert plan([pool(idle=ids(1), waiting=1, target=0)], ROOMY, NOW) == []


def test_refilling_leaves_a_fresh_lease_the_processors() -> None:
    """A start takes time from the very run the kernel was lent for."""
    state = pool(idle=ids(1), leased=1, target=2, lent_at=NOW)
    (wake,) = plan([state], ROOMY, NOW)
    assert isinstance(wake, Wake)
    assert plan([state], ROOMY, wake.at) == [Start("p", 1)]


def test_refilling_is_not_delayed_when_none_is_left() -> None:
    """The next request would have to wait."""
    assert plan([pool(leased=1, target=1, lent_at=NOW)], ROOMY, NOW) == [Start("p", 1)]
    state = pool(idle=ids(1), leased=1, target=1, waiting=1, lent_at=NOW)
    assert plan([state], ROOMY, NOW) == [Start("p", 1)]


def test_failed_starts_are_left_alone_for_a_while() -> None:
    """Longer each time, up to a bound."""
    state = pool(target=1, failures=2, failed_at=NOW)
    (wake,) = plan([state], ROOMY, NOW)
    assert wake == Wake(NOW + backoff_s(2, ROOMY))
    assert plan([state], ROOMY, wake.at) == [Start("p", 1)]
    delays = [backoff_s(failures, ROOMY) for failures in (1, 2, 3, 100)]
    assert delays == [0.25, 0.5, 1.0, 10.0]


def test_after_a_failure_one_start_at_a_time_is_tried() -> None:
    """A broken launcher is asked once, however many wait."""
    state = pool(target=4, waiting=5, failures=1, failed_at=NOW - 100)
    assert plan([state], ROOMY, NOW) == [Start("p", 1)]
    assert plan([replace(state, starting=1)], ROOMY, NOW) == []


def test_one_failing_pool_does_not_hold_up_another() -> None:
    """JavaScript may be broken while Python works."""
    pools = [pool(target=1, failures=1, failed_at=NOW), pool(name="q", target=1)]
    assert Start("q", 1) in plan(pools, ROOMY, NOW)


def test_pools_where_somebody_waits_come_first() -> None:
    """A reserve can wait."""
    limits = Limits(kernels=100, memory_bytes=10**12, start_concurrency=1)
    pools = [pool(target=5), pool(name="q", waiting=1)]
    assert plan(pools, limits, NOW) == [Start("q", 1)]


def test_unused_kernels_make_room_for_requests_of_another_pool() -> None:
    """Else a full reserve of one kind would lock out the other for ever."""
    limits = Limits(kernels=4, memory_bytes=10**12, start_concurrency=4)
    full = pool(idle=ids(4), target=4)
    assert plan([full, pool(name="q", waiting=2)], limits, NOW) == [Stop("p", ("k0", "k1"))]


def test_room_being_made_is_not_made_twice() -> None:
    """Kernels take a moment to die."""
    limits = Limits(kernels=4, memory_bytes=10**12, start_concurrency=4)
    pools = [pool(idle=ids(2), ending=2, target=2), pool(name="q", waiting=2)]
    assert plan(pools, limits, NOW) == []


states = st.builds(
    PoolState,
    st.just("p"),
    st.integers(0, 6).map(ids),
    st.integers(0, 4),
    st.integers(0, 6),
    st.integers(0, 3),
    st.integers(0, 6),
    st.integers(0, 6),
)
limits = st.builds(
    Limits, st.integers(1, 12), st.integers(100, 2000).map(lambda mib: mib * MIB), start_concurrency=st.integers(1, 4)
)


@given(st.lists(states, max_size=3), limits)
def test_no_plan_ever_breaks_a_bound(pools: list[PoolState], limits: Limits) -> None:
    """Whatever the state: number, memory and concurrency hold, and only unused kernels are ended, each once."""
    pools = [pool(**_fields(state), name=f"p{at}") for at, state in enumerate(pools)]
    actions = plan(pools, limits, NOW)
    started = sum(action.count for action in actions if isinstance(action, Start))
    assert started <= max(0, room_for(pools, limits))
    assert started <= max(0, limits.start_concurrency - sum(state.starting for state in pools))
    by_name = {state.name: state for state in pools}
    stops = [action for action in actions if isinstance(action, Stop)]
    assert len({stop.name for stop in stops}) == len(stops)
    for stop in stops:
        assert set(stop.kernel_ids) <= set(by_name[stop.name].idle)
        assert not by_name[stop.name].waiting


def _fields(state: PoolState) -> dict[str, Any]:
    names = ("idle", "starting", "leased", "ending", "waiting", "target")
    return {name: getattr(state, name) for name in names}


# ---- demand -------------------------------------------------------------------------------------------------------------


def test_without_demand_the_minimum_stands_ready() -> None:
    """And never more than the maximum."""
    assert Demand().target(2, 10, NOW) == 2
    assert Demand().target(0, 0, NOW) == 0


def test_a_burst_asks_for_as_many_kernels_next_time() -> None:
    """Twenty at once come back as twenty at once."""
    demand = Demand()
    for _ in range(8):
        demand = demand.asked(NOW)
    assert demand.target(2, 20, NOW) == 8
    assert demand.target(2, 5, NOW) == 5


def test_a_steady_stream_is_bridged_while_kernels_start() -> None:
    """Ten a second, half a second a start: ten of them with headroom."""
    demand = Demand(start_s=0.5)
    now = NOW
    for _ in range(1000):
        now += 0.1
        demand = demand.asked(now)
    assert 9 <= demand.target(1, 20, now) <= 11


def test_demand_fades() -> None:
    """A minute later the minimum is enough."""
    demand = Demand()
    for _ in range(8):
        demand = demand.asked(NOW)
    assert demand.target(2, 20, NOW + 60) == 2


def test_slow_starts_ask_for_more() -> None:
    """The average moves with what is measured."""
    demand = Demand(rate_per_s=10, counted_at=NOW, start_s=0.01)
    before = demand.target(0, 100, NOW)
    for _ in range(20):
        demand = demand.started(1.0)
    assert demand.target(0, 100, NOW) > before
