"""What to do about things that other interpreters have and kernels lack: a video encoder, some magics, other directories.

As in ``hints``, only exact types and attributes of the standard library are looked at.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import Final

from kernels.work_aliases import DEFAULT as WORK_ALIASES

NO_VIDEO: Final = "there is no ffmpeg: save the animation as .gif, or show HTML(animation.to_jshtml())"
ELSEWHERE: Final = "only the work directory keeps files: use a relative path, such as 'data.csv'"
_MEASURE: Final = "the answer's usage.peakMemory is the memory of the run, and tracemalloc measures parts of it"
_PROFILE: Final = "use %prun, or cProfile"
_MAGICS: Final[Mapping[str, str]] = {
    "store": "a session keeps its names from run to run; to keep a value longer, write a file and download it",
    **dict.fromkeys(("memit", "mprun"), _MEASURE),
    "lprun": _PROFILE,
}
_EXTENSIONS: Final[Mapping[str, str]] = {"memory_profiler": _MEASURE, "line_profiler": _PROFILE}
_NO_MAGIC: Final = re.compile(r"(?:Line|Cell) magic (?:function )?`%{1,2}(\w{1,40})` not found")
_NO_ENCODER: Final = re.compile(
    r"unknown file extension: \.(?:mp4|m4v|mov|avi|mkv|webm)|Requested MovieWriter \(\w{1,40}\) not available"
)
_NO_FOLDER: Final = "Cannot save file into a non-existent directory: "
_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")
_TEXT_CHARS: Final = 1024


def find_hint(error: BaseException) -> str:
    """What to do about *error* if it says that such a thing is missing; else ""."""
    kind = type(error)
    if kind in (ValueError, RuntimeError):
        return NO_VIDEO if _NO_ENCODER.fullmatch(_text_of(error)) else ""
    if kind is getattr(sys.modules.get("IPython.core.error"), "UsageError", None):
        found = _NO_MAGIC.match(_text_of(error))
        return _MAGICS.get(found[1], "") if found else ""
    if kind is ModuleNotFoundError:
        name = error.name  # type: ignore[attr-defined]  # an instance of exactly that class
        return _EXTENSIONS.get(name, "") if type(name) is str else ""
    if kind is OSError and (text := _text_of(error)).startswith(_NO_FOLDER):  # pandas looks by itself
        return ELSEWHERE if is_elsewhere(text.removeprefix(_NO_FOLDER).strip("'")) else ""
    if kind is FileNotFoundError and type(error.filename) is str:  # type: ignore[attr-defined]  # as above
        return NO_VIDEO if error.filename == "ffmpeg" else ""  # type: ignore[attr-defined]  # as above
    return ""


def is_elsewhere(place: object) -> bool:
    """Whether *place* is a path of another machine: none here begins like it."""
    if type(place) is not str:
        return False
    if _DRIVE.match(place):
        return True
    if not place.startswith("/") or os.path.lexists(place):
        return False
    return place.startswith(WORK_ALIASES) or not os.path.lexists("/" + place.split("/")[1])


def _text_of(error: BaseException) -> str:
    """The only argument of *error* if it is text."""
    return error.args[0][:_TEXT_CHARS] if len(error.args) == 1 and type(error.args[0]) is str else ""
