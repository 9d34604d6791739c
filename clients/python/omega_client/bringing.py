"""How results of tools get to the gateway: what it does not take is an error of its call, not the end of the run. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from omega_client import wire
from omega_client.errors import BadRequest, ConnectionFailed, OmegaError, TimedOut, TooLarge

Result = Mapping[str, Any]
NOT_TAKEN = (BadRequest, TooLarge)
"""What the gateway says of a result that it can't use: it nests too deep, has a number that is too large, is too long."""
LARGE_BYTES = 1 << 20
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """*text*, as UTF-8 can have it: halves of characters are replaced."""
    return _SURROGATES.sub("\ufffd", text)


def clean_json(value: Any) -> Any:
    """*value* as strict JSON with clean texts. Raises TypeError, ValueError or RecursionError if it has no such form."""
    return json.loads(clean(json.dumps(value, allow_nan=False, ensure_ascii=False)))


def refused(result: Result, error: Exception) -> dict[str, Any]:
    """What the code is told in place of *result*, which the gateway did not take."""
    return {"id": result["id"], "error": clean(f"The gateway did not take the result: {error or type(error).__name__}")}


def bringing(path: str, results: Sequence[Result], work_s: float = 0.0) -> Generator[wire.Request, Any, Any]:
    """Bring *results* to *path*, and return the last answer.

    It yields requests, to be told the document that was answered; errors of a request are thrown into it. If the gateway
    does not take them together, each goes by itself, so that one that is wrong spoils no other.
    """
    sendable = [_sendable(result) for result in results]
    if len(sendable) > 1:
        together = _request(path, sendable, work_s)
        try:
            return (yield together)
        except OmegaError as error:
            if not _is_not_taken(error, together):
                raise
    answer: Any = None
    for result in sendable:
        alone = _request(path, [result], work_s)
        try:
            answer = yield alone
        except OmegaError as error:
            if not _is_not_taken(error, alone):
                raise
            answer = yield _request(path, [refused(result, error)], work_s)
        if isinstance(answer, dict) and answer.get("status") == "completed":
            break  # the run has ended meanwhile: it waits for no more
    return answer


def _is_not_taken(error: OmegaError, request: wire.Request) -> bool:
    """Whether it is the results that the gateway does not take. It hangs up on a body that is far too large."""
    if isinstance(error, ConnectionFailed):
        return not isinstance(error, TimedOut) and len(request.body or b"") > LARGE_BYTES
    return isinstance(error, NOT_TAKEN)


def _sendable(result: Result) -> Result:
    try:
        _request("", [result], 0.0)
    except (TypeError, ValueError, RecursionError) as error:
        return refused(result, error)
    return result


def _request(path: str, results: Sequence[Result], work_s: float) -> wire.Request:
    return wire.post(path, {"results": list(results)}, work_s)
