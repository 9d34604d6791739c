"""Agents as others wrote them: clients of MCP in both eras, frameworks on top of it, and the types of models' SDKs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from tests.contract.conftest import RunClient
from tests.live import Gateway
from tests.pages import blocks

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
    has_everything(run_client("mcp_run", mode, transport, sys.executable), version, gateway)


def test_its_first_major_version_works(run_agent: RunClient, gateway: Gateway) -> None:
    """As well, by both transports at once."""
    done = run_agent("mcp1_run", sys.executable)
    for transport in ("http", "stdio"):
        has_everything(done[transport], "2025-11-25", gateway)


def has_everything(done: Mapping[str, Any], version: str, gateway: Gateway) -> None:
    """A client that speaks *version* told of everything; the session that it began is ended."""
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


def test_the_configurations_that_the_docs_show_work(run_client: RunClient, gateway: Gateway) -> None:
    """Of each agent that reaches a gateway by its address: with its own word for the token, which the agent fills in."""
    shown = [block.text for block in blocks("docs/agents.md") if block.language == "json" and "/mcp" in block.text]
    assert len(shown) == 3
    told = [re.sub(r"\$\{(env:|input:)?token\}", gateway.token, text, flags=re.IGNORECASE) for text in shown]
    configs = [json.loads(text.replace("127.0.0.1:8080", f"127.0.0.1:{gateway.port}")) for text in told]
    files = [{"mcpServers": config.get("mcpServers") or config["servers"]} for config in configs]
    assert run_client("fastmcp_configured", json.dumps(files)) == [TOOLS] * len(files)


def test_pydantic_ai_works(run_client: RunClient) -> None:
    """Its model sees the text and the picture."""
    text, picture = run_client("pydantic_ai_run")
    assert text.startswith("drawn")
    assert picture == "image/png"


def test_langchain_works(run_agent: RunClient) -> None:
    """The message of a tool has the picture, and a run that fails is a failure with its text."""
    done = run_agent("langchain_run")
    assert done["names"] == TOOLS
    status, (text, picture) = done["drawn"]
    assert (status, picture) == ("success", ["image/png", True])
    assert text.startswith("drawn")
    status, (text,) = done["failed"]
    assert status == "error"
    assert text.endswith("ZeroDivisionError: division by zero")


def test_the_agents_of_openai_work(run_agent: RunClient) -> None:
    """By both transports, the model reads what two calls of one turn gave."""
    done = run_agent("openai_agents_run", sys.executable)
    for transport in ("http", "stdio"):
        assert done[transport]["names"] == TOOLS
        (text, picture), (failed,) = done[transport]["read"]
        assert text.startswith("drawn")
        assert picture == "data:image/png;base64,"
        assert failed.endswith("ZeroDivisionError: division by zero")


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


def test_definitions_and_messages_for_gemini_are_of_its_types(run_agent: RunClient) -> None:
    """An answer that is an error is told as one."""
    done = run_agent("genai_types")
    assert done["names"] == TOOLS
    assert done["required"] == [["code"], ["code"], ["code"], ["data"], ["session", "action"], ["session"]]
    assert done["ran"] == ["c1", "code_execute_python", {"output": "42"}]
    assert list(done["failed"][2]) == ["error"]
    assert done["failed"][2]["error"].endswith("KeyError")
