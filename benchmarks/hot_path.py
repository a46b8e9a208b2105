"""What the hot path costs: CPU time for reading LIST pages and for writing each format.

    python benchmarks/hot_path.py [--pages 200] [--rounds 5]

CPU time is that of the whole process, all its threads, best of several rounds; the input is made before
the clock starts. No network and no store take part, so these are figures about this program alone:
compare them between two commits on one machine, and read nothing into them across machines.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import platform
import time
from collections.abc import Callable, Sequence
from functools import partial

import pyarrow as pa

from stocktake.formats import open_writer
from stocktake.model.configuration import Format
from stocktake.model.fields import FIELD_SETS, report_fields, report_schema
from stocktake.store.pages import read_page

PAGE_ROWS = 1000
OWNER = "<Owner><ID>0123456789abcdef</ID><DisplayName>owner</DisplayName></Owner>"

# The elements of one record, in the order in which each store writes them.
LAYOUTS = {
    "AWS": "<Contents><Key>{key}</Key><LastModified>2026-11-{day:02d}T10:15:30.000Z</LastModified>"
    "<ETag>&quot;{digest}&quot;</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>"
    "<ChecksumType>FULL_OBJECT</ChecksumType><Size>{size}</Size>"
    "<StorageClass>STANDARD</StorageClass></Contents>",
    "Ceph": "<Contents><Key>{encoded}</Key><LastModified>2026-11-{day:02d}T10:15:30.123Z</LastModified>"
    "<ETag>&quot;{digest}&quot;</ETag><Size>{size}</Size><StorageClass>STANDARD</StorageClass>"
    f"{OWNER}<Type>Normal</Type></Contents>",
}


def make_page(layout: str, number: int) -> bytes:
    """A LIST answer of 1,000 objects that follow those of the page before."""
    records = []
    for index in range(number * PAGE_ROWS, (number + 1) * PAGE_ROWS):
        key = f"data/{index // 10_000:05d}/part-{index:09d}.parquet"
        digest = hashlib.md5(key.encode()).hexdigest()
        records.append(
            LAYOUTS[layout].format(
                key=key,
                encoded=key.replace("/", "%2F"),
                day=index % 28 + 1,
                digest=digest,
                size=index * 977,
            )
        )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name>'
        "<Prefix></Prefix><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType>"
        f"<IsTruncated>true</IsTruncated>{''.join(records)}"
        "<NextContinuationToken>token</NextContinuationToken></ListBucketResult>"
    ).encode()


def read(pages: Sequence[bytes]) -> None:
    """Read every page into columns and let go of them."""
    for page in pages:
        read_page(page, versions=False)


def report_rows(pages: Sequence[bytes]) -> pa.Table:
    """The pages' objects as rows of a report with the fields that a plain listing yields."""
    schema = report_schema(report_fields(FIELD_SETS["default"], all_versions=False))
    listed = pa.Table.from_batches([read_page(page, versions=False).batch for page in pages])
    made = {
        "bucket": pa.array(["bucket"] * listed.num_rows),
        "is_multipart_uploaded": pa.array([False] * listed.num_rows),
    }
    columns = [made[name] if name in made else listed[name] for name in schema.names]
    return pa.Table.from_arrays(columns, schema=schema).combine_chunks()


def write(rows: pa.Table, report_format: Format) -> int:
    """Write one data file in memory and tell its size."""
    sink = io.BytesIO()
    with open_writer(report_format, sink, rows.schema) as writer:
        for batch in rows.to_batches(max_chunksize=PAGE_ROWS):
            writer.write(batch)
    return sink.tell()


def cpu_us_per_row(work: Callable[[], object], rows: int, rounds: int) -> float:
    """The CPU microseconds of `work` for one row, in the best of `rounds`."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best / rows * 1e6


def main() -> None:
    """Measure and print one line for each step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, default=200, help="of 1,000 objects each")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()

    rows = chosen.pages * PAGE_ROWS
    print(
        f"{rows:,} objects, best of {chosen.rounds} rounds,"
        f" Python {platform.python_version()}, pyarrow {pa.__version__}, {platform.machine()}\n"
    )
    print(f"{'step':<28}{'CPU us a row':>14}{'rows/s on one core':>22}{'bytes a row':>14}")
    for layout in LAYOUTS:
        pages = [make_page(layout, number) for number in range(chosen.pages)]
        spent = cpu_us_per_row(partial(read, pages), rows, chosen.rounds)
        tell(f"read a page ({layout})", spent, sum(map(len, pages)) / rows)
    table = report_rows(pages)
    for report_format in Format:
        size = write(table, report_format)
        spent = cpu_us_per_row(partial(write, table, report_format), rows, chosen.rounds)
        tell(f"write {report_format}", spent, size / rows)


def tell(step: str, spent: float, size: float) -> None:
    """Print one line of the table."""
    print(f"{step:<28}{spent:>14.2f}{1e6 / spent:>22,.0f}{size:>14.1f}")


if __name__ == "__main__":
    main()
