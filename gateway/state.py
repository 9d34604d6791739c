"""The state directory: private to its owner, used by one gateway at a time, with the token of the first start."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from gateway.core.errors import CommandFailed
from gateway.settings import TOKEN_CHARS

TOKEN_BYTES = 32


class StateError(CommandFailed):
    """The state directory can't be used; the message is one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class StoredToken:
    """The token in the state directory. *is_new*: this start made it, so the banner shows it once."""

    value: str
    path: Path
    is_new: bool

    def __repr__(self) -> str:
        """The path without the value, which must not get into logs by accident."""
        return f"StoredToken({self.path})"


def prepare_directory(directory: Path) -> None:
    """Create *directory* with mode 0700, or check that no other user can change its contents."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.stat()
    except OSError as error:
        raise StateError(f"state_dir {directory} can't be created: {error.strerror}") from None
    if found.st_uid != os.geteuid():
        raise StateError(f"state_dir {directory} belongs to user {found.st_uid}: use a directory of your own")
    if found.st_mode & 0o022:
        mode = stat.S_IMODE(found.st_mode)
        raise StateError(f"state_dir {directory} can be changed by others (mode {mode:04o}): give it mode 0700")


def lock_directory(directory: Path) -> int:
    """A lock descriptor that keeps other gateways out of *directory* until it is closed or this process exits."""
    fd = _open(directory / "lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(fd, 32, 0).decode(errors="replace").strip()
        os.close(fd)
        who = f"another gateway (process {holder})" if holder.isdigit() else "another gateway"
        raise StateError(f"{who} uses the state directory {directory}: stop it, or set another state_dir") from None
    try:
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        os.close(fd)
        raise StateError(f"{directory / 'lock'} can't be written: {error.strerror}") from None
    return fd


def instance_name(directory: Path) -> str:
    """A short name for the gateway of *directory*, the same at every start, so that it finds leftovers of earlier ones."""
    return hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:10]


def token_path(directory: Path) -> Path:
    """The path of the stored token."""
    return directory / "token"


def load_token(directory: Path) -> StoredToken | None:
    """The stored token, or None if there is none; raises StateError if other users could have read it."""
    path = token_path(directory)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"the token file {path} can't be read: {error.strerror}") from None
    with os.fdopen(fd, "rb") as file:
        found = os.fstat(fd)
        data = file.read(TOKEN_CHARS[1] + 2)
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise StateError(f"the token file {path} is accessible to other users: run `omega token rotate`, then start again")
    value = data.decode("ascii", "replace").strip()
    if not TOKEN_CHARS[0] <= len(value) <= TOKEN_CHARS[1] or not all("!" <= char <= "~" for char in value):
        raise StateError(f"the token file {path} contains no token: run `omega token rotate` to make one")
    return StoredToken(value, path, is_new=False)


def ensure_token(directory: Path) -> StoredToken:
    """The stored token; the first call creates it."""
    return load_token(directory) or make_token(directory)


def make_token(directory: Path) -> StoredToken:
    """A new token that replaces the stored one; only its owner can read the file."""
    path, draft = token_path(directory), directory / f".token.{os.getpid()}"
    value = secrets.token_urlsafe(TOKEN_BYTES)
    draft.unlink(missing_ok=True)
    fd = _open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        with os.fdopen(fd, "w") as file:
            file.write(value + "\n")
            file.flush()
            os.fsync(fd)
        # The rename is atomic: a token is stored whole or not at all.
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise StateError(f"the token can't be stored in {path}: {error.strerror}") from None
    return StoredToken(value, path, is_new=True)


def _open(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StateError(f"{path} can't be opened: {error.strerror}") from None
