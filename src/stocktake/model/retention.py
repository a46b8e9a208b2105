"""Which reports are to go: the last N and those of the last D days stay, and a few more whatever is asked. Pure.

Nothing that lies in a destination is believed to be a report because it says so: a manifest is somebody's text, and
must not choose what is deleted. `judge` says what it takes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from stocktake.model.addresses import Address
from stocktake.model.errors import UsageError
from stocktake.model.manifest import Manifest, destination_bucket_name
from stocktake.model.paths import ReportPaths
from stocktake.model.store import Store

KEEP_LAST_MAX = 100_000
KEEP_DAYS_MAX = 36_500
# A report that is dated further ahead is no report of ours, and makes no other one old.
AHEAD_MAX = timedelta(days=1)
_DATA_NAME = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\.(csv\.gz|orc|parquet)"
)


class Condition(StrEnum):
    """What a report folder holds."""

    GOOD = "good"
    DAMAGED = "damaged"  # published, but data files are gone
    UNFINISHED = "unfinished"  # the checksum is missing, or of another manifest
    STRANGE = "strange"  # its manifest names what cannot be a report's own


# The others are nobody's to remove: they may be under way, or lead elsewhere.
REMOVABLE = frozenset({Condition.GOOD, Condition.DAMAGED})


@dataclass(frozen=True, slots=True)
class Retention:
    """How many reports stay, and those of how many days; a report stays that either keeps. None: it keeps none. Where
    nothing is said, all stay.
    """

    keep_last: int | None = None
    keep_days: int | None = None

    @property
    def keeps_all(self) -> bool:
        """Whether nothing is ever old."""
        return self.keep_last is None and self.keep_days is None

    def __str__(self) -> str:
        last = None if self.keep_last is None else f"the last {self.keep_last}"
        days = None if self.keep_days is None else f"those of the last {self.keep_days} days"
        return " and ".join(each for each in (last, days) if each) or "all"


def retention_of(keep_last: int | None, keep_days: int | None) -> Retention:
    """The retention in these words.

    Raises:
        UsageError: a number is out of bounds.
    """
    for name, value, most in (
        ("keep-last", keep_last, KEEP_LAST_MAX),
        ("keep-days", keep_days, KEEP_DAYS_MAX),
    ):
        if value is not None and not 1 <= value <= most:
            raise UsageError(f"--{name} {value} is out of bounds; expected 1 to {most}")
    return Retention(keep_last, keep_days)


@dataclass(frozen=True, slots=True)
class KeptReport:
    """A report folder and what is in it. `manifest` is None where there is none that can be read; `unreadable`: there
    is another one. `spared`: it stays whatever is asked, because somebody said so. `why` says what is wrong with it.
    """

    paths: ReportPaths
    condition: Condition
    manifest: Manifest | None = None
    spared: bool = False
    why: str = ""
    unreadable: bool = False

    @property
    def file_bytes(self) -> int:
        """The bytes of its data files, by the manifest."""
        return sum(file.size for file in self.manifest.files) if self.manifest else 0


@dataclass(frozen=True, slots=True)
class Doomed:
    """An object that is to go, and which version of it; None where there are none."""

    key: str
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Expiry:
    """A report that is being removed: where it lies, and every object in the order in which they must go. It is written
    down before the first of them goes, so that whoever comes later can go on. So many `others` lie under the same keys
    and stay: versions that somebody else wrote.
    """

    address: Address
    store: Store
    root: str
    moment: datetime
    objects: tuple[Doomed, ...]
    others: int = 0

    @property
    def paths(self) -> ReportPaths:
        """Where the report lies."""
        return ReportPaths(self.root, self.moment)


def judge(
    paths: ReportPaths, manifest: Manifest, bucket: str | None, there: Collection[str]
) -> tuple[Condition, str]:
    """What a report is whose checksum is that of its `manifest`, and what is wrong with it. `there` are the keys in the
    configuration's `data/`; `bucket` is the one that all lies in, None for a folder.
    """
    source = paths.root.split("/")[-2:-1]
    if source != [manifest.source_bucket]:
        return Condition.STRANGE, f"its manifest is about the bucket {manifest.source_bucket}"
    if bucket is not None and destination_bucket_name(manifest) != bucket:
        return Condition.STRANGE, "its manifest says that it lies in another bucket"
    for file in manifest.files:
        if not own_data_key(paths.root, file.key):
            return Condition.STRANGE, f"its manifest names {file.key!r}"
    missing = [file.key for file in manifest.files if file.key not in there]
    if missing:
        return Condition.DAMAGED, f"{len(missing)} of its data files are gone"
    return Condition.GOOD, ""


def own_data_key(root: str, key: str) -> bool:
    """Whether a data file of the configuration whose folder is `root` may have this key."""
    start = f"{root}/data/"
    return key.startswith(start) and _DATA_NAME.fullmatch(key[len(start) :]) is not None


def expired(
    reports: Iterable[KeptReport],
    retention: Retention,
    now: datetime,
    *,
    spared: Collection[str] = (),
) -> Sequence[KeptReport]:
    """The reports that are to go, the oldest first. Never the newest good one, nor one that was spared, nor those in
    the folders `spared`.
    """
    known = sorted(reports, key=lambda each: each.paths.moment)
    good = [
        each.paths.moment
        for each in known
        if each.condition is Condition.GOOD and each.paths.moment <= now + AHEAD_MAX
    ]
    if retention.keeps_all or not good:
        return ()
    gone: list[KeptReport] = []
    for report in known:
        moment = report.paths.moment
        newer = sum(other > moment for other in good)
        among_last = retention.keep_last is not None and newer < retention.keep_last
        young = retention.keep_days is not None and moment > now - timedelta(
            days=retention.keep_days
        )
        stays = among_last or young or report.spared or moment >= good[-1]
        if not stays and report.condition in REMOVABLE and report.paths.folder not in spared:
            gone.append(report)
    return tuple(gone)
