"""Corpus J05, the differential: what bubblewrap denies, our layer denies, and the differences are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.live import HANG_MS, STREAMS
from tests.promises import bwrap, prelude
from tests.promises.attempt import Answer, Attempt
from tests.promises.harness import Attack

pytestmark = [pytest.mark.kernel, pytest.mark.sandbox]
LEAST = 70


def test_bubblewrap_denies_nothing_that_we_allow(attacked: Attack) -> None:
    """The same programs in both: equal verdicts, but for a list of what bubblewrap leaves open, each with its reason."""
    if why := bwrap.missing():
        pytest.skip(why)
    lines = list(bwrap.lines())
    assert len(lines) >= LEAST
    looser, ours_looser = {}, []
    for group in _groups(lines):
        programs = {line.name: line.program for line in group}
        theirs, ours = bwrap.run(programs, attacked.place.told), _run(attacked, programs)
        for line in group:
            verdict = line.verdict_for(attacked.environment)
            assert not (wrong := verdict.judge(ours[line.name])), f"{line.name}: {wrong}"
            if wrong := verdict.judge(theirs[line.name]):
                looser[line.name] = wrong
            ours_looser += _allowed_by_one(line, ours[line.name], theirs[line.name])
    assert not ours_looser
    assert not {name: wrong for name, wrong in looser.items() if name not in bwrap.LAID_OPEN}
    attacked.watch.check(len(lines))


def _groups(lines: list[Attempt]) -> Iterator[list[Attempt]]:
    """Batches together, every other line alone."""
    names = dict.fromkeys(line.batch or line.name for line in lines)
    yield from ([line for line in lines if (line.batch or line.name) == name] for name in names)


def _run(attacked: Attack, programs: Mapping[str, str]) -> dict[str, Answer]:
    """The same programs in one fresh kernel of ours."""
    answer = attacked.place.gateway.run(prelude.complete_batch(programs, attacked.place.told), timeout=HANG_MS, **STREAMS)
    assert answer["success"], answer
    parts = prelude.split_batch(answer["stdout"])
    return {name: {**answer, "stdout": parts.get(name, "")} for name in programs}


def _allowed_by_one(line: Attempt, ours: Answer, theirs: Answer) -> list[str]:
    """Every single attempt that was let through here and denied there."""
    said, denied = (dict(each.rpartition(" ")[::2] for each in answer["stdout"].splitlines()) for answer in (ours, theirs))
    return [f"{line.name} {label}" for label, word in said.items() if word == "ok" and denied.get(label, "ok") != "ok"]
