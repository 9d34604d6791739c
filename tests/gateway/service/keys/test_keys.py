"""Whose token it is, until when, and with which limits."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from gateway.core.errors import Unavailable
from gateway.core.limits import KeyLimits
from gateway.service.keys.keys import STALE_S, Key, Keys, hash_token, make_token, policy_for
from kernels.contract import MIB, Policy

TOKEN = "0123456789abcdef-0123456789abcdef"


class Clocks:
    """Both clocks of Keys."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def opened(*named: Key, clock: Clocks | None = None) -> Keys:
    """Keys with the default token and these named ones, read just now."""
    clock = clock or Clocks()
    keys = Keys(Key.of_token(TOKEN), clock=clock, wall_clock=clock)
    keys.set_named(named)
    return keys


def test_a_token_opens_its_own_key_only() -> None:
    """Each key has its caller."""
    keys = opened(Key.of_token(TOKEN[::-1], "two", "Second"))
    first, second = keys.authenticate(TOKEN), keys.authenticate(TOKEN[::-1])
    assert first is not None
    assert second is not None
    assert (first.key_id, second.key_id, second.name) == ("default", "two", "Second")


@pytest.mark.parametrize("token", ["", " ", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), f" {TOKEN}", "\ud800", "é" * 500, "\0"])
def test_any_other_text_opens_nothing(token: str) -> None:
    """Whatever a header can carry."""
    assert opened().authenticate(token) is None


def test_the_hash_of_a_token_is_no_token() -> None:
    """Who reads the database can't call with what stands there."""
    assert opened().authenticate(hash_token(TOKEN).hex()) is None
    assert opened().authenticate(hash_token(TOKEN).decode("latin-1")) is None
    assert Keys(None, clock=Clocks()).ids == frozenset()


def test_a_text_whose_hash_is_that_of_nothing_is_not_let_in() -> None:
    """The stand-in for what was not found belongs to nobody."""
    keys = opened(replace(Key.of_token("x" * 20), token_sha256=hash_token("other")))
    assert keys.authenticate("x" * 20) is None


def test_a_key_does_not_hold_its_token() -> None:
    """Only its hash, so that no dump of the keys gives tokens away."""
    key = Key.of_token(TOKEN)
    assert TOKEN not in repr(key)
    assert key.token_sha256.hex() not in repr(key)
    assert repr(key.token_sha256) not in repr(key)


def test_new_tokens_are_long_random_and_known_by_their_prefix() -> None:
    """256 bits each; secret scanners look for the prefix."""
    made = {make_token() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"omega_[A-Za-z0-9_-]{43}", token) for token in made)


def test_an_expired_key_is_refused_from_that_second_on() -> None:
    """Nobody has to clean up for it to end."""
    clock = Clocks()
    keys = opened(replace(Key.of_token("a" * 20, "a", "a"), expires_utc=1010.0), clock=clock)
    clock.now = 1009.9
    assert keys.authenticate("a" * 20) is not None
    clock.now = 1010.0
    assert keys.authenticate("a" * 20) is None


def test_a_key_that_is_gone_is_refused() -> None:
    """And only that one."""
    keys = opened(Key.of_token("a" * 20, "a", "a"), Key.of_token("b" * 20, "b", "b"))
    keys.set_named([Key.of_token("b" * 20, "b", "b")])
    assert keys.authenticate("a" * 20) is None
    assert keys.authenticate("b" * 20) is not None
    assert keys.ids == {"default", "b"}


def test_the_default_key_can_be_replaced_and_taken_away() -> None:
    """By `omega token rotate`, while the gateway runs."""
    keys = opened()
    keys.set_default(Key.of_token("n" * 20))
    assert keys.authenticate(TOKEN) is None
    assert keys.authenticate("n" * 20) is not None
    keys.set_default(None)
    assert keys.authenticate("n" * 20) is None


def test_named_keys_are_refused_when_nobody_can_tell_whether_they_are_revoked() -> None:
    """Fail closed: after minutes without the database only the default key, which is not in it, goes on."""
    clock = Clocks()
    keys = opened(Key.of_token("a" * 20, "a", "a"), clock=clock)
    clock.now += STALE_S
    assert keys.authenticate("a" * 20) is not None
    clock.now += 1
    for token in ("a" * 20, "unknown"):
        with pytest.raises(Unavailable):
            keys.authenticate(token)
    assert keys.authenticate(TOKEN) is not None
    keys.confirm()
    assert keys.authenticate("a" * 20) is not None


def test_before_the_first_look_nothing_is_said_about_named_keys() -> None:
    """A caller is not told that a right token is wrong because the database is late."""
    keys = Keys(Key.of_token(TOKEN))
    with pytest.raises(Unavailable):
        keys.authenticate("a" * 20)
    assert keys.authenticate(TOKEN) is not None


def test_limits_of_a_key_make_its_kernels() -> None:
    """What it does not say is the gateway's own; its files stay below its memory."""
    policy = Policy(memory_bytes=512 * MIB, work_bytes=128 * MIB, tmp_bytes=64 * MIB, shm_bytes=64 * MIB)
    assert policy_for(KeyLimits(), policy) is None
    assert policy_for(KeyLimits(memory_mb=512, requests_per_minute=5), policy) is None
    small = policy_for(KeyLimits(memory_mb=128, processes=16, cpu_cores=0.5), policy)
    assert small is not None
    assert (small.memory_bytes, small.work_bytes, small.tmp_bytes) == (128 * MIB, 32 * MIB, 16 * MIB)
    assert (small.processes, small.cpu_cores, small.open_files) == (16, 0.5, policy.open_files)
    large = policy_for(KeyLimits(memory_mb=1024), policy)
    assert large == replace(policy, memory_bytes=1024 * MIB)


def test_a_caller_has_the_limits_of_its_key() -> None:
    """From the key to where runs are made."""
    limits = KeyLimits(memory_mb=128, max_timeout_s=5.0)
    keys = opened(replace(Key.of_token("a" * 20, "a", "a"), limits=limits))
    caller = keys.authenticate("a" * 20)
    assert caller is not None
    assert caller.limits == limits
    assert caller.policy is not None
    assert caller.policy.memory_bytes == 128 * MIB
    default = keys.authenticate(TOKEN)
    assert default is not None
    assert default.policy is None
