"""What reading HEAD answers costs: CPU microseconds an answer, read all at once and one by one.

    python benchmarks/head_reading.py [--batches 10] [--rounds 20]

CPU time is that of the whole process, best of many rounds; different batches follow each other in a round, as in a run.
The input is made before the clock starts. No network and no store take part: compare these figures between two commits
on one machine, and read nothing into them across machines.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta

import pyarrow as pa

from stocktake.store.heads import read_heads
from stocktake.store.heads_exact import read_exact
from stocktake.store.requests import Answer

FIRST_DAY = date(2024, 1, 1)
BATCH_ROWS = 1000  # a page of objects

_FEW = (
    "x-amz-id-2: {digest}=\r\nx-amz-request-id: {digest:.16}\r\nDate: Tue, 01 Dec 2026 09:00:00 GMT\r\n"
    'Last-Modified: {day:%a, %d %b %Y} 09:{minute:02d}:33 GMT\r\nETag: "{digest}"\r\n'
    "x-amz-server-side-encryption: AES256\r\nx-amz-version-id: {digest}\r\nAccept-Ranges: bytes\r\n"
    "Content-Type: text/csv\r\nContent-Length: {size}\r\n"
)
_MANY = _FEW + (
    'x-amz-expiration: expiry-date="{day:%a, %d %b %Y} 00:00:00 GMT", rule-id="expire"\r\n'
    "x-amz-replication-status: COMPLETED\r\nx-amz-object-lock-mode: GOVERNANCE\r\n"
    "x-amz-object-lock-retain-until-date: {day:%Y-%m-%d}T09:{minute:02d}:33.000Z\r\n"
    "x-amz-object-lock-legal-hold: OFF\r\nx-amz-meta-department: imaging\r\n"
    "x-amz-server-side-encryption-bucket-key-enabled: true\r\n"
    "x-amz-checksum-crc64nvme: {digest:.11}=\r\nx-amz-checksum-type: FULL_OBJECT\r\n"
)
_OWN_METADATA = _FEW + "x-amz-meta-digest: {digest}\r\nx-amz-meta-size: {size}\r\n"

LAYOUTS: dict[str, Callable[[int], str]] = {
    "10 headers": lambda _: _FEW,
    "19 headers": lambda _: _MANY,
    "12, metadata all different": lambda _: _OWN_METADATA,
    "three layouts, mixed": lambda number: (_FEW, _MANY, _OWN_METADATA)[number % 3],
}
READERS = {"at once": read_heads, "one by one": read_exact}


def make_batch(layout: Callable[[int], str], number: int) -> list[Answer]:
    """The answers about the objects of one page."""
    return [
        Answer(200, headers(layout(index), index).encode(), b"")
        for index in range(number * BATCH_ROWS, (number + 1) * BATCH_ROWS)
    ]


def headers(text: str, index: int) -> str:
    digest = hashlib.md5(str(index).encode()).hexdigest()
    day = FIRST_DAY + timedelta(days=int(digest[:4], 16) % 1000)
    return text.format(digest=digest, day=day, minute=index % 60, size=index * 977)


def cpu_us_per_answer(
    read: Callable[[Sequence[Answer]], pa.RecordBatch],
    batches: Sequence[Sequence[Answer]],
    rounds: int,
) -> float:
    """The CPU microseconds of reading one answer, in the best of `rounds`."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        for batch in batches:
            read(batch)
        best = min(best, time.process_time() - start)
    return best / sum(map(len, batches)) * 1e6


def main() -> None:
    """Measure and print one line for each layout."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, default=10, help="of 1,000 answers each")
    parser.add_argument("--rounds", type=int, default=20)
    chosen = parser.parse_args()

    print(
        f"{chosen.batches} batches of {BATCH_ROWS:,} answers, best of {chosen.rounds} rounds,"
        f" Python {platform.python_version()}, pyarrow {pa.__version__}, {platform.machine()}\n"
    )
    print(f"{'CPU us an answer':<28}" + "".join(f"{name:>14}" for name in READERS))
    for name, layout in LAYOUTS.items():
        batches = [make_batch(layout, number) for number in range(chosen.batches)]
        spent = [cpu_us_per_answer(read, batches, chosen.rounds) for read in READERS.values()]
        print(f"{name:<28}" + "".join(f"{each:>14.2f}" for each in spent))


if __name__ == "__main__":
    main()
