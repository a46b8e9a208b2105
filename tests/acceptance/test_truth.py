"""The rows of our reports against an independent truth: boto3's list and head of the same bucket."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stocktake.formats import read_batches
from stocktake.model.configuration import Format
from stocktake.model.manifest import parse_manifest
from tests.acceptance.command_line import stocktake
from tests.acceptance.estate import comparable, fill_estate, known_names, truth
from tests.servers.server import Server

FIELDS = "all,ObjectTags,UserMetadata,ContentType,ContentEncoding,KmsKeyArn,PartsCount"


@pytest.fixture(scope="module")
def estate(ceph_server: Server) -> str:
    bucket = f"estate-{os.urandom(5).hex()}"
    fill_estate(ceph_server, bucket)
    return bucket


def run(server: Server, *arguments: str, **environment: str) -> dict[str, Any]:
    """Run the command line against the server; its one JSON object."""
    done = stocktake(
        "run", *arguments, "--json", environment={**server.environment(), **environment}
    )
    assert done.code == 0, done.err
    document: dict[str, Any] = done.document
    return document


def read_rows(folder: Path) -> tuple[list[Any], list[dict[str, Any]]]:
    """The columns and rows of the one report under `folder`, straight from its files."""
    [path] = folder.rglob("manifest.json")
    manifest = parse_manifest(path.read_bytes())
    rows: list[dict[str, Any]] = []
    for file in manifest.files:
        with (folder / file.key).open("rb") as source:
            for batch in read_batches(manifest.format, source, manifest.fields):
                rows += batch.to_pylist()
    return list(manifest.fields), rows


@pytest.mark.server
@pytest.mark.parametrize("report_format", list(Format))
@pytest.mark.parametrize("versions", ["All", "Current"])
def test_every_row_on_ceph_equals_what_boto3_says(
    ceph_server: Server, estate: str, tmp_path: Path, report_format: Format, versions: str
) -> None:
    run(
        ceph_server, f"s3://{estate}", str(tmp_path),
        "--format", report_format, "--fields", FIELDS, "--versions", versions,
    )  # fmt: skip
    fields, rows = read_rows(tmp_path)
    names = known_names(fields)
    expected = truth(ceph_server.client(), estate, names, all_versions=versions == "All")
    found = comparable(rows, fields)
    assert [row["Key"] for row in found] == [row["Key"] for row in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == theirs


@pytest.mark.server
def test_what_could_not_be_learned_on_ceph_is_counted(
    ceph_server: Server, estate: str, tmp_path: Path
) -> None:
    summary = run(ceph_server, f"s3://{estate}", str(tmp_path), "--fields", FIELDS)
    assert summary["problems"]["refused"] >= 1  # the foreign object
    _, rows = read_rows(tmp_path)
    [foreign] = [row for row in rows if row["key"] == "foreign/object"]
    assert foreign["encryption_status"] is None
    assert foreign["object_owner"] == "other"


@pytest.mark.server
def test_a_prefix_limits_the_report_to_its_keys(
    ceph_server: Server, estate: str, tmp_path: Path
) -> None:
    run(ceph_server, f"s3://{estate}/versions/", str(tmp_path), "--versions", "All")
    _, rows = read_rows(tmp_path)
    assert {row["key"] for row in rows} == {"versions/many", "versions/gone"}
    assert len(rows) == 8


@pytest.mark.server
def test_short_pages_give_the_same_rows(
    ceph_server: Server, estate: str, tmp_path: Path, buckets: Callable[..., str]
) -> None:
    """More rows than one page holds, several processes, versions over the edges of pages."""
    client = ceph_server.client()
    bucket = buckets("pages")
    client.create_bucket(Bucket=bucket)
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for number in range(600):
        for _ in range(2):
            client.put_object(Bucket=bucket, Key=f"{number % 7}/{number:04d}", Body=b"")
    summary = run(
        ceph_server, f"s3://{bucket}", str(tmp_path), "--versions", "All", "--processes", "3"
    )
    fields, rows = read_rows(tmp_path)
    names = known_names(fields)
    expected = truth(client, bucket, names, all_versions=True)
    assert comparable(rows, fields) == expected
    assert summary["rows"] == 1200
