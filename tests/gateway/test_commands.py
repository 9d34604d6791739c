"""The form of what ``omega`` prints."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gateway.commands import as_typed, print_table


@pytest.mark.parametrize(
    ("called", "shown"),
    [
        (".venv/bin/omega", ".venv/bin/omega doctor"),
        ("/a b/omega", "'/a b/omega' doctor"),
        ("/a/gateway/__main__.py", "omega doctor"),
        ("PATH/omega", "omega doctor"),
    ],
)
def test_a_command_is_named_as_it_can_be_called(
    called: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the same place; only what is on the PATH needs none."""
    on_path = tmp_path / "omega"
    on_path.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [called.replace("PATH", str(tmp_path)), "serve"])
    assert as_typed("doctor") == shown


def test_a_table_has_its_columns_below_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    """Without blanks at the end of a line; nothing for no rows."""
    print_table([("a", "bb", "c"), ("long", "b", "")])
    print_table([])
    assert capsys.readouterr().out == "a     bb  c\nlong  b\n"
