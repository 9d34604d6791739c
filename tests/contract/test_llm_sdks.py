"""The Python client's conversations by the vendors' own SDKs, with scripted models."""

from __future__ import annotations

import json
from pathlib import Path
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


WRONG = ["This client is for asyncio: use call_with_tools_async", "This client is not for asyncio: use call_with_tools"]
"""What the caller is told who passes a client of the other kind."""


@pytest.mark.parametrize(
    ("python", "providers"),
    [
        (clients_env.PYTHON, ("openai", "openai-responses", "anthropic")),
        (clients_env.AGENTS_PYTHON, ("gemini",)),
    ],
    ids=["openai and anthropic", "google"],
)
def test_an_sdk_is_a_way_to_the_model(models: Models, python: Path, providers: tuple[str, ...]) -> None:
    """Plain and on asyncio, at once and streamed; thoughts and signatures come back as they were."""
    if not python.exists():
        pytest.skip(f"no {python.parents[1].name}: 'make install-clients' makes it")
    scripted = {provider: [models.script(*TURNS) for _ in range(5)] for provider in providers}
    bases = {provider: [model.base for model in found] for provider, found in scripted.items()}
    done = clients_env.run_script("llm_run", json.dumps(bases), python=python)
    for provider, found in scripted.items():
        assert [len(model.bodies()) for model in found[:4]] == [3] * 4
        check(provider, done[provider]["heard"])
        assert done[provider]["wrong"] == ([] if provider == "gemini" else WRONG)


def check(provider: str, heard: list[list[dict[str, Any]]]) -> None:
    """Each model has read the same at last, in the form of its API."""
    assert all(one == heard[0] for one in heard)
    added, missing, drawn = heard[0]
    assert added["text"] == "42"
    assert missing["text"].startswith("There is no tool 'missing'")
    assert drawn["images"] == ([] if provider == "openai" else ["image/png"])
