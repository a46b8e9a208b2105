"""Sizes as other writers than AWS put them into files: whole numbers are read, and all others are one clear error."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stocktake.analysis.audits.asking import audit_report
from stocktake.analysis.differences import compare_reports
from stocktake.analysis.differences_totals import Change
from stocktake.analysis.export import count_matches
from stocktake.analysis.report import Report
from stocktake.analysis.session import DEFAULT_QUERY_LIMITS
from stocktake.analysis.summary import summarize_report
from stocktake.analysis.tables import one_table
from stocktake.analysis.usage.counting import count_usage
from stocktake.model.configuration import Format
from stocktake.model.errors import DataFileError
from tests.acceptance.command_line import stocktake
from tests.analysis.questions import answer, opened
from tests.analysis.reports import OUR_MOMENT, OurReport, objects, our_report, republish
from tests.analysis.test_query_large import remote

LARGEST = 2**63 - 1
Sizes = tuple[Sequence[Any], pa.DataType]
OF_64_BITS: Sizes = ([3, 4], pa.int64())
WHOLE: dict[str, Sizes] = {
    "double": ([3.0, None], pa.float64()),
    "float": ([3.0], pa.float32()),
    "decimal": ([Decimal(3), Decimal(LARGEST)], pa.decimal128(20, 0)),
    "decimal with zeros": ([Decimal("3.0")], pa.decimal128(20, 1)),
    "uint64": ([3, LARGEST], pa.uint64()),
    "int32": ([3, None], pa.int32()),
}
ODD: dict[str, Sizes] = {
    "a fraction": ([1.5], pa.float64()),
    "not a number": ([float("nan")], pa.float64()),
    "1e+30": ([1e30], pa.float64()),
    "a decimal fraction": ([Decimal("1.5")], pa.decimal128(20, 1)),
    "a large decimal": ([Decimal(2**64)], pa.decimal128(20, 0)),
    "2^63": ([2**63], pa.uint64()),
}


def foreign(root: Path, *pieces: Sizes) -> OurReport:
    """A report in Parquet of another writer, a data file for each of these columns of sizes."""
    rows = [
        objects([f"{number}/{row}" for row in range(len(values))])
        for number, (values, _) in enumerate(pieces)
    ]
    ours = our_report(root, Format.PARQUET, rows)
    files = []
    for number, (values, kind) in enumerate(pieces):
        path = ours.data_path(root, number)
        table = pq.read_table(path)
        place = table.schema.get_field_index("size")
        pq.write_table(
            table.set_column(place, pa.field("size", kind), pa.array(values, kind)), path
        )
        files.append(_changed(ours, path, number))
    return _republished(root, ours, files)


def foreign_csv(root: Path, *texts: str) -> OurReport:
    """A report in CSV of another writer, a data file for each of `texts`."""
    ours = our_report(root, Format.CSV, [objects([str(number)]) for number, _ in enumerate(texts)])
    files = []
    for number, text in enumerate(texts):
        path = ours.data_path(root, number)
        path.write_bytes(gzip.compress(text.encode()))
        files.append(_changed(ours, path, number))
    return _republished(root, ours, files)


def _changed(ours: OurReport, path: Path, number: int) -> Any:
    body = path.read_bytes()
    return replace(ours.manifest.files[number], size=len(body), md5=hashlib.md5(body).hexdigest())


def _republished(root: Path, ours: OurReport, files: Sequence[Any]) -> OurReport:
    republish(root, ours.paths, ours.manifest, files=tuple(files))
    (root / ours.paths.sidecar).unlink()
    return ours


def csv_row(key: str, size: object, end: str = "\n") -> str:
    """A row as AWS writes it, but for its end."""
    return f'"source","{key}","{size}","2026-11-22T10:17:00.000Z","e","STANDARD"{end}'


def sizes(report: Report) -> list[object]:
    sql = "SELECT size FROM inventory_report ORDER BY key"
    return [row["size"] for row in answer(report, sql)]


@pytest.mark.parametrize("what", WHOLE)
@pytest.mark.parametrize("alone", [True, False])
def test_whole_numbers_of_any_type_are_sizes_for_query_and_diff(
    tmp_path: Path, what: str, alone: bool
) -> None:
    values = WHOLE[what][0]
    pieces = [WHOLE[what]] if alone else [OF_64_BITS, WHOLE[what]]
    report = opened(foreign(tmp_path / "foreign", *pieces).manifest_path)
    expected = [None if size is None else int(size) for size in values]
    if not alone:
        expected = [3, 4, *expected]
    assert sizes(report) == expected
    assert answer(report, "SELECT count(*) AS n FROM inventory_report WHERE size > 3") == [
        {"n": sum(size is not None and size > 3 for size in expected)}
    ]
    same = compare_reports(report, report)
    same.count()
    assert same.totals.same == len(expected)


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("alone", [True, False])
def test_what_is_no_size_is_one_error_of_every_command_that_names_the_file(
    tmp_path: Path, what: str, alone: bool
) -> None:
    pieces = [ODD[what]] if alone else [OF_64_BITS, ODD[what]]
    ours = foreign(tmp_path / "r", *pieces)
    data = ours.data_path(tmp_path / "r", len(pieces) - 1)
    _fails_clearly(ours, data, tmp_path, f"column `size` holds `{_shown(what)}")


def _shown(what: str) -> str:
    [value] = ODD[what][0]
    return str(value)


@pytest.mark.parametrize("size", [2**63, 2**64])
def test_a_size_of_csv_that_is_too_large_is_one_error_that_names_file_and_line(
    tmp_path: Path, size: int
) -> None:
    text = csv_row("a", 1) + csv_row("b", size)
    ours = foreign_csv(tmp_path / "r", csv_row("0", 1), text)
    _fails_clearly(ours, ours.data_path(tmp_path / "r", 1), tmp_path, f"{size}")
    done = stocktake("query", ours.manifest_path, "FROM inventory_report")
    done.failed_clearly(1, f"in line 2, the column `size` holds `{size}`, expected a whole number")


def _fails_clearly(ours: OurReport, data: Path, folder: Path, said: str) -> None:
    report = ours.manifest_path
    for words in (
        ["query", report, "SELECT * FROM inventory_report"],
        ["query", report, "SELECT sum(size) FROM inventory_report", "--read-only"],
        ["query", report, "SELECT count(*) FROM inventory_report WHERE size > 3"],
        ["audit", report],
        ["usage", report],
        ["export", report, "--where", "size > 3", "--to", folder / "export.csv"],
        ["diff", report, report],
    ):
        done = stocktake(*words)
        done.failed_clearly(1, data.name, said)
        assert done.err.strip().count("\n") <= 1, done.err
        assert "Conversion" not in done.err


def test_of_files_in_a_bucket_that_differ_in_their_types_the_odd_one_is_refused(
    tmp_path: Path,
) -> None:
    ours = foreign(tmp_path, OF_64_BITS, WHOLE["double"])
    far, _, _ = remote(ours.manifest_path)
    with pytest.raises(DataFileError) as error:
        sizes(far)
    assert ours.manifest.files[1].key in error.value.message
    assert error.value.message.endswith(
        "has size: double, expected integers alone as in the first one"
    )
    assert "copy the report into a folder" in error.value.hint
    alike, _, _ = remote(foreign(tmp_path / "x", WHOLE["float"], WHOLE["float"]).manifest_path)
    assert sizes(alike) == [3, 3]


def test_sizes_that_add_up_to_more_than_64_bits_are_added_up_or_it_is_said(tmp_path: Path) -> None:
    rows = [{**row, "size": 2**62} for row in objects([f"f/{number}" for number in range(8)])]
    report = opened(our_report(tmp_path / "a", Format.PARQUET, [rows]).manifest_path)
    none = opened(our_report(tmp_path / "b", Format.PARQUET, [objects([])]).manifest_path)
    total = 8 * 2**62
    assert answer(report, "SELECT sum(size) AS s FROM inventory_report") == [{"s": total}]
    assert summarize_report(report).object_bytes == total
    assert count_matches(one_table(report), "true", limits=DEFAULT_QUERY_LIMITS).bytes == total
    audited = audit_report(report, now=OUR_MOMENT)
    assert audited.bytes == total
    [found] = [each for each in audited.findings if each.name == "no-checksum"]
    assert found.rows == 0
    [found] = [each for each in audited.findings if each.name == "duplicate"]
    assert found.bytes == 0
    compared = compare_reports(none, report)
    compared.count()
    assert compared.totals.counts[Change.CREATED].bytes_b == total
    with pytest.raises(DataFileError, match=r"add up to more than .* found more than 92233720"):
        count_usage(report)


# -- line ends -----------------------------------------------------------------------------------


MIXED = (csv_row("a", 1) + csv_row("b", 2), csv_row("c", 3, "\r\n") + csv_row("d", 4, "\r\n"))


def test_of_csv_in_a_bucket_a_file_with_other_line_ends_is_refused_and_the_way_out_told(
    tmp_path: Path,
) -> None:
    ours = foreign_csv(tmp_path, *MIXED)
    far, client, _ = remote(ours.manifest_path)
    with pytest.raises(DataFileError) as error:
        sizes(far)
    assert ours.manifest.files[1].key in error.value.message
    assert error.value.message.endswith("ends its rows with CRLF, expected LF as in the first one")
    assert "copy the report into a folder" in error.value.hint
    assert client.bytes < 20_000
    assert sizes(opened(ours.manifest_path)) == [1, 2, 3, 4]


def test_of_several_reports_in_folders_each_file_may_have_its_own_line_ends(
    tmp_path: Path,
) -> None:
    mixed, plain = foreign_csv(tmp_path / "m", *MIXED), foreign_csv(tmp_path / "p", MIXED[0])
    named = [f"{name}={each.manifest_path}" for name, each in (("m", mixed), ("p", plain))]
    sql = "SELECT sum(size) AS s FROM (FROM m UNION ALL FROM p)"
    done = stocktake("query", sql, "--name", named[0], "--name", named[1], "--format", "csv")
    assert (done.code, done.out.split()) == (0, ['"s"', "13"]), done
