"""Empty texts that other writers than AWS put into ORC and Parquet, where AWS's CSV has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocktake.analysis.differences import compare_reports
from stocktake.analysis.differences_comparison import Mode
from stocktake.analysis.report import Report
from stocktake.model.configuration import Format
from tests.acceptance.command_line import stocktake
from tests.analysis.questions import opened
from tests.analysis.reports import objects, our_report

FIELDS = (
    "Size", "LastModifiedDate", "ETag", "StorageClass", "EncryptionStatus", "ObjectOwner", "ReplicationStatus",
    "ChecksumAlgorithm", "ObjectTags", "ChecksumValue",
)  # fmt: skip
TEXTS = (
    "version_id", "storage_class", "encryption_status", "object_owner", "replication_status", "checksum_algorithm",
    "object_tags", "checksum_value",
)  # fmt: skip


def report(root: Path, report_format: Format, value: str | None) -> Report:
    """Rows of which every second has `value` in place of each text, the others a text in some."""
    rows = []
    for number, row in enumerate(objects([f"k{number}" for number in range(6)])):
        said: dict[str, object] = dict.fromkeys(TEXTS, value)
        if number % 2:
            said |= {"encryption_status": "SSE-S3", "storage_class": "STANDARD", "version_id": "1"}
        rows.append({**row, "is_latest": True, "is_delete_marker": False, **said})
    path = our_report(root, report_format, [rows], fields=FIELDS, all_versions=True).manifest_path
    return opened(path)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("current", [False, True])
@pytest.mark.parametrize("report_format", [Format.ORC, Format.PARQUET])
def test_an_empty_text_is_no_change_from_none(
    tmp_path: Path, report_format: Format, current: bool, mode: Mode
) -> None:
    sides = [
        report(tmp_path / "csv", Format.CSV, None),
        report(tmp_path / "null", report_format, None),
        report(tmp_path / "empty", report_format, ""),
    ]
    for a in sides:
        for b in sides:
            compared = compare_reports(a, b, mode=mode, current=current)
            compared.count()
            assert (compared.totals.same, compared.differ, compared.undecided) == (6, False, False)


@pytest.mark.parametrize("report_format", Format)
@pytest.mark.parametrize("value", [None, ""])
def test_what_is_exported_names_the_null_version_whatever_stands_for_it(
    tmp_path: Path, report_format: Format, value: str | None
) -> None:
    found = report(tmp_path / "r", report_format, value)
    to = tmp_path / "manifest.csv"
    done = stocktake("export", found.address, "--where", "true", "--to", to, "--format", "manifest")
    assert done.code == 0, done
    versions = [line.replace('"', "").split(",")[2] for line in to.read_text().splitlines()]
    assert versions == ["null", "1"] * 3
