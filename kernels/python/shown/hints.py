"""What to do about an error whose message does not say so, for whoever reads it: a person or a model.

Exceptions are the caller's objects: their types are compared exactly, and only the standard library's own attributes are
read, so that no code of the caller is called.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import sys

from kernels.serving import odd_characters
from kernels.work_aliases import DEFAULT as WORK_ALIASES

NOT_INSTALLED = (
    "{!r} is not installed here; POST /code-interpreter/install installs the packages that OMEGA_EXTRA_PACKAGES allows"
)
NO_NETWORK = "kernels have no network; send data with the code, or upload it as files of a session"
ELSEWHERE = "only the work directory keeps files: use a relative path, such as 'data.csv'"
NO_FILE = "the code is run as text, not from a file; os.getcwd() is the work directory"
FENCE = "the code is inside a Markdown fence: send only what stands between the lines of ```"
_OF_ERRNO = {
    errno.EFBIG: "the file is as large as a file may be here (OMEGA_WORK_MB)",
    errno.ENOSPC: "the directory is full: delete files, or ask the operator for more (OMEGA_WORK_MB, OMEGA_TMP_MB)",
    errno.EMFILE: "too many files or sockets are open at once (OMEGA_OPEN_FILES): close some",
}
_NO_PROCESS = "the kernel has as many processes and threads as it may have (OMEGA_PROCESSES): end some"
_NO_FOLDER = "Cannot save file into a non-existent directory: "
_MISSING = re.compile(r"Missing optional dependency '(\w+)'|.* requires (jinja2)\b")
_ODD_CHARACTER = re.compile(r"invalid (?:non-printable )?character .*?U\+([0-9A-F]{4,6})\)?", re.DOTALL)
_OPEN_STRING, _PREFIXES = ("unterminated string literal", "unterminated f-string literal"), "rRbBuUfFtT"
_TEXT_CHARS = 16 * 1024


def find_hint(error: BaseException) -> str:
    """What to do about *error*; "" if it says so itself, or nothing is known."""
    missing = _missing_module(error)
    if missing and missing not in sys.modules:
        return NOT_INSTALLED.format(missing)
    if type(error) is SyntaxError:
        return _of_source(error)
    if type(error) is NameError:
        return NO_FILE if type(error.name) is str and error.name == "__file__" else ""
    if type(error) is RuntimeError:
        return _NO_PROCESS if _first_text(error) == "can't start new thread" else ""
    if _wanted_network(error):
        return NO_NETWORK
    return _of_system(error)


def _first_text(error: BaseException) -> str:
    """The only argument of *error* if it is text."""
    return error.args[0][:_TEXT_CHARS] if len(error.args) == 1 and type(error.args[0]) is str else ""


def _missing_module(error: BaseException) -> str:
    """The package that *error* says is missing; pandas has its own words for that."""
    if type(error) is ModuleNotFoundError and type(error.name) is str:
        return error.name.partition(".")[0]
    if type(error) in (ImportError, AttributeError):
        found = _MISSING.match(_first_text(error))
        return (found[1] or found[2]) if found else ""
    return ""


def _of_source(error: SyntaxError) -> str:
    """Slips of those who paste code, or write it for a page."""
    text = error.text[:_TEXT_CHARS] if type(error.text) is str else ""
    if text.lstrip().startswith("```"):
        return FENCE
    if type(error.msg) is not str or type(error.lineno) is not int:
        return ""
    found = _ODD_CHARACTER.fullmatch(error.msg[:_TEXT_CHARS])
    character = chr(int(found[1], 16)) if found and int(found[1], 16) <= sys.maxunicode else ""
    if error.msg.startswith(_OPEN_STRING) and type(error.offset) is int and error.offset > 0:
        rest = text[error.offset - 1 :].lstrip(_PREFIXES)
        character = odd_characters.closing_quote(rest[1:], rest[:1])
    return odd_characters.advice(character, error.lineno) if character else ""


def _wanted_network(error: BaseException) -> bool:
    """Whether *error* comes from looking up a name or an address; urllib wraps those."""
    if type(error) is getattr(sys.modules.get("urllib.error"), "URLError", None):
        error = error.reason  # type: ignore[attr-defined]  # an instance of exactly that class
    is_unreachable = type(error) is OSError and _number_of(error) in (errno.ENETUNREACH, errno.EHOSTUNREACH)
    return is_unreachable or type(error) is socket.gaierror


def _of_system(error: BaseException) -> str:
    """Limits and places that Linux names only by a number."""
    if type(error) is OSError and (text := _first_text(error)).startswith(_NO_FOLDER):  # pandas looks by itself
        return ELSEWHERE if _is_known(text.removeprefix(_NO_FOLDER).strip("'")) else ""
    if type(error) not in (OSError, FileNotFoundError, PermissionError, BlockingIOError):
        return ""
    assert isinstance(error, OSError)
    if _number_of(error) == errno.EROFS or _is_known(error.filename):
        return ELSEWHERE
    if type(error) is BlockingIOError:  # a socket that would block is nothing to mend
        return _NO_PROCESS if _number_of(error) == errno.EAGAIN and error.filename is None and _is_fork(error) else ""
    return _OF_ERRNO.get(_number_of(error), "")


def _number_of(error: OSError) -> int:
    """Its errno; 0 for none, and for an object of the caller's in its place."""
    return error.errno if type(error.errno) is int else 0


def _is_known(place: object) -> bool:
    """Whether *place* is a path of other interpreters that this level does not have."""
    return type(place) is str and place.startswith(WORK_ALIASES) and not os.path.exists(place)


def _is_fork(error: BaseException) -> bool:
    """Whether the innermost frame of *error* starts a process."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_name in ("_execute_child", "_posix_spawn", "_launch", "_fork_exec")
