"""Reports as AWS and the Java libraries it uses write them, with old schemas and new ones."""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path
from uuid import UUID

import pytest

from stocktake.analysis.audits.asking import audit_report
from stocktake.analysis.audits.findings import Status
from stocktake.analysis.audits.pack import PACK
from stocktake.model.configuration import Format, bucket_arn
from stocktake.model.fields import report_fields
from stocktake.model.manifest import Manifest, ManifestFile, file_schema
from stocktake.model.paths import ReportPaths, configuration_root
from tests.analysis.audits.planted import NOW
from tests.analysis.questions import opened
from tests.analysis.reports import (
    AWS_MOMENT,
    DESTINATION,
    GENUINE_FIELDS,
    SOURCE,
    objects,
    our_report,
    publish,
    write,
)

AWS = Path(__file__).parents[2] / "golden" / "aws"
CURRENT = report_fields(("Size", "LastModifiedDate"), all_versions=False)
OLD_PARQUET = file_schema(Format.PARQUET, GENUINE_FIELDS)
# The older spelling, as documents still print it.
OLDER_PARQUET = (
    OLD_PARQUET.replace("(STRING)", "(UTF8)")
    .replace("(TIMESTAMP(MILLIS,true))", "(TIMESTAMP_MILLIS)")
    .replace("  ", " ")
)
FILES = [
    ("versions.csv", Format.CSV, file_schema(Format.CSV, GENUINE_FIELDS)),
    ("versions.orc", Format.ORC, file_schema(Format.ORC, GENUINE_FIELDS)),
    ("versions.parquet", Format.PARQUET, OLD_PARQUET),
    ("versions-utf8.parquet", Format.PARQUET, OLDER_PARQUET),
    ("current.csv", Format.CSV, file_schema(Format.CSV, CURRENT)),
]


def delivered(root: Path, name: str, report_format: Format, schema: str) -> Path:
    """A golden file in a report around it."""
    body = (AWS / name).read_bytes()
    if report_format is Format.CSV:
        gzip = zlib.compressobj(6, zlib.DEFLATED, 31)
        body = gzip.compress(body) + gzip.flush()
    paths = ReportPaths(configuration_root("", SOURCE, "daily"), AWS_MOMENT)
    key = paths.data(UUID(int=1), report_format)
    file = ManifestFile(key, len(body), hashlib.md5(body).hexdigest())
    write(root, key, body)
    manifest = Manifest(SOURCE, bucket_arn(DESTINATION), AWS_MOMENT, report_format, schema, (file,))
    return publish(root, paths, manifest, [f"s3://{DESTINATION}/{key}"])


@pytest.mark.parametrize(("name", "report_format", "schema"), FILES)
def test_a_genuine_file_is_audited_by_all_that_it_can_tell(
    tmp_path: Path, name: str, report_format: Format, schema: str
) -> None:
    report = opened(delivered(tmp_path, name, report_format, schema))
    found = {each.name: each for each in audit_report(report, now=NOW).findings}
    names = {field.name for field in report.fields}
    for audit in PACK:
        each = found[audit.name]
        if audit.expects and audit.unless is None:
            assert each.status is Status.NOT_ASKED
        elif set(audit.needs) <= names:
            assert each.status in (Status.FOUND, Status.CLEAN), each
        else:
            assert each.status is Status.UNKNOWN
            assert {doubt.what for doubt in each.unknown} == set(audit.needs) - names
    if name.startswith("versions"):
        counts = {each.name: each.rows for each in found.values() if each.rows}
        assert counts == {
            "no-checksum": 4, "noncurrent-version": 2, "delete-marker": 1, "duplicate": 2,
            "empty-object": 1,
        }  # fmt: skip


def test_a_schema_newer_than_the_genuine_ones_is_audited(tmp_path: Path) -> None:
    fields = ("Size", "ObjectLockEventHoldStatus", "IntelligentTieringReferenceDate", "ObjectOwner")
    made = [{**row, "object_owner": "me"} for row in objects(["a", "b"])]
    report = opened(our_report(tmp_path, Format.ORC, [made], fields=fields).manifest_path)
    found = {each.name: each for each in audit_report(report, now=NOW).findings}
    assert found["empty-object"].rows == 1
    assert found["double-slash"].status is Status.CLEAN
