"""The life of a Jupyter kernel: its states, and what follows the death of a process."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.service.jupyter.life import MOST_DEATHS, STABLE_S, JupyterLife, Sequel, State, Wish


def life_in(state: State) -> JupyterLife:
    """A life that has come to *state*."""
    life = JupyterLife(0, 0)
    match state:
        case "idle":
            life.started(0, 0)
        case "busy":
            life.started(0, 0)
            life.said("busy", 1)
        case "restarting":
            life.started(0, 0)
            life.died()
        case "dead":
            life.end()
        case "starting":
            pass
    return life


EVENTS: dict[str, Callable[[JupyterLife], object]] = {
    "started": lambda life: life.started(2, 2),
    "busy": lambda life: life.said("busy", 2),
    "idle": lambda life: life.said("idle", 2),
    "nonsense": lambda life: life.said("dead", 2),
    "nothing": lambda life: life.said("", 2),
    "died": lambda life: life.died(),
    "restart": lambda life: life.restart(),
    "end": lambda life: life.end(),
    "asked": lambda life: life.asked("shutdown"),
}
TABLE: dict[State, dict[str, State]] = {
    "starting": {"started": "idle", "busy": "busy", "idle": "idle", "died": "restarting"},
    "idle": {"busy": "busy", "died": "restarting"},
    "busy": {"started": "idle", "idle": "idle", "died": "restarting"},
    "restarting": {"started": "idle"},
    "dead": {"started": "idle", "died": "restarting"},
}
"""The state after each event. Without an entry it stays; after restart and end it is restarting and dead from anywhere."""


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", TABLE)
def test_the_state_after_each_event(state: State, event: str) -> None:
    """What a kernel says changes it only while there is a process; no kernel can call itself dead."""
    life = life_in(state)
    EVENTS[event](life)
    anywhere: dict[str, State] = {"restart": "restarting", "end": "dead"}
    assert life.state == (anywhere | TABLE[state]).get(event, state)
    assert life.is_busy == (life.state in ("starting", "busy", "restarting"))


@pytest.mark.parametrize(
    ("wish", "deaths", "sequel", "counted"),
    [
        (None, 0, "replace", 1),
        (None, MOST_DEATHS - 1, "replace", MOST_DEATHS),
        (None, MOST_DEATHS, "give up", MOST_DEATHS + 1),
        ("restart", 0, "replace", 0),
        ("restart", MOST_DEATHS, "replace", MOST_DEATHS),
        ("shutdown", 0, "shut down", 0),
        ("shutdown", MOST_DEATHS, "shut down", MOST_DEATHS),
    ],
)
def test_what_follows_a_death(wish: Wish | None, deaths: int, sequel: Sequel, counted: int) -> None:
    """A death that a client asked for is not counted; after too many by itself no process follows."""
    life = life_in("idle")
    for _ in range(deaths):
        life.died()
        life.started(0, 0)
    if wish:
        life.asked(wish)
    assert (life.died(), life.deaths) == (sequel, counted)
    assert life.wish is None, "the next process was asked for nothing"


def test_a_process_that_goes_on_for_long_enough_is_stable() -> None:
    """The deaths before it count no more."""
    life = life_in("restarting")
    life.started(100, 100)
    life.said("busy", 100 + STABLE_S)
    assert life.deaths == 1
    life.said("idle", 100 + STABLE_S + 0.1)
    assert life.deaths == 0


def test_a_restart_forgets_what_was_before() -> None:
    """A shutdown the old process was asked for is no wish of the new one, and its deaths are not counted."""
    life = life_in("restarting")
    life.started(1, 1)
    life.asked("shutdown")
    life.restart()
    life.started(2, 2)
    assert (life.died(), life.deaths) == ("replace", 1)


def test_activity_is_told_on_both_clocks() -> None:
    """One to measure idle time with, one to show."""
    life = JupyterLife(5, 1000)
    assert (life.idle_since, life.last_activity_utc) == (5, 1000)
    life.touch(7, 1002)
    assert (life.idle_since, life.last_activity_utc) == (7, 1002)
    life.started(9, 1004)
    assert (life.idle_since, life.last_activity_utc) == (9, 1004)


@given(st.lists(st.sampled_from(["busy", "idle", "shutdown", "restart wish", "died", "restart"]), max_size=60))
def test_whatever_happens_the_way_to_an_end_is_bounded(events: list[str]) -> None:
    """As the driver uses it: after a death there is another process only if the life says so."""
    life, in_a_row, wish = life_in("idle"), 0, ""
    for event in events:
        match event:
            case "busy" | "idle":
                life.said(event, 1)
            case "shutdown" | "restart wish" if life.state != "dead":
                wish = event
                life.asked("shutdown" if event == "shutdown" else "restart")
            case "died" if life.state != "dead":
                in_a_row += not wish
                expected = "shut down" if wish == "shutdown" else "give up" if in_a_row > MOST_DEATHS else "replace"
                assert life.died() == expected
                wish = ""
                if expected == "replace":
                    life.started(1, 1)
                else:
                    assert life.state == "dead"
            case "restart":
                life.restart()
                life.started(1, 1)
                in_a_row, wish = 0, ""
        assert life.deaths == in_a_row
