"""The rows a query yields, as CSV or Parquet. Nothing here knows reports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

import pyarrow as pa
from pyarrow import csv


def write_csv(batches: Iterable[pa.RecordBatch], schema: pa.Schema, sink: BinaryIO) -> int:
    """Write the rows with a header; returns how many.

    Every text is quoted and a null is nothing at all, so that the two differ.
    """
    rows = 0
    options = csv.WriteOptions(include_header=True, quoting_style="needed")
    with csv.CSVWriter(sink, schema, write_options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def write_batch_manifest(batches: Iterable[pa.RecordBatch], sink: BinaryIO) -> int:
    """Write columns of texts, keys encoded already, as the lines of a batch manifest: no header, no quotes; returns how
    many.

    Raises:
        pyarrow.ArrowInvalid: a value would need quotes, so no such value gets in by mistake.
    """
    rows = 0
    options = csv.WriteOptions(include_header=False, quoting_style="none")
    for batch in batches:
        csv.write_csv(batch, sink, options)
        rows += batch.num_rows
    return rows


def write_parquet(batches: Iterable[pa.RecordBatch], schema: pa.Schema, sink: BinaryIO) -> int:
    """Write the rows, a row group for each batch; returns how many."""
    # Most answers are no Parquet, and small: to load it is a part of what they cost.
    from pyarrow import parquet  # noqa: PLC0415

    rows = 0
    with parquet.ParquetWriter(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows
