"""The objects of a report that a condition holds for, as a file for whoever is to act on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.analysis.damage import HINT_VERIFY
from stocktake.analysis.output import Output, write_answer
from stocktake.analysis.relation import VIEW
from stocktake.analysis.rows import Rows
from stocktake.analysis.session import QueryLimits, open_session
from stocktake.analysis.tables import Table
from stocktake.formats.answers import write_batch_manifest
from stocktake.formats.csv import encode_keys
from stocktake.model.errors import DataFileError, QueryError, UsageError

BATCH_MANIFEST = "S3BatchOperations_CSV_20180820"
_LINE_END = "\n"


class ExportFormat(StrEnum):
    """The forms objects can be handed on in. A manifest is S3 Batch Operations' own, `BATCH_MANIFEST`."""

    CSV = "CSV"
    PARQUET = "Parquet"
    JSONL = "JSONL"
    MANIFEST = "manifest"


_OUTPUTS = {
    ExportFormat.CSV: Output.CSV,
    ExportFormat.PARQUET: Output.PARQUET,
    ExportFormat.JSONL: Output.JSONL,
}


@dataclass(frozen=True, slots=True)
class Matched:
    """How many rows the condition holds for; `bytes` is None where the report has no sizes, `delete_markers` where it
    has no versions.
    """

    rows: int
    bytes: int | None
    delete_markers: int | None


def manifest_fields(table: Table) -> tuple[str, ...]:
    """The columns of a batch manifest, in AWS's words for `Fields`: a version for every row, or for none."""
    versions = any(field.name == "VersionId" for field in table.fields)
    return ("Bucket", "Key", "VersionId") if versions else ("Bucket", "Key")


def count_matches(table: Table, where: str, *, limits: QueryLimits) -> Matched:
    """Count what `where` holds for, without writing it.

    Raises:
        QueryError: it is no condition. DataFileError, StoreError: the report cannot be read.
    """
    columns = {field.column for field in table.fields}
    size = "sum(size)" if "size" in columns else "NULL::BIGINT"
    markers = (
        "count_if(is_delete_marker)::BIGINT" if "is_delete_marker" in columns else "NULL::BIGINT"
    )
    sql = _select(f"count(*), {size}, {markers}", where)
    with _whole(where), open_session([table], limits=limits).run(sql, once=True) as answer:
        [rows, total, marked] = next(answer.batches()).columns
    return Matched(
        rows[0].as_py(),
        int(total[0].as_py() or 0) if "size" in columns else None,
        marked[0].as_py() if "is_delete_marker" in columns else None,
    )


def write_matches(
    table: Table, where: str, form: ExportFormat, sink: BinaryIO, *, limits: QueryLimits
) -> int:
    """Write the rows that `where` holds for to `sink`, strictly forward, in the report's order; returns how many.

    A manifest has a line for each object or version, `bucket,key[,version]`: no header, keys URL-encoded as in AWS's
    CSV reports, and `null` for the version that has no id, which is what Batch Operations takes for it. The other forms
    have all columns of the report.

    Raises:
        QueryError: `where` is no condition. DataFileError, StoreError: the report cannot be read.
        OSError: the sink does not take the rows.
    """
    fields = manifest_fields(table)
    columns = "*"
    if form is ExportFormat.MANIFEST:
        # Others than AWS write an empty text into ORC and Parquet.
        version = ", coalesce(nullif(version_id, ''), 'null') AS version_id"
        version = version if len(fields) > 2 else ""  # noqa: PLR2004
        columns = f"bucket, key{version}"
    with ExitStack() as open_things:
        session = open_things.enter_context(open_session([table], limits=limits))
        with _whole(where):
            answer = open_things.enter_context(session.run(_select(columns, where)))
        if form is ExportFormat.MANIFEST:
            return write_batch_manifest(_encoded(answer), sink)
        return write_answer(answer, _OUTPUTS[form], sink)


def _select(columns: str, where: str) -> str:
    """The SELECT, whose condition is the user's: a comment at its end stays within it, and its lines are counted so."""
    if not where.strip():
        raise UsageError(
            "the condition is empty; expected SQL such as `size = 0`, or `true` for all"
        )
    return f"SELECT {columns} FROM {VIEW} WHERE ({where}\n)"  # noqa: S608 - the engine is locked


@contextmanager
def _whole(where: str) -> Iterator[None]:
    """Say of a condition that is not whole that it is not, rather than where the bracket stands that is ours."""
    try:
        yield
    except QueryError as error:
        if error.message.endswith(f"(line {where.count(_LINE_END) + 2}, at `)`)"):
            raise QueryError(
                "the condition is not whole: it ends where SQL expects more, or closes a bracket that it did not open"
            ) from error
        raise


def _encoded(answer: Rows) -> Iterator[pa.RecordBatch]:
    for batch in answer.batches():
        for name in ("bucket", "key"):
            if batch.column(name).null_count:
                raise DataFileError(f"a row of the report has no {name}", hint=HINT_VERIFY)
        keys = encode_keys(batch.column("key"))
        yield pa.RecordBatch.from_arrays(
            [
                keys if name == "key" else pc.cast(batch.column(name), pa.string())
                for name in batch.schema.names
            ],
            names=batch.schema.names,
        )
