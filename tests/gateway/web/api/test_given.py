"""What a body gives to its run: refused before anything happens, with a sentence that names the field and the entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from gateway.core.errors import BadRequest, GatewayError, TooLarge
from gateway.core.limits import Timeouts
from gateway.core.request import RunRequest
from gateway.core.run_files import MAX_FILES, NOTHING_GIVEN, Given
from gateway.web.api import notebook_bodies, run_bodies, session_bodies
from gateway.web.api.given import MAX_BYTES, MAX_GLOBS

LIMITS = Timeouts()
Parse = Callable[[bytes], RunRequest]


def python(body: bytes) -> RunRequest:
    """A run of its own."""
    return run_bodies.parse_python(body, LIMITS)


def chart(body: bytes) -> RunRequest:
    """A chart."""
    return run_bodies.parse_chart(body, LIMITS)


def execute(body: bytes) -> RunRequest:
    """A run in a session."""
    return session_bodies.parse_execute(body, "s1", "python", LIMITS)


@pytest.mark.parametrize("parse", [python, chart, execute])
def test_a_run_is_given_what_its_body_has(parse: Parse) -> None:
    """In one form, wherever it is asked for."""
    fields = {
        "files": {"a/ü.txt": "ä", "b": {"base64": "AP8="}},
        "fetchFiles": ["*.csv", "**/x"],
        "stdin": "1\n",
        "env": {"A": "b"},
    }
    files = (("a/ü.txt".encode(), "ä".encode()), (b"b", b"\0\xff"))
    assert parse(orjson.dumps({"code": "1", **fields})).given == Given(files, ("*.csv", "**/x"), "1\n", {"A": "b"})
    empty: dict[str, Any] = {"files": {}, "fetchFiles": [], "stdin": None, "env": {}}
    assert parse(orjson.dumps({"code": "1", **empty})).given is NOTHING_GIVEN
    assert parse(orjson.dumps({"code": "1", "stdin": ""})).given == Given(stdin="")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"files": {"/etc/x": ""}}, "files has '/etc/x'. The path must be relative"),
        ({"files": {"a/../../x": ""}}, "files has 'a/../../x'. The path has a part '.' or '..'"),
        ({"files": {"": ""}}, "files has ''. The path is empty."),
        ({"files": {"a\0": ""}}, "files has 'a\\x00'. The path has a NUL character."),
        ({"files": {"x" * 256: ""}}, "A part of the path is longer than 255 bytes."),
        ({"files": {"ä" * 128: ""}}, "A part of the path is longer than 255 bytes."),
        ({"files": {"x/" * 2000 + "x": ""}}, "The path is longer than 4000 bytes."),
        ({"files": {"a": "", "a/b": ""}}, "The run has a file named 'a' and another below that name."),
        ({"files": {"a": 1}}, 'files has \'a\': it must be a string, or an object {"base64": "..."}.'),
        ({"files": {"a": {"base64": "AA=="}, "b": {"base64": "A"}}}, "files has 'b', whose base64 can't be decoded: "),
        ({"files": {"a": {"base64": "AA==\n"}}}, "files has 'a', whose base64 can't be decoded: "),
        ({"files": {f"{number}": "" for number in range(MAX_FILES + 1)}}, f"files must be an object of at most {MAX_FILES}"),
        ({"files": ["a"]}, "files must be an object"),
        ({"fetchFiles": ["/etc/*"]}, "fetchFiles has '/etc/*'. The path must be relative"),
        ({"fetchFiles": ["a", "../*"]}, "fetchFiles has '../*'. The path has a part '.' or '..'"),
        ({"fetchFiles": ["a"] * (MAX_GLOBS + 1)}, f"fetchFiles must be a list of at most {MAX_GLOBS} paths"),
        ({"fetchFiles": "*"}, "fetchFiles must be a list"),
        ({"stdin": 5}, "stdin must be text: the standard input of the run, not 5."),
        ({"env": {"A=B": "x"}}, "env has the name 'A=B': use letters, digits and underscores"),
        ({"env": {"": "x"}}, "env has the name ''"),
        ({"env": {"A": "x\0y"}}, "env has a NUL character in the value of A."),
        ({"env": {"A": 5}}, "env must be an object of at most 64 strings"),
        ({"env": {"A": "x" * 32 * 1024}}, "env is over the limit of 32768 characters in all."),
    ],
)
@pytest.mark.parametrize("parse", [python, execute])
def test_what_can_not_be_given_is_refused(parse: Parse, fields: dict[str, Any], said: str) -> None:
    """As a whole, in one short sentence."""
    with pytest.raises(BadRequest) as refused:
        parse(orjson.dumps({"code": "1", **fields}))
    assert said in refused.value.message
    assert len(refused.value.message) < 250


def test_too_much_is_refused() -> None:
    """The message to the kernel has a limit, too."""
    half = "x" * (MAX_BYTES // 2 + 1)
    python(orjson.dumps({"code": "1", "files": {"a": half}}))
    for fields in ({"files": {"a": half, "b": half}}, {"files": {"a": half}, "stdin": half}):
        with pytest.raises(TooLarge):
            python(orjson.dumps({"code": "1", **fields}))


@pytest.mark.parametrize("name", ["files", "fetchFiles", "stdin", "env"])
def test_javascript_is_given_nothing(name: str) -> None:
    """It could see none of it: the error names the field, and what to do."""
    bodies: list[Callable[[], object]] = [
        lambda: run_bodies.parse_javascript(orjson.dumps({"code": "1", name: {}}), LIMITS),
        lambda: session_bodies.parse_execute(
            orjson.dumps({"code": "1", name: [] if name == "fetchFiles" else None if name == "stdin" else {}}),
            *("s1", "javascript", LIMITS),
        ),
    ]
    for parse in bodies:
        with pytest.raises(BadRequest, match=f"^{name} is not for JavaScript: .* Put the data into the code.$"):
            parse()


def test_an_expression_is_given_nothing() -> None:
    """Nor are files of a form."""
    uploads: list[tuple[bytes, list[tuple[bytes, bytes]]]] = [
        (b'{"code": "1", "type": "math", "env": {}}', []),
        (b'{"code": "1", "type": "math"}', [(b"a", b"")]),
    ]
    for body, files in uploads:
        with pytest.raises(BadRequest, match=r"^(env|files) is for Python code and charts, not for a run of type 'math'\.$"):
            session_bodies.parse_execute(body, "s1", "python", LIMITS, files)


def test_files_of_a_form_count_like_those_of_the_body() -> None:
    """Together they are as many, and as different, as alone."""
    body = orjson.dumps({"code": "1", "files": {"a": "1"}})
    assert run_bodies.parse_python(body, LIMITS, [(b"\xff", b"2")]).given.files == ((b"a", b"1"), (b"\xff", b"2"))
    for uploads in ([(b"a", b"")], [(b"%d" % number, b"") for number in range(MAX_FILES)]):
        with pytest.raises(BadRequest, match="The run has more than"):
            run_bodies.parse_python(body, LIMITS, uploads)


def test_a_notebook_takes_files_and_a_session() -> None:
    """In Python; cells of JavaScript could not read them."""
    notebook: dict[str, Any] = {"nbformat": 4, "nbformat_minor": 5, "cells": []}
    fields = {"notebook": notebook, "session": "s1", "files": {"a": "1"}}
    asked = notebook_bodies.parse_notebook(orjson.dumps(fields), LIMITS, LIMITS)
    assert (asked.session, asked.files) == ("s1", ((b"a", b"1"),))
    notebook["metadata"] = {"kernelspec": {"name": "javascript", "display_name": "x", "language": "javascript"}}
    with pytest.raises(GatewayError, match="files is not for JavaScript"):
        notebook_bodies.parse_notebook(orjson.dumps(fields), LIMITS, LIMITS)
    assert notebook_bodies.parse_notebook(orjson.dumps({**fields, "files": {}}), LIMITS, LIMITS).language == "javascript"
