"""Reports as AWS has delivered them over the years, made without any of stocktake's own writers."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import polars
import pyorc

from stocktake.model.configuration import Format
from stocktake.model.fields import BY_NAME, FLAG, MOMENT, NUMBER, TEXT, Field
from tests.analysis.reports import Row

BUCKET = "inventory-destination"
CREATED = datetime(2026, 11, 22, 1, tzinfo=UTC)
ALWAYS = ("Bucket", "Key")
VERSIONS = ("VersionId", "IsLatest", "IsDeleteMarker")
# What AWS added, and about when: each schema has all of those before it.
_ADDED = {
    "none": (),
    "2016": ("Size", "LastModifiedDate", "ETag", "StorageClass", "IsMultipartUploaded", "ReplicationStatus"),
    "2017": ("EncryptionStatus",),
    "2019": ("ObjectLockRetainUntilDate", "ObjectLockMode", "ObjectLockLegalHoldStatus"),
    "2020": ("IntelligentTieringAccessTier", "BucketKeyStatus"),
    "2022": ("ChecksumAlgorithm",),
    "2023": ("ObjectAccessControlList", "ObjectOwner"),
    "2025": ("LifecycleExpirationDate",),
    "2026": ("ObjectLockEventHoldStatus", "ObjectLockEventHoldDuration", "IntelligentTieringReferenceDate"),
}  # fmt: skip
SCHEMAS: dict[str, tuple[str, ...]] = {}
for _year, _names in _ADDED.items():
    SCHEMAS[_year] = (*(list(SCHEMAS.values())[-1] if SCHEMAS else ()), *_names)
# And some that leave out what lies between.
SCHEMAS |= {"Size alone": ("Size",), "the ends": ("ETag", "ChecksumAlgorithm", "ObjectOwner")}

_ORC = {TEXT: "string", FLAG: "boolean", NUMBER: "bigint", MOMENT: "timestamp"}
_PARQUET = {
    TEXT: "binary {} (STRING)", FLAG: "boolean {}", NUMBER: "int64 {}", MOMENT: "int64 {} (TIMESTAMP(MILLIS,true))",
}  # fmt: skip
_POLARS: dict[Any, Any] = {
    TEXT: polars.String, FLAG: polars.Boolean, NUMBER: polars.Int64, MOMENT: polars.Datetime("ms", "UTC"),
}  # fmt: skip


def columns_of(schema: str, *, versions: bool) -> tuple[Field, ...]:
    """The columns of a report of that schema, in AWS's order."""
    return tuple(
        BY_NAME[name] for name in (*ALWAYS, *(VERSIONS if versions else ()), *SCHEMAS[schema])
    )


def deliver(
    root: Path,
    report_format: Format,
    fields: Sequence[Field],
    pieces: Sequence[Sequence[Row]],
    *,
    created: datetime = CREATED,
    prefix: str = "inventory",
    first_name: int = 0,
) -> Path:
    """Put a report of these rows, a data file for each of `pieces`, under `root`, which stands for the destination
    bucket, with all that AWS puts there; the manifest's path. Data files are called by numbers from `first_name` on.
    """
    folder = f"{prefix}/source/daily"
    schema, encode, suffix = _WRITERS[report_format]
    files = []
    _write(root, f"{folder}/data/.marker", b"")  # a folder marker, as far as a folder can have one
    for number, rows in enumerate(pieces, first_name):
        body = encode(fields, rows)
        key = f"{folder}/data/{number:08x}-0000-4000-8000-000000000000{suffix}"
        _write(root, key, body)
        files.append({"key": key, "size": len(body), "MD5checksum": hashlib.md5(body).hexdigest()})
    manifest = {
        "sourceBucket": "source",
        "destinationBucket": f"arn:aws:s3:::{BUCKET}",
        "version": "2016-11-30",
        "creationTimestamp": str(round(created.timestamp() * 1000)),
        "fileFormat": str(report_format),
        "fileSchema": schema(fields),
        "files": files,
    }
    body = (json.dumps(manifest, indent=2, separators=(",", " : ")) + "\n").encode()
    path = _write(root, f"{folder}/{created:%Y-%m-%dT%H-%MZ}/manifest.json", body)
    _write(
        root, f"{folder}/{created:%Y-%m-%dT%H-%MZ}/manifest.checksum",
        hashlib.md5(body).hexdigest().encode() + b"\n",
    )  # fmt: skip
    lines = "\n".join(f"s3://{BUCKET}/{file['key']}" for file in files)
    _write(root, f"{folder}/hive/dt={created:%Y-%m-%d-%H-%M}/symlink.txt", lines.encode())
    return path


def _write(root: Path, key: str, body: bytes) -> Path:
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


def _csv(fields: Sequence[Field], rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([_csv_text(field, row.get(field.column)) for field in fields] for row in rows)
    gzip = zlib.compressobj(6, zlib.DEFLATED, 31)
    return gzip.compress(text.getvalue().encode()) + gzip.flush()


def _csv_text(field: Field, value: Any) -> str:
    if value is None:
        return ""
    if field.name == "Key":
        return quote(value, safe="/:").replace("~", "%7E")
    if field.type == FLAG:
        return str(value).lower()
    return f"{value:%Y-%m-%dT%H:%M:%S}.000Z" if field.type == MOMENT else str(value)


def _orc(fields: Sequence[Field], rows: Sequence[Row]) -> bytes:
    sink = io.BytesIO()
    with pyorc.Writer(sink, _orc_schema(fields), timezone=ZoneInfo("UTC")) as writer:
        writer.writerows([tuple(row.get(field.column) for field in fields) for row in rows])
    return sink.getvalue()


def _orc_schema(fields: Sequence[Field]) -> str:
    return f"struct<{','.join(f'{field.column}:{_ORC[field.type]}' for field in fields)}>"


def _parquet(fields: Sequence[Field], rows: Sequence[Row]) -> bytes:
    schema = {field.column: _POLARS[field.type] for field in fields}
    listed = [{field.column: row.get(field.column) for field in fields} for row in rows]
    sink = io.BytesIO()
    polars.DataFrame(listed, schema=schema).write_parquet(sink, compression="snappy")
    return sink.getvalue()


def _parquet_schema(fields: Sequence[Field]) -> str:
    parts = (
        f"  {'optional' if field.name not in ALWAYS else 'required'} {_PARQUET[field.type].format(field.column)};"
        for field in fields
    )
    return f"message s3.inventory {{{''.join(parts)}}}"


_Encode = Callable[[Sequence[Field], Sequence[Row]], bytes]
_WRITERS: dict[Format, tuple[Callable[[Sequence[Field]], str], _Encode, str]] = {
    Format.CSV: (lambda fields: ", ".join(field.name for field in fields), _csv, ".csv.gz"),
    Format.ORC: (_orc_schema, _orc, ".orc"),
    Format.PARQUET: (_parquet_schema, _parquet, ".parquet"),
}
