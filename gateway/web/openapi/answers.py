"""The schemas of answers in the API description; a test compares them with real answers."""

from __future__ import annotations

from gateway.core.model import Limit
from gateway.core.run_files import REASONS
from gateway.core.tables import PARTS
from gateway.web.openapi.chart_data import CHART_SCHEMAS
from gateway.web.openapi.schemas import (
    ANY,
    FLAG,
    MOMENT,
    NO_MOMENT,
    NO_TEXT,
    NO_WHOLE,
    TEXT,
    WHOLE,
    Schema,
    array,
    described,
    mapping,
    nullable,
    one_of,
    ref,
    struct,
)

LANGUAGE = one_of(["python", "javascript"])
MILLISECONDS = described(WHOLE, "milliseconds")
BYTES = described(NO_WHOLE, "bytes")
LIMITS = array(one_of([str(limit) for limit in Limit]))
VARIABLE: dict[str, Schema] = {
    "type": TEXT,
    "shape": array(WHOLE),
    "length": WHOLE,
    "size": BYTES,
    "preview": TEXT,
}
CHANGED_FILE = struct(
    {"path": TEXT, "urlPath": TEXT, "change": one_of(["created", "changed", "deleted"]), "size": BYTES},
)
RICH = struct(
    {"type": one_of(["display", "result"]), "data": described(ANY, "by MIME type, without the picture")},
    {"metadata": ANY, "chart": described(WHOLE, "the number of its picture in charts, from 0")},
)
RUN: dict[str, Schema] = {
    "success": FLAG,
    "output": described(TEXT, "stdout and stderr in the order written"),
    "error": nullable("Error"),
    "variables": mapping(struct({}, VARIABLE)),
    "executionTime": MILLISECONDS,
    "exitCode": WHOLE,
    "results": array(RICH),
    "charts": array(ref("Chart")),
    "truncated": FLAG,
    "limits": LIMITS,
    "usage": struct({"cpuTime": MILLISECONDS, "wallTime": MILLISECONDS, "peakMemory": described(WHOLE, "bytes")}),
    "kernelReplaced": FLAG,
    "files": array(CHANGED_FILE),
    "filesTruncated": FLAG,
}
CELL_VALUE: Schema = {
    "type": ["null", "boolean", "number", "string", "object"],
    "properties": {"base64": TEXT, "preview": TEXT},
    "maxProperties": 1,
    "description": "a value as JSON; {base64} for bytes, {preview} for what is shown in part or has no form in JSON",
}
TABLE_COLUMN = struct({"name": TEXT, "type": described(TEXT, "as pandas or numpy call it")}, {"position": WHOLE})
TABLE: dict[str, Schema] = {
    "type": described(TEXT, "DataFrame, Series, ndarray or list"),
    "shape": described(array(WHOLE), "of the whole table"),
    "matched": described(WHOLE, "how many rows meet the conditions"),
    "start": described(WHOLE, "the number of the first row of data among those that meet the conditions"),
    "columns": array(TABLE_COLUMN),
    "index": described(array(TABLE_COLUMN), "what names the rows"),
    "labels": described(array(array(CELL_VALUE)), "for each row its values of the index"),
    "data": described(array(array(CELL_VALUE)), "the rows, each with a value for each of columns"),
    "cut": described(array(one_of(list(PARTS))), "what there is less of than was asked for"),
}
NAMED_FILE: dict[str, Schema] = {"path": TEXT, "urlPath": TEXT, "size": described(WHOLE, "bytes")}
FETCHED = struct(
    {
        "files": array(struct({**NAMED_FILE, "base64": TEXT})),
        "leftOut": array(struct({**NAMED_FILE, "reason": one_of(list(REASONS))})),
        "truncated": described(FLAG, "whether there may be more files"),
    }
)
FILES: dict[str, Schema] = {
    "fetched": described(FETCHED, "only if fetchFiles asks: the files that match, and what else there is"),
    "note": described(TEXT, "only if there is one: what the client should know, such as files that are lost"),
}
STREAMS: dict[str, Schema] = dict.fromkeys(
    ("stdout", "stderr"), described(TEXT, "if both streams were written, or include has 'streams'")
)
IN_SESSION: dict[str, Schema] = {"sessionId": TEXT, "executionCount": WHOLE}
CHART: dict[str, Schema] = {"chart": nullable("Chart")}
RETURN_VALUE: dict[str, Schema] = {"returnValue": {"description": "what the code returned, as JSON"}}
SESSION: dict[str, Schema] = {
    "id": TEXT,
    "name": TEXT,
    "language": LANGUAGE,
    "state": one_of(["unused", "starting", "idle", "busy"]),
    "createdAt": MOMENT,
    "lastActivity": MOMENT,
    "idleTimeout": described(WHOLE, "milliseconds without a run after which the session ends"),
    "timeout": described(WHOLE, "default time limit of a run in milliseconds"),
    "executionCount": WHOLE,
    "kernelsReplaced": described(WHOLE, "how many times the session lost its kernel and its state"),
    "cwd": TEXT,
    "expiresAt": NO_MOMENT,
    "currentRun": described(
        {**struct({"id": TEXT, "since": MOMENT, "kind": TEXT}), "type": ["object", "null"]}, "the run that has the kernel"
    ),
}
SANDBOX: dict[str, Schema] = {
    "id": TEXT,
    "name": TEXT,
    "metadata": mapping(TEXT),
    "state": one_of(["idle", "busy"]),
    "createdAt": MOMENT,
    "lastActivity": MOMENT,
    "idleTimeout": described(WHOLE, "milliseconds without activity after which the sandbox ends"),
    "endsAt": described(NO_MOMENT, "when it ends whatever is done in it"),
    "expiresAt": described(NO_MOMENT, "when it ends unless something is done in it before"),
    "contexts": array(struct({"id": TEXT, "name": TEXT, "language": LANGUAGE})),
    "commandsRunning": WHOLE,
}
COMMAND: dict[str, Schema] = {
    "id": TEXT,
    "pid": described(WHOLE, "inside the sandbox"),
    "command": described(TEXT, "its first 1000 characters"),
    "cwd": TEXT,
    "state": one_of(["running", "ended"]),
    "startedAt": MOMENT,
    "exitCode": described(NO_WHOLE, "128 and its number for a signal"),
    "signal": described(NO_TEXT, "the signal that ended it"),
    "timedOut": FLAG,
    "executionTime": described(NO_WHOLE, "milliseconds"),
}
OUTPUT: dict[str, Schema] = {
    "stdout": TEXT,
    "stderr": TEXT,
    "truncated": described(FLAG, "the beginning of the output is not kept"),
}
FILE: dict[str, Schema] = {
    "path": TEXT,
    "urlPath": described(TEXT, "the path, encoded for use after files/ in a URL"),
    "type": one_of(["file", "directory", "link", "other"]),
    "size": BYTES,
    "modified": MOMENT,
    "sha256": NO_TEXT,
    "mode": described(TEXT, "permission bits in octal"),
    "owner": described(one_of(["session", "other"]), "session: the user as whom the session's code runs"),
    "changed": described(MOMENT, "when its contents, mode or name changed"),
    "target": described(NO_TEXT, "what a link says"),
}
LINES = described({"type": ["string", "array"], "items": TEXT}, "a string, or an array of its lines")
CELL = struct(
    {"id": TEXT, "cell_type": one_of(["code", "markdown", "raw"]), "metadata": ANY, "source": LINES},
    {"outputs": array(ANY), "execution_count": NO_WHOLE, "attachments": ANY},
)
PAST_RUN: dict[str, Schema] = {
    "timestamp": MOMENT,
    "type": TEXT,
    "code": TEXT,
    "success": FLAG,
    "executionTime": MILLISECONDS,
}
EXAMPLE: dict[str, Schema] = {
    "title": TEXT,
    "language": LANGUAGE,
    "description": TEXT,
    "endpoint": TEXT,
    "request": ANY,
    "code": TEXT,
    "output": TEXT,
}
AVAILABLE = struct({"available": FLAG, "version": TEXT})
YES: Schema = {"const": True}
COMPLETED: dict[str, Schema] = {"status": described({"const": "completed"}, "only if the run was given tools")}

ANSWERS: dict[str, Schema] = {
    "Bytes": described({"type": "string", "format": "binary"}, "any bytes"),
    "Text": TEXT,
    "Events": described(
        struct({"event": TEXT, "data": described(TEXT, "JSON")}, {"id": TEXT}),
        "each of the server-sent events of all runs of the session, until it ends",
    ),
    "FileEvents": described(
        struct(
            {
                "event": one_of(["watching", "created", "changed", "deleted", "gap", "closed"]),
                "data": described(TEXT, "JSON"),
            }
        ),
        "each of the server-sent events; data has the entry as file",
    ),
    "Error": struct(
        {"type": TEXT, "message": TEXT, "traceback": NO_TEXT}, {"code": TEXT, "hint": described(TEXT, "what to do about it")}
    ),
    "Failure": struct(
        {"success": {"const": False}, "error": ref("Error")},
        {"message": described(TEXT, "for Jupyter clients"), "reason": described(TEXT, "for Jupyter clients")},
    ),
    **CHART_SCHEMAS,
    "Chart": struct(
        {"base64": TEXT, "mimeType": TEXT, "chartData": nullable("ChartData")},
        {
            "svg": described(TEXT, "of an SVG, if include has 'svg'"),
            "chartDataTruncated": described(YES, "the data is over the limit and left out"),
        },
    ),
    "ToolCalls": struct(
        {
            "status": {"const": "tool_call_required"},
            "run": TEXT,
            "continuation": described(TEXT, "the address that takes the results"),
            "toolCalls": array(struct({"id": TEXT, "name": TEXT, "input": ANY})),
        }
    ),
    "ToolTurn": {"anyOf": [ref("ToolCalls"), ref("PythonRun"), ref("JavascriptRun"), struct({"accepted": WHOLE})]},
    "PythonTurn": {"anyOf": [ref("PythonRun"), ref("ToolCalls")]},
    "JavascriptTurn": {"anyOf": [ref("JavascriptRun"), ref("ToolCalls")]},
    "SessionTurn": {"anyOf": [ref("SessionRun"), ref("ToolCalls")]},
    "Run": struct(RUN, {**STREAMS, **IN_SESSION, **FILES}),
    "PythonRun": struct(RUN, {**STREAMS, **IN_SESSION, **FILES, **COMPLETED}),
    "JavascriptRun": struct(
        {**RUN, **RETURN_VALUE},
        {**STREAMS, **IN_SESSION, **COMPLETED, "hint": described(TEXT, "why nothing is to be seen")},
    ),
    "ChartRun": struct({**RUN, **CHART}, {**STREAMS, **IN_SESSION, **FILES}),
    "SessionRun": struct({**RUN, **IN_SESSION}, {**STREAMS, **CHART, **RETURN_VALUE, **FILES, **COMPLETED}),
    "Installed": struct({"success": YES, "output": TEXT, "error": {"type": "null"}, "package": TEXT, "version": TEXT}),
    "Session": struct(SESSION, {"success": YES, "sandboxId": described(TEXT, "the sandbox whose context it is")}),
    "SessionList": struct({"sessions": array(ref("Session"))}),
    "Sandbox": struct(SANDBOX, {"success": YES}),
    "SandboxList": struct({"sandboxes": array(ref("Sandbox"))}),
    "ContextList": struct({"contexts": array(ref("Session"))}),
    "Command": struct(COMMAND),
    "CommandList": struct({"commands": array(ref("Command"))}),
    "CommandRun": struct(COMMAND, {**OUTPUT, "success": FLAG}),
    "CommandTold": struct({"success": YES, "id": TEXT}),
    "Ended": struct({"success": YES, "id": TEXT}),
    "Interrupted": struct({"interrupted": FLAG, "kernelReplaced": FLAG}),
    "Variables": struct(
        {
            "success": FLAG,
            "error": nullable("Error"),
            "variables": array(struct({"name": TEXT}, VARIABLE)),
            "truncated": FLAG,
            "kernelReplaced": FLAG,
        }
    ),
    "Table": struct(
        {"success": FLAG, "error": nullable("Error"), "name": TEXT, "truncated": FLAG, "kernelReplaced": FLAG}, TABLE
    ),
    "File": struct(FILE),
    "FileList": struct({"files": array(ref("File")), "truncated": FLAG}),
    "FilesPut": struct({"success": YES, "files": array(ref("File"))}),
    "FilePut": struct({"success": YES, "file": ref("File")}),
    "Link": struct({"success": YES, "url": described(TEXT, "the path of the address, on this host"), "expiresAt": MOMENT}),
    "DirectoryMade": struct(
        {"success": YES, "created": described(FLAG, "whether it was not there before"), "file": ref("File")}
    ),
    "Deleted": struct({"success": YES, "deleted": described(WHOLE, "how many files, links and directories were deleted")}),
    "Notebook": struct(
        {"nbformat": {"const": 4}, "nbformat_minor": {"const": 5}, "metadata": ANY, "cells": array(CELL)},
    ),
    "NotebookRun": struct(
        {
            "success": FLAG,
            "error": nullable("Error"),
            "notebook": ref("Notebook"),
            "cellsRun": WHOLE,
            "cellsFailed": WHOLE,
            "stoppedAt": described(NO_WHOLE, "the index of the cell where execution stopped"),
            "executionTime": MILLISECONDS,
            "truncated": FLAG,
            "limits": LIMITS,
        }
    ),
    "History": struct({"history": array(struct(PAST_RUN))}),
    "Health": struct(
        {
            "status": one_of(["healthy", "unhealthy"]),
            "python": AVAILABLE,
            "javascript": AVAILABLE,
            "config": struct({"pythonTimeout": WHOLE, "javascriptTimeout": WHOLE, "maxOutputSize": WHOLE}),
            "isolation": TEXT,
        },
        {"notSandboxed": array(TEXT), "unavailableSince": described(MOMENT, "only while kernels can't be started")},
    ),
    "Gallery": struct({"examples": array(struct(EXAMPLE))}),
    "Home": struct(dict.fromkeys(("name", "version", "api", "examples", "openapi", "documentation"), TEXT)),
    "ToolList": array(described(ANY, "a definition, in the form that was asked for")),
    "ToolAnswer": struct(
        {
            "success": FLAG,
            "text": described(TEXT, "what a model should read"),
            "content": array(
                {
                    "oneOf": [
                        struct({"type": {"const": "text"}, "text": TEXT}),
                        struct({"type": {"const": "image"}, "data": TEXT, "mimeType": TEXT}),
                    ]
                }
            ),
            "links": array(
                described(
                    struct({"uri": TEXT, "name": TEXT, "mimeType": TEXT, "size": BYTES}),
                    "a picture in full that content has smaller or not at all; the link needs no token, and ends",
                )
            ),
            "isError": FLAG,
            "session": described({"type": ["string", "null"]}, "the session of the call"),
            "run": described({"type": ["object", "null"]}, "what else the answer to a run has"),
        },
        {"message": described(ANY, "what the API named in format wants appended")},
    ),
    "McpFailure": struct(
        {
            "jsonrpc": {"const": "2.0"},
            "error": struct(
                {"code": {"type": "integer"}, "message": TEXT}, {"data": described(ANY, "what kind of failure")}
            ),
        },
        {"id": {"type": ["string", "integer"]}},
    ),
    "McpAnswer": described(ANY, "an answer of the Model Context Protocol, as JSON or as server-sent events"),
    "OpenApi": described(ANY, "an OpenAPI 3.1 document"),
}
