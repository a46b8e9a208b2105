"""A report, or several of one configuration, as people hold it in their hands in Python."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import pyarrow as pa

from stocktake.analysis.offering import offer
from stocktake.analysis.relation import VIEW, identifier
from stocktake.analysis.report import Report
from stocktake.analysis.session import Answer, QueryLimits, connect, open_session
from stocktake.analysis.tables import Table, check_table_name, lacking_words
from stocktake.analysis.warned import warn_caller
from stocktake.model.errors import UsageError
from stocktake.model.fields import Field, report_schema
from stocktake.model.manifest import Manifest
from stocktake.model.sidecar import Sidecar

_ALL = f"SELECT * FROM {VIEW}"  # noqa: S608 - a name of ours


class OpenReport(AbstractContextManager["OpenReport"]):
    """A published report that is open to be read; of a range of dates, all reports of it as one, with a column `dt`.

    The columns have the same names and types whatever the format: texts are strings, flags booleans, numbers 64 bits,
    moments UTC, keys decoded. What has no value is null. Nothing is read before it is asked for, and of what lies in a
    bucket, only the bytes that the answer needs. Connections close when nothing refers to the report any more, or when
    it is left as a context manager.
    """

    def __init__(
        self, table: Table, limits: QueryLimits, close: Callable[[], object] = lambda: None
    ) -> None:
        self._table = table
        self._limits = limits
        self._close = close

    @property
    def reports(self) -> tuple[Report, ...]:
        """Each report by itself, the oldest first."""
        return self._table.reports

    @property
    def address(self) -> str:
        """Where manifest.json lies; of several, the newest one's."""
        return self.reports[-1].address

    @property
    def manifest(self) -> Manifest:
        """What manifest.json says; of several, the newest one's."""
        return self.reports[-1].manifest

    @property
    def sidecar(self) -> Sidecar | None:
        """What stocktake.json says, where there is one; of several, the newest one's."""
        return self.reports[-1].sidecar

    @property
    def fields(self) -> tuple[Field, ...]:
        """The columns as the table of fields describes them."""
        return self._table.fields

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(field.column for field in self.fields)

    @property
    def schema(self) -> pa.Schema:
        """The columns and their Arrow types; moments are `timestamp[ms, UTC]`."""
        return report_schema(self.fields)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """All rows, or these columns of them, as Arrow record batches of `schema`, in the order of the reports' files.
        Memory is that of a few batches, however large the report.

        Raises:
            QueryError: a column that no report has.
            DataFileError, StoreError: a data file is missing, short or damaged, or cannot be had.
        """
        chosen = "*" if columns is None else ", ".join(map(identifier, columns))
        if not chosen:
            raise UsageError("no columns are asked for; expected at least one")
        types = {field.name: field for field in self.schema}
        with self.query(f"SELECT {chosen} FROM {VIEW}") as answer:  # noqa: S608 - quoted
            schema = pa.schema([types[name] for name in answer.columns])
            for batch in answer.batches():
                yield batch.cast(schema)

    def query(self, sql: str) -> Answer:
        """Start one SELECT over the view `inventory_report`; close the answer when done.

        Raises:
            QueryError: not one SELECT, SQL that cannot run, or a column that no report has.
            DataFileError, StoreError: as `Answer.batches`, where it shows at once.
        """
        return query(sql, {VIEW: self})

    def arrow(self, sql: str = _ALL) -> pa.Table:
        """What `sql` yields, all of it in memory. Raises as `query` and `Answer.batches`."""
        with self.query(sql) as answer:
            return answer.arrow()

    def pandas(self, sql: str = _ALL) -> Any:
        """What `sql` yields as a `pandas.DataFrame` of Arrow's types, all of it in memory.

        Raises:
            UsageError: pandas is not installed; and as `arrow`.
        """
        with self.query(sql) as answer:
            return answer.pandas()

    def polars(self, sql: str = _ALL) -> Any:
        """What `sql` yields as a `polars.DataFrame`, all of it in memory.

        Raises:
            UsageError: polars is not installed; and as `arrow`.
        """
        with self.query(sql) as answer:
            return answer.polars()

    def relation(self) -> duckdb.DuckDBPyRelation:
        """All rows as a relation of a DuckDB of its own, to be filtered, joined and grouped there: lazily, and as long
        as it or what was made of it is kept. It is the caller's, and not locked; its errors are DuckDB's. To give
        moments as Python's own (`fetchall`) it wants the package pytz; as Arrow, pandas or polars it needs none.

        Raises:
            DataFileError, StoreError: the first file of a report cannot be read.
        """
        # DuckDB makes the folder when it first spills, and removes it with the database.
        above = self._limits.spill_folder or Path(tempfile.gettempdir())
        connection = connect(self._limits, above / f"stocktake-relation-{uuid4()}")
        for text in lacking_words(self._table):
            warn_caller(text)
        offer(connection, [self._table])
        return connection.view(VIEW)

    def close(self) -> None:
        """Close the connections to where the reports lie. Nothing more can be read."""
        self._close()

    def __exit__(self, *_: object) -> None:
        self.close()


def query(sql: str, reports: Mapping[str, OpenReport]) -> Answer:
    """Start one SELECT over all of `reports`, each a view of its name, whatever stores they lie on.

    Raises:
        UsageError: a name that is none, or no reports.
        QueryError, DataFileError, StoreError: as `OpenReport.query`.
    """
    if not reports:
        raise UsageError("there is no report to ask; expected at least one")
    tables = [replace(each._table, name=check_table_name(name)) for name, each in reports.items()]  # noqa: SLF001
    limits = next(iter(reports.values()))._limits  # noqa: SLF001 - of this module
    answer = open_session(tables, limits=limits).run(sql, once=True)
    for text in answer.warnings:
        warn_caller(text)
    return answer
