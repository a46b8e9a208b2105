"""How the benchmarks over reports measure: stocktake's answer to a question, beside plain DuckDB's and plain polars'
to the same one over the same files; each in a process of its own, interpreter start and imports included.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import STOCKTAKE
from benchmarks.made_report import make_report
from benchmarks.measure import measure
from benchmarks.results import Table, conditions, keep, tell
from stocktake.model.configuration import Format

PEERS = Path(__file__).parent / "peers"
ENVIRONMENT = {"TZ": "UTC"}
_READ_BYTES = 2**24
OURS, DUCKDB, POLARS = "stocktake", "DuckDB", "polars"
COLUMNS = ("question", "by", "format", "rows", "seconds", "CPU seconds", "peak MB")


@dataclass(frozen=True, slots=True)
class Figures:
    """What one answer came to."""

    question: str
    contestant: str
    format: str
    rows: int
    seconds: float
    cpu_s: float
    peak_mb: float

    def cells(self) -> Sequence[str]:
        """Its cells of COLUMNS."""
        told = (f"{self.seconds:.2f}", f"{self.cpu_s:.2f}", f"{self.peak_mb:.0f}")
        return (self.question, self.contestant, self.format, f"{self.rows:,}", *told)


@dataclass(frozen=True, slots=True)
class Asked:
    """How stocktake is started, and what is left out, as QUESTION:CONTESTANT or QUESTION:CONTESTANT:ROWS."""

    stocktake: Sequence[str | Path] = (sys.executable, "-m", "stocktake")
    without: Collection[str] = ()


class Bench:
    """Reports of one size and format in a folder, made where they are not there yet, and what is measured on them."""

    def __init__(
        self, folder: Path, rows: int, report_format: Format, asked: Asked | None = None
    ) -> None:
        self.folder, self.rows, self.format = folder, rows, report_format
        self.figures: list[Figures] = []
        self._asked = asked or Asked()
        self._reports: dict[bool, Path] = {}

    def report(self, *, later: bool = False) -> Path:
        """The manifest of the report, or of the next day's. All of it has been read once: whoever is measured first
        does not wait for the disk in place of all others.
        """
        if later not in self._reports:
            folder = self.folder / f"{self.rows}-{self.format}{'-later' * later}"
            # The manifest is written last.
            made = next(folder.glob("*/*/*/manifest.json"), None)
            manifest = made or make_report(folder, self.rows, self.format, later=later)
            for path in (manifest.parents[1] / "data").iterdir():
                _read(path)
            self._reports[later] = manifest
        return self._reports[later]

    def files(self, *, later: bool = False) -> list[Path]:
        """The data files of that report."""
        return sorted((self.report(later=later).parents[1] / "data").iterdir())

    def stocktake(self, question: str, *words: str | Path) -> Any:
        """Measure a command of stocktake; what it printed."""
        # 1 and 3 are answers: something differs, or was found.
        return self._run(question, OURS, [*self._asked.stocktake, *words], codes=(0, 1, 3))

    def peer(self, question: str, contestant: str, script: str, *words: str | Path) -> Any:
        """Measure a peer's script; what it printed. None where it is left out, or cannot read this format."""
        if self.format is not Format.PARQUET:
            return None
        path = PEERS / f"{contestant.lower()}_{script}.py"
        return self._run(question, contestant, [sys.executable, path, *words], codes=(0,))

    def _run(
        self, question: str, contestant: str, command: Sequence[str | Path], codes: Collection[int]
    ) -> Any:
        name = f"{question}:{contestant}"
        if {name, f"{name}:{self.rows}"} & set(self._asked.without):
            return None
        out = self.folder / "out"
        used = measure(command, environment=ENVIRONMENT, stdout=out, codes=codes)
        told = round(used.seconds, 2), round(used.cpu_s, 2), round(used.process_peak_mb)
        self.figures.append(Figures(question, contestant, self.format, self.rows, *told))
        print(self.figures[-1], file=sys.stderr)
        return json.loads(out.read_text())


def _read(path: Path) -> None:
    with path.open("rb") as file:
        while file.read(_READ_BYTES):
            pass


def agree(question: str, ours: Any, contestant: str, theirs: Any) -> None:
    """Both answers are the same, or one of them was left out.

    Raises:
        SystemExit: they differ.
    """
    if ours is not None and theirs is not None and ours != theirs:
        raise SystemExit(f"{question}: stocktake found {ours}, {contestant} {theirs}")


def run_bench(target: str, title: str, compare: Callable[[Bench], None]) -> None:
    """Compare the contestants over each format and size, and tell the figures. `target` is the Makefile's."""
    options = _options(target, title)
    asked = Asked([STOCKTAKE], options.without)
    figures: list[Figures] = []
    for report_format in options.formats:
        for rows in options.rows:
            with tempfile.TemporaryDirectory() as passing:
                bench = Bench(options.folder or Path(passing), rows, report_format, asked)
                compare(bench)
                figures += bench.figures
    document = {"conditions": conditions(target), "figures": [asdict(each) for each in figures]}
    tables = [Table(title, COLUMNS, [each.cells() for each in figures])]
    if options.save:
        keep(target, document, tables, plots={})
    tell(document, tables)


def _options(target: str, title: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"make {target}", description=title)
    add = parser.add_argument
    add("--rows", type=int, nargs="+", default=(1_000_000, 10_000_000))
    add("--formats", type=Format, nargs="+", default=(Format.PARQUET,))
    add("--folder", type=Path, help="for reports, which stay there; 10 million rows need 1 GB")
    add(
        "--without",
        nargs="+",
        default=(),
        metavar="QUESTION:CONTESTANT[:ROWS]",
        help="not measured",
    )
    add("--save", action="store_true", help="write the results into README.md")
    return parser.parse_args()
