"""What a report is, in a few facts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stocktake.analysis.report import open_report
from stocktake.analysis.summary import ReportSummary, Share, summarize_report
from stocktake.model.configuration import Format
from stocktake.store.files import FolderFiles
from tests.analysis.reports import AWS_MOMENT, aws_report, objects, our_report


def summary(path: Path) -> ReportSummary:
    return summarize_report(open_report(*FolderFiles.at(path)))


@pytest.mark.parametrize("report_format", Format)
def test_a_genuine_report_is_counted(tmp_path: Path, report_format: Format) -> None:
    found = summary(aws_report(tmp_path, report_format))
    assert found.source_bucket == "filemanager-inventory-test"
    assert found.created == AWS_MOMENT
    assert found.format == report_format
    assert found.all_versions
    assert (found.files, found.rows, found.object_bytes) == (1, 5, 10)
    assert found.storage_classes == (Share("STANDARD", 4, 10),)
    assert found.encryption == (Share("SSE-S3", 4, 10),)
    assert found.problems == {}
    assert found.generator == ""


@pytest.mark.parametrize("report_format", Format)
def test_classes_come_largest_first_and_problems_from_stocktake_json(
    tmp_path: Path, report_format: Format
) -> None:
    rows = objects(["a", "b"], storage_class="GLACIER") + objects(["c", "d", "e"])
    found = summary(our_report(tmp_path, report_format, [rows[:4], rows[4:]]).manifest_path)
    assert found.storage_classes == (Share("STANDARD", 3, 3), Share("GLACIER", 2, 1))
    assert found.encryption is None
    assert found.problems == {"refused": 2}
    assert found.generator == "stocktake 0"
    assert found.report_bytes > 0
    assert not found.all_versions


def test_without_sizes_no_bytes_are_claimed(tmp_path: Path) -> None:
    ours = our_report(tmp_path, Format.CSV, [objects(["a"])], fields=("StorageClass",))
    found = summary(ours.manifest_path)
    assert found.object_bytes is None
    assert found.storage_classes == (Share("STANDARD", 1, None),)


@pytest.mark.parametrize("report_format", Format)
def test_an_empty_report_is_counted(tmp_path: Path, report_format: Format) -> None:
    for number, pieces in enumerate(([], [[]])):
        root = tmp_path / str(number)
        found = summary(our_report(root, report_format, pieces).manifest_path)
        assert (found.rows, found.object_bytes, found.storage_classes) == (0, 0, ())


def test_a_summary_is_json(tmp_path: Path) -> None:
    found = json.loads(json.dumps(summary(aws_report(tmp_path, Format.ORC)).to_json()))
    assert found["created"] == "2024-05-07T01:00:00.000Z"
    assert found["storage_classes"] == [{"name": "STANDARD", "rows": 4, "bytes": 10}]
