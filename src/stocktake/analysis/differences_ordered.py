"""The rows of two reports, side by side, in windows of the same keys.

Rows come in the order of keys: as they lie where the files have it, else sorted by DuckDB, out of
core. stocktake claims the order of its reports in stocktake.json, and here it is checked again; AWS
claims none, so the keys of a report without that file are looked through first.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.analysis.ahead import read_ahead
from stocktake.analysis.offering import key_ranges
from stocktake.analysis.query import QueryLimits, run_query
from stocktake.analysis.relation import VIEW, identifier, literal
from stocktake.analysis.report import Report
from stocktake.formats import encoded_schema
from stocktake.formats.columns import encode
from stocktake.model.errors import DataFileError, QueryError, SpoolError
from stocktake.model.fields import Field, report_schema

WINDOW_ROWS = 32_768
_READ_AHEAD = 4  # batches of each report, which are decoded while others are compared
# Two reports may have to be sorted at once.
SORT_LIMITS = QueryLimits(memory_bytes_max=384 * 2**20, threads=2, batch_rows_max=WINDOW_ROWS)


def is_ordered(report: Report) -> bool:
    """Whether the report's rows are in the order of their keys."""
    if report.sidecar is not None:
        return True
    try:
        for _ in _ascending(report.batches(["key"]), report.address):
            pass
    except _DisorderError:
        return False
    return True


def ordered_batches(
    report: Report, columns: Sequence[str], prefix: str = ""
) -> Iterator[pa.RecordBatch]:
    """All rows of keys below `prefix`, in the order of keys, `columns` typed as `columns_schema` has them. Data files
    that hold none of them, as far as stocktake.json says it, are not read.

    Memory: a few batches, or what `SORT_LIMITS` allows; the rest of a sort lies in a temporary folder.

    Raises:
        DataFileError: a data file is missing, short or damaged, or stocktake.json claims an order
            that the rows do not have.
        SpoolError: no room to sort.
    """
    if is_ordered(report):
        rows = _ascending(_batches(report, columns, prefix), report.address)
        yield from read_ahead(_below(rows, prefix), _READ_AHEAD)
        return
    fields = _fields(report, columns)
    names = ", ".join(map(identifier, columns))
    sql = f"SELECT {names} FROM {VIEW} WHERE starts_with(key, {literal(prefix)}) ORDER BY key"  # noqa: S608 - quoted
    try:
        with run_query(report, sql, limits=SORT_LIMITS) as answer:
            for batch in answer.batches():
                yield encode(batch.cast(report_schema(fields)), fields)
    except QueryError as error:  # of SQL that is ours
        raise SpoolError(
            f"the rows of {report.address}, which are in no order, cannot be sorted by key: {error.message}",
            hint=f"have more room in {tempfile.gettempdir()}, or name another folder in TMPDIR",
        ) from error


def columns_schema(report: Report, columns: Sequence[str]) -> pa.Schema:
    """These columns of a report as they are typed there, those too that the table of fields does not know; texts that
    repeat stand in dictionaries.
    """
    return encoded_schema(_fields(report, columns))


def _fields(report: Report, columns: Sequence[str]) -> list[Field]:
    fields = {field.column: field for field in report.fields}
    return [fields[column] for column in columns]


def _batches(report: Report, columns: Sequence[str], prefix: str) -> Iterator[pa.RecordBatch]:
    """The rows of the data files that may hold keys below `prefix`."""
    ranges = key_ranges(report)
    for file in report.manifest.files:
        first, last = ranges.get(file.key, (prefix, prefix))
        if last >= prefix and (first <= prefix or first.startswith(prefix)):
            yield from report.file_batches(file, columns, encoded=True)


def _below(batches: Iterator[pa.RecordBatch], prefix: str) -> Iterator[pa.RecordBatch]:
    if not prefix:
        yield from batches
        return
    for batch in batches:
        kept = batch.filter(pc.starts_with(batch.column("key"), prefix))
        if kept.num_rows:
            yield kept


class _DisorderError(DataFileError):
    """Rows are not in the order of their keys."""


def _ascending(batches: Iterator[pa.RecordBatch], where: str) -> Iterator[pa.RecordBatch]:
    last = ""
    for batch in batches:
        keys = batch.column("key")
        first = keys[0].as_py()
        if first < last or pc.any(pc.less(keys[1:], keys[:-1])).as_py():
            raise _DisorderError(
                f"the rows of {where} are not in the order of their keys, as its stocktake.json claims",
                hint="`stocktake verify` says where; the report cannot be trusted",
            )
        last = keys[-1].as_py()
        yield batch


class _Feed:
    """What has come of one report and has not been handed on."""

    def __init__(self, batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> None:
        self._batches = batches
        self.rows = schema.empty_table()
        self.over = False

    def fill(self, rows_min: int) -> None:
        """Hold at least so many rows, or all there are."""
        held, rows = [self.rows], self.rows.num_rows
        while rows < rows_min and not self.over:
            batch = next(self._batches, None)
            if batch is None:
                self.over = True
            else:
                held.append(pa.Table.from_batches([batch], self.rows.schema))
                rows += batch.num_rows
        if len(held) > 1:
            # Not put together, which would copy all of it.
            self.rows = pa.concat_tables(held)

    @property
    def last_key(self) -> str:
        return str(self.rows.column("key")[-1].as_py())

    def take_before(self, key: str | None) -> pa.Table:
        """Hand on the rows with keys before `key`; None: all."""
        upto = self.rows.num_rows if key is None else self._position(key)
        taken, self.rows = self.rows.slice(0, upto), self.rows.slice(upto)
        return taken

    def _position(self, key: str) -> int:
        keys = self.rows.column("key")
        low, high = 0, len(keys)
        while low < high:
            middle = (low + high) // 2
            if keys[middle].as_py() < key:
                low = middle + 1
            else:
                high = middle
        return low


def paired_windows(
    a: Iterator[pa.RecordBatch],
    b: Iterator[pa.RecordBatch],
    schemas: tuple[pa.Schema, pa.Schema],
    *,
    window_rows: int = WINDOW_ROWS,
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """The rows of `a` and `b`, in windows that hold the same range of keys of both, all rows of a key
    in one of them.

    Memory: two windows of each, or all versions of one key where these are more.
    """
    feeds = (_Feed(a, schemas[0]), _Feed(b, schemas[1]))
    wanted = window_rows
    while True:
        for feed in feeds:
            feed.fill(wanted)
        # The rows of a feed's last key may go on behind what has come.
        bound = min((feed.last_key for feed in feeds if not feed.over), default=None)
        pair = (feeds[0].take_before(bound), feeds[1].take_before(bound))
        if pair[0].num_rows or pair[1].num_rows:
            wanted = window_rows
            yield pair
        elif bound is None:
            return
        else:
            wanted = 2 * max(feed.rows.num_rows for feed in feeds)
