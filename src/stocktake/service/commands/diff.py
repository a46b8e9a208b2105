"""Comparing two reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from stocktake.analysis.differences import Differences, compare_reports
from stocktake.analysis.differences_comparison import Mode
from stocktake.analysis.differences_rows import Selection
from stocktake.analysis.differences_totals import Change, Count
from stocktake.analysis.output import Output
from stocktake.model.errors import UsageError
from stocktake.model.store import Store
from stocktake.service.commands.report import opened_report
from stocktake.service.options import choose

__all__ = ["DEPTH_MAX", "Change", "Count", "Differences", "Wanted", "diff"]

DEPTH_MAX = 32
# A table is for people, and no file of rows.
_ROW_FORMS = (Output.PARQUET, Output.CSV, Output.JSONL)


@dataclass(frozen=True, slots=True)
class Wanted:
    """How to compare, and what to write: rows in a `format`, or, `as_manifest`, the objects of `only`
    these kinds of change as the report on that `side` (a, b) has them.
    """

    mode: str | None = None
    columns: str = ""
    current: bool = False
    prefix: str = ""
    depth: int = 1
    format: str = "parquet"
    as_manifest: bool = False
    side: str = "b"
    only: str = ""


def diff(
    a: str,
    b: str,
    wanted: Wanted,
    *,
    store: Store,
    stores: Mapping[str, Store] | None = None,
    sink: BinaryIO | None = None,
) -> Differences:
    """Compare the reports at `a` and `b`, each on its own of `stores` (`a`, `b`), or on `store`; rows, where there is
    a `sink`, go there.

    Raises:
        UsageError: words that mean nothing; UnknownFieldError: a column that cannot be compared.
        InventoryError: a report cannot be opened or read.
    """
    mode = choose(Mode, wanted.mode, "mode") if wanted.mode else None
    form = choose(_ROW_FORMS, wanted.format, "format")
    if not 0 <= wanted.depth <= DEPTH_MAX:
        raise UsageError(f"--depth {wanted.depth} is out of range; expected 0 to {DEPTH_MAX}")
    if not wanted.as_manifest and (wanted.only or wanted.side.lower() == "a"):
        raise UsageError(
            f"{'--only' if wanted.only else '--side'} says what a manifest names, and none was asked for",
            hint="add --as-manifest --output FILE",
        )
    selection = _selection(wanted)
    own = stores or {}
    with (
        opened_report(a, own.get("a", store)) as report_a,
        opened_report(b, own.get("b", store)) as report_b,
    ):
        differences = compare_reports(
            report_a,
            report_b,
            mode=mode,
            columns=_words(wanted.columns),
            current=wanted.current,
            prefix=wanted.prefix,
            depth=wanted.depth,
        )
        if sink is None:
            differences.count()
        elif wanted.as_manifest:
            differences.write_manifest(selection, sink)
        else:
            differences.write_journal(form, sink)
        return differences


def _selection(wanted: Wanted) -> Selection:
    if wanted.side.lower() not in ("a", "b"):
        raise UsageError(f"unknown side `{wanted.side}`; expected a or b")
    of_a = wanted.side.lower() == "a"
    kinds = [choose(Change, word, "kind of change") for word in _words(wanted.only)]
    default = (Change.DELETED if of_a else Change.CREATED, Change.CHANGED)
    return Selection(frozenset(kinds or default), of_a)


def _words(text: str) -> Sequence[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
