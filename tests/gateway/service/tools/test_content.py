"""The answer of a tool in the form of each API; tests/contract checks them with those APIs' own libraries."""

from __future__ import annotations

import pytest

from gateway.core.pictures import Image
from gateway.service.tools.content import MESSAGES, Block, Content
from gateway.service.tools.formats import FORMATS, Format

DREW = Content("draw", "c1", "drawn", (Image("image/png", "aWE="),))
FAILED = Content("draw", "", "no", is_error=True)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("openai", {"role": "tool", "tool_call_id": "c1", "content": "drawn"}),
        (
            "openai-responses",
            {
                "type": "function_call_output",
                "call_id": "c1",
                "output": [
                    {"type": "input_text", "text": "drawn"},
                    {"type": "input_image", "image_url": "data:image/png;base64,aWE="},
                ],
            },
        ),
        (
            "anthropic",
            {
                "type": "tool_result",
                "tool_use_id": "c1",
                "content": [
                    {"type": "text", "text": "drawn"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aWE="}},
                ],
                "is_error": False,
            },
        ),
        ("gemini", {"functionResponse": {"id": "c1", "name": "draw", "response": {"output": "drawn"}}}),
        (
            "mcp",
            {
                "content": [
                    {"type": "text", "text": "drawn"},
                    {"type": "image", "data": "aWE=", "mimeType": "image/png"},
                ],
                "isError": False,
            },
        ),
    ],
)
def test_each_api_gets_text_and_pictures_in_its_form(form: Format, message: Block) -> None:
    """Tools of chat completions and Gemini answer with text alone."""
    assert MESSAGES[form](DREW) == message


def test_a_failed_call_says_so_where_the_api_has_a_word_for_it() -> None:
    """And its text is there in any."""
    assert MESSAGES["anthropic"](FAILED)["is_error"] is True
    assert MESSAGES["mcp"](FAILED)["isError"] is True
    assert MESSAGES["gemini"](FAILED) == {"functionResponse": {"name": "draw", "response": {"error": "no"}}}


def test_anthropic_gets_no_pictures_of_a_failed_call() -> None:
    """The whole request would be refused: what code drew before it failed is in the content alone."""
    failed = Content("draw", "c1", "no", DREW.images, is_error=True)
    assert MESSAGES["anthropic"](failed)["content"] == [{"type": "text", "text": "no"}]
    assert len(failed.blocks()) == 2


def test_there_is_a_message_for_each_format() -> None:
    """What defines a tool can answer it."""
    assert MESSAGES.keys() == FORMATS.keys()
