"""Every line of the hostile corpus, sent through the public HTTP API, and the six invariants after each.

The same lines are run against a gateway of root (L3) and one of an ordinary user (L2+); what differs is in the data.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.promises.attempt import Answer, Attempt, Environment
from tests.promises.corpus import CORPUS
from tests.promises.harness import Attack, attack
from tests.promises.world import why_not

pytestmark = [pytest.mark.kernel, pytest.mark.sandbox]

ENVIRONMENTS: tuple[Environment, ...] = ("root", "user")
CASES = [
    (attempt, is_used) for attempt in CORPUS for is_used in ((False, True) if attempt.used or attempt.batch else (False,))
]


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def attacked(request: pytest.FixtureRequest) -> Iterator[Attack]:
    """A gateway to send the corpus to, run as the parameter says."""
    if reason := why_not(request.param):
        pytest.skip(reason)
    with attack(request.param) as made:
        yield made


def _name(case: tuple[Attempt, bool]) -> str:
    attempt, is_used = case
    return f"{attempt.name}{'-used' if is_used else ''}"


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_a_line_of_the_corpus(attacked: Attack, case: tuple[Attempt, bool]) -> None:
    """The program meets what is promised, and afterwards everything outside it is as it was."""
    attempt, is_used = case
    answer: Answer = attacked.send(attempt, is_used=is_used)
    wrong = attempt.verdict_for(attacked.environment).judge(answer)
    assert not wrong, wrong
