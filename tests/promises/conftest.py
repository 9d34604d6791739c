"""The gateways under attack: one that root runs, one that an ordinary user runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.promises.attempt import Environment
from tests.promises.harness import Attack, attack
from tests.promises.world import why_not

ENVIRONMENTS: tuple[Environment, ...] = ("root", "user")


@pytest.fixture(scope="package", params=ENVIRONMENTS)
def attacked(request: pytest.FixtureRequest) -> Iterator[Attack]:
    """A gateway to attack, run as the parameter says; skipped with the reason where it cannot be."""
    if reason := why_not(request.param):
        pytest.skip(reason)
    with attack(request.param) as made:
        yield made
