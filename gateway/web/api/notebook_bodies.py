"""The bodies of requests about notebooks: an .ipynb alone, or one in an object with options of its execution."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from gateway.core.json_limits import NOTEBOOK_DEPTH
from gateway.core.limits import Timeouts
from gateway.core.notebook import NotebookLanguage
from gateway.core.notebook_form import language_of, read_notebook
from gateway.service.sessions.notebooks import NotebookRequest
from gateway.web.api.given import Files, Uploads, check_task, read_files
from gateway.web.api.run_bodies import Body, SessionId, Timeout, check, parse_seconds
from gateway.web.edge.body import parse_object


class NotebookBody(Body):
    """A notebook to execute. The notebook alone, as it is in its file, is accepted too."""

    notebook: Annotated[dict[str, Any], Field(description="a Jupyter notebook of format 4 (the JSON of an .ipynb file)")]
    timeout: Timeout = None
    allowErrors: Annotated[bool, Field(description="true or false")] = False  # noqa: N815  # the API's own name
    session: SessionId = None
    files: Files


def parse_notebook(body: bytes, python: Timeouts, javascript: Timeouts, uploads: Uploads = ()) -> NotebookRequest:
    """The execution that *body* asks for; its timeout holds for each cell. Raises BadRequest, which names the place."""
    value = parse_object(body, NOTEBOOK_DEPTH)
    asked = check(NotebookBody, {"notebook": value} if "nbformat" in value else value)
    notebook = read_notebook(asked.notebook)
    language = language_of(notebook)
    timeouts: dict[NotebookLanguage, Timeouts] = {"python": python, "javascript": javascript}
    chosen = timeouts[language]
    timeout_s = chosen.default_s if asked.timeout is None else parse_seconds("timeout", asked.timeout, chosen)
    check_task(language, {name for name in ("files",) if asked.files or uploads})
    files = read_files(asked.files, uploads)
    return NotebookRequest(notebook, language, timeout_s, asked.allowErrors, asked.session or "", files)
