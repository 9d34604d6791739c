"""Who is let in, how often, and how much at once: per key, and for wrong tokens per address they come from."""

from __future__ import annotations

import ipaddress
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import structlog

from gateway.core.errors import TooManyRequests, Unauthorized
from gateway.core.limits import Bucket, Rate
from gateway.core.request import Caller
from gateway.service.keys.keys import Keys

WRONG_TOKENS = Rate(per_minute=60, burst=20)
MAX_ADDRESSES = 4096
LOG_EVERY_S = 60.0
RUN_RETRY_S = 1.0

_log = structlog.get_logger("omega.keys")


class Admission:
    """Lets callers in by their token, each key at its own rate."""

    def __init__(self, keys: Keys, requests_per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._requests_per_minute = requests_per_minute
        self._clock = clock
        self._buckets: dict[str, Bucket] = {}
        self._strangers = Strangers(clock)

    def admit(self, token: str, address: str) -> Caller:
        """Who *token* belongs to. Raises Unauthorized, or TooManyRequests when key or stranger ask too often."""
        caller = self._keys.authenticate(token)
        if caller is None:
            self._strangers.refuse(address)
        return self._count(caller)

    def admit_key(self, key_id: str) -> Caller:
        """Who the key is that signed something. Raises Unauthorized if it is no longer valid, and TooManyRequests."""
        caller = self._keys.caller_of(key_id)
        if caller is None:
            raise Unauthorized("The key is no longer valid.")
        return self._count(caller)

    def refuse(self, address: str) -> NoReturn:
        """Raise what to answer to something from *address* that stands for a token and is not right."""
        self._strangers.refuse(address)

    def _count(self, caller: Caller) -> Caller:
        """*caller*, with one request more; raises TooManyRequests."""
        rate = Rate.of(caller.limits.requests_per_minute or self._requests_per_minute)
        bucket, wait_s = self._buckets.get(caller.key_id, Bucket()).take(rate, self._clock())
        if caller.key_id not in self._buckets:
            self._forget_old_keys()
        self._buckets[caller.key_id] = bucket
        if wait_s:
            raise TooManyRequests(
                f"This key may send {rate.per_minute:.0f} requests per minute: try again later.", retry_after_s=wait_s
            )
        return caller

    def _forget_old_keys(self) -> None:
        """A new key came: the buckets of those that are gone are not needed."""
        ids = self._keys.ids
        self._buckets = {key_id: bucket for key_id, bucket in self._buckets.items() if key_id in ids}


class Strangers:
    """Counts wrong tokens by address, and remembers a bounded number of addresses.

    A right token is let in from any address, so nobody can lock others out by guessing wrong from where they are.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._refused = 0
        self._silent_until = 0.0

    def refuse(self, address: str) -> NoReturn:
        """Raise what to answer to a wrong token from *address*."""
        self._note(address)
        place, now = place_of(address), self._clock()
        bucket, wait_s = self._buckets.get(place, Bucket()).take(WRONG_TOKENS, now)
        self._buckets[place] = bucket
        self._buckets.move_to_end(place)
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        if wait_s:
            raise TooManyRequests("Too many wrong tokens from this address: try again later.", retry_after_s=wait_s)
        raise Unauthorized("The token is not valid.")

    def _note(self, address: str) -> None:
        """One line a minute, however many there are."""
        self._refused += 1
        if self._clock() >= self._silent_until:
            self._silent_until = self._clock() + LOG_EVERY_S
            _log.warning("request with a wrong token", address=address, since_last_line=self._refused)
            self._refused = 0


def place_of(address: str) -> str:
    """What is counted as one place: an IPv4 address, or the /64 that one IPv6 subscriber has all to himself."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv4Address):
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))


class ConcurrentRuns:
    """How many runs each key has under way, and may have."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way: Counter[str] = Counter()

    @contextmanager
    def enter(self, caller: Caller) -> Iterator[None]:
        """Count one run inside the block; raises TooManyRequests when the key has as many as it may."""
        most = caller.limits.concurrent_runs or self._most
        if self._under_way[caller.key_id] >= most:
            raise TooManyRequests(
                f"This key may have {most} {'run' if most == 1 else 'runs'} at a time: try again later.",
                retry_after_s=RUN_RETRY_S,
            )
        self._under_way[caller.key_id] += 1
        try:
            yield
        finally:
            self._under_way[caller.key_id] -= 1
            if not self._under_way[caller.key_id]:
                del self._under_way[caller.key_id]
