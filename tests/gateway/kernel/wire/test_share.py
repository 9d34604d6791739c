"""Who is read when kernels send more than can be taken in: in turns of bounded cost, the least served first."""

from __future__ import annotations

import asyncio

import pytest

from gateway.kernel.wire.share import Account, Share

TURN = 100


class Sender:
    """A connection on which *waiting* messages have come, each of *cost*."""

    def __init__(self, name: str, waiting: int, cost: int, order: list[str], account: Account | None = None) -> None:
        self.name, self.waiting, self.cost, self.order = name, waiting, cost, order
        self.account = account or Account()
        self.is_held = False

    def read(self, most: int) -> tuple[int, bool]:
        spent = 0
        while self.waiting and spent < most:
            self.waiting -= 1
            spent += self.cost
            self.order.append(self.name)
        self.is_held = self.is_held and self.waiting > 0
        return spent, self.waiting > 0

    def hold(self) -> None:
        self.is_held = True


async def until_read(*senders: Sender) -> list[int]:
    """How many messages each turn took in, until there are none."""
    taken = []
    while any(sender.waiting for sender in senders):
        before = sum(sender.waiting for sender in senders)
        await asyncio.sleep(0)
        taken.append(before - sum(sender.waiting for sender in senders))
    return taken


async def test_a_few_words_are_read_at_once() -> None:
    """Ordinary runs pay for nothing."""
    order: list[str] = []
    share, sender = Share(TURN), Sender("a", 3, 10, order)
    share.ask(sender)
    assert (sender.waiting, sender.is_held) == (0, False)


async def test_a_turn_takes_in_only_so_much_from_all_together() -> None:
    """However many send: the rest waits, and nothing more is received meanwhile."""
    order: list[str] = []
    share = Share(TURN)
    senders = [Sender(str(number), 50, 10, order) for number in range(8)]
    for sender in senders:
        share.ask(sender)
    assert len(order) == TURN // 10
    assert all(sender.is_held for sender in senders)
    taken = await until_read(*senders)
    assert max(taken) <= TURN // 10
    assert not any(sender.is_held for sender in senders)


async def test_who_was_served_least_comes_first() -> None:
    """A kernel that says a word waits for none of those that flood."""
    order: list[str] = []
    share = Share(TURN)
    floods = [Sender(f"flood{number}", 100, 10, order) for number in range(8)]
    for flood in floods:
        share.ask(flood)
    for _ in range(10):
        await asyncio.sleep(0)
    quiet = Sender("quiet", 1, 10, order)
    share.ask(quiet)
    already = len(order)
    await asyncio.sleep(0)
    assert order[already] == "quiet"


async def test_those_that_flood_are_served_alike() -> None:
    """Also when one sends large messages, or on several connections: what counts is what the kernel costs in all."""
    order: list[str] = []
    share, shared = Share(TURN), Account()
    small, large = Sender("small", 900, 10, order), Sender("large", 300, 60, order)
    first, second = Sender("two", 450, 10, order, shared), Sender("two", 450, 10, order, shared)
    for sender in (small, large, first, second):
        share.ask(sender)
    while len(order) < 500:  # noqa: ASYNC110  # turn by turn
        await asyncio.sleep(0)
    costs = {name: order.count(name) * cost for name, cost in (("small", 10), ("large", 60), ("two", 10))}
    assert max(costs.values()) - min(costs.values()) <= 3 * TURN


async def test_a_kernel_that_was_quiet_for_long_has_no_claim_to_all_of_it() -> None:
    """It comes first, and is then served like the others."""
    order: list[str] = []
    share = Share(TURN)
    old = Sender("old", 10_000, 10, order)
    share.ask(old)
    for _ in range(50):
        await asyncio.sleep(0)
    new = Sender("new", 10_000, 10, order)
    share.ask(new)
    already = len(order)
    for _ in range(20):
        await asyncio.sleep(0)
    served = order[already:]
    assert abs(served.count("old") - served.count("new")) <= 2 * TURN // 10


@pytest.mark.parametrize("turns", [1, 7])
async def test_what_one_message_took_too_much_is_made_up_for(turns: int) -> None:
    """Nobody's message can be cut in two, but others are served for as many turns afterwards."""
    order: list[str] = []
    share = Share(TURN)
    share.ask(Sender("large", 1, (turns + 1) * TURN, order))
    late = Sender("late", 1, 10, order)
    share.ask(late)
    assert await until_read(late) == [0] * turns + [1]
