"""ORC as AWS writes it: version 0.12, ZLIB in blocks of 262,144 bytes, an index every 10,000 rows.

Moments are plain `timestamp`, without a zone, the wall clock being UTC; ORC's "timestamp with local
time zone" is another type, which Hive's and Athena's tables do not expect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.orc as po

from stocktake.formats.columns import READ_ROWS_MAX, check_columns, conform
from stocktake.formats.gathering import ForwardSink, PieceLimits
from stocktake.model.fields import Field

# The ORC writer gathers rows into stripes by itself; pieces only spare it calls.
PIECE_LIMITS = PieceLimits(rows_max=16_384, bytes_max=16 * 2**20)

_STRIPE_BYTES = 64 * 2**20  # Java's default; a writer holds about so much, compressed
_DISTINCT_SHARE_MAX = 0.8  # Java's default: a column with more distinct values gets no dictionary
_ZONELESS = pa.timestamp("ms")


class OrcEncoder:
    """Writes one ORC file, strictly forward."""

    def __init__(self, sink: BinaryIO, schema: pa.Schema) -> None:
        self._schema = pa.schema([_zoneless(field) for field in schema])
        self._sink = ForwardSink(sink)
        self._empty = True
        with self._sink.passing():
            self._writer = po.ORCWriter(
                self._sink.opened(),
                file_version="0.12",
                batch_size=8192,
                stripe_size=_STRIPE_BYTES,
                compression="ZLIB",
                compression_block_size=262_144,
                row_index_stride=10_000,
                dictionary_key_size_threshold=_DISTINCT_SHARE_MAX,
            )

    def encode(self, rows: pa.Table) -> None:
        """Add `rows` to the stripe under way."""
        self._empty = False
        with self._sink.passing():
            self._writer.write(rows.cast(self._schema))

    def finish(self) -> None:
        """Write the last stripe and the footer."""
        with self._sink.passing():
            if self._empty:  # the writer learns the schema from the first table only
                self._writer.write(self._schema.empty_table())
            self._writer.close()

    def abandon(self) -> None:
        """Close pyarrow's writer without its stripe and footer reaching the sink."""
        self._writer.close()


def _zoneless(field: Any) -> Any:
    return field.with_type(_ZONELESS) if pa.types.is_timestamp(field.type) else field


def read(
    source: BinaryIO, fields: Sequence[Field], wanted: Sequence[Field]
) -> Iterator[pa.RecordBatch]:
    """The rows of a file whose columns are `fields`: those of `wanted`.

    Rows are decoded as they are asked for, READ_ROWS_MAX at a time, so that memory does not grow with the stripes,
    which others may write as large as they like.
    """
    # It takes a while to load, and only reports in ORC need it.
    import pyarrow.dataset as ds  # noqa: PLC0415

    check_columns(po.ORCFile(source).schema, fields)
    fragment = ds.OrcFileFormat().make_fragment(source)
    batches = fragment.to_batches(
        columns=[field.column for field in wanted],
        batch_size=READ_ROWS_MAX,
        batch_readahead=0,
        fragment_readahead=0,
        use_threads=False,
    )
    for batch in batches:
        if batch.num_rows:
            yield conform(batch, wanted)


def describe(source: BinaryIO) -> tuple[int, str]:
    """The row count and the schema, in the form of the manifest's `fileSchema`, by the footer alone."""
    file = po.ORCFile(source)
    columns = ",".join(f"{field.name}:{_type_text(field.type)}" for field in file.schema)
    return file.nrows, f"struct<{columns}>"


_TYPE_TEXTS = {
    pa.string(): "string",
    pa.bool_(): "boolean",
    pa.int64(): "bigint",
    pa.int32(): "int",
    pa.timestamp("ns"): "timestamp",
    pa.timestamp("ns", tz="UTC"): "timestamp with local time zone",
}


def _type_text(kind: pa.DataType) -> str:
    return _TYPE_TEXTS.get(kind, str(kind))
