"""Runs that come as forms: each part is the field it would be in JSON, or a file."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from gateway.core.errors import BadRequest, GatewayError, TooLarge, UnsupportedMediaType
from gateway.core.json_limits import REQUEST_VALUES
from gateway.core.run_files import MAX_FILES
from gateway.web.api.form_bodies import MAX_FIELDS, MAX_TEXT_BYTES, is_form, read_form

TYPE = "multipart/form-data; boundary=x"


def form(*parts: tuple[str, bytes]) -> bytes:
    """A form of these parts, each with all that follows ``form-data; name=`` in its header."""
    head = "--x\r\nContent-Disposition: form-data; name="
    return b"".join(f"{head}{name}\r\n\r\n".encode() + data + b"\r\n" for name, data in parts) + b"--x--\r\n"


def read(*parts: tuple[str, bytes], document: str = "") -> tuple[Any, Any]:
    """The body as JSON, and the files."""
    sent = read_form(TYPE, form(*parts), document)
    return orjson.loads(sent.body), sent.uploads


@pytest.mark.parametrize(
    ("kind", "answer"),
    [(TYPE, True), ("Multipart/Form-Data", True), ("application/json", False), (None, False), ("multipart/mixed", False)],
)
def test_a_form_is_known_by_its_type(kind: str | None, answer: bool) -> None:
    """In any case of letters."""
    assert is_form(kind) is answer


def test_fields_are_what_they_are_in_json() -> None:
    """Text needs no quotes, a pattern is one part, and everything else is JSON."""
    body, files = read(
        ("code", b'print("1")\n\xc3\xa4'),
        ("stdin", b"5"),
        ("timeout", b"5000"),
        ("env", b'{"A": "1"}'),
        ("fetchFiles", b"*.csv"),
        ("fetchFiles", b"5"),
        ('"f"; filename="a/b.txt"', b"\0\xff"),
        ('f; filename="%22.txt"', b""),
    )
    assert body == {
        "code": 'print("1")\nä',
        "stdin": "5",
        "timeout": 5000,
        "env": {"A": "1"},
        "fetchFiles": ["*.csv", "5"],
    }
    assert files == ((b"a/b.txt", b"\0\xff"), (b'".txt', b""))


def test_a_document_is_a_field() -> None:
    """As it is in its file; other files are files."""
    parts = ('notebook; filename="x.ipynb"', b' {"nbformat": 4} '), ('f; filename="a"', b"1"), ("allowErrors", b"true")
    assert read(*parts, document="notebook") == ({"notebook": {"nbformat": 4}, "allowErrors": True}, ((b"a", b"1"),))


@pytest.mark.parametrize(
    ("parts", "kind", "said"),
    [
        ([("code", b"\xff")], BadRequest, "'code' is not UTF-8: bad byte at position 0."),
        ([("code", b"1"), ("code", b"2")], BadRequest, "The form has more than one part 'code'."),
        ([("timeout", b"1 s")], BadRequest, "'timeout' must be JSON in a form"),
        ([("timeout", b'1, "code": "x"')], BadRequest, "'timeout' must be JSON in a form"),
        ([("more", b"[" + b"0," * REQUEST_VALUES + b"0]")], TooLarge, "'more' has more than"),
        ([("code", b"\x01" * (MAX_TEXT_BYTES // 6 + 1))], TooLarge, "'code' has more than 33554432 bytes in JSON"),
        ([('f; filename="../a"', b"1")], BadRequest, "The path has a part '.' or '..'"),
        ([('f; filename="/a"', b"1")], BadRequest, "The path must be relative"),
        ([('nb; filename="a"', b"{}"), ('nb; filename="b"', b"{}")], BadRequest, "more than one part 'nb'"),
        ([("nb", b"{}"), ('nb; filename="b"', b"{}")], BadRequest, "more than one part 'nb'"),
        ([('nb; filename="a"', b"{")], BadRequest, "'nb' must be JSON in a form"),
        ([("a", b"1")] * (MAX_FILES + MAX_FIELDS + 1), BadRequest, "The form has more than 150 parts."),
    ],
)
def test_a_form_that_can_not_be_read_is_refused(parts: Any, kind: type[GatewayError], said: str) -> None:
    """With the name of the part; no part can add another field."""
    with pytest.raises(kind) as refused:
        read(*parts, document="nb")
    assert said in refused.value.message


def test_what_is_no_form_is_refused() -> None:
    """Also one without a boundary."""
    with pytest.raises(BadRequest, match="The form can't be read"):
        read_form(TYPE, b'{"code": "1"}')
    with pytest.raises(UnsupportedMediaType):
        read_form("multipart/form-data", form())


def test_a_name_that_is_no_text_is_refused() -> None:
    """A part may name the encoding of its name, and in some encodings there is half a character."""
    body = b"--x\r\nContent-Disposition: form-data; name*=utf-7''+2AA-\r\n\r\n1\r\n--x--\r\n"
    with pytest.raises(BadRequest, match="half a character"):
        read_form(TYPE, body)
