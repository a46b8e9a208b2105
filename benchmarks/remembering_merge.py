"""The merge of a listing with an earlier report, by itself: `FOLDER make ROWS` makes the report, `FOLDER merge`
measures. Rows are a report's own, so that all of them are known again; the last line is one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tests.inventory.lanes import make_run

from benchmarks.replay.bucket import Bucket
from benchmarks.replay.facts import ETAG
from stocktake.formats import open_writer
from stocktake.formats.ages import write_ages
from stocktake.formats.ordered import OrderedFile
from stocktake.inventory.hashing import key_hashes
from stocktake.inventory.recollection import Recollection
from stocktake.model.configuration import Format
from stocktake.model.fields import BY_COLUMN, report_schema
from stocktake.model.remembering import AGES_SCHEMA, Memory, MemoryFile
from stocktake.store.pages import LISTED_SCHEMA

ROWS_TOGETHER = 8_000  # as a worker lists them
_NAMES = (
    "key", "size", "last_modified_date", "e_tag", "storage_class", "encryption_status", "checksum_algorithm",
)  # fmt: skip
_SCHEMA = report_schema(BY_COLUMN[name] for name in _NAMES)
_REPORT, _AGES = "rows.parquet", "ages.parquet"


def make(folder: Path, rows: int) -> None:
    """Write a report of that many rows, and its ages."""
    bucket = Bucket.named("uuid", rows)
    starts = range(0, rows, ROWS_TOGETHER)
    ages: list[pa.RecordBatch] = []
    with (
        (folder / _REPORT).open("wb") as sink,
        open_writer(Format.PARQUET, sink, _SCHEMA) as writer,
    ):
        for start in starts:
            batch = _rows(bucket, start, min(start + ROWS_TOGETHER, rows))
            writer.write(batch)
            ages.append(_ages(batch))
    write_ages(ages, folder / _AGES)


def _rows(bucket: Bucket, start: int, stop: int) -> pa.RecordBatch:
    batch, count = bucket.histories.current(start, stop), stop - start
    milliseconds = (batch.key_hashes % 2**31).astype("int64") * 1000
    columns = [
        pa.array([bucket.shape.key(rank).decode() for rank in range(start, stop)]),
        pa.array((batch.key_hashes % 2**24).astype("int64")),
        pa.array(milliseconds).cast(_SCHEMA.field("last_modified_date").type),
        pa.array([row.tobytes().decode() for row in ETAG.cells(batch)]),
        pa.repeat("STANDARD", count),
        pa.array(["SSE-KMS" if n % 3 else "SSE-S3" for n in range(count)]),
        pa.repeat("CRC64NVME", count),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=_SCHEMA)


def _ages(rows: pa.RecordBatch) -> pa.RecordBatch:
    count = rows.num_rows
    days = pa.array([20_000 + n % 10 for n in range(count)], pa.int32()).cast(pa.date32())
    never = pa.array([False] * count)
    hashes = key_hashes(rows.column("key"))
    return pa.RecordBatch.from_arrays([hashes, days, never], schema=AGES_SCHEMA)


def _listed(path: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a report as a listing gives them."""
    for batch in _batches(path):
        columns = {name: batch.column(name) for name in batch.schema.names}
        columns["is_delete_marker"] = pa.array([False] * batch.num_rows)
        none = {each.name: pa.nulls(batch.num_rows, each.type) for each in LISTED_SCHEMA}
        known = none | {name: each for name, each in columns.items() if name in none}
        yield pa.RecordBatch.from_arrays(
            [known[each.name].cast(each.type) for each in LISTED_SCHEMA], schema=LISTED_SCHEMA
        )


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a report. A reader of all its row groups would keep what it has read."""
    file = OrderedFile(path, _NAMES)
    for group in file.groups_behind(""):
        yield from file.batches(group, ROWS_TOGETHER)


def merge(folder: Path) -> dict[str, float]:
    """Merge the report's rows with the report: CPU time an object, and the peak of memory before and after."""
    path = folder / _REPORT
    file = pq.ParquetFile(path)
    rows, last = file.metadata.num_rows, file.num_row_groups - 1
    first_key = file.metadata.row_group(0).column(0).statistics.min
    last_key = file.metadata.row_group(last).column(0).statistics.max
    files = (MemoryFile(path, first_key, last_key, rows, 0),)
    memory = Memory("made", files, frozenset(_NAMES), 20_000, folder / _AGES)
    run = make_run("http://made", "made", fields="default,EncryptionStatus")
    next(_listed(path))
    before = _peak_mb()
    recollection = Recollection(run, memory, "", Counter())
    spent_ns = known = 0
    for batch in _listed(path):
        begun = time.process_time_ns()
        known += recollection.of(batch).known.true_count
        spent_ns += time.process_time_ns() - begun
    assert known == rows, f"{known} of {rows} rows were known again"
    return {
        "rows": rows,
        "cpu_us_per_object": round(spent_ns / rows / 1000, 3),
        "peak_mb_before": round(before),
        "peak_mb_after": round(_peak_mb()),
    }


def _peak_mb() -> float:
    """The peak of this program alone: `ru_maxrss` would be at least that of who started it, for it outlives exec."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    if sys.argv[2] == "make":
        make(Path(sys.argv[1]), int(sys.argv[3]))
    else:
        print(json.dumps(merge(Path(sys.argv[1]))))
