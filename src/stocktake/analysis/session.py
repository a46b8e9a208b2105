"""Tables of reports in a DuckDB of their own, to be asked as often as one likes.

DuckDB reads Parquet and CSV by itself, ORC and CSV with CRLF through Arrow: only the columns and row groups that the
query needs are fetched, and rows come as they are found. The SQL is the user's: it may read the
reports and nothing else, write nothing, load nothing, change no setting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import duckdb
import pyarrow as pa

from stocktake.analysis.damage import Damage
from stocktake.analysis.decoding import DECODING_MACROS
from stocktake.analysis.interrupting import Interruptible
from stocktake.analysis.offering import lock, offer
from stocktake.analysis.rows import PulledRows
from stocktake.analysis.statements import asked_columns, one_select
from stocktake.analysis.tables import Table, lacking_words
from stocktake.formats.frames import to_pandas, to_polars
from stocktake.store.passing import passing_folder

_THREADS_A_CORE, _WAITING_MAX = 4, 16


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What a query may use. What does not fit the memory spills to a temporary folder, removed at
    the end.
    """

    memory_bytes_max: int = 2 * 2**30
    threads: int | None = (
        None  # None: as many as there are cores; more where files come from a store
    )
    batch_rows_max: int = 10_000  # of one batch of the answer
    spill_folder: Path | None = None  # where the temporary folder is made; None: the system's
    spill_bytes_max: int | None = None  # None: most of what the disk has left


DEFAULT_QUERY_LIMITS = QueryLimits()


class Answer(PulledRows):
    """The rows a query yields, while it is under way; moments are `timestamp[us, UTC]`. They can be taken once; close
    it when done.

    `warnings` says what of it may be less than it looks: the columns it asks for that some of the
    reports lack.
    """

    def __init__(
        self,
        reader: pa.RecordBatchReader,
        resources: ExitStack,
        damage: Damage,
        calls: Interruptible,
        *,
        sql: str,
        warnings: tuple[str, ...] = (),
    ) -> None:
        super().__init__(reader, warnings)
        self._sql = sql
        self._resources = resources
        self._damage = damage
        self._calls = calls

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, in the order the query gives them, none empty.

        Raises:
            DataFileError: a data file is missing, short or damaged.
            QueryError: the query fails on a row.
            StoreError: the store was asked for a data file and did not give it.
        """
        while True:
            with self._damage.translated(self._sql):
                batch = self._calls.run(self._next)
            if batch is None:
                return
            if batch.num_rows:
                yield batch

    def _next(self) -> pa.RecordBatch | None:
        try:
            return self._reader.read_next_batch()
        except StopIteration:
            return None

    def arrow(self) -> pa.Table:
        """All rows at once, in memory. Raises as `batches`."""
        return pa.Table.from_batches(self.batches(), self.schema)

    def pandas(self) -> Any:
        """All rows as a `pandas.DataFrame` of Arrow's types. Raises as `batches`; UsageError: it is not installed."""
        return to_pandas(self.arrow())

    def polars(self) -> Any:
        """All rows as a `polars.DataFrame`. Raises as `batches`; UsageError: it is not installed."""
        return to_polars(self.arrow())

    def close(self) -> None:
        """Stop the query and remove what it kept on disk."""
        self._resources.close()


class Session(AbstractContextManager["Session"]):
    """Tables that are open to be asked, one question after the other."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        resources: ExitStack,
        damage: Damage,
        limits: QueryLimits,
        calls: Interruptible,
    ) -> None:
        self.tables = tuple(damage.tables)
        self._connection = connection
        self._resources = resources
        self._damage = damage
        self._limits = limits
        self._calls = calls

    def run(self, sql: str, *, once: bool = False) -> Answer:
        """Start one SELECT over the tables. The one before must be closed. With `once`, the session is closed with the
        answer, or if there is none.

        Raises:
            QueryError: not one SELECT, SQL that cannot run, or a column that no report has.
            DataFileError, StoreError: as `Answer.batches`, where it shows at once.
        """
        with ExitStack() as resources:
            if once:
                resources.enter_context(self)
            self._damage.served.forget()
            with self._damage.translated(sql):
                reader, warnings = self._calls.run(partial(self._started, sql))
            resources.callback(reader.close)
            held = resources.pop_all()
            return Answer(reader, held, self._damage, self._calls, sql=sql, warnings=warnings)

    def _warnings(self, sql: str) -> tuple[str, ...]:
        if not any(table.lacking for table in self.tables):
            return ()
        asked = asked_columns(self._connection, sql)
        return tuple(text for table in self.tables for text in lacking_words(table, asked))

    def _started(self, sql: str) -> tuple[pa.RecordBatchReader, tuple[str, ...]]:
        text = one_select(self._connection, sql)
        warnings = self._warnings(text)
        reader = self._connection.sql(text).to_arrow_reader(self._limits.batch_rows_max)
        return reader, warnings

    def close(self) -> None:
        """Close the database and remove what it kept on disk."""
        self._resources.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def open_session(
    tables: Sequence[Table],
    *,
    limits: QueryLimits = DEFAULT_QUERY_LIMITS,
    stop: Event | None = None,
    direct: bool = True,
) -> Session:
    """A database in which each of `tables` is a view, and nothing else can be reached. Setting `stop` ends a question.
    `direct` is as `offer` has it.

    Raises:
        DataFileError, StoreError: the first file of one of them cannot be read.
    """
    with ExitStack() as resources:
        folder = resources.enter_context(passing_folder("query", limits.spill_folder))
        connection = _empty(limits, folder)
        resources.callback(connection.close)
        calls = resources.enter_context(Interruptible(connection.interrupt, stop))
        # On this thread, the engine would make an error of its own of what a signal raises.
        damage = calls.run(lambda: _prepared(connection, tables, limits, direct=direct))
        return Session(connection, resources.pop_all(), damage, limits, calls)


def _prepared(
    connection: duckdb.DuckDBPyConnection,
    tables: Sequence[Table],
    limits: QueryLimits,
    *,
    direct: bool,
) -> Damage:
    _set_up(connection)
    damage = offer(connection, tables, direct=direct)
    if damage.places and limits.threads is None:
        _work_while_others_wait(connection)
    lock(connection, damage.paths)
    return damage


def _work_while_others_wait(connection: duckdb.DuckDBPyConnection) -> None:
    """Have threads beyond the cores, up to a bound: those that read from a store do little but wait for it."""
    [(cores,)] = connection.execute("SELECT current_setting('threads')").fetchall()
    connection.execute(f"SET threads = {max(cores, min(_THREADS_A_CORE * cores, _WAITING_MAX))}")


def connect(limits: QueryLimits, spill_folder: Path) -> duckdb.DuckDBPyConnection:
    """An empty database in memory, which spills into `spill_folder`. Moments are UTC."""
    connection = _empty(limits, spill_folder)
    _set_up(connection)
    return connection


def _empty(limits: QueryLimits, spill_folder: Path) -> duckdb.DuckDBPyConnection:
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{limits.memory_bytes_max} bytes",
        "temp_directory": str(spill_folder),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_persistent_secrets": False,
    }
    if limits.spill_bytes_max is not None:
        config["max_temp_directory_size"] = f"{limits.spill_bytes_max} bytes"
    if limits.threads is not None:
        config["threads"] = limits.threads
    return duckdb.connect(":memory:", config=config)


def _set_up(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET enable_progress_bar = false")  # it would stand in the midst of answers
    for macro in DECODING_MACROS:
        connection.execute(macro)
