"""A kernel that cannot be confined runs no user code: seen from the other end of HTTP."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from kernels.contract import Level
from kernels.sandbox.steps import STEPS
from tests.levels import double
from tests.levels.double import Double
from tests.live import Reply

pytestmark = [pytest.mark.kernel, pytest.mark.sandbox]
AT_L3 = [step.name for step in STEPS if Level.L3 in step.levels]
LIES = [
    (("identity", "user_namespace", "no_more_namespaces"), "Uid is"),
    (("user_namespace", "no_more_namespaces"), "CapBnd is"),
    (("privileges",), "Cap"),
    (("system_calls",), "Seccomp is 0"),
]
"""Steps left out by a child that says it took all, and what is seen from outside."""


@pytest.fixture(scope="module")
def doubled() -> Iterator[Double]:
    """A gateway whose kernels do as they are told."""
    with double.serving() as made:
        if made.gateway.ask("GET", "/code-interpreter/health").body["isolation"] != "L3":
            pytest.skip("root does not reach L3 here")
        yield made


def run(doubled: Double) -> tuple[Reply, str]:
    """The answer to a run, and what was logged meanwhile."""
    before = len(doubled.gateway.log.read_text())
    reply = doubled.gateway.ask("POST", "/code-interpreter/python", {"code": "print('user code ran')"})
    return reply, doubled.gateway.log.read_text()[before:]


@pytest.fixture(autouse=True)
def _the_double_is_honest_otherwise(doubled: Double) -> Iterator[None]:
    """Before and after each test a run is served: what fails in between fails by the order alone."""
    doubled.tell()
    assert run(doubled)[0].body["output"] == "user code ran\n"
    yield
    doubled.tell()
    assert run(doubled)[0].body["output"] == "user code ran\n"


@pytest.mark.parametrize("step", AT_L3)
def test_a_step_that_fails_is_a_503_and_named_in_the_log(doubled: Double, step: str) -> None:
    """Whatever the error, also one that is not Linux's, also a child that just ends."""
    for order in (("fail", step, str(errno.EPERM)), ("fail", step, str(errno.ENOSYS)), ("raise", step), ("die", step)):
        doubled.tell(*order)
        reply, logged = run(doubled)
        assert reply.status == 503, (order, reply)
        assert "user code ran" not in str(reply.body)
        name = "confinement" if order[0] == "die" else step
        assert f"the spawner refused a kernel at {name}: " in logged, (order, logged)


@pytest.mark.parametrize(("steps", "says"), LIES)
def test_a_child_that_lies_about_a_step_is_refused_from_outside(doubled: Double, steps: tuple[str, ...], says: str) -> None:
    """It reports every step as taken; the spawner looks for itself."""
    doubled.tell("skip", *steps)
    reply, logged = run(doubled)
    assert reply.status == 503, reply
    assert "user code ran" not in str(reply.body)
    assert "the spawner refused a kernel at attestation: " in logged, logged
    assert says in logged, logged
