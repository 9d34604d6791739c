"""The limits of JSON fit into one another: what one place accepts, the next one does not refuse."""

from __future__ import annotations

import orjson
import pytest

from gateway.core.json_limits import ANSWER_DEPTH, KERNEL_DEPTH, NOTEBOOK_DEPTH, REQUEST_DEPTH, RESULTS_DEPTH
from gateway.core.model import Json
from gateway.core.strict_json import Budget, clean, is_deeper
from kernels.run_rules import VALUE_DEPTH


def nested(levels: int) -> Json:
    """So many lists within each other."""
    value: Json = 1
    for _ in range(levels):
        value = [value]
    return value


def test_the_deepest_value_a_kernel_shows_fits_into_its_message() -> None:
    """An honest kernel's value is never refused; lists and objects of the deepest value are numbered from 0."""
    shown = {"data": {"application/json": nested(VALUE_DEPTH + 1)}}
    assert clean(shown, Budget()) == shown


def test_a_host_can_send_back_any_input_it_was_given() -> None:
    """Also one that is as deep as a kernel's message may be, beside other results."""
    assert not is_deeper(orjson.dumps({"results": [{"id": "a", "output": nested(KERNEL_DEPTH)}]}), RESULTS_DEPTH)


@pytest.mark.parametrize("depth", [REQUEST_DEPTH, RESULTS_DEPTH, NOTEBOOK_DEPTH, KERNEL_DEPTH])
def test_an_answer_has_room_around_all_that_is_accepted(depth: int) -> None:
    """An executed notebook has outputs in cells in a notebook in an answer."""
    answer = {"notebook": {"cells": [{"outputs": [{"data": {"application/json": nested(depth)}}]}]}}
    assert not is_deeper(orjson.dumps(answer), ANSWER_DEPTH)
