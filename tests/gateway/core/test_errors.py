"""The failures a client can meet."""

from __future__ import annotations

import inspect

import pytest

from gateway.core import errors
from gateway.core.errors import Busy, GatewayError

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, GatewayError)]


def test_each_failure_has_a_code_of_its_own() -> None:
    """Programs go by it."""
    codes = [kind.code for kind in KINDS]
    assert len(set(codes)) == len(codes) >= 15


@pytest.mark.parametrize("kind", KINDS)
def test_each_failure_is_an_error_status_with_a_message(kind: type[GatewayError]) -> None:
    """The message is what the client reads."""
    made = kind("What is wrong.")
    assert 400 <= made.status < 600
    assert (made.message, str(made), made.retry_after_s) == ("What is wrong.", "What is wrong.", None)


def test_a_failure_may_say_when_to_try_again() -> None:
    """In seconds."""
    assert Busy("Later.", retry_after_s=1.5).retry_after_s == 1.5
