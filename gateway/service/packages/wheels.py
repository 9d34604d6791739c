"""Whether a wheel may be placed where kernels import from: it must bring modules and nothing that runs by itself."""

from __future__ import annotations

import hashlib
import re
import stat
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from gateway.core.errors import Forbidden, TooLarge

START_MODULES = frozenset({"sitecustomize", "usercustomize"})
_MODULE = re.compile(r"^([^.]+)(\.py[cwi]?|\.so|\.[A-Za-z0-9_-]+\.so|\.abi3\.so)?$")


def normalise(name: str) -> str:
    """*name* as PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def hash_file(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def inspect_wheel(path: Path, limit_bytes: int, limit_files: int) -> int:
    """The unpacked size of the wheel at *path*. Raises TooLarge, or Forbidden for what may not be placed."""
    try:
        with zipfile.ZipFile(path) as wheel:
            entries = wheel.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        raise Forbidden(f"{path.name} is not a wheel.") from None
    if len(entries) > limit_files:
        raise TooLarge(f"{path.name} has more than {limit_files} files.")
    # What a header says may be a lie; zipfile stops at it when it unpacks, so it is a bound all the same.
    size = sum(entry.file_size for entry in entries)
    if size > limit_bytes:
        raise TooLarge(f"{path.name} is over the limit of {limit_bytes} bytes when unpacked.")
    for entry in entries:
        _check_entry(path.name, entry)
    return size


def _check_entry(wheel: str, entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    parts = PurePosixPath(name).parts
    is_odd = name.startswith("/") or ".." in parts or "\\" in name or not name.isprintable() or ":" in name
    if is_odd or not parts or stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Forbidden(f"{wheel} contains a file that can't be installed: {name[:100]!r}.")
    check_placed(wheel, _placed(parts))


def _placed(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Where an entry lands: ``x.data/purelib/y`` is placed as ``y``."""
    if parts[0].endswith(".data") and len(parts) > 2 and parts[1] in ("purelib", "platlib", "data"):
        return parts[2:]
    return parts


def check_placed(source: str, parts: tuple[str, ...]) -> None:
    """Refuse what runs at interpreter start or stands before a module of Python itself."""
    top = parts[0]
    # Python reads .pth files of site directories at start; they have no other use, so they are refused anywhere.
    if parts[-1].lower().endswith((".pth", ".start")):
        raise Forbidden(f"{source} contains {parts[-1][:100]!r}, which would run code when Python starts.")
    match = _MODULE.match(top)
    module = match[1] if match else top
    if module in START_MODULES:
        raise Forbidden(f"{source} contains {top!r}, which would run code when Python starts.")
    if module in sys.stdlib_module_names:
        raise Forbidden(f"{source} contains {top!r}, which would replace a module of Python itself.")


def check_tree(root: Path) -> None:
    """Look once more at what was really placed below *root*: plain files and directories, none of them refused."""
    for path in _walk(root):
        kind = path.lstat().st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            raise Forbidden(f"A package contains something that is not a file: {path.name[:100]!r}.")
        check_placed("A package", path.relative_to(root).parts)


def make_read_only(root: Path) -> None:
    """Take away all rights to write below *root*; anyone may read, as kernels run under users of their own."""
    for path in (*_walk(root), root):
        is_dir = path.is_dir() and not path.is_symlink()
        path.chmod(0o555 if is_dir else 0o444)


def _walk(root: Path) -> Iterable[Path]:
    return root.rglob("*")
