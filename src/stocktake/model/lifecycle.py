"""The bucket lifecycle rules that remove reports by their age, and what such rules cannot do. Pure.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stocktake.model.addresses import S3Address
from stocktake.model.configuration import ID_PATTERN, Frequency
from stocktake.model.errors import UsageError
from stocktake.model.paths import configuration_root, source_root

DAYS_MAX = 36_500
# How long parts of an upload that failed may lie there: longer than any run takes.
UPLOAD_DAYS = 7
_RULE_ID_LENGTH_MAX = 255
_PERIOD_DAYS = {Frequency.DAILY: 1, Frequency.WEEKLY: 7}

# In the order of how much it hurts.
CANNOT: tuple[str, ...] = (
    "it never looks whether a newer report is there: when runs fail for so long, the last good report goes, too",
    "it counts days, not reports: `the last N` cannot be said",
    "it removes objects one by one, each by its own age and hours late: for a while a report is there in part",
    "it spares no single report that is to stay",
    "it does not touch locked versions before their retention is over, and tells nobody",
    "a bucket has one lifecycle configuration: putting this one replaces all rules that it has, so add them",
)


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """`configuration` is what PutBucketLifecycleConfiguration takes; `prefix` is whose objects it removes. `cannot` is
    what it does not do of what a retention by age should; `notes` are about these very days.
    """

    bucket: str
    prefix: str
    configuration: dict[str, Any]
    cannot: tuple[str, ...] = CANNOT
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """As `--json` prints it."""
        return {
            "bucket": self.bucket,
            "prefix": self.prefix,
            "lifecycle_configuration": self.configuration,
            "cannot": list(self.cannot),
            "notes": list(self.notes),
        }


def lifecycle(
    source: S3Address,
    destination: S3Address,
    *,
    keep_days: int,
    identity: str | None = None,
    frequency: Frequency | None = None,
) -> Lifecycle:
    """Rules that remove reports about `source` once they are `keep_days` old: those of the configuration `identity`, or
    of all. `frequency` is how often there is a new one, where that is known.

    Raises:
        UsageError: the days are out of bounds, or no configuration can have that Id.
    """
    if not 1 <= keep_days <= DAYS_MAX:
        raise UsageError(f"{keep_days} days are out of bounds; expected 1 to {DAYS_MAX}")
    if identity is not None and ID_PATTERN.fullmatch(identity) is None:
        raise UsageError(
            f"`{identity}` cannot be an Id; expected 1 to 64 of letters, digits, `.`, `_`, `-`"
        )
    root = (
        source_root(destination.key, source.bucket)
        if identity is None
        else configuration_root(destination.key, source.bucket, identity)
    )
    prefix = f"{root}/"
    period = _PERIOD_DAYS[frequency] if frequency is not None else 0
    notes = (
        [f"{frequency} reports are gone after {keep_days} days, before or when the next one comes"]
        if keep_days <= period
        else []
    )
    name = f"stocktake-{source.bucket}-{identity or 'all'}"[: _RULE_ID_LENGTH_MAX - 20]
    return Lifecycle(
        destination.bucket, prefix, {"Rules": _rules(name, prefix, keep_days)}, notes=tuple(notes)
    )


def _rules(name: str, prefix: str, keep_days: int) -> list[dict[str, Any]]:
    """Two, as AWS takes no rule that has both days and ExpiredObjectDeleteMarker. Where a bucket has no versions, what
    is said of them does nothing.
    """
    where = {"Filter": {"Prefix": prefix}, "Status": "Enabled"}
    return [
        {
            "ID": name,
            **where,
            "Expiration": {"Days": keep_days},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UPLOAD_DAYS},
        },
        {
            "ID": f"{name}-delete-markers",
            **where,
            "Expiration": {"ExpiredObjectDeleteMarker": True},
        },
    ]
