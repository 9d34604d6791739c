"""Every line of the hostile corpus, sent through the public HTTP API, and the six invariants after each.

The same lines are run against a gateway of root (L3) and one of an ordinary user (L2+); what differs is in the data.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.promises.absent import ABSENT, ELSEWHERE, IDS
from tests.promises.attempt import Answer, Attempt
from tests.promises.corpus import CORPUS
from tests.promises.harness import Attack
from tests.promises.http import KNOCKS as OVER_HTTP
from tests.promises.http import Knock
from tests.promises.taking import TAKING

ROOT = Path(__file__).resolve().parents[2]
KNOCKS = (*OVER_HTTP, *TAKING)
CASES = [
    (attempt, is_used) for attempt in CORPUS for is_used in ((False, True) if attempt.used or attempt.batch else (False,))
]


def _name(case: tuple[Attempt, bool]) -> str:
    attempt, is_used = case
    return f"{attempt.name}{'-used' if is_used else ''}"


@pytest.mark.kernel
@pytest.mark.sandbox
@pytest.mark.parametrize("case", CASES, ids=_name)
def test_a_line_of_the_corpus(attacked: Attack, case: tuple[Attempt, bool]) -> None:
    """The program meets what is promised, and afterwards everything outside it is as it was."""
    attempt, is_used = case
    answer: Answer = attacked.send(attempt, is_used=is_used)
    wrong = attempt.verdict_for(attacked.environment).judge(answer)
    assert not wrong, wrong


@pytest.mark.kernel
@pytest.mark.sandbox
@pytest.mark.parametrize("knock", KNOCKS, ids=lambda knock: knock.name)
def test_a_hostile_request(attacked: Attack, knock: Knock) -> None:
    """The gateway answers as promised and is as it was."""
    knock.act(attacked.place.gateway)
    attacked.watch.check()


def test_no_line_of_the_specification_is_forgotten() -> None:
    """Each is an attempt here, tested elsewhere under a name that exists, or absent for a reason."""
    here = {attempt.id for attempt in CORPUS} | {knock.id for knock in KNOCKS}
    assert set(IDS) == here | set(ELSEWHERE) | set(ABSENT)
    assert not (set(ABSENT) & (here | set(ELSEWHERE))), "a line that is tested is not absent"


def test_names_are_unique() -> None:
    """Two lines of one name would hide each other in a batch."""
    names = [attempt.name for attempt in CORPUS] + [knock.name for knock in KNOCKS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("line", ELSEWHERE)
def test_what_is_tested_elsewhere_is_there(line: str) -> None:
    """The test named for a line exists."""
    for place in ELSEWHERE[line]:
        path, _, name = place.partition("::")
        assert f"def {name}(" in (ROOT / path).read_text(), place
