"""The results as a Markdown table, for people and the README, and as JSON, for machines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.bench.numbers import Row

HEAD = ("work", "Omega Gateway", "against", "peer", "ratio", "reach")


@dataclass(frozen=True, slots=True)
class Report:
    """All that one run of the benchmark found."""

    machine: dict[str, str]
    isolation: str
    rows: list[Row]
    cpu_ms: dict[str, float] = field(default_factory=dict)
    memory_mib: dict[str, float] = field(default_factory=dict)
    steps_ms: dict[str, float] = field(default_factory=dict)
    profile: list[str] = field(default_factory=list)

    def to_markdown(self) -> str:
        """The table, and below it where the time and the memory go."""
        on = ", ".join(f"{value} {name}" if name == "cores" else f"{name} {value}" for name, value in self.machine.items())
        parts = [
            f"Measured by `make bench` in one run, at isolation level {self.isolation}, on: {on}.\n"
            "Medians, with p95 and the number of samples; the ratio is ours to the peer's.",
            _table(HEAD, [row.cells() for row in self.rows]),
        ]
        if self.cpu_ms:
            rows = [(name, f"{value:.2f}") for name, value in self.cpu_ms.items()]
            parts += ["Processor time of one fresh run under sustained load:", _table(("where", "ms"), rows)]
        if self.steps_ms:
            rows = [(name, f"{value:.2f}") for name, value in self.steps_ms.items()]
            parts += ["Starting one kernel, step by step (medians):", _table(("step", "ms"), rows)]
        if self.memory_mib:
            rows = [(name, f"{value:.1f}") for name, value in self.memory_mib.items()]
            parts += ["Memory:", _table(("what", "MiB"), rows)]
        if self.profile:
            parts += ["Where the gateway's own time goes (cProfile, by package):", "\n".join(self.profile)]
        return "\n\n".join(parts) + "\n"

    def write(self, folder: Path) -> None:
        """results.md and results.json in *folder*."""
        (folder / "results.md").write_text(self.to_markdown())
        body = asdict(self) | {"rows": [asdict(row) | {"ratio": row.ratio} for row in self.rows]}
        (folder / "results.json").write_text(json.dumps(body, indent=1) + "\n")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
