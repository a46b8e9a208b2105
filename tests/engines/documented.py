"""The examples of docs/engines.md, and what they are to find."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

TEXT = (Path(__file__).parents[2] / "docs" / "engines.md").read_text(encoding="utf-8")

Row = Mapping[str, object]


def examples(section: str, language: str) -> list[str]:
    """The code blocks of a language below a heading, in order."""
    [text] = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def questions(section: str) -> list[str]:
    """The statements of SQL below a heading, without semicolons."""
    parts = ";".join(examples(section, "sql")).split(";")
    return [part.strip() for part in parts if part.strip()]


def held_by_class(runs: Mapping[str, Iterable[Row]], none: str | None = None) -> list[Row]:
    """What the first question of a section finds of these runs, `none` where a row has no class."""
    found: dict[tuple[str, object], list[object]] = {}
    for dt, rows in runs.items():
        for row in rows:
            name = row["storage_class"] if row["storage_class"] is not None else none
            found.setdefault((dt, name), []).append(row["size"])
    return ordered(
        {"dt": dt, "storage_class": name, "objects": len(sizes), "bytes": _total(sizes)}
        for (dt, name), sizes in found.items()
    )


def _total(sizes: Iterable[object]) -> int | None:
    known = [size for size in sizes if isinstance(size, int)]
    return sum(known) if known else None


def gone(first: Iterable[Row], second: Iterable[Row]) -> list[Row]:
    """What the second question finds."""
    still = {row["key"] for row in second}
    return ordered({"key": row["key"]} for row in first if row["key"] not in still)


def ordered(rows: Iterable[Row]) -> list[Row]:
    """Rows in an order that they themselves give."""
    return sorted(rows, key=lambda row: [str(value) for value in row.values()])
