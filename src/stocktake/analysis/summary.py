"""What a report is, in a few lines: for people who want to know before they ask more."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from stocktake.analysis.query import DEFAULT_QUERY_LIMITS, QueryLimits, run_query
from stocktake.analysis.relation import VIEW
from stocktake.analysis.report import Report

_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Share:
    """The rows that have one value in a column, and the bytes of their objects where sizes are
    known.
    """

    name: str
    rows: int
    bytes: int | None


@dataclass(frozen=True, slots=True)
class ReportSummary:
    """What a report is and holds.

    `storage_classes` and `encryption` are None where the report lacks the column; delete markers,
    which have neither, are in neither. `problems`, `warnings` and `generator` are what
    stocktake.json says, empty without one; so is `remembered`, what became of answers about objects,
    None where none were asked for.
    """

    address: str
    source_bucket: str
    destination_bucket: str
    created: datetime
    format: str
    fields: tuple[str, ...]
    all_versions: bool
    files: int
    report_bytes: int
    rows: int
    object_bytes: int | None
    storage_classes: tuple[Share, ...] | None
    encryption: tuple[Share, ...] | None
    problems: dict[str, int]
    unknowable: dict[str, int]
    never: tuple[str, ...]
    warnings: tuple[str, ...]
    generator: str
    remembered: dict[str, object] | None

    def to_json(self) -> dict[str, object]:
        """All of it as JSON has it; moments as ISO 8601."""
        moment = (
            self.created.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        )
        return {**asdict(self), "created": moment}


def summarize_report(
    report: Report, *, limits: QueryLimits = DEFAULT_QUERY_LIMITS
) -> ReportSummary:
    """Count what the report holds; only the columns that are counted are read.

    Raises:
        DataFileError: a data file is missing, short or damaged.
        StoreError: the store was asked and did not do it.
    """
    manifest, sidecar = report.manifest, report.sidecar
    names = {field.name for field in report.fields}
    counts = _count(report, names, limits)
    return ReportSummary(
        address=report.address,
        source_bucket=manifest.source_bucket,
        destination_bucket=manifest.destination_bucket,
        created=manifest.created,
        format=str(manifest.format),
        fields=tuple(field.name for field in report.fields),
        all_versions="VersionId" in names,
        files=len(manifest.files),
        report_bytes=sum(file.size for file in manifest.files),
        rows=sum(count.rows for count in counts),
        object_bytes=sum(count.bytes for count in counts) if "Size" in names else None,
        storage_classes=_shares(counts, "storage_class", names, "StorageClass"),
        encryption=_shares(counts, "encryption", names, "EncryptionStatus"),
        problems=dict(sidecar.problems) if sidecar else {},
        unknowable=dict(sidecar.unknowable) if sidecar else {},
        never=sidecar.never if sidecar else (),
        warnings=sidecar.warnings if sidecar else (),
        generator=sidecar.generator if sidecar else "",
        remembered=sidecar.remembered.model_dump(mode="json")
        if sidecar and sidecar.remembered
        else None,
    )


@dataclass(frozen=True, slots=True)
class _Count:
    storage_class: str | None
    encryption: str | None
    rows: int
    bytes: int


def _count(report: Report, names: set[str], limits: QueryLimits) -> list[_Count]:
    """The rows and bytes of every pair of storage class and encryption that occurs: few, whatever
    the report.
    """
    storage_class = "storage_class" if "StorageClass" in names else "NULL"
    encryption = "encryption_status" if "EncryptionStatus" in names else "NULL"
    size = "coalesce(sum(size), 0)" if "Size" in names else "0"
    sql = (
        f"SELECT {storage_class} AS storage_class, {encryption} AS encryption, count(*) AS rows, {size} AS bytes"  # noqa: S608
        f" FROM {VIEW} GROUP BY ALL"
    )
    with run_query(report, sql, limits=limits) as answer:
        rows = [row for batch in answer.batches() for row in batch.to_pylist()]
    return [_Count(**{**row, "bytes": int(row["bytes"])}) for row in rows]


def _shares(
    counts: list[_Count], column: str, names: set[str], field: str
) -> tuple[Share, ...] | None:
    """The sums by one column, the largest first; rows without a value are none of them."""
    if field not in names:
        return None
    sums: dict[str, tuple[int, int]] = {}
    for count in counts:
        value = getattr(count, column)
        if value is not None:
            rows, size = sums.get(value, (0, 0))
            sums[value] = (rows + count.rows, size + count.bytes)
    return tuple(
        Share(name, rows, size if "Size" in names else None)
        for name, (rows, size) in sorted(sums.items(), key=lambda item: (-item[1][0], item[0]))
    )
