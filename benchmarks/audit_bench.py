"""What auditing a report costs, beside plain DuckDB and plain polars that count the same over the same files.

    make bench-audit [ARGS="--rows 1000000 10000000 --formats Parquet CSV ORC"]

They only count; stocktake also says what cannot be told, below which prefixes it lies, examples, and money. All must
find the same. The last line is one JSON object with every figure.
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

from benchmarks.made_report import make_report
from benchmarks.measure import measure
from benchmarks.results import Table, conditions, keep, tell
from stocktake.model.configuration import Format

PEERS = Path(__file__).parent / "peers"
ENVIRONMENT = {"TZ": "UTC"}
COLUMNS = ("audits", "by", "format", "rows", "seconds", "CPU seconds", "peak MB")


@dataclass(frozen=True, slots=True)
class Figures:
    """What one contestant came to."""

    audits: str
    contestant: str
    format: str
    rows: int
    seconds: float
    cpu_s: float
    peak_mb: float


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-audit", description="what auditing costs")
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

    def run(self, audits: str, contestant: str, *command: str | Path) -> Any:
        """Measure a command; what it printed, which is JSON."""
        out = self.folder / "out"
        usage = measure([sys.executable, *command], environment=ENVIRONMENT, stdout=out)
        told = round(usage.seconds, 2), round(usage.cpu_s, 2), round(usage.process_peak_mb)
        self.figures.append(Figures(audits, contestant, self.format, self.rows, *told))
        print(self.figures[-1], file=sys.stderr)
        return json.loads(out.read_text())

    def audit(self, audits: str, *options: str) -> Any:
        """Measure `stocktake audit`; what it found."""
        words = ("audit", self.manifest, "--json", "--fail-on", "never", *options)
        return self.run(audits, "stocktake", "-m", "stocktake", *words)

    def compare(self) -> None:
        """All audits, then those that polars has, each by all contestants that can."""
        told = self.audit("all")
        if self.format is not Format.PARQUET:
            return
        wheres = self.folder / "wheres.json"
        found = {each["name"]: each for each in told["findings"] if each["where"]}
        wheres.write_text(json.dumps({name: each["where"] for name, each in found.items()}))
        _agree(found, self.run("all", "DuckDB", PEERS / "duckdb_audit.py", wheres, *self.files))
        polars = self.run(
            "plain", "polars", PEERS / "polars_audit.py", told["audited"], *self.files
        )
        _agree(found, polars)
        wheres.write_text(json.dumps({name: found[name]["where"] for name in polars}))
        self.run("plain", "DuckDB", PEERS / "duckdb_audit.py", wheres, *self.files)
        self.audit("plain", *(word for name in polars for word in ("--only", name)))


def _agree(found: dict[str, Any], counts: dict[str, int]) -> None:
    for name, count in counts.items():
        if found[name]["rows"] != count:
            raise SystemExit(f"{name}: stocktake found {found[name]['rows']}, the peer {count}")


def _cells(each: Figures) -> Sequence[str]:
    figures = (f"{each.rows:,}", f"{each.seconds:.2f}", f"{each.cpu_s:.2f}", f"{each.peak_mb:.0f}")
    return (each.audits, each.contestant, each.format, *figures)


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
        "conditions": conditions("bench-audit"),
        "figures": [asdict(each) for each in figures],
    }
    tables = [Table("auditing a report", COLUMNS, [_cells(each) for each in figures])]
    if options.save:
        keep("bench-audit", document, tables, plots={})
    tell(document, tables)


if __name__ == "__main__":
    main()
