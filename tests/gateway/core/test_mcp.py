"""What both ends of MCP agree on: the headers that a modern message is repeated in, and how they hold any text."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core import mcp

META = {"_meta": {mcp.VERSION_KEY: "2026-07-28"}}


@pytest.mark.parametrize(
    ("method", "params", "name"),
    [
        ("tools/list", {}, None),
        ("tools/call", {"name": "code_run"}, "code_run"),
        ("resources/read", {"uri": "omega://sessions/é"}, "=?base64?b21lZ2E6Ly9zZXNzaW9ucy/DqQ==?="),
        ("tools/call", {"name": 5}, None),
    ],
)
def test_a_modern_message_is_repeated_in_headers(method: str, params: dict[str, object], name: str | None) -> None:
    """Its version, its method, and the name that it calls."""
    told = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method, **({} if name is None else {"Mcp-Name": name})}
    assert mcp.repeated({"method": method, "params": {**params, **META}}) == told


@pytest.mark.parametrize(
    "message",
    [[], {}, {"params": []}, {"params": {}}, {"params": {"_meta": []}}, {"params": {"_meta": {"progressToken": 1}}}],
)
def test_any_other_message_has_no_headers(message: object) -> None:
    """It is of the legacy era, or none at all."""
    assert mcp.repeated(message) == {}


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
@example("plain")
@example("")
@example("with space")
@example("=?base64?YQ==?=")
def test_a_header_holds_any_text(value: str) -> None:
    """Such as a header can't have, and such as looks encoded already."""
    told = mcp.encoded(value)
    assert told.isascii() and told.isprintable() and " " not in told and told
    assert mcp.decoded(told) == value


@pytest.mark.parametrize("told", ["=?base64?%?=", "=?base64?/w==?=", "=?base64?YQ?="])
def test_what_is_no_base64_of_text_is_refused(told: str) -> None:
    """With a reason."""
    with pytest.raises(ValueError, match=r"^no base64 of UTF-8 text$"):
        mcp.decoded(told)
