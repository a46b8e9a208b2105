"""Reports of AWS, whatever their schema, with and without optional columns, in all formats: opened, asked, audited,
measured, compared and verified without being told anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from stocktake.analysis.audits.asking import audit_report
from stocktake.analysis.audits.findings import Status
from stocktake.analysis.audits.pack import PACK
from stocktake.analysis.differences import compare_reports
from stocktake.analysis.differences_totals import Change
from stocktake.analysis.report import Report
from stocktake.analysis.usage.counting import count_usage
from stocktake.analysis.verify import verify_report
from stocktake.model.configuration import Format
from stocktake.model.fields import Field, report_schema
from stocktake.model.usage import VersionState
from tests.analysis.audits.planted import NOW, PLANTED, POLICY, Planted, rows
from tests.analysis.genuine import CREATED, SCHEMAS, columns_of, deliver
from tests.analysis.questions import answer, opened
from tests.analysis.reports import OUR_MOMENT, Row

# AWS's reports do not say when they were finished, only that it takes two days at most.
LATE = {"last_modified_date": OUR_MOMENT + timedelta(days=3)}
AWS_PLANTED = tuple(
    Planted(each.key, each.found_by, LATE) if each.found_by == ("future-date",) else each
    for each in PLANTED
)
MATRIX = [(schema, versions) for schema in SCHEMAS for versions in (True, False)]


def planted(*, versions: bool) -> tuple[Planted, ...]:
    """What a report of all versions, or of current objects, tells of."""
    if versions:
        return AWS_PLANTED
    return tuple(
        each
        for each in AWS_PLANTED
        if each.changes.get("is_latest", True) and not each.changes.get("is_delete_marker")
    )


def delivered(
    root: Path, report_format: Format, schema: str, *, versions: bool
) -> tuple[Report, Sequence[Row], Sequence[Field]]:
    """The report, its rows and its columns."""
    made, fields = rows(planted(versions=versions)), columns_of(schema, versions=versions)
    half = len(made) // 2
    pieces = [made[half:], made[:half]]  # AWS states no order of files
    path = deliver(root, report_format, fields, pieces, created=OUR_MOMENT)
    return opened(path), made, fields


@pytest.mark.parametrize("report_format", Format)
@pytest.mark.parametrize(("schema", "versions"), MATRIX)
def test_every_value_comes_back(
    tmp_path: Path, report_format: Format, schema: str, versions: bool
) -> None:
    report, made, fields = delivered(tmp_path, report_format, schema, versions=versions)
    assert report.fields == tuple(fields)
    found = answer(report, "SELECT * FROM inventory_report")
    expected = [{field.column: row.get(field.column) for field in fields} for row in made]
    assert sorted(found, key=_place) == sorted(expected, key=_place)
    for batch in report.batches():
        assert batch.schema == report_schema(fields)


def _place(row: Row) -> tuple[str, str]:
    return str(row["key"]), str(row.get("version_id"))


@pytest.mark.parametrize("report_format", Format)
@pytest.mark.parametrize(("schema", "versions"), MATRIX)
def test_every_audit_that_has_its_fields_finds_what_was_planted_and_the_others_cannot_tell(
    tmp_path: Path, report_format: Format, schema: str, versions: bool
) -> None:
    report, made, fields = delivered(tmp_path, report_format, schema, versions=versions)
    names = {field.name for field in fields}
    found = audit_report(report, now=NOW, policy=POLICY)
    assert (found.rows, found.warnings) == (len(made), ())
    for each, audit in zip(found.findings, PACK, strict=True):
        lacking = [need for need in audit.needs if need not in names]
        if lacking:
            assert (each.status, each.rows) == (Status.UNKNOWN, 0), each
            assert [doubt.what for doubt in each.unknown] == lacking
            continue
        expected = [row.key for row in planted(versions=versions) if audit.name in row.found_by]
        assert (each.rows, each.unknown) == (len(expected), ()), each
        assert {str(row["Key"]) for row in each.examples} <= set(expected)


@pytest.mark.parametrize("report_format", Format)
@pytest.mark.parametrize(("schema", "versions"), MATRIX)
def test_it_is_measured_and_verified(
    tmp_path: Path, report_format: Format, schema: str, versions: bool
) -> None:
    report, made, fields = delivered(tmp_path, report_format, schema, versions=versions)
    names = {field.name for field in fields}
    objects = [row for row in made if not row["is_delete_marker"]]
    table = count_usage(report).table
    top = [row for row in table.to_pylist() if row["dimension"] == "prefix"]
    assert sum(
        row["objects"] for row in top if row["version_state"] != VersionState.DELETE_MARKER
    ) == len(objects)
    if "Size" in names:
        sizes = [row["size"] for row in made]
        assert sum(row["bytes"] for row in top) == sum(
            each for each in sizes if isinstance(each, int)
        )
    assert verify_report(report).findings == ()


@pytest.mark.parametrize("versions", [True, False])
@pytest.mark.parametrize("older", Format)
@pytest.mark.parametrize("newer", Format)
def test_an_old_schema_is_compared_with_a_new_one_by_what_both_have(
    tmp_path: Path, older: Format, newer: Format, versions: bool
) -> None:
    a, made, _ = delivered(tmp_path / "a", older, "2016", versions=versions)
    fields = columns_of("2026", versions=versions)
    later = [
        {**row, "storage_class": "GLACIER"} if number == 3 else row
        for number, row in enumerate(made[2:])
    ]
    b = opened(deliver(tmp_path / "b", newer, fields, [later], created=CREATED + timedelta(days=1)))
    differences = compare_reports(a, b)
    differences.count()
    counts = {kind: differences.totals.counts[kind].objects for kind in Change}
    assert counts == {**dict.fromkeys(Change, 0), Change.DELETED: 2, Change.CHANGED: 1}
    assert differences.totals.columns == {"storage_class": 1}
    assert "encryption_status" in differences.comparison.only_b
