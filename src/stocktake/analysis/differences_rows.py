"""The rows of a difference: as the journal of S3 Metadata, or as a manifest of S3 Batch Operations.

The journal's first columns are `record_type` and `record_timestamp`, then come the fields of both
reports. By its rules (S3 User Guide, "S3 Metadata journal tables schema") an object that is written
anew is a CREATE, one of which only metadata that can change without that has changed is an
UPDATE_METADATA, and so a field's `mutable` decides. A DELETE has nothing but bucket, key and
version_id, and a delete marker that appeared is a DELETE, too, with its own row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.analysis.differences_comparison import IDENTITY, MARKER, Comparison
from stocktake.analysis.differences_totals import Change
from stocktake.analysis.differences_window import WindowDifference
from stocktake.formats.csv import encode_keys
from stocktake.model.fields import FIELDS, report_schema

CREATE, UPDATE_METADATA, DELETE = "CREATE", "UPDATE_METADATA", "DELETE"
_MUTABLE = pa.array([field.column for field in FIELDS if field.mutable])
_JOURNAL = (
    pa.field("record_type", pa.string(), nullable=False),
    pa.field("record_timestamp", pa.timestamp("ms", tz="UTC"), nullable=False),
)
CHANGED_COLUMNS = pa.field("changed_columns", pa.string())


def journal_schema(comparison: Comparison) -> pa.Schema:
    """`record_type`, `record_timestamp`, the fields of both reports, and, which S3 Metadata has not,
    `changed_columns`: their names with commas between, NULL where all of an object is new or gone.
    """
    return pa.schema([*_JOURNAL, *report_schema(comparison.fields), CHANGED_COLUMNS])


def journal_rows(
    window: WindowDifference, comparison: Comparison, moment: datetime
) -> Iterator[pa.RecordBatch]:
    """What the journal says of a window: deleted objects, created ones, changed ones as report B has
    them. `moment` is report B's: when exactly it happened, no report says. Undecided ones are not in it.
    """
    schema = journal_schema(comparison)
    gone = window.deleted.select([name for name in IDENTITY if name in window.deleted.column_names])
    parts = (
        (gone, _repeated(DELETE, gone), None),
        (window.created, _created_types(window.created), None),
        (
            window.changed_b,
            _changed_types(window.changed_columns),
            pc.binary_join(window.changed_columns, ","),
        ),
    )
    for rows, types, names in parts:
        if rows.num_rows:
            yield _conformed(rows, types, names, schema, moment)


def _repeated(record_type: str, rows: pa.Table) -> pa.Array:
    return pa.repeat(pa.scalar(record_type), rows.num_rows)


def _created_types(rows: pa.Table) -> Any:
    if MARKER not in rows.column_names:
        return _repeated(CREATE, rows)
    marked = pc.fill_null(rows.column(MARKER), fill_value=False)
    return pc.if_else(marked, DELETE, CREATE)


def _changed_types(names: pa.ListArray) -> pa.Array:
    """UPDATE_METADATA where every changed column is one that can change without a new object."""
    written = pc.invert(pc.is_in(names.flatten(), value_set=_MUTABLE))
    rows = names.value_parent_indices().filter(written)
    anew = pc.is_in(pa.arange(0, len(names)), value_set=rows.cast(pa.int64()))
    return pc.if_else(anew, CREATE, UPDATE_METADATA)


def _conformed(
    rows: pa.Table, types: Any, names: Any, schema: pa.Schema, moment: datetime
) -> pa.RecordBatch:
    count = rows.num_rows
    made = {
        "record_type": types,
        "record_timestamp": pa.repeat(
            pa.scalar(moment, schema.field("record_timestamp").type), count
        ),
        CHANGED_COLUMNS.name: pa.nulls(count, pa.string()) if names is None else names,
    }
    columns = [
        made[field.name]
        if field.name in made
        else rows.column(field.name)
        if field.name in rows.column_names
        else pa.nulls(count, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema).combine_chunks().to_batches()[0]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects a manifest names: of these kinds, as report A or B has them."""

    kinds: frozenset[Change]
    of_a: bool


def manifest_rows(
    window: WindowDifference, selection: Selection, *, versions: bool
) -> Iterator[pa.RecordBatch]:
    """The columns of S3BatchOperations_CSV_20180820: bucket, URL-encoded key and, with `versions`, the
    version id; `null` for the null version, for Batch Operations fails every task without one.

    Delete markers are left out: no operation works on them.
    """
    sides = {
        Change.CREATED: (None, window.created),
        Change.DELETED: (window.deleted, None),
        Change.CHANGED: (window.changed_a, window.changed_b),
        Change.UNDECIDED: (window.undecided_a, window.undecided_b),
    }
    for kind, (a, b) in sides.items():
        rows = a if selection.of_a else b
        if kind in selection.kinds and rows is not None:
            yield from _named(rows, versions=versions)


def _named(rows: pa.Table, *, versions: bool) -> Iterator[pa.RecordBatch]:
    if MARKER in rows.column_names:
        rows = rows.filter(pc.invert(pc.fill_null(rows.column(MARKER), fill_value=False)))
    for batch in rows.to_batches():
        columns = {"bucket": batch.column("bucket"), "key": encode_keys(batch.column("key"))}
        if versions:
            ids = pc.fill_null(batch.column("version_id"), "")
            columns["version_id"] = pc.if_else(pc.equal(ids, ""), "null", ids)
        yield pa.RecordBatch.from_pydict(columns)
