"""Whether the engine can read a report's data files, all of them as it reads the first: what may differ is looked for.

It takes the line ends of CSV and the types of Parquet's columns from the first file, and would round, or cut wrongly,
what another one has. Files of this machine are looked at beforehand, and where they differ the engine reads none of
them. To look at those in a bucket takes a request each, so they are looked at when the engine opens them, by the bytes
that it reads anyway; one that differs is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from stocktake.analysis.report import Report
from stocktake.formats import ends_rows_with_crlf, number_types
from stocktake.model.configuration import Format
from stocktake.model.errors import DataFileError, InventoryError
from stocktake.model.manifest import ManifestFile

_HINT = (
    "copy the report into a folder of this machine and ask it there: what lies in a folder is read however"
    " its files differ"
)


def engine_reads(report: Report) -> bool:
    """Whether DuckDB reads the data files. It reads no ORC, nor CSV whose rows end with CRLF where values may hold
    other line ends, nor, as they are meant, numbers of Parquet that are integers in one file and others in the next.

    Raises:
        DataFileError, StoreError: the first file that has rows cannot be read.
    """
    if report.manifest.format is Format.ORC:
        return False
    every = report.files.bucket is None
    if report.manifest.format is Format.CSV:
        return not _ends_rows_with_crlf(report, every=every)
    # stocktake's own have one schema; to look at others takes longer than to plan a small question.
    return not (every and report.beside.body is None and _mixes_numbers(report))


def _ends_rows_with_crlf(report: Report, *, every: bool) -> bool:
    """Whether rows of CSV end with CRLF, by the first row of `every` file, or by that of the first file that has
    any.
    """
    told = False
    for file in report.manifest.files:
        try:
            with report.open(file) as source:
                found = ends_rows_with_crlf(source, name=report.expected(file))
        except InventoryError:
            if told:
                continue  # told when the file is wanted
            raise
        if found or (found is not None and not every):
            return found
        told = True
    return False


def _mixes_numbers(report: Report) -> bool:
    found = set()
    files = report.manifest.files
    for file in files if len(files) > 1 else ():
        try:
            with report.open(file) as source:
                found.add(number_types(source, report.fields, name=report.expected(file)))
        except InventoryError:
            continue  # told when the file is wanted
    return len(found) > 1


class AlikeFiles:
    """What opens data files of a report that the engine reads, of which the first one is opened first."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._first: tuple[str, ...] | None = None
        self._checked: set[str] = set()

    def opener(self, file: ManifestFile) -> Callable[[], BinaryIO]:
        """What opens a data file, as `Report.opener`. Raises DataFileError, too, if it cannot be read as the first one
        is.
        """
        unchecked = self._report.opener(file)
        if len(self._report.manifest.files) == 1:
            return unchecked

        def opened() -> BinaryIO:
            source = unchecked()
            if file.key in self._checked:
                return source
            try:
                self._check(file, source)
            except BaseException:
                source.close()
                raise
            self._checked.add(file.key)
            source.seek(0)
            return source

        return opened

    def _check(self, file: ManifestFile, source: BinaryIO) -> None:
        name = self._report.expected(file)
        if self._report.manifest.format is Format.CSV:
            if ends_rows_with_crlf(source, name=name):
                raise self._other(name, "ends its rows with CRLF", "LF")
            return
        found = number_types(source, self._report.fields, name=name)
        self._first = found if self._first is None else self._first
        if found != self._first:
            raise self._other(name, f"has {_shown(found)}", _shown(self._first))

    @staticmethod
    def _other(name: str, found: str, expected: str) -> DataFileError:
        return DataFileError(
            f"the data file {name} {found}, expected {expected} as in the first one", hint=_HINT
        )


def _shown(types: tuple[str, ...]) -> str:
    return ", ".join(types) or "integers alone"
