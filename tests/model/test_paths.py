from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.model.configuration import Format
from stocktake.model.paths import (
    ReportPaths,
    configuration_root,
    parse_manifest_key,
    report_folder_name,
)
from tests.model.documents import BUCKETS, IDS, MOMENTS

MOMENT = datetime(2024, 5, 7, 1, 0, tzinfo=UTC)
PATHS = ReportPaths("inventory/example-pictures/full", MOMENT)
NAME = UUID("573a77fc-0397-4005-96d6-13a758a7635a")


def test_every_key_of_a_report_is_where_aws_puts_it() -> None:
    assert PATHS.manifest == "inventory/example-pictures/full/2024-05-07T01-00Z/manifest.json"
    assert PATHS.checksum == "inventory/example-pictures/full/2024-05-07T01-00Z/manifest.checksum"
    assert PATHS.sidecar == "inventory/example-pictures/full/2024-05-07T01-00Z/stocktake.json"
    assert PATHS.symlink == "inventory/example-pictures/full/hive/dt=2024-05-07-01-00/symlink.txt"


@pytest.mark.parametrize(
    ("report_format", "suffix"),
    [(Format.CSV, "csv.gz"), (Format.ORC, "orc"), (Format.PARQUET, "parquet")],
)
def test_data_files_are_named_by_a_lower_case_uuid(report_format: Format, suffix: str) -> None:
    key = PATHS.data(NAME, report_format)
    assert (
        key == f"inventory/example-pictures/full/data/573a77fc-0397-4005-96d6-13a758a7635a.{suffix}"
    )


def test_folders_are_named_in_utc_whatever_the_zone_of_the_moment() -> None:
    india = MOMENT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert ReportPaths(PATHS.root, india).manifest == PATHS.manifest
    assert ReportPaths(PATHS.root, india).symlink == PATHS.symlink


@pytest.mark.parametrize("prefix", ["p", "p/", "p//", "a/b", "a/b/"])
def test_a_trailing_slash_of_the_prefix_changes_nothing(prefix: str) -> None:
    assert configuration_root(prefix, "src", "id") == f"{prefix.rstrip('/')}/src/id"


@pytest.mark.parametrize("prefix", ["", "/"])
def test_without_a_prefix_keys_start_at_the_source_bucket(prefix: str) -> None:
    assert configuration_root(prefix, "src", "id") == "src/id"


@given(st.sampled_from(["", "p", "p/q"]), BUCKETS, IDS, MOMENTS)
def test_a_manifest_key_tells_its_report(
    prefix: str, bucket: str, configuration_id: str, moment: datetime
) -> None:
    minute = moment.replace(second=0, microsecond=0)
    paths = ReportPaths(configuration_root(prefix, bucket, configuration_id), minute)
    assert parse_manifest_key(paths.manifest) == paths


@pytest.mark.parametrize(
    "key",
    [
        "",
        "manifest.json",
        "2024-05-07T01-00Z/manifest.json",
        "b/id/2024-05-07T01-00Z/manifest.checksum",
        "b/id/2024-05-07/manifest.json",
        "b/id/2024-13-07T01-00Z/manifest.json",
        "b/id/2024-02-30T01-00Z/manifest.json",
        "b/id/2024-05-07T25-00Z/manifest.json",
        "b/id/2024-05-07T01-00Z/manifest.json/",
    ],
)
def test_another_key_tells_none(key: str) -> None:
    assert parse_manifest_key(key) is None


def test_report_folders_are_told_from_their_neighbours() -> None:
    assert report_folder_name("2024-05-07T01-00Z")
    for other in (
        "data",
        "hive",
        "2024-05-07T01-00Z/",
        "2024-05-07T01-00",
        "x2024-05-07T01-00Z",
        "",
    ):
        assert not report_folder_name(other), other
