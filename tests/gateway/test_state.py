"""The state directory: private, one gateway at a time, and the token in it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from gateway import state


def mode(path: Path) -> int:
    """The permission bits of *path*."""
    return stat.S_IMODE(path.stat().st_mode)


def test_directory_and_token_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Whatever the umask says."""
    before = os.umask(0)
    try:
        directory = tmp_path / "a" / "omega"
        state.prepare_directory(directory)
        made = state.ensure_token(directory)
    finally:
        os.umask(before)
    assert mode(directory) == 0o700
    assert mode(made.path) == 0o600


def test_the_token_is_made_once(tmp_path: Path) -> None:
    """The first call makes it, later ones find it and say so."""
    first, second = state.ensure_token(tmp_path), state.ensure_token(tmp_path)
    assert (first.is_new, second.is_new) == (True, False)
    assert first.value == second.value
    assert len(first.value) >= 43


@pytest.mark.parametrize("call", ("ftruncate", "pwrite"))
def test_a_lock_that_cannot_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """On a full disk; and nobody is kept out afterwards."""
    with monkeypatch.context() as full:
        full.setattr(os, call, lambda *_arguments: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(state.StateError, match="lock can't be written: No space left on device"):
            state.lock_directory(tmp_path)
    os.close(state.lock_directory(tmp_path))


def test_rotation_replaces_the_token(tmp_path: Path) -> None:
    """The old one is gone, and no draft is left."""
    first, second = state.ensure_token(tmp_path), state.make_token(tmp_path)
    found = state.load_token(tmp_path)
    assert found is not None
    assert found.value == second.value != first.value
    assert [path.name for path in tmp_path.iterdir()] == ["token"]


def test_a_token_is_not_in_its_text(tmp_path: Path) -> None:
    """So that no log line or traceback has it."""
    made = state.make_token(tmp_path)
    assert made.value not in repr(made) + str(made)


def test_a_token_others_could_read_is_refused(tmp_path: Path) -> None:
    """Somebody may have it already."""
    state.make_token(tmp_path).path.chmod(0o640)
    with pytest.raises(state.StateError, match="accessible to other users: run `omega token rotate`"):
        state.load_token(tmp_path)


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 40, b"a" * 600])
def test_a_file_without_a_token_is_refused(tmp_path: Path, content: bytes) -> None:
    """An empty token must not become the token."""
    path = state.make_token(tmp_path).path
    path.write_bytes(content)
    with pytest.raises(state.StateError, match="contains no token"):
        state.load_token(tmp_path)


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    """It could name any file."""
    (tmp_path / "token").symlink_to("/etc/hostname")
    with pytest.raises(state.StateError, match="can't be read"):
        state.load_token(tmp_path)


def test_a_directory_others_can_change_is_refused(tmp_path: Path) -> None:
    """They could put their own token there."""
    tmp_path.chmod(0o770)
    with pytest.raises(state.StateError, match=r"can be changed by others \(mode 0770\): give it mode 0700"):
        state.prepare_directory(tmp_path)


def test_a_path_that_is_a_file_is_told(tmp_path: Path) -> None:
    """One sentence, no traceback."""
    (tmp_path / "x").write_text("")
    with pytest.raises(state.StateError, match="can't be created"):
        state.prepare_directory(tmp_path / "x")


def test_a_second_gateway_is_kept_out_until_the_first_ends(tmp_path: Path) -> None:
    """The lock goes with the descriptor, also after kill -9."""
    held = state.lock_directory(tmp_path)
    assert not os.get_inheritable(held)
    with pytest.raises(state.StateError, match=rf"another gateway \(process {os.getpid()}\) uses the state directory"):
        state.lock_directory(tmp_path)
    os.close(held)
    os.close(state.lock_directory(tmp_path))


def test_the_instance_name_is_stable_and_differs_between_directories(tmp_path: Path) -> None:
    """Leftovers are found by it."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to("a")
    assert state.instance_name(tmp_path / "a") == state.instance_name(tmp_path / "b")
    assert state.instance_name(tmp_path / "a") != state.instance_name(tmp_path)
