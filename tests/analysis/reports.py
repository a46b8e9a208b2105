"""Reports to read back: AWS's genuine rows as other writers than ours put them into files, and our
own.
"""

from __future__ import annotations

import csv
import hashlib
import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

import polars
import pyarrow as pa
import pyorc

from stocktake.formats import open_writer
from stocktake.model.configuration import (
    Destination,
    Filter,
    Format,
    Frequency,
    IncludedObjectVersions,
    InventoryConfiguration,
    S3BucketDestination,
    Schedule,
    bucket_arn,
)
from stocktake.model.fields import (
    BY_NAME,
    EXTENSION_FIELDS,
    FLAG,
    MOMENT,
    NUMBER,
    Field,
    report_fields,
    report_schema,
)
from stocktake.model.keys import KeyRange
from stocktake.model.manifest import (
    Manifest,
    ManifestFile,
    file_schema,
    render_checksum,
    render_manifest,
    render_symlink,
)
from stocktake.model.paths import ReportPaths, configuration_root
from stocktake.model.runs import DataFile
from stocktake.model.sidecar import Sidecar, render_sidecar, sidecar_file

GENUINE = Path(__file__).parents[1] / "golden" / "aws" / "versions.csv"
GENUINE_COLUMNS = (
    "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass,"
    " IsMultipartUploaded, ReplicationStatus, EncryptionStatus, ObjectLockRetainUntilDate,"
    " ObjectLockMode, ObjectLockLegalHoldStatus, IntelligentTieringAccessTier, BucketKeyStatus,"
    " ChecksumAlgorithm"
)
GENUINE_FIELDS = tuple(BY_NAME[name] for name in GENUINE_COLUMNS.split(", "))
AWS_MOMENT = datetime(2024, 5, 7, 1, tzinfo=UTC)
OUR_MOMENT = datetime(2026, 11, 22, 10, 17, tzinfo=UTC)
SOURCE = "filemanager-inventory-test"
DESTINATION = "inventory-destination"

Row: TypeAlias = Mapping[str, object]
Rows: TypeAlias = Sequence[Row] | pa.Table


def genuine_rows() -> list[dict[str, object]]:
    """The five rows, typed: what any reader of any format should see."""
    with GENUINE.open(newline="") as file:
        return [
            {
                field.column: _typed(field, text)
                for field, text in zip(GENUINE_FIELDS, values, strict=True)
            }
            for values in csv.reader(file)
        ]


def _typed(field: Field, text: str) -> object:
    if not text:
        return None
    if field.type == FLAG:
        return {"true": True, "false": False}[text]
    if field.type == NUMBER:
        return int(text)
    if field.type == MOMENT:
        return datetime.fromisoformat(text)
    return text


def aws_report(root: Path, report_format: Format, *, prefix: str = "inventory") -> Path:
    """The genuine rows as AWS would deliver them to the bucket that `root` stands for; its
    manifest.json.
    """
    body = _AWS_FILES[report_format]()
    paths = ReportPaths(configuration_root(prefix, SOURCE, "all-versions"), AWS_MOMENT)
    key = paths.data(UUID("8f6cd7a6-d6c7-4e46-9ff4-2f1c2a0a9d33"), report_format)
    file = ManifestFile(key, len(body), hashlib.md5(body).hexdigest())
    schema = file_schema(report_format, GENUINE_FIELDS)
    manifest = Manifest(SOURCE, bucket_arn(DESTINATION), AWS_MOMENT, report_format, schema, (file,))
    write(root, key, body)
    return publish(root, paths, manifest, [f"s3://{DESTINATION}/{key}"])


def _aws_csv() -> bytes:
    gzip = zlib.compressobj(6, zlib.DEFLATED, 31)
    return gzip.compress(GENUINE.read_bytes()) + gzip.flush()


def _aws_orc() -> bytes:
    sink = io.BytesIO()
    schema = file_schema(Format.ORC, GENUINE_FIELDS)
    with pyorc.Writer(sink, schema, timezone=ZoneInfo("UTC")) as writer:
        writer.writerows([tuple(row.values()) for row in genuine_rows()])
    return sink.getvalue()


def _aws_parquet() -> bytes:
    types = {FLAG: polars.Boolean, NUMBER: polars.Int64, MOMENT: polars.Datetime("ms", "UTC")}
    schema: Any = {field.column: types.get(field.type, polars.String) for field in GENUINE_FIELDS}
    sink = io.BytesIO()
    polars.DataFrame(genuine_rows(), schema=schema).write_parquet(sink, compression="snappy")
    return sink.getvalue()


def newer_report(root: Path, report_format: Format) -> Path:
    """A report with columns that nobody knows yet, one row, as AWS might deliver it; its manifest.json."""
    body = _NEWER_FILES[report_format]()
    paths = ReportPaths(configuration_root("inventory", SOURCE, "newer"), AWS_MOMENT)
    key = paths.data(UUID(int=1), report_format)
    file = ManifestFile(key, len(body), hashlib.md5(body).hexdigest())
    schema = _NEWER_SCHEMAS[report_format]
    manifest = Manifest(SOURCE, bucket_arn(DESTINATION), AWS_MOMENT, report_format, schema, (file,))
    write(root, key, body)
    return publish(root, paths, manifest, [f"s3://{DESTINATION}/{key}"])


_NEWER_SCHEMAS = {
    Format.CSV: "Bucket, Key, Size, FreshnessDate, HeatScore",
    Format.ORC: "struct<bucket:string,key:string,size:bigint,freshness_date:timestamp,heat_score:bigint>",
    Format.PARQUET: "message s3.inventory {  required binary bucket (STRING);  required binary key (STRING);"
    "  optional int64 size;  optional int64 freshness_date (TIMESTAMP(MILLIS,true));"
    "  optional int64 heat_score;}",
}


def _newer_csv() -> bytes:
    gzip = zlib.compressobj(6, zlib.DEFLATED, 31)
    row = b'"b","a%20b","7","2024-05-06T22:37:48.000Z","9"\n'
    return gzip.compress(row) + gzip.flush()


def _newer_orc() -> bytes:
    sink = io.BytesIO()
    with pyorc.Writer(sink, _NEWER_SCHEMAS[Format.ORC], timezone=ZoneInfo("UTC")) as writer:
        writer.write(("b", "a b", 7, datetime(2024, 5, 6, 22, 37, 48, tzinfo=UTC), 9))
    return sink.getvalue()


def _newer_parquet() -> bytes:
    row = {
        "bucket": "b",
        "key": "a b",
        "size": 7,
        "freshness_date": datetime(2024, 5, 6, 22, 37, 48, tzinfo=UTC),
        "heat_score": 9,
    }
    sink = io.BytesIO()
    schema: Any = {"freshness_date": polars.Datetime("ms", "UTC")}
    polars.DataFrame([row], schema_overrides=schema).write_parquet(sink, compression="snappy")
    return sink.getvalue()


_NEWER_FILES = {Format.CSV: _newer_csv, Format.ORC: _newer_orc, Format.PARQUET: _newer_parquet}
_AWS_FILES = {Format.CSV: _aws_csv, Format.ORC: _aws_orc, Format.PARQUET: _aws_parquet}


@dataclass(frozen=True)
class OurReport:
    """What `our_report` delivered."""

    manifest_path: Path
    manifest: Manifest
    sidecar: Sidecar
    paths: ReportPaths

    def data_path(self, root: Path, number: int = 0) -> Path:
        """Where the data file of that number lies."""
        return root / self.manifest.files[number].key


def our_report(
    root: Path,
    report_format: Format,
    rows: Sequence[Rows],
    *,
    fields: Sequence[str] = ("Size", "LastModifiedDate", "ETag", "StorageClass"),
    all_versions: bool = False,
    prefix: str = "inventory",
    moment: datetime = OUR_MOMENT,
    key_prefix: str = "",
    first_name: int = 0,
) -> OurReport:
    """A report as stocktake delivers it to the bucket that `root` stands for, a data file for each
    of `rows`, called by numbers from `first_name` on.
    """
    columns = report_fields(fields, all_versions=all_versions)
    paths = ReportPaths(configuration_root(prefix, "source", "stocktake"), moment)
    files: list[DataFile] = []
    after = ""
    for number, batch in enumerate(rows):
        key = paths.data(UUID(int=first_name + number), report_format)
        body = encoded(report_format, columns, batch)
        write(root, key, body)
        keys = _keys(batch)
        upto = (keys[-1] if keys else f"{number}") if number + 1 < len(rows) else None
        files.append(
            DataFile(
                ManifestFile(key, len(body), hashlib.md5(body).hexdigest()),
                KeyRange(after, upto),
                len(keys),
                keys[0] if keys else None,
                keys[-1] if keys else None,
            )
        )
        after = upto or ""
    manifest = Manifest(
        "source",
        bucket_arn(DESTINATION),
        moment,
        report_format,
        file_schema(report_format, columns),
        tuple(file.file for file in files),
    )
    sidecar = _sidecar(
        report_format,
        files,
        fields=fields,
        prefix=prefix,
        all_versions=all_versions,
        moment=moment,
        key_prefix=key_prefix,
    )
    write(root, paths.sidecar, render_sidecar(sidecar))
    path = publish(root, paths, manifest, [f"s3://{DESTINATION}/{file.file.key}" for file in files])
    return OurReport(path, manifest, sidecar, paths)


def _sidecar(
    report_format: Format,
    files: Sequence[DataFile],
    *,
    fields: Sequence[str],
    prefix: str,
    all_versions: bool,
    moment: datetime,
    key_prefix: str,
) -> Sidecar:
    versions = IncludedObjectVersions.ALL if all_versions else IncludedObjectVersions.CURRENT
    configuration = InventoryConfiguration(
        id="stocktake",
        is_enabled=True,
        destination=Destination(
            s3_bucket_destination=S3BucketDestination(
                bucket=bucket_arn(DESTINATION), format=report_format, prefix=prefix or None
            )
        ),
        schedule=Schedule(frequency=Frequency.DAILY),
        included_object_versions=versions,
        filter=Filter(prefix=key_prefix) if key_prefix else None,
        optional_fields=tuple(name for name in fields if name not in EXTENSION_FIELDS) or None,
    )
    return Sidecar(
        generator="stocktake 0",
        endpoint="http://127.0.0.1:1",
        configuration=configuration,
        extension_fields=tuple(name for name in fields if name in EXTENSION_FIELDS),
        started=moment,
        finished=moment + timedelta(seconds=3),
        rows=sum(file.rows for file in files),
        object_bytes=0,
        requests={"list": 1},
        retries=0,
        problems={"refused": 2},
        unknowable={},
        never=(),
        warnings=(),
        files=tuple(sidecar_file(file) for file in files),
    )


def _keys(rows: Rows) -> list[str]:
    if isinstance(rows, pa.Table):
        return [str(key) for key in rows.column("key").to_pylist()]
    return [str(row["key"]) for row in rows]


def encoded(report_format: Format, columns: Sequence[Field], rows: Rows) -> bytes:
    """One data file, by our own writer."""
    schema = report_schema(columns)
    sink = io.BytesIO()
    with open_writer(report_format, sink, schema) as writer:
        if isinstance(rows, pa.Table):
            for batch in rows.select(schema.names).cast(schema).to_batches():
                writer.write(batch)
        elif rows:
            filled = [{field.name: row.get(field.name) for field in schema} for row in rows]
            writer.write(pa.RecordBatch.from_pylist(filled, schema=schema))
    return sink.getvalue()


def publish(root: Path, paths: ReportPaths, manifest: Manifest, uris: Sequence[str]) -> Path:
    """Write symlink.txt, manifest.json and manifest.checksum; the path of the second."""
    body = render_manifest(manifest)
    write(root, paths.symlink, render_symlink(uris))
    write(root, paths.checksum, render_checksum(body))
    return write(root, paths.manifest, body)


def republish(root: Path, paths: ReportPaths, manifest: Manifest, **changes: object) -> None:
    """Publish the manifest with `changes`, its checksum right again; symlink.txt stays."""
    body = render_manifest(replace(manifest, **changes))  # type: ignore[arg-type]
    write(root, paths.manifest, body)
    write(root, paths.checksum, render_checksum(body))


def write(root: Path, key: str, body: bytes) -> Path:
    """A file and the folders above it."""
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def objects(keys: Sequence[str], *, storage_class: str = "STANDARD") -> list[dict[str, object]]:
    """Plain rows for these keys, which are given in key order."""
    return [
        {
            "bucket": "source",
            "key": key,
            "size": number,
            "last_modified_date": OUR_MOMENT + timedelta(seconds=number),
            "e_tag": f"{number:032x}",
            "storage_class": storage_class,
        }
        for number, key in enumerate(keys)
    ]
