"""The Python client's conversations by the vendors' own SDKs, with scripted models."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract import clients_env
from tests.contract.models.process import Models

SIGNED = [{"name": "add", "arguments": {"a": 2, "b": 3}}, {"name": "draw"}]
TURNS: list[dict[str, Any]] = [
    {"text": "Let me see: \u00e9.", "thinks": True, "calls": SIGNED},
    {"thinks": True, "calls": [{"name": "add", "arguments": {"a": 41}}, {"name": "missing"}, {"name": "draw"}]},
    {"echoes": True},
]


@pytest.mark.parametrize(
    ("provider", "python"),
    [
        ("openai", clients_env.PYTHON),
        ("openai-responses", clients_env.PYTHON),
        ("anthropic", clients_env.PYTHON),
        ("gemini", clients_env.AGENTS_PYTHON),
    ],
    ids=["openai", "openai-responses", "anthropic", "gemini"],
)
def test_an_sdk_is_a_way_to_the_model(models: Models, provider: str, python: Any) -> None:
    """Plain and on asyncio, at once and streamed; thoughts and signatures come back as they were."""
    if not python.exists():
        pytest.skip(f"no {python.parents[1].name}: 'make install-clients' makes it")
    scripted = [models.script(*TURNS) for _ in range(5)]
    done = clients_env.run_script("llm_run", provider, *(model.base for model in scripted), python=python)
    for model in scripted[:4]:
        assert len(model.bodies()) == 3
    for heard in done["heard"]:
        assert heard == done["heard"][0]
    added, missing, drawn = done["heard"][0]
    assert added["text"] == "42"
    assert missing["text"].startswith("There is no tool 'missing'")
    assert drawn["images"] == ([] if provider == "openai" else ["image/png"])
    if provider != "gemini":
        assert done["wrong"] == [
            "This client is for asyncio: use call_with_tools_async",
            "This client is not for asyncio: use call_with_tools",
        ]
