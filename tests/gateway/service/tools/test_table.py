"""The table of tools keeps what models and their users count on."""

from __future__ import annotations

import json

import pytest

from gateway.service.tools import formats
from gateway.service.tools.table import TOOLS

SEED = ("code_execute_python", "code_execute_javascript", "code_generate_chart", "code_analyze_data")
TOKEN_CHARS = 4


def test_the_tools_are_these_in_this_order() -> None:
    """Clients keep lists in their order; the four of the guide come first."""
    assert tuple(TOOLS) == (*SEED, "code_session_files", "code_session_variables")


@pytest.mark.parametrize("name", TOOLS)
def test_a_description_is_short(name: str) -> None:
    """Models read all of them before each turn."""
    assert len(TOOLS[name].description) <= 300
    assert TOOLS[name].name == name


@pytest.mark.parametrize("form", formats.FORMATS)
def test_the_four_tools_of_the_guide_cost_at_most_600_tokens(form: formats.Format) -> None:
    """In every form."""
    rendered = formats.render([TOOLS[name] for name in SEED], form)
    assert len(json.dumps(rendered, separators=(",", ":"))) <= 600 * TOKEN_CHARS
