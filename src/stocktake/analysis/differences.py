"""What differs between two reports: `stocktake diff`.

Both are read once, in the order of their keys, window by window: what is held is two windows of each
and the totals, whatever their number of rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa

from stocktake.analysis.differences_comparison import (
    CONTENT,
    IDENTITY,
    LATEST,
    MARKER,
    Comparison,
    Mode,
    Side,
    make_comparison,
)
from stocktake.analysis.differences_ordered import (
    WINDOW_ROWS,
    columns_schema,
    ordered_batches,
    paired_windows,
)
from stocktake.analysis.differences_rows import (
    Selection,
    journal_rows,
    journal_schema,
    manifest_rows,
)
from stocktake.analysis.differences_totals import Change, Count, Totals, differing_objects
from stocktake.analysis.differences_window import WindowDifference, compare_window
from stocktake.analysis.output import Output, write_answer
from stocktake.analysis.report import Report
from stocktake.analysis.rows import Rows
from stocktake.formats.answers import write_batch_manifest
from stocktake.model.errors import UsageError


@dataclass(frozen=True)
class Differences:
    """Two reports, to be compared once: by `count`, `write_journal` or `write_manifest`, which read
    them and fill `totals`.
    """

    a: Report
    b: Report
    comparison: Comparison
    totals: Totals
    window_rows: int = WINDOW_ROWS

    def count(self) -> None:
        """Only count.

        Raises:
            DataFileError: a data file is missing, short or damaged, or out of its claimed order.
        """
        for _ in self._windows(self._needed()):
            pass

    def write_journal(self, output: Output, sink: BinaryIO) -> int:
        """Write the rows that differ, see `differences_rows`; returns how many.

        Raises:
            DataFileError: as `count`.
            OSError: the sink does not take them.
        """
        return write_answer(_Journal(self), output, sink)

    def write_manifest(self, selection: Selection, sink: BinaryIO) -> int:
        """Write a manifest of the objects in `selection`; returns how many it names.

        Raises:
            UsageError: report A has no created objects, report B no deleted ones.
            DataFileError: as `count`.
            OSError: the sink does not take them.
        """
        _check(selection)
        side = self.a if selection.of_a else self.b
        versions = "version_id" in _columns(side)
        rows = (
            batch
            for window in self._windows(self._needed() | {"bucket"})
            for batch in manifest_rows(window, selection, versions=versions)
        )
        return write_batch_manifest(rows, sink)

    def all_windows(self) -> Iterator[WindowDifference]:
        """What differs, window by window, with all columns."""
        return self._windows({field.column for field in self.comparison.fields})

    def _needed(self) -> set[str]:
        content = CONTENT if self.comparison.by_content else ()
        return {*IDENTITY[1:], LATEST, MARKER, "size", *self.comparison.compared, *content}

    def _windows(self, columns: set[str]) -> Iterator[WindowDifference]:
        read = [
            [column for column in _columns(report) if column in columns]
            for report in (self.a, self.b)
        ]
        schemas = [
            columns_schema(report, each)
            for report, each in zip((self.a, self.b), read, strict=True)
        ]
        pairs = paired_windows(
            ordered_batches(self.a, read[0], self.comparison.prefix),
            ordered_batches(self.b, read[1], self.comparison.prefix),
            (schemas[0], schemas[1]),
            window_rows=self.window_rows,
        )
        for rows_a, rows_b in pairs:
            window = compare_window(rows_a, rows_b, self.comparison)
            self.totals.add(window)
            yield window

    @property
    def differ(self) -> bool:
        """Whether any object is created, deleted or changed."""
        return any(
            self.totals.counts[kind].objects
            for kind in (Change.CREATED, Change.DELETED, Change.CHANGED)
        )

    @property
    def undecided(self) -> bool:
        """Whether of some object nobody can tell."""
        return bool(self.totals.counts[Change.UNDECIDED].objects)

    def warnings(self) -> list[str]:
        """What makes the answer less than it seems."""
        told = [
            f"report {name} names {rows} rows of objects it has named before; the first of each counts"
            for name, rows in (("A", self.totals.repeated_a), ("B", self.totals.repeated_b))
            if rows
        ]
        if self.comparison.prefix and not self.totals.rows:
            told.append(
                f"neither report has an object below {self.comparison.prefix!r}: there was nothing to compare"
            )
        prefixes = [_filter_prefix(report) for report in (self.a, self.b)]
        if prefixes[0] != prefixes[1]:
            told.append(
                f"report A covers the prefix {prefixes[0]!r}, report B {prefixes[1]!r}: only what lies"
                f" below {self.comparison.prefix!r} was compared"
            )
        return told

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        comparison, totals = self.comparison, self.totals
        return {
            "a": self.a.address,
            "b": self.b.address,
            "mode": comparison.mode.value,
            "byVersion": comparison.by_version,
            "prefix": comparison.prefix,
            "compared": [*comparison.compared, *(["content"] if comparison.by_content else [])],
            "notCompared": list(comparison.ignored),
            "onlyInA": list(comparison.only_a),
            "onlyInB": list(comparison.only_b),
            "same": totals.same,
            **_counts(totals.counts),
            "changedColumns": dict(totals.columns.most_common()),
            "depth": totals.depth,
            "prefixes": [
                {"prefix": prefix, **_counts(kinds)} for prefix, kinds in self.worst_prefixes()
            ],
            "objectsBesidePrefixes": totals.beside,
            "warnings": self.warnings(),
        }

    def worst_prefixes(self) -> list[tuple[str, dict[Change, Count]]]:
        """The prefixes below which something differs, those with the most objects first."""
        return sorted(
            self.totals.prefixes.items(), key=lambda each: (-differing_objects(each[1]), each[0])
        )


def compare_reports(
    a: Report,
    b: Report,
    *,
    mode: Mode | None = None,
    columns: Sequence[str] = (),
    current: bool = False,
    prefix: str = "",
    depth: int = 1,
    window_rows: int = WINDOW_ROWS,
) -> Differences:
    """Prepare to compare `a` with `b`; nothing is read yet. See `make_comparison`.

    Raises:
        UnknownFieldError: one of `columns` is not in both reports.
        UsageError: the reports have nothing in common below `prefix`.
        ManifestError: a manifest names a column that nobody knows.
    """
    comparison = make_comparison(
        _side(a), _side(b), mode=mode, columns=columns, current=current, prefix=prefix
    )
    return Differences(a, b, comparison, Totals(depth), window_rows)


@dataclass(frozen=True, slots=True)
class _Journal(Rows):
    """The journal as rows that can be written."""

    differences: Differences

    @property
    def schema(self) -> pa.Schema:
        return journal_schema(self.differences.comparison)

    def batches(self) -> Iterator[pa.RecordBatch]:
        moment = self.differences.b.manifest.created
        for window in self.differences.all_windows():
            yield from journal_rows(window, self.differences.comparison, moment)


def _check(selection: Selection) -> None:
    wrong = Change.CREATED if selection.of_a else Change.DELETED
    if wrong in selection.kinds:
        side, other = ("A", "b") if selection.of_a else ("B", "a")
        raise UsageError(
            f"{wrong} objects are not in report {side}, so no manifest of it can name them",
            hint=f"ask for the objects of the other report: --side {other}",
        )


def _side(report: Report) -> Side:
    store = report.sidecar.endpoint if report.sidecar else ""
    return Side(report.fields, report.manifest.source_bucket, store, _filter_prefix(report))


def _columns(report: Report) -> tuple[str, ...]:
    return tuple(field.column for field in report.fields)


def _filter_prefix(report: Report) -> str:
    chosen = report.sidecar.configuration.filter if report.sidecar else None
    return (chosen.prefix or "") if chosen else ""


def _counts(kinds: dict[Change, Count]) -> dict[str, Any]:
    return {
        kind.value: {"objects": count.objects, "bytesA": count.bytes_a, "bytesB": count.bytes_b}
        for kind, count in kinds.items()
    }
