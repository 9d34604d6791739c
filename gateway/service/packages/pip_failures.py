"""Why pip failed, from what it says: one truthful answer for each reason, without the addresses and paths it names. Pure.

pip has one exit code for all of them. Only where the network or an index failed may it work a little later (503); what is
the package's own fault stays so.
"""

from __future__ import annotations

import re

from gateway.core.errors import Forbidden, GatewayError, NotFound, TooLarge, Unavailable

NOT_BUILT = "starting a program is not allowed: packages are not built here"
"""What the audit hook in pip's process says, also of git and the other programs that fetch sources."""
_ADDRESS = re.compile(rf"{NOT_BUILT}|^ERROR: Cannot find command|InvalidRequirement: Invalid URL", re.MULTILINE)
_TOO_LARGE = re.compile(r"OSError: \[Errno 27\]")
_DISK_FULL = re.compile(r"OSError: \[Errno (28|122)\]")
# pip says "no matching distribution" also of an index it could not reach, and "could not fetch" also where it is told 404.
_NETWORK = re.compile(
    r"connection broken by|Could not fetch URL \S+: (?!404 )|^ERROR: HTTP error (?!404)|Max retries exceeded|Read timed out"
    r"|ConnectionResetError|IncompleteRead|ProtocolError|not a trusted or secure host",
    re.MULTILINE,
)
_NOT_FOUND = re.compile(
    r"^ERROR: (No matching distribution|ResolutionImpossible|HTTP error 404|.* requires a different Python"
    r"|.* is not a supported wheel)",
    re.MULTILINE,
)
_OTHER_CONTENT = re.compile(r"^ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", re.MULTILINE)


def explain(said: str, file_bytes: int) -> GatewayError:
    """The reason in pip's words *said*; *file_bytes* is the largest file it may write."""
    if _ADDRESS.search(said):
        return Forbidden("A dependency has no wheel or is given by URL: only wheels of the index can be installed.")
    if _TOO_LARGE.search(said):
        return TooLarge(f"A file of the package, or of a dependency, is over the limit of {file_bytes} bytes.")
    if _DISK_FULL.search(said):
        return Unavailable("The gateway's disk is full.", retry_after_s=300)
    if _NETWORK.search(said):
        return Unavailable("The package index could not be reached; the gateway's log has the reason.", retry_after_s=30)
    if _OTHER_CONTENT.search(said):
        return Forbidden("The index sent files that do not match the hashes it had announced.")
    if _NOT_FOUND.search(said):
        return NotFound("No wheel fits the kernels' Python and packages.")
    return Forbidden(
        "A wheel of the package, or of a dependency, is damaged or invalid; the gateway's log has pip's message."
    )
