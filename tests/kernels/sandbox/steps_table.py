"""SECURITY.md's table of isolation steps, from their one list: `python -m tests.kernels.sandbox.steps_table`."""

from __future__ import annotations

from pathlib import Path

from kernels.contract import Level
from kernels.sandbox.steps import STEPS, Step

PAGE = Path(__file__).resolve().parents[3] / "kernels/SECURITY.md"
BEGIN, END = "<!-- steps: made by tests/kernels/sandbox/steps_table.py -->", "<!-- /steps -->"


def table() -> str:
    """A row for each step: its name, the levels it is done at, and what it denies."""
    rows = [f"| {step.name} | {_levels(step)} | {step.denies} |" for step in STEPS]
    return "\n".join(["| step | at | denies |", "|---|---|---|", *rows])


def written() -> str:
    """The table as it stands on the page."""
    return PAGE.read_text().split(BEGIN, 1)[1].split(END, 1)[0].strip()


def write() -> None:
    """Put the table on the page; the rest of it stays as it is."""
    before, rest = PAGE.read_text().split(BEGIN, 1)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END, 1)[1]}")


def _levels(step: Step) -> str:
    return ", ".join(level.label for level in sorted(Level, reverse=True) if level in step.levels)


if __name__ == "__main__":
    write()
