"""The gateway that tests of the web layer speak to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.web.services import WebSettings
from tests.gateway.web.world import Gateway, serve


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """A gateway with small limits."""
    settings = replace(
        WebSettings(),
        body_bytes=10_000,
        max_connections=20,
        header_timeout_s=0.5,
        body_timeout_s=0.5,
        allowed_origins=frozenset({"https://notebooks.example"}),
    )
    async with serve(settings) as made:
        yield made
