"""Widgets without a front end: the answer has their text as it was in the end."""

from __future__ import annotations

import pytest

from tests.kernels.python.harness import Reply, TestKernel

pytestmark = pytest.mark.kernel
BAR = "for _ in tqdm(range(3)): pass"


def texts(reply: Reply) -> list[str]:
    """The text of each display, with what replaced it."""
    shown: dict[str, str] = {}
    for message in reply.messages:
        if message["msg_type"] in ("display_data", "update_display_data"):
            content = message["content"]
            shown[content["transient"].get("display_id", str(len(shown)))] = content["data"]["text/plain"]
    return list(shown.values())


@pytest.mark.parametrize("module", ["tqdm.notebook", "tqdm.auto"])
def test_a_progress_bar_is_told_in_its_last_state(shared: TestKernel, module: str) -> None:
    """Also the second one of a run, and one of a run that failed."""
    reply = shared.run(f"from {module} import tqdm\n{BAR}\n{BAR}")
    assert reply.status == "ok", reply.traceback
    bars = texts(reply) or [line for line in reply.text("stderr").replace("\r", "\n").split("\n") if "100%" in line]
    assert len(bars) == 2
    assert all(bar.lstrip().startswith("100%") and "3/3" in bar for bar in bars)


def test_a_bar_of_a_run_that_failed_says_how_far_it_came(shared: TestKernel) -> None:
    """It is there to see where."""
    reply = shared.run("from tqdm.notebook import tqdm\nfor n in tqdm(range(4)):\n    if n == 2: raise ValueError")
    assert reply.content["ename"] == "ValueError"
    (bar,) = texts(reply)
    assert "2/4" in bar


def test_a_widget_that_does_not_change_is_shown_once(shared: TestKernel) -> None:
    """And one that is shown twice is two displays."""
    reply = shared.run("import ipywidgets\nw = ipywidgets.IntSlider(3)\ndisplay(w); display(w)")
    assert reply.of("update_display_data") == []
    assert ["value=3" in text for text in texts(reply)] == [True, True]
    reply = shared.run("display(w); w.value = 7")
    assert "value=7" in texts(reply)[-1]
    assert len(reply.of("update_display_data")) == 1


def test_many_widgets_are_bounded(shared: TestKernel) -> None:
    """A loop that shows thousands is no reason to send each twice."""
    reply = shared.run("made = [ipywidgets.IntSlider(0) for _ in range(100)]\nfor w in made: display(w); w.value = 1")
    assert len(reply.of("update_display_data")) == 64
    shared.run("ipywidgets.Widget.close_all(); del made")


def test_a_widget_of_the_callers_that_raises_is_the_callers_error(shared: TestKernel) -> None:
    """The kernel goes on."""
    kind = "class W(ipywidgets.IntSlider):\n    def __repr__(self): return 'w' * (1 // self.value)\n"
    assert shared.run(kind + "w = W(1); display(w); w.value = 0").content["ename"] == "ZeroDivisionError"
    assert shared.run("1").status == "ok"
