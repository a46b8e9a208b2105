"""How results are told and kept."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from benchmarks.harness import Figures
from benchmarks.loop import NAME, README, loop_table
from benchmarks.measure import Memory, Usage
from benchmarks.results import Table, comparison, keep, tell

from benchmarks import results

USAGE = Usage(cpu_s=2, seconds=4, memory=(Memory(0, 10, 8), Memory(1, 30, 9)))
DOCUMENT = {"conditions": {"command": "make it", "machine": "a machine", "date": "today"}}
TABLE = Table("Costs", ["who", "us"], [["stocktake", "1.00"], ["peer", "120.50"]])


def test_figures_are_per_object_and_per_thousand_keys() -> None:
    assert Figures.of(USAGE, 1_000_000, 1020, 0.9) == Figures(
        objects=1_000_000,
        cpu_us_per_object=2.0,
        objects_per_s=250_000,
        requests_per_1000_keys=1.02,
        peak_rss_mb=30,
        peak_process_rss_mb=9,
        efficiency=0.9,
    )


def test_a_ratio_is_our_cpu_time_divided_by_theirs() -> None:
    ours, theirs = Figures.of(USAGE, 1000, 1), Figures.of(USAGE, 500, 1)
    assert comparison(ours, {"peer": theirs})["ratios"] == {"peer": 0.5}


def test_a_table_is_markdown_with_its_figures_to_the_right() -> None:
    assert str(TABLE).splitlines() == [
        "**Costs**",
        "",
        "| who       |     us |",
        "| --------- | -----: |",
        "| stocktake |   1.00 |",
        "| peer      | 120.50 |",
    ]


def test_the_last_line_is_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    tell(DOCUMENT, [TABLE])
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == DOCUMENT


def test_results_are_kept_between_their_marks_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "README.md"
    monkeypatch.setattr(results, "PAGE", page)
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")
    page.write_text("before\n<!-- it: begin -->\nold\n<!-- it: end -->\nbehind\n")
    for _ in range(2):
        keep("it", DOCUMENT, [TABLE], {"it.svg": "a plot"})
    text = page.read_text()
    assert text.startswith("before\n<!-- it: begin -->\n`make it`, today, on a machine")
    assert text.endswith("![a plot](results/it.svg)\n<!-- it: end -->\nbehind\n")
    assert "old" not in text
    assert text.count("| peer ") == 1
    assert json.loads((tmp_path / "results" / "it.json").read_text()) == DOCUMENT


def test_a_page_without_marks_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "README.md"
    monkeypatch.setattr(results, "PAGE", page)
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")
    page.write_text("text")
    with pytest.raises(ValueError, match="no place for it"):
        keep("it", DOCUMENT, [TABLE], {})
    assert page.read_text() == "text"


def test_the_readme_tells_what_the_kept_results_come_to() -> None:
    document = json.loads((results.RESULTS / "bench.json").read_text())
    assert f"<!-- {NAME}: begin -->\n{loop_table(document)}\n<!-- " in README.read_text()


def test_every_benchmark_has_a_place_for_what_it_keeps() -> None:
    scripts = results.PAGE.parent.glob("*.py")
    kept = {
        name for each in scripts for name in re.findall(r'\bkeep\("([a-z-]+)"', each.read_text())
    }
    marks = re.findall(r"<!-- ([a-z-]+): (begin|end) -->", results.PAGE.read_text())
    assert "bench" in kept
    assert marks == [(name, mark) for name, _ in marks[::2] for mark in ("begin", "end")]
    assert kept <= {name for name, _ in marks}
