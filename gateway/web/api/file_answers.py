"""The files of a run as the JSON of its answer. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.core.files import FileChange, Path
from gateway.core.model import Json
from gateway.core.run_files import Fetched
from gateway.web.api.file_names import text_of, url_path

NAMED = 3
"""How many files a note names."""
NAME_CHARS = 80
ADVICE = "name what you need in fetchFiles, or use a session"


def describe_change(change: FileChange) -> Json:
    """A file that a run created, changed or deleted, as the kernel reports it; named as in the list of files."""
    return {
        **_names(change.path),
        "change": change.change,
        "size": change.size if change.change != "deleted" else None,
    }


def describe_fetched(fetched: Fetched) -> dict[str, Json]:
    """The files that came back, and what else there was."""
    return {
        "files": [{**_names(file.path), "size": file.size, "base64": file.base64} for file in fetched.files],
        "leftOut": [{**_names(row.path), "size": row.size, "reason": row.reason} for row in fetched.left_out],
        "truncated": fetched.is_cut,
    }


def note_lost(changes: Iterable[FileChange], fetched: Fetched, *, is_cut: bool) -> str:
    """One sentence about the files that are gone with the kernel; "" if there are none. Hidden ones do not count."""
    kept = {file.path for file in fetched.files}
    lost = [change.path for change in changes if change.change != "deleted" and change.path not in kept]
    lost = [path for path in lost if not _is_hidden(path)]
    if not lost:
        return ""
    names = ", ".join(_short(text_of(path)) for path in lost[:NAMED]) + (", ..." if len(lost) > NAMED or is_cut else "")
    many = "1 file was" if len(lost) == 1 and not is_cut else f"{len(lost)}{' or more' * is_cut} files were"
    return f"{many} not kept ({names}): {ADVICE}."


def _names(path: Path) -> dict[str, Json]:
    return {"path": text_of(path), "urlPath": url_path(path)}


def _is_hidden(path: Path) -> bool:
    """Whether libraries rather than callers make such files."""
    return any(name.startswith(b".") or name == b"__pycache__" for name in path.split(b"/"))


def _short(name: str) -> str:
    shown = name if len(name) <= NAME_CHARS else name[:NAME_CHARS] + "…"
    return "".join(char if char.isprintable() else "\ufffd" for char in shown)
