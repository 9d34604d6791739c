"""Why pip failed, read from what it wrote to stderr, as an error that names the cause and no address or path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from gateway.core.errors import Forbidden, GatewayError, NotFound, TooLarge, Unavailable

NOT_BUILT: Final = "packages are not built here"
"""What a program that pip wants to start is refused with."""
RETRY_AFTER_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Cause:
    """What pip says of one kind of failure, and the error that it is for the caller."""

    said: re.Pattern[str]
    error: type[GatewayError]
    message: str


def _cause(said: str, error: type[GatewayError], message: str) -> Cause:
    return Cause(re.compile(said), error, message)


_UNREACHABLE: Final = (
    r"Could not fetch URL|onnection broken|Max retries exceeded|Read timed out|Connection error|HTTP error 5\d\d"
)
CAUSES: Final = (
    _cause(
        r"executing command (git|hg|svn|bzr)\b|No permission to execute '(git|hg|svn|bzr)'",
        Forbidden,
        "A package it needs is given by the address of a source repository such as git: only wheels are installed.",
    ),
    _cause(
        r"annot determine archive format",
        Forbidden,
        "A package it needs is given by the address of something that is no wheel.",
    ),
    _cause(NOT_BUILT, Forbidden, "A package it needs has no wheel, and building packages is not allowed."),
    _cause(r"\[Errno 27\]|File too large", TooLarge, "A file of the package is over the limit of {file_bytes} bytes."),
    _cause(r"\[Errno (28|122)\]|No space left on device|quota exceeded", Unavailable, "The gateway's disk is full."),
    _cause(
        r"DO NOT MATCH THE HASHES",
        Unavailable,
        "The index gave other files than it had listed: try again.",
    ),
    # pip says "no matching distribution" also of an index it could not reach.
    _cause(_UNREACHABLE, Unavailable, "pip could not reach the package index; the gateway's log has the reason."),
    _cause(
        r"requires a different Python",
        NotFound,
        "No wheel was found that fits the kernels' Python and packages.",
    ),
    _cause(
        r"No matching distribution found|ResolutionImpossible",
        NotFound,
        "No wheel was found that fits the kernels' Python and packages.",
    ),
    _cause(
        r"invalid wheel|is invalid|InvalidRequirement|InvalidVersion|[Ii]nvalid metadata|[Ii]nconsistent|BadZipFile",
        Forbidden,
        "A wheel of the package, or of one it needs, is broken.",
    ),
)


def explain(said: str, file_bytes: int) -> GatewayError:
    """The error for what pip *said* on stderr; *file_bytes* is the largest file it may write."""
    for cause in CAUSES:
        if cause.said.search(said):
            message = cause.message.format(file_bytes=file_bytes)
            if cause.error is Unavailable:
                return Unavailable(message, retry_after_s=RETRY_AFTER_S)
            return cause.error(message)
    return Unavailable("pip failed; the gateway's log has the reason.", retry_after_s=RETRY_AFTER_S)
