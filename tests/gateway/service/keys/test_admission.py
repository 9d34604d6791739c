"""Who is let in, how often and how much at once."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import replace

import pytest

from gateway.core.errors import GatewayError, TooManyRequests
from gateway.core.limits import KeyLimits
from gateway.core.request import Caller
from gateway.service.keys.admission import MAX_ADDRESSES, WRONG_TOKENS, Admission, ConcurrentRuns, place_of
from gateway.service.keys.keys import Key, Keys

TOKEN, OTHER = "a" * 32, "b" * 32


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class World:
    """Two keys, one of them with a limit of its own, and a clock."""

    def __init__(self, per_minute: int = 1000) -> None:
        self.clock = Clock()
        self.keys = Keys(Key.of_token(TOKEN), clock=self.clock)
        self.keys.set_named([replace(Key.of_token(OTHER, "o", "other"), limits=KeyLimits(requests_per_minute=3))])
        self.admission = Admission(self.keys, per_minute, self.clock)

    def ask(self, token: str = TOKEN, address: str = "192.0.2.1") -> str:
        """The name of the key, or the code of the error."""
        try:
            return self.admission.admit(token, address).name
        except GatewayError as error:
            return error.code


def test_each_key_has_its_own_rate() -> None:
    """One that asks too often is told when to come again, and disturbs no other."""
    world = World()
    assert [world.ask(OTHER) for _ in range(4)] == ["other"] * 3 + ["too_many_requests"]
    with pytest.raises(TooManyRequests) as caught:
        world.admission.admit(OTHER, "192.0.2.1")
    assert caught.value.retry_after_s == pytest.approx(20)
    assert "3 requests per minute" in caught.value.message
    assert world.ask(TOKEN) == "default"
    world.clock.now = 20.0
    assert [world.ask(OTHER), world.ask(OTHER)] == ["other", "too_many_requests"]


def test_keys_without_a_limit_have_the_gateways() -> None:
    """The setting requests_per_minute."""
    world = World(per_minute=2)
    assert [world.ask() for _ in range(3)] == ["default", "default", "too_many_requests"]


def test_a_limit_that_is_changed_counts_at_once() -> None:
    """Without forgetting what was asked before."""
    world = World()
    for _ in range(3):
        world.ask(OTHER)
    world.keys.set_named([replace(Key.of_token(OTHER, "o", "other"), limits=KeyLimits(requests_per_minute=10))])
    assert [world.ask(OTHER) for _ in range(8)] == ["other"] * 7 + ["too_many_requests"]


def test_keys_that_are_gone_are_forgotten() -> None:
    """However many come and go, memory does not grow."""
    world = World()
    for number in range(50):
        world.keys.set_named([Key.of_token(OTHER, f"k{number}", "x")])
        assert world.ask(OTHER) == "x"
    assert len(world.admission._buckets) == 1


def test_ten_thousand_wrong_tokens_lock_nobody_out() -> None:
    """Whoever guesses is told to wait; the right token is let in from anywhere, the guesser's own address included."""
    world = World()
    answers = [world.ask(f"guess-{number}", "192.0.2.66") for number in range(10_000)]
    assert answers[: int(WRONG_TOKENS.burst)] == ["unauthorized"] * int(WRONG_TOKENS.burst)
    assert set(answers[int(WRONG_TOKENS.burst) :]) == {"too_many_requests"}
    assert world.ask(TOKEN, "192.0.2.66") == "default"
    assert world.ask("wrong", "192.0.2.67") == "unauthorized"
    world.clock.now += 1.01
    assert [world.ask("wrong", "192.0.2.66") for _ in range(2)] == ["unauthorized", "too_many_requests"]


def test_wrong_tokens_cost_a_bounded_amount_of_memory() -> None:
    """From however many addresses they come."""
    world = World()
    for number in range(3 * MAX_ADDRESSES):
        world.ask("wrong", f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}")
    assert len(world.admission._strangers._buckets) == MAX_ADDRESSES
    assert sys.getsizeof(world.admission._strangers._buckets) < 2**20


def test_wrong_tokens_are_logged_once_a_minute_without_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator sees that somebody guesses, and from where; the log does not grow with every guess."""
    world = World()
    lines: list[dict[str, object]] = []
    monkeypatch.setattr("gateway.service.keys.admission._log.warning", lambda _event, **fields: lines.append(fields))
    for moment in range(100):
        world.clock.now = moment
        world.ask("a-secret-guess", "192.0.2.9")
    assert lines == [{"address": "192.0.2.9", "since_last_line": 1}, {"address": "192.0.2.9", "since_last_line": 60}]


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("", "unknown"),
        ("/a/socket", "unknown"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_addresses_of_one_subscriber_are_one_place(address: str, place: str) -> None:
    """An IPv6 network has more addresses than could be counted."""
    assert place_of(address) == place


def test_a_key_has_so_many_runs_at_once() -> None:
    """More are refused at once and not queued; other keys are not touched; each end, however it comes, makes room."""
    runs = ConcurrentRuns(3)
    one, two = Caller("one", "one", KeyLimits(concurrent_runs=2)), Caller("two", "two")
    with ExitStack() as others:
        for _ in range(3):
            others.enter_context(runs.enter(two))
        with runs.enter(one), runs.enter(one):
            for caller, words in ((one, "2 runs at a time"), (two, "3 runs at a time")):
                with pytest.raises(TooManyRequests, match=words) as caught, runs.enter(caller):
                    pass
                assert caught.value.retry_after_s == 1
        with pytest.raises(ValueError), runs.enter(one):
            raise ValueError
        with runs.enter(one), runs.enter(one):
            pass
    assert not runs._under_way
