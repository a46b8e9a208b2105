"""Small tables that are read and written whole, as Parquet. Nothing here knows reports."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq

from stocktake.model.errors import DataFileError


def encode_table(table: pa.Table) -> bytes:
    """The table as a Parquet file, the metadata of its schema in the file's own."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True, version="2.6")
    return sink.getvalue()


def decode_table(body: bytes, schema: pa.Schema) -> pa.Table:
    """The table in a Parquet file, whose columns are exactly those of `schema`; its metadata is the file's.

    Raises:
        DataFileError: it is none, it is damaged, or it has other columns.
    """
    try:
        file = pq.ParquetFile(io.BytesIO(body), page_checksum_verification=True)
        table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise DataFileError(f"it cannot be read as Parquet: {error}") from error
    if not table.schema.equals(schema, check_metadata=False):
        raise DataFileError(f"it has the columns {table.schema.names}, expected {schema.names}")
    return table
