"""Agents as others wrote them: clients of MCP in both eras, frameworks on top of it, and the types of models' SDKs."""

from __future__ import annotations

import sys

import pytest

from tests.contract.conftest import RunClient
from tests.live import Gateway

pytestmark = pytest.mark.kernel
TOOLS = [
    "code_execute_python",
    "code_execute_javascript",
    "code_generate_chart",
    "code_analyze_data",
    "code_session_files",
    "code_session_variables",
]


@pytest.mark.parametrize("transport", ["http", "stdio"])
@pytest.mark.parametrize(("mode", "version"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
def test_the_official_mcp_client_works(
    run_client: RunClient, gateway: Gateway, mode: str, version: str, transport: str
) -> None:
    """It finds the tools, sees text and pictures, goes on in a session, and reads its variables."""
    done = run_client("mcp_run", mode, transport, sys.executable)
    gateway.ask("DELETE", f"/code-interpreter/sessions/{done['session']}")
    assert (done["version"], done["tools"]) == (version, TOOLS)
    is_error, kinds, text = done["drawn"]
    assert (is_error, kinds) == (False, ["text", "image"])
    assert text.startswith("drawn")
    assert (done["again"], done["has_notebook"], done["x"]) == ("5", True, "5")
    assert done["wrong"][0] is True
    assert done["wrong"][1].startswith("There is no argument 'cod'; ")
    assert "code_run" in done["unknown"]


def test_fastmcp_works(run_client: RunClient) -> None:
    """A run that fails is told, not hidden."""
    done = run_client("fastmcp_run")
    assert done["names"] == TOOLS
    assert done["drawn"] == ["text", "image"]
    assert done["failed"][0] is True
    assert done["failed"][1].endswith("ZeroDivisionError: division by zero")


def test_pydantic_ai_works(run_client: RunClient) -> None:
    """Its model sees the text and the picture."""
    text, picture = run_client("pydantic_ai_run")
    assert text.startswith("drawn")
    assert picture == "image/png"


def test_definitions_and_messages_are_of_the_types_of_the_sdks(run_client: RunClient) -> None:
    """For each API, every tool, and an answer with a picture."""
    assert run_client("sdk_types") == ["openai", "openai-responses", "anthropic", "mcp"]


@pytest.mark.parametrize(("mode", "linked"), [("auto", ["image/png"]), ("legacy", [])])
def test_a_picture_in_full_is_linked(run_client: RunClient, mode: str, linked: list[str]) -> None:
    """In the text for all; as a resource for those who know what that is."""
    done = run_client("mcp_pictures", mode)
    assert done["kinds"] == ["text", "image", *(["resource_link"] * len(linked))]
    assert "3000x20, for the user: http" in done["text"]
    assert done["read"] == linked
