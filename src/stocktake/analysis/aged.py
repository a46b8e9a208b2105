"""The rows of a report with the day of their answers, which stands in a file of ours beside it, a row for each row."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa

from stocktake.analysis.findings import Finding, Outcome
from stocktake.analysis.report import Report
from stocktake.formats.ages import Ages
from stocktake.model.errors import DataFileError, NoSuchKeyError
from stocktake.model.manifest import ManifestFile
from stocktake.model.paths import AGES
from stocktake.model.remembering import ENRICHED_AT

_PIECE_BYTES = 2**20


def check_ages(report: Report) -> Outcome:
    """Whether the file of ages is what stocktake.json says, with a row for each of the report's."""
    sidecar = report.sidecar
    if sidecar is None or (said := sidecar.ages) is None:
        return Outcome()
    where = report.files.uri(_key(report))
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with _opened(report) as source:
            while piece := source.read(_PIECE_BYTES):
                digest.update(piece)
            if digest.hexdigest() != said.md5:
                return Outcome(findings=(Finding("MD5", where, digest.hexdigest(), said.md5),))
            source.seek(0)
            rows = Ages(source, name=where).rows
    except DataFileError as error:
        return Outcome(findings=(Finding("ages", where, error.message, f"{sidecar.rows} rows"),))
    if not rows == said.rows == sidecar.rows:
        return Outcome(findings=(Finding("ages", where, f"{rows} rows", f"{sidecar.rows} rows"),))
    return Outcome(checked=(f"MD5 and rows of {AGES}",))


class AgedRows:
    """Reads data files with the column `enriched_at` behind their own; null where the report does not say it."""

    def __init__(self, report: Report) -> None:
        self._report = report
        said = report.sidecar.files if report.sidecar is not None else ()
        rows = 0
        self._starts: dict[str, int] = {}
        for file in said:
            self._starts[file.key] = rows
            rows += file.rows

    def batches(self, file: ManifestFile, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of a data file, `columns` in that order.

        Raises:
            DataFileError: it, or the file of ages, is missing, short or damaged.
        """
        own = [name for name in columns if name != ENRICHED_AT] or ["key"]
        found = self._report.file_batches(file, own)
        if ENRICHED_AT not in columns:
            yield from found
            return
        sidecar = self._report.sidecar
        if sidecar is None or sidecar.ages is None:
            for batch in found:
                yield _with_days(batch, pa.nulls(batch.num_rows, pa.date32()), columns)
            return
        with _opened(self._report) as source:
            ages = Ages(source, name=AGES)
            row = self._starts[file.key]
            for batch in found:
                days = ages.slice(row, batch.num_rows).column(ENRICHED_AT).combine_chunks()
                row += batch.num_rows
                yield _with_days(batch, days, columns)


def _key(report: Report) -> str:
    return f"{report.folder}/{AGES}".removeprefix("/")


def _opened(report: Report) -> BinaryIO:
    try:
        return report.files.open(_key(report))
    except NoSuchKeyError as error:
        raise DataFileError(
            f"{report.files.uri(_key(report))}, which stocktake.json names, is missing"
        ) from error


def _with_days(batch: pa.RecordBatch, days: pa.Array, columns: Sequence[str]) -> pa.RecordBatch:
    return batch.append_column(ENRICHED_AT, days).select(list(columns))
