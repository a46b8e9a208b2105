"""Which reports are to go: by how many there are and how old they are, and what no retention removes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from stocktake.model.configuration import Format
from stocktake.model.errors import UsageError
from stocktake.model.manifest import Manifest, ManifestFile
from stocktake.model.paths import ReportPaths
from stocktake.model.retention import (
    Condition,
    KeptReport,
    Retention,
    expired,
    judge,
    retention_of,
)

NOW = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
ROOT = "p/photos/daily"
NAME = "0f6f29c1-9a6c-4f3c-8a3f-6a1f0d7d5b11.parquet"


def report(
    days_old: float, condition: Condition = Condition.GOOD, *, spared: bool = False
) -> KeptReport:
    paths = ReportPaths(ROOT, NOW - timedelta(days=days_old))
    return KeptReport(paths, condition, None, spared)


def gone(
    reports: list[KeptReport], retention: Retention, spared: tuple[str, ...] = ()
) -> list[float]:
    found = expired(reports, retention, NOW, spared=spared)
    return [(NOW - each.paths.moment) / timedelta(days=1) for each in found]


DAILY = [report(days) for days in range(6)]


@pytest.mark.parametrize(
    ("retention", "expected"),
    [
        (Retention(), []),
        (Retention(keep_last=3), [5, 4, 3]),
        (Retention(keep_last=9), []),
        (Retention(keep_days=2), [5, 4, 3, 2]),
        (Retention(keep_last=4, keep_days=2), [5, 4]),
        (Retention(keep_last=1, keep_days=4), [5, 4]),
    ],
)
def test_a_report_goes_that_nothing_keeps(retention: Retention, expected: list[float]) -> None:
    assert gone(DAILY, retention) == expected
    assert gone(DAILY[::-1], retention) == expected


def test_the_newest_good_one_stays_however_old_it_is() -> None:
    old = [report(days) for days in (400, 300, 200)]
    assert gone(old, Retention(keep_days=10)) == [400, 300]
    damaged = [*old, report(100, Condition.DAMAGED), report(50, Condition.UNFINISHED)]
    assert gone(damaged, Retention(keep_days=10)) == [400, 300]
    assert gone([report(9, Condition.DAMAGED)], Retention(keep_last=1)) == []


def test_only_good_reports_count_and_only_what_was_published_goes() -> None:
    reports = [
        report(5), report(4, Condition.DAMAGED), report(3), report(2, Condition.STRANGE),
        report(1, Condition.UNFINISHED), report(0),
    ]  # fmt: skip
    assert gone(reports, Retention(keep_last=2)) == [5, 4]
    assert gone(reports, Retention(keep_last=1)) == [5, 4, 3]


def test_what_is_spared_stays_and_a_report_from_the_future_makes_none_old() -> None:
    reports = [report(5, spared=True), report(4), report(3), report(-30)]
    assert gone(reports, Retention(keep_last=1)) == [4]
    assert gone(reports, Retention(keep_last=1), (report(4).paths.folder,)) == []


@pytest.mark.parametrize(
    ("changes", "condition"),
    [
        ({}, Condition.GOOD),
        ({"source_bucket": "videos"}, Condition.STRANGE),
        ({"destination_bucket": "arn:aws:s3:::elsewhere"}, Condition.STRANGE),
        *(
            ({"files": (ManifestFile(key, 1, "0" * 32),)}, Condition.STRANGE)
            for key in (
                f"p/photos/weekly/data/{NAME}",
                f"{ROOT}/data/../../weekly/data/{NAME}",
                f"{ROOT}/data/deep/{NAME}",
                f"{ROOT}/data/{NAME.upper()}",
                f"{ROOT}/data/{NAME}.bak",
                f"{ROOT}/data/{NAME}\n",
                f"{ROOT}/data/precious.parquet",
                f"{ROOT}/2026-11-21T01-00Z/manifest.json",
                f"x{ROOT}/data/{NAME}",
                "",
            )
        ),
        (
            {"files": (ManifestFile(f"{ROOT}/data/1{NAME[1:]}", 1, "0" * 32),)},
            Condition.DAMAGED,
        ),
    ],
)
def test_a_manifest_that_names_what_is_not_its_own_is_believed_nothing(
    changes: dict[str, object], condition: Condition
) -> None:
    key = f"{ROOT}/data/{NAME}"
    said = {
        "source_bucket": "photos", "destination_bucket": "arn:aws:s3:::audit", "created": NOW,
        "format": Format.PARQUET, "schema": "", "files": (ManifestFile(key, 1, "0" * 32),),
    } | changes  # fmt: skip
    manifest = Manifest(**said)  # type: ignore[arg-type]
    there = {key, *(file.key for file in manifest.files if "/data/1" not in file.key)}
    assert judge(ReportPaths(ROOT, NOW), manifest, "audit", there)[0] is condition


@pytest.mark.parametrize("words", [(0, None), (None, 0), (100_001, None), (None, 36_501)])
def test_numbers_out_of_bounds_are_refused(words: tuple[int | None, int | None]) -> None:
    with pytest.raises(UsageError, match=r"--keep-(last|days) \d+ is out of bounds; expected 1 to"):
        retention_of(*words)
