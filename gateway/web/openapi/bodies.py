"""The schemas of bodies that no pydantic model describes completely: a form, a notebook. Pure."""

from __future__ import annotations

from gateway.core.notebook_form import LANGUAGES, MAX_CELLS
from gateway.web.api.multipart import MAX_FILES
from gateway.web.api.patterns import NO_NUL
from gateway.web.openapi.schemas import ANY, FLAG, TEXT, Schema, array, mapping, one_of, properties_of, ref, struct, text

ID: Schema = {"type": ["string", "null"], "pattern": "^[a-zA-Z0-9_-]{1,64}$", "description": "unique in the notebook"}
LINES: Schema = {"anyOf": [TEXT, array(TEXT)]}
CODE: Schema = {"anyOf": [text(NO_NUL), array(text(NO_NUL))]}
CELL_METADATA: dict[str, Schema] = {
    "name": text(r"^[^\n]+$"),
    "tags": {"type": "array", "items": text(r"^[^,\n]+$"), "uniqueItems": True},
    "jupyter": ANY,
}
CODE_METADATA: dict[str, Schema] = {
    **CELL_METADATA,
    "collapsed": FLAG,
    "scrolled": one_of([True, False, "auto"]),
    "execution": mapping(TEXT),
}
ATTACHMENTS = mapping(
    {"type": "object", "patternProperties": {r"^application/(.*\+)?json$": {}}, "additionalProperties": LINES}
)


def _cell(kind: str, source: Schema, metadata: dict[str, Schema], more: dict[str, Schema]) -> Schema:
    fields: dict[str, Schema] = {"cell_type": {"const": kind}, "source": source}
    return {**struct(fields, {"id": ID, "metadata": struct({}, metadata), **more}), "additionalProperties": False}


CELLS: Schema = {
    "type": "array",
    "maxItems": MAX_CELLS,
    "items": {
        "oneOf": [
            _cell("code", CODE, CODE_METADATA, {"outputs": {}, "execution_count": {}}),
            _cell("markdown", LINES, CELL_METADATA, {"attachments": ATTACHMENTS}),
            _cell("raw", LINES, {**CELL_METADATA, "format": TEXT}, {"attachments": ATTACHMENTS}),
        ]
    },
}
LANGUAGE_NAME = one_of(LANGUAGES)
KERNELSPEC = struct({"name": TEXT, "display_name": TEXT}, {"language": {}})
LANGUAGE_INFO = struct(
    {"name": TEXT},
    {
        "codemirror_mode": {"type": ["string", "object"]},
        **dict.fromkeys(("file_extension", "mimetype", "pygments_lexer"), TEXT),
    },
)
METADATA: Schema = {
    **struct(
        {},
        {
            "kernelspec": KERNELSPEC,
            "language_info": LANGUAGE_INFO,
            "orig_nbformat": {"type": "integer", "minimum": 1},
            "title": TEXT,
            "authors": {"type": "array"},
        },
    ),
    "anyOf": [
        {"properties": {"kernelspec": False, "language_info": False}},
        {"required": ["language_info"], "properties": {"language_info": struct({"name": LANGUAGE_NAME})}},
        {"required": ["kernelspec"], "properties": {"kernelspec": struct({"language": LANGUAGE_NAME})}},
        {"required": ["kernelspec"], "properties": {"kernelspec": struct({"name": LANGUAGE_NAME})}},
    ],
    "description": "if it names a language, there must be a kernel for it",
}

NOTEBOOK_FILE: Schema = {
    **struct(
        {"nbformat": {"const": 4}, "nbformat_minor": {"type": "integer", "minimum": 0}, "cells": CELLS},
        {"metadata": METADATA},
    ),
    "additionalProperties": False,
}
BINARY: Schema = {"type": "string", "format": "binary"}
FORM_FILES: Schema = {"type": "array", "items": BINARY, "maxItems": MAX_FILES}
FORM_ABOUT = (
    "one part per field: text as it is, fetchFiles and include one entry a part, other values as JSON; "
    "and one part per file, of any name, whose file name is the path below the work directory"
)
FILES_FORM: Schema = {
    **struct({"file": {**FORM_FILES, "minItems": 1}}),
    "additionalProperties": False,
    "description": "one part per file, of any name; its file name is the path below the work directory",
}
TOOL_ARGUMENTS: Schema = {
    "type": "object",
    "description": "the arguments of the tool, as its definition has them; wrong ones are an answer with isError",
}
MCP_MESSAGE: Schema = {"type": "object", "description": "a message of the Model Context Protocol (JSON-RPC 2.0)"}
BODIES: dict[str, Schema] = {
    "NotebookFile": NOTEBOOK_FILE,
    "FilesForm": FILES_FORM,
    "ToolArguments": TOOL_ARGUMENTS,
    "McpMessage": MCP_MESSAGE,
}


def form_name(body: str) -> str:
    """The name of the schema of the form that stands for the schema *body*."""
    return body.removesuffix("Body") + "Form"


def form_of(model: Schema) -> Schema:
    """The schema of a form with the fields of *model*, whose files are parts of their own."""
    fields = {name: field for name, field in properties_of(model).items() if name != "files"}
    if "notebook" in fields:
        fields["notebook"] = BINARY
    return {**model, "properties": {**fields, "file": FORM_FILES}, "description": FORM_ABOUT}


def notebook_body(model: Schema) -> Schema:
    """The schema of NotebookBody, made from pydantic's *model*: the body may also be the notebook alone."""
    fields = properties_of(model)
    return {"anyOf": [ref("NotebookFile"), {**model, "properties": {**fields, "notebook": ref("NotebookFile")}}]}
