"""What tests of the ledger share: runs, pieces, owners that are gone, and a clock that is told the time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stocktake.model.keys import KeyRange
from stocktake.model.ledger import Claim, Owner
from stocktake.model.manifest import ManifestFile
from stocktake.model.pieces import Delivery, Segment
from stocktake.model.runs import DataFile
from stocktake.state.ledger import Ledger
from stocktake.state.opening import WRITES, open_database
from stocktake.state.owners import this_process
from stocktake.state.tables import configurations
from tests.model.test_runs import RUN

START = datetime(2026, 11, 22, 14, 43, 7, 250, tzinfo=UTC)
GONE = replace(this_process(), pid=2**22 + 1)  # above the largest process id that Linux gives


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.moment = START

    def __call__(self) -> datetime:
        return self.moment

    def passes(self, **units: float) -> None:
        """Let time pass."""
        self.moment += timedelta(**units)


def opened_at(place: str, now: Callable[[], datetime]) -> Ledger:
    """The ledger in this folder, or at this URL."""
    return Ledger.at(place, now=now) if "://" in place else Ledger.open(Path(place), now=now)


def begin(ledger: Ledger, owner: Owner | None = None) -> Claim:
    """A run that this process, or `owner`, has just begun."""
    return ledger.begin(RUN, owner or this_process(), Path("/spool"))


def segment(after: str, upto: str | None, rows: int = 10) -> Segment:
    """A finished segment."""
    path = Path(f"/spool/{after}.arrow")
    counters = Counter({"rows": rows})
    return Segment(KeyRange(after, upto), rows, upto, upto, path, counters=counters)


def delivery(key: str, after: str, upto: str | None, rows: int = 10) -> Delivery:
    """A delivered data file."""
    file = DataFile(ManifestFile(key, 9, "0" * 32), KeyRange(after, upto), rows, upto, upto)
    return Delivery(file, Counter({"rows": rows}))


def fill_ledger(folder: Path, store: str, bucket: str, names: Iterable[str]) -> None:
    """Put a configuration under each of these Ids, all at once: each by itself would wait for the disk."""
    document = {
        "Destination": {"S3BucketDestination": {"Bucket": "arn:aws:s3:::dest", "Format": "CSV"}},
        "IsEnabled": True,
        "Schedule": {"Frequency": "Daily"},
        "IncludedObjectVersions": "Current",
    }
    rows = [
        {"store": store, "bucket": bucket, "id": name, "document": json.dumps(document | {"Id": name}),
         "enabled": True, "created": START, "changed": START, "version": 0}
        for name in names
    ]  # fmt: skip
    engine = open_database(folder)
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        connection.execute(configurations.insert(), rows)
    engine.dispose()


def python(script: str, *arguments: str | Path) -> subprocess.Popen[str]:
    """A Python process that runs `script`."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
