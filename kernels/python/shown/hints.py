"""What to do about an error whose message does not say so, for whoever reads it: a person or a model.

Exceptions are the caller's objects: their types are compared exactly, and only the standard library's own attributes are
read, so that no code of the caller is called.
"""

from __future__ import annotations

import errno
import re
import socket
import sys
from typing import Any

from IPython.core.error import UsageError

from kernels.python.refusals import NO_INPUT_HINT, NoStdinError
from kernels.python.shown import absent, missing
from kernels.serving import odd_characters

NO_NETWORK = (
    "kernels have no network: send the file with the code (the field files), or upload it to a session "
    "(PUT /code-interpreter/sessions/{id}/files/{name}), and read it by its name"
)
NO_FILE = "the code is run as text, not from a file; os.getcwd() is the work directory"
FENCE = "the code is inside a Markdown fence: send only what stands between the lines of ```"
_OF_ERRNO = {
    errno.EFBIG: "the file is as large as a file may be here (OMEGA_WORK_MB)",
    errno.ENOSPC: "the directory is full: delete files, or ask the operator for more (OMEGA_WORK_MB, OMEGA_TMP_MB)",
    errno.EMFILE: "too many files or sockets are open at once (OMEGA_OPEN_FILES): close some",
}
_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH)
_LINKS = 20
_CAUSE: Any = BaseException.__cause__
_CONTEXT: Any = BaseException.__context__
_SUPPRESS: Any = BaseException.__suppress_context__
_NO_PROCESS = "the kernel has as many processes and threads as it may have (OMEGA_PROCESSES): end some"
IN_A_LOOP = "an event loop runs this code already, because of an 'await' outside of functions: use 'await' here, too"
_OF_RUNTIME = {
    "can't start new thread": _NO_PROCESS,
    "asyncio.run() cannot be called from a running event loop": IN_A_LOOP,
    "Cannot run the event loop while another loop is running": IN_A_LOOP,
    "This event loop is already running": IN_A_LOOP,
}
_ODD_CHARACTER = re.compile(r"invalid (?:non-printable )?character .*?U\+([0-9A-F]{4,6})\)?", re.DOTALL)
_OPEN_STRING, _PREFIXES = ("unterminated string literal", "unterminated f-string literal"), "rRbBuUfFtT"
_TEXT_CHARS = 16 * 1024


def find_hint(error: BaseException) -> str:
    """What to do about *error*; "" if it says so itself, or nothing is known."""
    if hint := absent.find_hint(error):
        return hint
    if type(error) is UsageError:
        told = vars(error).get("hint")
        return told if type(told) is str else ""
    if name := missing.find_missing(error):
        return missing.advise(name)
    if type(error) is NoStdinError:
        return NO_INPUT_HINT
    if _wanted_network(error):
        return NO_NETWORK
    if type(error) is SyntaxError:
        return _of_source(error)
    if type(error) is NameError:
        return NO_FILE if type(error.name) is str and error.name == "__file__" else ""
    if type(error) is RuntimeError:
        return _OF_RUNTIME.get(_first_text(error), "")
    return _of_system(error)


def _first_text(error: BaseException) -> str:
    """The only argument of *error* if it is text."""
    return error.args[0][:_TEXT_CHARS] if len(error.args) == 1 and type(error.args[0]) is str else ""


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
    """Whether *error* comes from looking up a name or an address; libraries raise their own errors from that one."""
    one: BaseException | None = error
    for _step in range(_LINKS):
        if one is None:
            return False
        if type(one) is getattr(sys.modules.get("urllib.error"), "URLError", None):
            one = one.reason if isinstance(one.reason, BaseException) else one  # type: ignore[attr-defined]  # exactly that class
        if type(one) is socket.gaierror or (type(one) is OSError and _number_of(one) in _UNREACHABLE):
            return True
        one = _CAUSE.__get__(one) or (None if _SUPPRESS.__get__(one) else _CONTEXT.__get__(one))
    return False


def _of_system(error: BaseException) -> str:
    """Limits and places that Linux names only by a number."""
    if type(error) not in (OSError, FileNotFoundError, PermissionError, BlockingIOError):
        return ""
    assert isinstance(error, OSError)
    if _number_of(error) == errno.EROFS or absent.is_elsewhere(error.filename):
        return absent.ELSEWHERE
    if type(error) is BlockingIOError:  # a socket that would block is nothing to mend
        return _NO_PROCESS if _number_of(error) == errno.EAGAIN and error.filename is None and _is_fork(error) else ""
    return _OF_ERRNO.get(_number_of(error), "")


def _number_of(error: OSError) -> int:
    """Its errno; 0 for none, and for an object of the caller's in its place."""
    return error.errno if type(error.errno) is int else 0


def _is_fork(error: BaseException) -> bool:
    """Whether the innermost frame of *error* starts a process."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_name in ("_execute_child", "_posix_spawn", "_launch", "_fork_exec")
