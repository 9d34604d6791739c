"""The results as a Markdown table, for people and the README, and as JSON, for machines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.bench.numbers import Row

BEGIN, END = "<!-- bench: made by tests/bench -->", "<!-- /bench -->"
HEAD = ("work", "Omega Gateway", "against", "peer", "ratio", "target")
IN_README = (
    "fresh, isolated Python run over HTTP, data stack imported",
    "the same, sustained on all cores, refill included",
    "run in a warm session over HTTP",
    "memory of an idle kernel (PSS, 8 of them)",
)
"""The work whose rows the README shows."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that one run of the benchmark found."""

    machine: dict[str, str]
    isolation: str
    rows: list[Row]
    cpu_ms: dict[str, float] = field(default_factory=dict)
    memory_mib: dict[str, float] = field(default_factory=dict)
    steps_ms: dict[str, float] = field(default_factory=dict)
    growth: list[Sequence[str]] = field(default_factory=list)
    """What idle sessions cost: a head, and rows."""
    profile: list[str] = field(default_factory=list)

    def main_table(self) -> str:
        """What was measured where, and the rows against the peers."""
        return self._table_of(self.rows)

    def short_table(self) -> str:
        """The same with a few rows only: what the README shows."""
        return self._table_of([row for row in self.rows if row.work in IN_README])

    def _table_of(self, rows: Sequence[Row]) -> str:
        on = ", ".join(f"{value} {name}" if name == "cores" else f"{name} {value}" for name, value in self.machine.items())
        head = (
            f"Measured in one run, at isolation level {self.isolation}, on: {on}.\n"
            "Medians, with p95 and the number of samples; the ratio is ours to the peer's."
        )
        return f"{head}\n\n{_table(HEAD, [row.cells() for row in rows])}"

    def to_markdown(self) -> str:
        """The main table, and below it where the time and the memory go."""
        parts = [self.main_table()]
        if self.cpu_ms:
            rows = [(name, f"{value:.2f}") for name, value in self.cpu_ms.items()]
            parts += ["Processor time of one fresh run under sustained load:", _table(("where", "ms"), rows)]
        if self.steps_ms:
            rows = [(name, f"{value:.2f}") for name, value in self.steps_ms.items()]
            parts += ["Starting one kernel, step by step (medians):", _table(("step", "ms"), rows)]
        if self.memory_mib:
            rows = [(name, f"{value:.1f}") for name, value in self.memory_mib.items()]
            parts += ["Memory:", _table(("what", "MiB"), rows)]
        if self.growth:
            parts += ["With more and more idle sessions (medians):", _table(self.growth[0], self.growth[1:])]
        if self.profile:
            parts += ["Where the gateway's own time goes (cProfile, by package):", "\n".join(self.profile)]
        return "\n\n".join(parts) + "\n"

    def write(self, folder: Path) -> None:
        """results.md and results.json in *folder*, and the short table in the README two folders above it, if any."""
        (folder / "results.md").write_text(self.to_markdown())
        readme = folder.parents[1] / "README.md"
        if readme.is_file() and BEGIN in (text := readme.read_text()):
            before, rest = text.split(BEGIN, 1)
            readme.write_text(f"{before}{BEGIN}\n{self.short_table()}\n{END}{rest.split(END, 1)[1]}")
        body = asdict(self) | {"rows": [asdict(row) | {"ratio": row.ratio} for row in self.rows]}
        (folder / "results.json").write_text(json.dumps(body, indent=1) + "\n")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
