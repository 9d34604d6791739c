"""What the benchmark says of its samples."""

from __future__ import annotations

from pathlib import Path

from tests.bench.numbers import Row, Samples
from tests.bench.report import BEGIN, END, IN_README, Report
from tests.bench.sessions import Step, growth_table


def test_the_p95_is_the_nearest_rank() -> None:
    """Of the numbers 1 to 100 it is 95; of few samples the largest."""
    assert Samples(tuple(map(float, range(100, 0, -1)))).p95 == 95
    assert Samples((3.0, 1.0, 2.0)).p95 == 3


def test_a_ratio_is_ours_to_theirs_by_medians() -> None:
    """One slow sample does not move it."""
    row = Row("work", "peer", Samples((1.0, 2.0, 300.0)), Samples((4.0,)), "≤ 1")
    assert row.ratio == 0.5


def test_the_table_has_a_line_for_each_row_and_names_the_machine() -> None:
    """Numbers without the machine they were taken on mean nothing."""
    row = Row("a run", "a peer", Samples((10.0,)), Samples((20.0,)), "≤ 1")
    text = Report({"cores": "2", "Python": "3.11.2"}, "L3", [row]).to_markdown()
    assert "| a run | 10 ms | a peer | 20 ms | 0.50 | ≤ 1 |" in text
    assert "level L3, on: 2 cores, Python 3.11.2." in text


def test_the_readme_gets_the_rows_chosen_for_it(tmp_path: Path) -> None:
    """Between its marks; the rest of it stays as it is."""
    folder = tmp_path / "tests/bench"
    folder.mkdir(parents=True)
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    rows = [Row(work, "a peer", Samples((1.0,)), Samples((2.0,)), "≤ 1") for work in (IN_README[0], "a chart")]
    made = Report({"cores": "2"}, "L3", rows)
    made.write(folder)
    assert readme.read_text() == f"before\n{BEGIN}\n{made.short_table()}\n{END}\nafter\n"
    assert IN_README[0] in readme.read_text() and "a chart" not in readme.read_text()
    assert "a chart" in (folder / "results.md").read_text()


def test_what_a_further_session_costs_is_told_row_by_row() -> None:
    """Memory grows with a line when these are the same."""
    run = Samples((3.0, 3.0))
    steps = [
        Step(1, run, run, 140.0, 14.0, 60.0),
        Step(50, run, run, 875.0, 14.0, 61.0),
        Step(200, run, run, 3125.0, 14.0, 63.0),
    ]
    head, *rows = growth_table(steps)
    assert [dict(zip(head, row, strict=True))["each further session"] for row in rows] == ["-", "15.0 MiB", "15.0 MiB"]
