"""A kernel that cannot be confined runs no user code: seen from the other end of HTTP."""

from __future__ import annotations

import errno
import re
import time
from collections.abc import Iterator

import pytest

from kernels.contract import Level
from kernels.sandbox.steps import STEPS
from tests.levels import double
from tests.levels.double import Double
from tests.live import HANG_S, Reply

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


def run(doubled: Double) -> Reply:
    """The answer to a run."""
    return doubled.gateway.ask("POST", "/code-interpreter/python", {"code": "print('user code ran')"})


def assert_refused(doubled: Double, at: str, order: tuple[str, ...]) -> str:
    """A run under *order* is answered 503, its code did not run, and the log names the step; what was logged."""
    await_no_kernel(doubled)
    before = len(doubled.gateway.log.read_text())
    doubled.tell(*order)
    logged = ""
    # On a slow machine the gateway gives up on a run before its kernel is made, or while one is that began before the order.
    for _ in patiently():
        reply = run(doubled)
        assert reply.status == 503, (order, reply)
        assert "user code ran" not in str(reply.body)
        logged = doubled.gateway.log.read_text()[before:]
        if f"the spawner refused a kernel at {at}: " in logged:
            break
    assert f"the spawner refused a kernel at {at}: " in logged, (order, logged)
    return logged


def assert_served(doubled: Double) -> None:
    """Once the double is honest, a run is served: at once, or after those tries that were still under way."""
    doubled.tell()
    reply = next((reply for _ in patiently() if (reply := run(doubled)).status != 503), None)
    assert reply is not None and reply.body["output"] == "user code ran\n", reply


def await_no_kernel(doubled: Double) -> None:
    """Return once the gateway has no kernel that was begun under another order."""
    found: list[str] = []
    for _ in patiently():
        told = str(doubled.gateway.ask("GET", "/metrics").body)
        found = re.findall(r'omega_pool_kernels\{language="\w+",state="(?:idle|starting)"\} [1-9].*', told)
        if not found:
            return
    raise AssertionError(f"kernels nobody asked for: {found}")


def patiently() -> Iterator[None]:
    """Again and again, as other processes take their time."""
    deadline = time.monotonic() + HANG_S
    while time.monotonic() < deadline:
        yield
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def _the_double_is_honest_otherwise(doubled: Double) -> Iterator[None]:
    """Before and after each test a run is served: what fails in between fails by the order alone."""
    assert_served(doubled)
    yield
    assert_served(doubled)


@pytest.mark.parametrize("step", AT_L3)
def test_a_step_that_fails_is_a_503_and_named_in_the_log(doubled: Double, step: str) -> None:
    """Whatever the error, also one that is not Linux's, also a child that just ends."""
    for order in (("fail", step, str(errno.EPERM)), ("fail", step, str(errno.ENOSYS)), ("raise", step), ("die", step)):
        assert_refused(doubled, "confinement" if order[0] == "die" else step, order)


@pytest.mark.parametrize(("steps", "says"), LIES)
def test_a_child_that_lies_about_a_step_is_refused_from_outside(doubled: Double, steps: tuple[str, ...], says: str) -> None:
    """It reports every step as taken; the spawner looks for itself."""
    logged = assert_refused(doubled, "attestation", ("skip", *steps))
    assert says in logged, logged
