"""The corpus in random order with ordinary work beside it: every neighbour is served, and in the end nothing is left.

OMEGA_SOAK_ROUNDS says how often the whole corpus is gone through (slow lines included); without it one short round without
them. OMEGA_SOAK_SEED repeats an order. The neighbours' times are printed (`pytest -s`) and in the test's report; they
depend on the machine, so nothing rests on them.
"""

from __future__ import annotations

import os
import random
import statistics
import threading
import time
from collections.abc import Callable

import pytest

from tests.live import Gateway
from tests.promises.attempt import Attempt
from tests.promises.corpus import CORPUS
from tests.promises.harness import Attack

pytestmark = [pytest.mark.kernel, pytest.mark.sandbox]

SHORT_LINES = 40
WORK = "import pandas as pd\nframe = pd.DataFrame({'a': range(100)})\nprint(int(frame.a.sum()))"


class Neighbours:
    """Ordinary callers, one after another, whose times are taken until the block is left."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._stopping = threading.Event()
        self._wrong: list[object] = []
        self.run_s: list[float] = []
        self.health_s: list[float] = []
        self._threads = [threading.Thread(target=self._repeat, args=(act,)) for act in (self._work, self._ask_health)]

    def __enter__(self) -> Neighbours:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        assert not self._wrong, self._wrong[:3]

    def _repeat(self, act: Callable[[], None]) -> None:
        while not self._stopping.wait(0.05):
            try:
                act()
            except Exception as error:  # noqa: BLE001 - the thread's entry: whatever it is, the test is to fail with it
                self._wrong.append(error)

    def _work(self) -> None:
        begun = time.monotonic()
        answer = self._gateway.run(WORK)
        self.run_s.append(time.monotonic() - begun)
        if answer["output"] != "4950\n":
            self._wrong.append(answer)

    def _ask_health(self) -> None:
        begun = time.monotonic()
        self._gateway.ask("GET", "/code-interpreter/health")
        self.health_s.append(time.monotonic() - begun)


def test_everything_at_once_and_nothing_is_left(attacked: Attack, record_property: Callable[[str, object], None]) -> None:
    """Whatever the order, each line meets its verdict, and every request of a neighbour is answered and right."""
    rounds = int(os.environ.get("OMEGA_SOAK_ROUNDS", "0"))
    seed = int(os.environ.get("OMEGA_SOAK_SEED", "0")) or random.randrange(1, 10**6)
    lines = _order(rounds, seed)
    print(f"\nsoak as {attacked.environment}: {len(lines)} lines, OMEGA_SOAK_SEED={seed}")
    with Neighbours(attacked.place.gateway) as neighbours:
        wrong = [f"{line.name}: {what}" for line in lines if (what := _send(attacked, line))]
    assert not wrong, f"seed {seed}: {wrong}"
    times = {"run": neighbours.run_s, "health": neighbours.health_s}
    attacked.watch.check(len(lines) + sum(map(len, times.values())))
    for name, taken in times.items():
        told = {"count": len(taken), "p50_ms": _ms(taken, 50), "p99_ms": _ms(taken, 99), "max_ms": round(max(taken) * 1000)}
        print(f"neighbours' {name}: {told}")
        record_property(name, told)


def _order(rounds: int, seed: int) -> list[Attempt]:
    """Lines in an order that *seed* decides."""
    chance = random.Random(seed)
    usual = [attempt for attempt in CORPUS if attempt.during is None and attempt.after is None]
    if not rounds:
        quick = [attempt for attempt in usual if not attempt.slow]
        return chance.sample(quick, min(SHORT_LINES, len(quick)))
    return [attempt for _ in range(rounds) for attempt in chance.sample(usual, len(usual))]


def _send(attacked: Attack, attempt: Attempt) -> str:
    """What is wrong with the answer; empty for nothing."""
    return attempt.verdict_for(attacked.environment).judge(attacked.answer_to(attempt))


def _ms(taken: list[float], percent: int) -> int:
    return round(statistics.quantiles(taken, n=100)[percent - 1] * 1000)
