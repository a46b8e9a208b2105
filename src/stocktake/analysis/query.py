"""SQL over a report: DuckDB over a view named `inventory_report`.

DuckDB reads Parquet and CSV by itself and ORC through Arrow, always through `store/`'s files: only
the columns and row groups that the query needs are fetched, and rows come as they are found. The
SQL is the user's: it may read the report and nothing else, write nothing, load nothing, change no
setting.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import duckdb
import pyarrow as pa

from stocktake.analysis.relation import VIEW, identifier, literal, select_rows
from stocktake.analysis.report import Report
from stocktake.formats.dataset import PulledDataset
from stocktake.model.configuration import Format
from stocktake.model.errors import DataFileError, InventoryError, QueryError
from stocktake.model.fields import BY_COLUMN, BY_NAME, Field, Kind, report_schema
from stocktake.model.paths import DATA_SUFFIXES
from stocktake.store.served import Served, ServedFiles

_ORC_ROWS = "orc_rows"
_READABLE = ("SELECT", "EXPLAIN")
_FOREIGN = (duckdb.Error, pa.ArrowException, OSError)


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What a query may use. What does not fit the memory spills to a temporary folder, removed at
    the end.
    """

    memory_bytes_max: int = 2 * 2**30
    threads: int | None = None  # None: as many as this machine has cores
    batch_rows_max: int = 10_000  # of one batch of the answer


DEFAULT_QUERY_LIMITS = QueryLimits()


class Answer(AbstractContextManager["Answer"]):
    """The rows a query yields, while it is under way. They can be taken once; close it when done."""

    def __init__(self, reader: pa.RecordBatchReader, session: ExitStack, damage: _Damage) -> None:
        self._reader = reader
        self._session = session
        self._damage = damage

    @property
    def schema(self) -> pa.Schema:
        """The columns and their Arrow types; moments are `timestamp[us, UTC]`."""
        return self._reader.schema

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self._reader.schema.names)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, in the order the query gives them, none empty.

        Raises:
            DataFileError: a data file is missing, short or damaged.
            QueryError: the query fails on a row.
            StoreError: the store was asked for a data file and did not give it.
        """
        while True:
            with self._damage.translated():
                try:
                    batch = self._reader.read_next_batch()
                except StopIteration:
                    return
            if batch.num_rows:
                yield batch

    def close(self) -> None:
        """Stop the query and remove what it kept on disk."""
        self._session.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def run_query(report: Report, sql: str, *, limits: QueryLimits = DEFAULT_QUERY_LIMITS) -> Answer:
    """Start one SELECT over the report's view `inventory_report`.

    Raises:
        QueryError: not one SELECT, SQL that cannot run, or a column the report lacks.
        DataFileError, StoreError: as `Answer.batches`, where it shows at once.
    """
    with ExitStack() as stack:
        served = ServedFiles(_served(report))
        damage = _Damage(report, served)
        connection = _connect(stack, limits)
        with damage.translated(ours=True):
            _offer(connection, stack, report, served)
        _lock(connection)
        with damage.translated():
            relation = connection.sql(_one_select(connection, sql))
            reader = relation.to_arrow_reader(limits.batch_rows_max)
        stack.callback(reader.close)
        return Answer(reader, stack.pop_all(), damage)


def _served(report: Report) -> dict[str, Served]:
    suffix = DATA_SUFFIXES[report.manifest.format]
    return {
        f"{number:06d}{suffix}": Served(file.size, partial(report.open, file))
        for number, file in enumerate(report.manifest.files)
    }


def _connect(stack: ExitStack, limits: QueryLimits) -> duckdb.DuckDBPyConnection:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="stocktake-query-"))
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{limits.memory_bytes_max} bytes",
        "temp_directory": folder,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_persistent_secrets": False,
    }
    if limits.threads is not None:
        config["threads"] = limits.threads
    connection = duckdb.connect(":memory:", config=config)
    stack.callback(connection.close)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET python_enable_replacements = false")
    return connection


def _offer(
    connection: duckdb.DuckDBPyConnection, stack: ExitStack, report: Report, served: ServedFiles
) -> None:
    """Make the view. Its first file is opened for that."""
    urls = [served.url(name) for name in served.names]
    if report.manifest.format is Format.ORC:
        schema = report_schema(report.fields)
        rows = PulledDataset(schema, lambda columns: _remembered(report.batches(columns), served))
        connection.register(_ORC_ROWS, rows)
        stack.callback(connection.unregister, _ORC_ROWS)
        urls = [_ORC_ROWS]
    else:
        connection.register_filesystem(served)
        stack.callback(connection.unregister_filesystem, served.protocol)
    selection = select_rows(report.manifest.format, report.fields, urls)
    connection.execute(f"CREATE VIEW {identifier(VIEW)} AS {selection}")


def _remembered(batches: Iterator[pa.RecordBatch], served: ServedFiles) -> Iterator[pa.RecordBatch]:
    try:
        yield from batches
    except InventoryError as error:
        served.remember(error)
        raise


def _lock(connection: duckdb.DuckDBPyConnection) -> None:
    """From here on the SQL is somebody else's."""
    connection.execute(f"SET allowed_directories = [{literal(ServedFiles.url(''))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _one_select(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise QueryError(f"found {len(statements)} SQL statements, expected one")
    kind = statements[0].type.name
    if kind not in _READABLE:
        raise QueryError(f"found {kind}, expected one SELECT: a report can only be read")
    return statements[0].query


@dataclass(frozen=True, slots=True)
class _Damage:
    """Whose fault an engine's error is: the report's, the store's or the query's."""

    report: Report
    served: ServedFiles

    @contextmanager
    def translated(self, *, ours: bool = False) -> Iterator[None]:
        """With `ours`, the SQL is not the user's, so that it cannot be at fault."""
        try:
            yield
        except _FOREIGN as error:
            raise self._error(error, ours=ours) from error

    def _error(self, error: Exception, *, ours: bool) -> InventoryError:
        if self.served.failure is not None:
            return self.served.failure
        text = str(error).strip()
        if ours or any(sign in text for sign in _SIGNS_OF_DAMAGE):
            return DataFileError(
                f"a data file cannot be read: {self._named(text)}",
                hint="`stocktake verify` checks every file of the report",
            )
        if isinstance(error, duckdb.OutOfMemoryException) or text.startswith("Out of Memory"):
            return QueryError(
                f"the query needs more memory than it may use: {text.splitlines()[0]}",
                hint="ask for fewer columns, or for fewer groups",
            )
        if (field := _missing_field(text, self.report)) is not None:
            return _lacks(field, self.report)
        return QueryError(text, hint=_spelling_hint(text, self.report))

    def _named(self, text: str) -> str:
        """`text` with the engine's names of the data files replaced by where they are."""
        for name, file in zip(self.served.names, self.report.manifest.files, strict=True):
            text = text.replace(self.served.url(name), self.report.expected(file))
        return text


# What stands in an engine's complaint about a file, and not in one about SQL: the file's address, and
# the words of DuckDB's CSV reader, of decoding keys, and of its Parquet reader where it names no file.
_SIGNS_OF_DAMAGE = (
    ServedFiles.url(""),
    "CSV Error",
    "using URL decoding",
    "Out of buffer",
    "TProtocolException",
    "Incorrect stats size",
    "INTERNAL Error",
    "Invalid Error:",
)
_QUOTED = re.compile(r'"([^"]+)"')
_BY_WORD: dict[str, Field] = {name.lower(): field for name, field in BY_NAME.items()} | BY_COLUMN


def _named_fields(message: str) -> list[Field]:
    """The fields that the first line of an engine's complaint names, by AWS's name or by column."""
    words = [
        word.rpartition(".")[2].lower() for word in _QUOTED.findall(message.partition("\n")[0])
    ]
    return [_BY_WORD[word] for word in words if word in _BY_WORD]


def _missing_field(message: str, report: Report) -> Field | None:
    return next((field for field in _named_fields(message) if field not in report.fields), None)


def _spelling_hint(message: str, report: Report) -> str:
    """A column asked for by AWS's name of the field, as it stands in configurations and CSV."""
    for field in _named_fields(message):
        if field in report.fields and f'"{field.column}"' not in message.partition("\n")[0]:
            return f"the column is `{field.column}`"
    return ""


def _lacks(field: Field, report: Report) -> QueryError:
    options = "--versions All" if field.kind is Kind.VERSIONS else f"--fields default,{field.name}"
    configured = (
        "IncludedObjectVersions All" if field.kind is Kind.VERSIONS else f"the field {field.name}"
    )
    theirs = (
        ""
        if report.sidecar or field.kind is Kind.EXTENSION
        else (f"; of AWS, ask for {configured} in the InventoryConfiguration")
    )
    return QueryError(
        f"the report lacks the column `{field.column}` ({field.name}), so it cannot answer this;"
        f" its columns are {', '.join(column.column for column in report.fields)}",
        hint=f"`stocktake run` yields it with `{options}`{theirs}",
    )
