"""What is told of sessions that have ended."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.service.sessions.ended import MAX_ENDED, EndedSessions, duration, end_sentence


def test_the_end_of_a_session_is_told_to_its_key_alone() -> None:
    """For others it was never there."""
    ended = EndedSessions()
    ended.remember("ada", "s1", "was deleted")
    assert ended.why("ada", "s1") == "was deleted"
    assert ended.why("ada", "s2") is None
    assert ended.why("bob", "s1") is None


def test_each_key_has_a_bound_of_its_own() -> None:
    """Its oldest is forgotten, and nothing of others."""
    ended = EndedSessions()
    ended.remember("ada", "first", "one")
    for number in range(MAX_ENDED + 1):
        ended.remember("bob", f"s{number}", "other")
    assert ended.why("ada", "first") == "one"
    assert ended.why("bob", "s0") is None
    assert ended.why("bob", "s1") == ended.why("bob", f"s{MAX_ENDED}") == "other"


KEYS = st.sampled_from(["ada", "bob", "cy"])


@given(st.lists(st.one_of(st.tuples(KEYS, st.sampled_from("stu")), st.frozensets(KEYS)), max_size=20))
def test_it_is_remembered_exactly_as_long_as_the_key_is_valid(steps: list[tuple[str, str] | frozenset[str]]) -> None:
    """In whatever order sessions end and keys are revoked."""
    ended, known = EndedSessions(), dict[tuple[str, str], str]()
    for number, step in enumerate(steps):
        if isinstance(step, frozenset):
            ended.keep_only(step)
            known = {pair: why for pair, why in known.items() if pair[0] in step}
        else:
            ended.remember(*step, f"reason {number}")
            known[step] = f"reason {number}"
    for key in ("ada", "bob", "cy"):
        for session in "stu":
            assert ended.why(key, session) == known.get((key, session))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (86_400, "1 day"),
        (172_800, "2 days"),
        (3600, "1 hour"),
        (5400, "90 minutes"),
        (60, "1 minute"),
        (1, "1 second"),
        (90, "90 seconds"),
        (1.5, "1.5 seconds"),
    ],
)
def test_durations_are_in_words(seconds: float, words: str) -> None:
    """In the largest unit that has no remainder."""
    assert duration(seconds) == words


def test_a_sentence_says_why_when_and_what_next() -> None:
    """The moment is in UTC, whatever the machine's time zone."""
    assert end_sentence("was deleted", 0) == "This session was deleted, at 1970-01-01T00:00:00Z: create a new one."
