"""A report of any size with every field that audits go by, made of numbers, as stocktake delivers it to a folder.

    .venv/bin/python -m benchmarks.made_report 1000000 FOLDER [CSV|ORC|Parquet] [later]

What row N holds follows from N alone, so that the same size is the same report in each format. A million rows are a
data file. The later report is of the next day, on which one in a hundred objects is another one.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

from stocktake.formats import open_writer
from stocktake.model.configuration import (
    Destination,
    Format,
    Frequency,
    IncludedObjectVersions,
    InventoryConfiguration,
    S3BucketDestination,
    Schedule,
    bucket_arn,
)
from stocktake.model.fields import BY_COLUMN, Field, Kind, report_schema
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

FILE_ROWS_MAX = 1_000_000
MOMENT = datetime(2026, 11, 22, 1, tzinfo=UTC)
_BUCKET, _DESTINATION = "made", "audit"
_OWNER = "a" * 64
_EVERYBODY = {
    "uri": "http://acs.amazonaws.com/groups/global/AllUsers", "permission": "READ", "type": "Group",
}  # fmt: skip


def _acl(*grants: dict[str, str]) -> str:
    own = {"canonicalId": _OWNER, "type": "CanonicalUser", "permission": "FULL_CONTROL"}
    document = {"version": "2022-11-10", "status": "AVAILABLE", "grants": [own, *grants]}
    return base64.b64encode(json.dumps(document, separators=(",", ":")).encode()).decode()


# What each column holds in row `i`, in SQL: 20,000 objects a folder, one row in 20 a noncurrent version.
_VALUES = {
    "bucket": f"'{_BUCKET}'",
    "key": "format('logs/{:04d}/{:02d}/{:012d}.json', i // 600000, i // 20000 % 30, i)",
    "version_id": "md5('v' || i)",
    "is_latest": "i % 20 <> 0",
    "is_delete_marker": "false",
    "size": "CAST(hash(i) % 20000000 AS BIGINT)",
    "last_modified_date": "TIMESTAMPTZ '2026-11-20 00:00:00+00' - to_days(CAST(hash(i + 1) % 900 AS INT))",
    "e_tag": "md5(CAST(i AS VARCHAR))",
    "storage_class": "CASE WHEN i % 50 = 0 THEN 'STANDARD_IA' WHEN i % 7 = 0 THEN 'GLACIER' ELSE 'STANDARD' END",
    "is_multipart_uploaded": "i % 13 = 0",
    "replication_status": "CASE WHEN i % 997 = 0 THEN 'FAILED' WHEN i % 3 = 0 THEN 'COMPLETED' END",
    "encryption_status": "CASE WHEN i % 101 = 0 THEN 'NOT-SSE' WHEN i % 2 = 0 THEN 'SSE-KMS' ELSE 'SSE-S3' END",
    "object_lock_retain_until_date": "CASE WHEN i % 5 = 0 THEN"
    " TIMESTAMPTZ '2027-06-10 00:00:00+00' + to_days(CAST(i % 90 AS INT)) END",
    "object_lock_mode": "CASE WHEN i % 5 = 0 THEN 'COMPLIANCE' END",
    "object_lock_legal_hold_status": "CASE WHEN i % 4001 = 0 THEN 'ON' END",
    "bucket_key_status": "CASE WHEN i % 4 = 0 THEN 'ENABLED' ELSE 'DISABLED' END",
    "checksum_algorithm": "CASE i % 6 WHEN 0 THEN 'CRC32' WHEN 1 THEN NULL ELSE 'CRC64NVME' END",
    "object_access_control_list": f"CASE WHEN i % 5003 = 0 THEN '{_acl(_EVERYBODY)}' ELSE '{_acl()}' END",
    "object_owner": f"'{_OWNER}'",
    "lifecycle_expiration_date": "CASE WHEN i % 9 = 0 THEN"
    " TIMESTAMPTZ '2026-11-20 00:00:00+00' + to_days(CAST(i % 700 AS INT)) END",
    "kms_key_arn": "CASE WHEN i % 2 = 0 THEN 'arn:aws:kms:eu-central-1:1:key/' || (i % 3) END",
}  # fmt: skip


# One object in 500 is written anew, a new version in place of the old one; of one in 200 the class changes; one in a
# thousand is gone.
_LATER = _VALUES | {
    "version_id": f"CASE WHEN i % 500 = 7 THEN md5('w' || i) ELSE {_VALUES['version_id']} END",
    "storage_class": f"CASE WHEN i % 200 = 3 THEN 'GLACIER_IR' ELSE {_VALUES['storage_class']} END",
}
_GONE = "i % 1000 = 4"


def make_report(folder: Path, rows: int, report_format: Format, *, later: bool = False) -> Path:
    """Write the report of that many objects, or the next day's; its manifest.json."""
    fields = tuple(BY_COLUMN[column] for column in _VALUES)
    moment = MOMENT + timedelta(days=later)
    paths = ReportPaths(configuration_root("", _BUCKET, "made"), moment)
    files: list[DataFile] = []
    for number, first in enumerate(range(0, rows, FILE_ROWS_MAX)):
        key = paths.data(uuid.UUID(int=number), report_format)
        end = min(rows, first + FILE_ROWS_MAX)
        body, keys = _data_file(fields, report_format, _rows(first, end, later=later))
        _write(folder / key, body)
        written = ManifestFile(key, len(body), hashlib.md5(body).hexdigest())
        files.append(_covering(written, keys, files[-1] if files else None, last=end == rows))
    schema = file_schema(report_format, fields)
    written_files = tuple(each.file for each in files)
    manifest = Manifest(
        _BUCKET, bucket_arn(_DESTINATION), moment, report_format, schema, written_files
    )
    document = render_manifest(manifest)
    symlink = render_symlink([f"s3://{_DESTINATION}/{each.file.key}" for each in files])
    _write(folder / paths.symlink, symlink)
    _write(folder / paths.sidecar, render_sidecar(sidecar_of(manifest, fields, files)))
    _write(folder / paths.checksum, render_checksum(document))
    return _write(folder / paths.manifest, document)


def _rows(first: int, end: int, *, later: bool) -> str:
    values = _LATER if later else _VALUES
    columns = ", ".join(f"{value} AS {name}" for name, value in values.items())
    gone = _GONE if later else "false"
    return f"SELECT {columns} FROM range({first}, {end}) AS numbers(i) WHERE NOT ({gone})"


def _data_file(
    fields: tuple[Field, ...], report_format: Format, rows: str
) -> tuple[bytes, pa.ChunkedArray]:
    """A data file, and its keys."""
    sink, schema = io.BytesIO(), report_schema(fields)
    with duckdb.connect() as connection, open_writer(report_format, sink, schema) as writer:
        connection.execute("SET TimeZone = 'UTC'")
        table = connection.sql(rows).to_arrow_table().cast(schema)
        for batch in table.to_batches():
            writer.write(batch)
    return sink.getvalue(), table["key"]


def _covering(
    file: ManifestFile, keys: pa.ChunkedArray, before: DataFile | None, *, last: bool
) -> DataFile:
    first_key, last_key = keys[0].as_py(), keys[-1].as_py()
    after = "" if before is None else before.last_key or ""
    keys_covered = KeyRange(after, None if last else last_key)
    return DataFile(file, keys_covered, len(keys), first_key, last_key)


def sidecar_of(manifest: Manifest, fields: tuple[Field, ...], files: Sequence[DataFile]) -> Sidecar:
    """What stocktake says beside a report whose run met nothing that it had to count."""
    destination = S3BucketDestination(bucket=manifest.destination_bucket, format=manifest.format)
    extensions = tuple(each.name for each in fields if each.kind is Kind.EXTENSION)
    return Sidecar(
        generator="made_report",
        endpoint="http://127.0.0.1:1",
        configuration=InventoryConfiguration(
            id="made",
            is_enabled=True,
            destination=Destination(s3_bucket_destination=destination),
            schedule=Schedule(frequency=Frequency.DAILY),
            included_object_versions=IncludedObjectVersions.ALL,
            optional_fields=tuple(each.name for each in fields if each.kind is Kind.OPTIONAL),
        ),
        extension_fields=extensions,
        started=manifest.created,
        finished=manifest.created + timedelta(hours=1),
        rows=sum(each.rows for each in files),
        object_bytes=0,
        requests={},
        retries=0,
        problems={},
        unknowable={},
        missing={},
        never=(),
        warnings=(),
        files=tuple(map(sidecar_file, files)),
    )


def _write(path: Path, body: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


if __name__ == "__main__":
    form = Format(sys.argv[3]) if sys.argv[3:] else Format.PARQUET
    made = make_report(Path(sys.argv[2]), int(sys.argv[1]), form, later="later" in sys.argv[4:])
    print(made)
