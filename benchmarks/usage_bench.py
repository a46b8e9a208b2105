"""What the usage of a report costs, beside plain DuckDB and plain polars that count the same over the same files.

    make bench-usage [ARGS="--rows 1000000 10000000 --formats Parquet CSV ORC"]

They only count; stocktake also bounds what is kept, tells it as a tree, and writes it beside the report. All must come
to the same numbers. `cube` is every dimension at once, `prefix` folders alone, `answer` is told by the cube that lies
beside the report. The last line is one JSON object with every figure.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.made_report import MOMENT, make_report
from benchmarks.measure import measure
from benchmarks.results import Table, conditions, keep, tell
from stocktake.model.configuration import Format
from stocktake.model.paths import USAGE
from stocktake.model.usage import Dimension

PEERS = Path(__file__).parent / "peers"
ENVIRONMENT = {"TZ": "UTC"}
COLUMNS = ("usage", "by", "format", "rows", "seconds", "CPU seconds", "peak MB")


@dataclass(frozen=True, slots=True)
class Figures:
    """What one contestant came to."""

    usage: str
    contestant: str
    format: str
    rows: int
    seconds: float
    cpu_s: float
    peak_mb: float


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-usage", description="what usage costs")
    parser.add_argument("--rows", type=int, nargs="+", default=(1_000_000, 10_000_000))
    parser.add_argument("--formats", type=Format, nargs="+", default=(Format.PARQUET,))
    parser.add_argument("--folder", type=Path, help="for reports; 10 million rows need 1 GB")
    parser.add_argument("--save", action="store_true", help="write the results into README.md")
    return parser.parse_args()


class Bench:
    """One report, and what is measured on it."""

    def __init__(self, folder: Path, rows: int, report_format: Format) -> None:
        self.folder, self.rows, self.format = folder, rows, report_format
        self.manifest = make_report(folder, rows, report_format)
        self.files = sorted((self.manifest.parents[1] / "data").iterdir())
        self.figures: list[Figures] = []

    def run(self, usage: str, contestant: str, *command: str | Path) -> Any:
        """Measure a command; what it printed, which is JSON."""
        out = self.folder / "out"
        used = measure([sys.executable, *command], environment=ENVIRONMENT, stdout=out)
        told = round(used.seconds, 2), round(used.cpu_s, 2), round(used.process_peak_mb)
        self.figures.append(Figures(usage, contestant, self.format, self.rows, *told))
        print(self.figures[-1], file=sys.stderr)
        return json.loads(out.read_text())

    def usage(self, usage: str, *options: str) -> Any:
        """Measure `stocktake usage`; what it told."""
        words = ("usage", self.manifest, "--json", *options)
        return self.run(usage, "stocktake", "-m", "stocktake", *words)

    def compare(self) -> None:
        """Folders alone, then every dimension, each by all contestants that can; then an answer by the cube."""
        told = {"prefix": self.usage("prefix")}
        self.usage("cube", "--save")
        told["cube"] = self.usage("answer", "--by", Dimension.CLASS)
        assert (self.manifest.parent / USAGE).exists()
        if self.format is not Format.PARQUET:
            return
        for asked, ours in told.items():
            for name in ("DuckDB", "polars"):
                script = PEERS / f"{name.lower()}_usage.py"
                theirs = self.run(asked, name, script, asked, MOMENT.isoformat(), *self.files)
                self._agree(ours, theirs, name)

    def _agree(self, ours: dict[str, Any], theirs: dict[str, Any], name: str) -> None:
        """The same objects and bytes, of all dimensions that the peer counted."""
        by = ours["by"]
        kind = "folder" if by == Dimension.PREFIX else "value"
        found = {
            (line["prefix"].rstrip("/") or line["value"]): [line["objects"], line["bytes"]]
            for line in ours["usage"][1:]
            if line["kind"] == kind
        }
        if found != theirs[by]:
            raise SystemExit(f"by {by} stocktake told {found}, {name} {theirs[by]}")
        for dimension, values in theirs.items():
            if sum(objects for objects, _ in values.values()) != self.rows:
                raise SystemExit(f"{name} did not count {self.rows} rows by {dimension}")


def _cells(each: Figures) -> Sequence[str]:
    figures = (f"{each.rows:,}", f"{each.seconds:.2f}", f"{each.cpu_s:.2f}", f"{each.peak_mb:.0f}")
    return (each.usage, each.contestant, each.format, *figures)


def main() -> None:
    """Run each format and size, and tell the figures."""
    options = _options()
    figures: list[Figures] = []
    for report_format in options.formats:
        for rows in options.rows:
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                bench = Bench(Path(folder), rows, report_format)
                bench.compare()
                figures += bench.figures
    document = {
        "conditions": conditions("bench-usage"),
        "figures": [asdict(each) for each in figures],
    }
    tables = [Table("the usage of a report", COLUMNS, [_cells(each) for each in figures])]
    if options.save:
        keep("bench-usage", document, tables, plots={})
    tell(document, tables)


if __name__ == "__main__":
    main()
