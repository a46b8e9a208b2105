"""How a benchmark ends: a table, one line of JSON, and, where it is to be kept, its part of README.md."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.harness import Figures

FOLDER = Path(__file__).parent
PAGE = FOLDER / "README.md"
RESULTS = FOLDER / "results"


@dataclass(frozen=True, slots=True)
class Table:
    """A table: what its rows are about, its columns, its rows."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        """As Markdown that can be read as it is: columns of one width, the first to the left, figures to the right."""
        rows = [self.columns, *self.rows]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        numeric = [
            all(re.match(r"[\d-]", row[place]) for row in self.rows)
            for place in range(len(self.columns))
        ]
        rules = [
            "-" * (width - 1) + ":" if right else "-" * width
            for width, right in zip(widths, numeric, strict=True)
        ]
        lines = [_line(row, widths, numeric) for row in (self.columns, rules, *self.rows)]
        return "\n".join([f"**{self.title}**", "", *lines])


def _line(row: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    cells = [
        text.rjust(width) if right else text.ljust(width)
        for text, width, right in zip(row, widths, numeric, strict=True)
    ]
    return f"| {' | '.join(cells)} |"


FIGURE_COLUMNS = (
    "objects", "CPU us/object", "objects/s", "requests/1,000 keys", "peak MB, all", "peak MB, largest",
)  # fmt: skip


def figure_cells(figures: Figures) -> list[str]:
    """The cells of FIGURE_COLUMNS."""
    return [
        f"{figures.objects:,}",
        f"{figures.cpu_us_per_object:,.2f}",
        f"{figures.objects_per_s:,}",
        f"{figures.requests_per_1000_keys:,.3f}",
        f"{figures.peak_rss_mb:,.0f}",
        f"{figures.peak_process_rss_mb:,.0f}",
    ]


def comparison(stocktake: Figures, peers: Mapping[str, Figures]) -> dict[str, Any]:
    """This program and its peers as JSON takes them; a ratio is our CPU time an object, divided by theirs."""
    ours = stocktake.cpu_us_per_object
    return {
        "stocktake": asdict(stocktake),
        "peers": {name: asdict(figures) for name, figures in peers.items()},
        "ratios": {
            name: round(ours / figures.cpu_us_per_object, 4) for name, figures in peers.items()
        },
    }


def conditions(target: str) -> dict[str, str]:
    """The command, the machine and the date of a benchmark."""
    arguments = " ".join(argument for argument in sys.argv[1:] if argument != "--save")
    return {
        "command": f'make {target} ARGS="{arguments}"' if arguments else f"make {target}",
        "machine": f"{os.cpu_count()} cores ({_processor()}), {_memory_gb()} GB,"
        f" {platform.system()} {platform.release()}, Python {platform.python_version()}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _processor() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def _memory_gb() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def tell(document: Mapping[str, Any], tables: Sequence[Table]) -> None:
    """Print the tables, and the document as the last line."""
    for table in tables:
        print(table, end="\n\n")
    print(json.dumps(document))


def keep(
    target: str, document: Mapping[str, Any], tables: Sequence[Table], plots: Mapping[str, str]
) -> None:
    """Write the part of README.md between the target's marks, and the document into RESULTS. `plots` are descriptions
    by the name of a file there.

    Raises:
        ValueError: the page has no such marks.
    """
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{target}.json").write_text(json.dumps(document, indent=1) + "\n")
    told = document["conditions"]
    parts = [
        f"`{told['command']}`, {told['date']}, on {told['machine']}"
        f" ([all figures](results/{target}.json))",
        *map(str, tables),
        *(f"![{text}](results/{name})" for name, text in plots.items()),
    ]
    write_part(PAGE, target, "\n\n".join(parts))


def write_part(page: Path, name: str, text: str) -> None:
    """Write the part of a page between the marks of this name.

    Raises:
        ValueError: the page has no such marks.
    """
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    head, found_begin, rest = page.read_text().partition(begin)
    _, found_end, tail = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"{page} has no place for {name}")
    page.write_text("".join((head, begin, text, "\n", end, tail)))
