"""What reading one LIST page costs: CPU milliseconds a page of 1,000 records, for the layouts that stores write.

    python benchmarks/page_reading.py [--pages 50] [--rounds 40]

CPU time is that of the whole process, best of many short rounds; different pages follow each other in a round, as in a
run. The input is made before the clock starts. No network and no store take part: compare these figures between two
commits on one machine, and read nothing into them across machines.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from stocktake.store.pages import read_page

PAGE_ROWS = 1000
OWNER = "<Owner><ID>0123456789abcdef</ID><DisplayName>owner</DisplayName></Owner>"


@dataclass(frozen=True)
class Layout:
    """How a store writes a page: the record at each place of it, and what the page is."""

    record: Callable[[int], str]
    versions: bool = False
    slash: str = "/"


def aws(_: int) -> str:
    return (
        "<Contents><Key>{key}</Key><LastModified>{moment}</LastModified><ETag>&quot;{digest}&quot;</ETag>"
        "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
        "<Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


def aws_without_checksums(_: int) -> str:
    return (
        "<Contents><Key>{key}</Key><LastModified>{moment}</LastModified><ETag>&quot;{digest}&quot;</ETag>"
        "<Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


def aws_mixed(index: int) -> str:
    """Every third object was written before AWS added checksums; every seventh is cold."""
    record = aws_without_checksums(index) if index % 3 == 0 else aws(index)
    return record if index % 7 else record.replace("STANDARD", "GLACIER")


def ceph(_: int) -> str:
    return (
        "<Contents><Key>{key}</Key><LastModified>{moment}</LastModified><ETag>&quot;{digest}&quot;</ETag>"
        f"<Size>{{size}}</Size><StorageClass>STANDARD</StorageClass>{OWNER}<Type>Normal</Type></Contents>"
    )


def version(index: int) -> str:
    """Every fifth version is a delete marker."""
    if index % 5 == 0:
        return (
            "<DeleteMarker><Key>{key}</Key><VersionId>{digest}</VersionId><IsLatest>true</IsLatest>"
            f"<LastModified>{{moment}}</LastModified>{OWNER}</DeleteMarker>"
        )
    return (
        "<Version><Key>{key}</Key><VersionId>{digest}</VersionId><IsLatest>false</IsLatest>"
        "<LastModified>{moment}</LastModified><ETag>&quot;{digest}&quot;</ETag><Size>{size}</Size>"
        f"{OWNER}<StorageClass>STANDARD</StorageClass></Version>"
    )


LAYOUTS = {
    "AWS": Layout(aws),
    "AWS without checksums": Layout(aws_without_checksums),
    "AWS, mixed": Layout(aws_mixed),
    "Ceph": Layout(ceph, slash="%2F"),
    "versions, delete markers": Layout(version, versions=True),
}


def make_page(layout: Layout, number: int) -> bytes:
    """A LIST answer of 1,000 records that follow those of the page before."""
    records = [
        record_text(layout, index) for index in range(number * PAGE_ROWS, (number + 1) * PAGE_ROWS)
    ]
    root = "ListVersionsResult" if layout.versions else "ListBucketResult"
    count = "" if layout.versions else f"<KeyCount>{PAGE_ROWS}</KeyCount>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<{root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name>'
        f"<Prefix></Prefix>{count}<MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType>"
        f"<IsTruncated>true</IsTruncated>{''.join(records)}</{root}>"
    ).encode()


def record_text(layout: Layout, index: int) -> str:
    key = f"data/{index // 10_000:05d}/part-{index:09d}.parquet"
    return layout.record(index).format(
        key=key.replace("/", layout.slash),
        moment=f"2026-11-{index % 28 + 1:02d}T10:15:30.{index % 1000:03d}Z",
        digest=hashlib.md5(key.encode()).hexdigest(),
        size=index * 977,
    )


def cpu_ms_per_page(pages: Sequence[bytes], *, versions: bool, rounds: int) -> float:
    """The CPU milliseconds of reading one of `pages`, in the best of `rounds`."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        for page in pages:
            read_page(page, versions=versions)
        best = min(best, time.process_time() - start)
    return best / len(pages) * 1e3


def main() -> None:
    """Measure and print one line for each layout."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, default=50, help="of 1,000 records each")
    parser.add_argument("--rounds", type=int, default=40)
    chosen = parser.parse_args()

    print(
        f"{chosen.pages} pages of {PAGE_ROWS:,} records, best of {chosen.rounds} rounds,"
        f" Python {platform.python_version()}, pyarrow {pa.__version__}, {platform.machine()}\n"
    )
    print(f"{'layout':<28}{'bytes a page':>14}{'CPU ms a page':>15}{'records/s on one core':>23}")
    for name, layout in LAYOUTS.items():
        pages = [make_page(layout, number) for number in range(chosen.pages)]
        spent = cpu_ms_per_page(pages, versions=layout.versions, rounds=chosen.rounds)
        size = sum(map(len, pages)) // len(pages)
        print(f"{name:<28}{size:>14,}{spent:>15.2f}{PAGE_ROWS / spent * 1e3:>23,.0f}")


if __name__ == "__main__":
    main()
