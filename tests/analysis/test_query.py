"""SQL over reports: the same columns, types and rows from all three formats; and what SQL may not
do.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stocktake.analysis.query import run_query
from stocktake.analysis.report import Report
from stocktake.model.configuration import Format
from tests.analysis.questions import answer, opened
from tests.analysis.reports import (
    aws_report,
    genuine_rows,
    objects,
    our_report,
    republish,
)

# -- rows and types ------------------------------------------------------------------------------


def test_a_genuine_report_answers_with_its_rows_typed(genuine: Report) -> None:
    with run_query(genuine, "SELECT * FROM inventory_report") as found:
        assert found.columns == tuple(field.column for field in genuine.fields)
        kinds = {str(kind) for kind in found.schema.types}
        assert [row for batch in found.batches() for row in batch.to_pylist()] == genuine_rows()
    assert kinds == {"string", "bool", "int64", "timestamp[us, tz=UTC]"}


def test_values_compare_as_what_they_are(genuine: Report) -> None:
    sql = """SELECT key FROM inventory_report WHERE is_latest AND size BETWEEN 1 AND 9
             AND last_modified_date > TIMESTAMPTZ '2024-05-06 22:44:00Z' AND version_id IS NOT NULL"""
    assert answer(genuine, sql) == [{"key": "inventory-test/key1"}]
    assert answer(genuine, "SELECT count(*) AS n FROM inventory_report WHERE size IS NULL") == [
        {"n": 1}
    ]
    assert answer(genuine, "SELECT count(*) AS n FROM inventory_report WHERE e_tag = ''") == [
        {"n": 0}
    ]


SCRIPT = """
import sys
from pathlib import Path
from stocktake.analysis.query import run_query
from stocktake.analysis.report import open_report
from stocktake.store.files import FolderFiles
report = open_report(*FolderFiles.at(Path(sys.argv[1])))
with run_query(report, sys.argv[2]) as found:
    print(next(found.batches()).to_pylist()[:1])
"""


def test_moments_are_utc_whatever_the_machine_thinks(tmp_path: Path) -> None:
    path = aws_report(tmp_path, Format.ORC)
    sql = "SELECT strftime(min(last_modified_date), '%Y-%m-%dT%H:%M') AS m FROM inventory_report"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path), sql],
        env={**os.environ, "TZ": "America/New_York"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[{'m': '2024-05-06T22:37'}]"
    assert done.stderr == ""


HOSTILE = [
    "",
    " a b",
    "%41",
    "+",
    "a+b%20c",
    'a"b',
    "a,b",
    "line\nfeed",
    "\x00",
    "\x7f",
    "~é",
    "\U0001f600",
]


@pytest.mark.parametrize("report_format", Format)
def test_hostile_keys_come_out_as_they_went_in(tmp_path: Path, report_format: Format) -> None:
    keys = sorted(f"k{key}" for key in HOSTILE)
    report = opened(our_report(tmp_path, report_format, [objects(keys)]).manifest_path)
    assert [row["key"] for row in answer(report, "SELECT key FROM inventory_report")] == keys


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=st.sets(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=12), min_size=1, max_size=40
    )
)
def test_every_key_survives_csv(tmp_path_factory: pytest.TempPathFactory, keys: set[str]) -> None:
    ordered = sorted(keys)
    root = tmp_path_factory.mktemp("keys")
    report = opened(our_report(root, Format.CSV, [objects(ordered)]).manifest_path)
    assert [row["key"] for row in answer(report, "SELECT key FROM inventory_report")] == ordered


# Of a value that is no key, which is URL-encoded: the tags of an object.
VALUES = (
    None,
    "a\r\nb",
    "a\nb",
    "a\rb",
    "\r\n",
    "\n",
    "\r",
    '"',
    '""',
    ',"\r\n","',
    "é\u2028\x85",
    "a" * 100_000,
)


# The first file has no rows.
@pytest.mark.parametrize("line_ends", [("", "\n", "\n"), ("", "\r\n", "\r\n"), ("", "\n", "\r\n")])
@pytest.mark.parametrize("first", VALUES)
def test_csv_is_read_whatever_ends_its_rows_and_stands_in_its_values(
    tmp_path: Path, line_ends: tuple[str, ...], first: str | None
) -> None:
    fields = ("Size", "ObjectTags")
    given = [first, *VALUES]
    rows = [
        {**each, "object_tags": value}
        for each, value in zip(objects([f"k{n:02}" for n in range(len(given))]), given, strict=True)
    ]
    ours = our_report(tmp_path, Format.CSV, [[], rows[:1], rows[1:]], fields=fields)
    files = []
    for number, file in enumerate(ours.manifest.files):
        path = ours.data_path(tmp_path, number)
        texts = list(
            csv.reader(io.StringIO(gzip.decompress(path.read_bytes()).decode(), newline=""))
        )
        body = _zipped(texts, line_ends[number])
        path.write_bytes(body)
        files.append(replace(file, size=len(body), md5=hashlib.md5(body).hexdigest()))
    republish(tmp_path, ours.paths, ours.manifest, files=tuple(files))
    found = answer(
        opened(ours.manifest_path), "SELECT key, size, object_tags FROM inventory_report"
    )
    assert found == [{name: row[name] for name in ("key", "size", "object_tags")} for row in rows]
    [counted] = answer(opened(ours.manifest_path), "SELECT count(*) AS n FROM inventory_report")
    assert counted == {"n": len(rows)}


def _zipped(rows: list[list[str]], line_end: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator=line_end).writerows(rows)
    return gzip.compress(text.getvalue().encode())


def test_keys_of_old_reports_with_a_plus_for_a_space_are_decoded(tmp_path: Path) -> None:
    path = aws_report(tmp_path, Format.CSV)
    report = opened(path)
    sql = "SELECT url_decode(replace('a+b%2Bc', '+', ' ')) AS k"
    assert answer(report, sql) == [{"k": "a b+c"}]


@pytest.mark.parametrize("report_format", Format)
def test_extension_fields_can_be_asked_for(tmp_path: Path, report_format: Format) -> None:
    row = objects(["k"])[0] | {"object_tags": '{"a":"b"}', "parts_count": 3}
    fields = ("Size", "ObjectTags", "PartsCount")
    report = opened(our_report(tmp_path, report_format, [[row]], fields=fields).manifest_path)
    sql = "SELECT object_tags->>'a' AS a, parts_count + 1 AS p FROM inventory_report"
    assert answer(report, sql) == [{"a": "b", "p": 4}]


@pytest.mark.parametrize("report_format", Format)
@pytest.mark.parametrize("files", [[], [[]], [[], []]])
def test_an_empty_report_answers_with_no_rows_and_the_right_types(
    tmp_path: Path, report_format: Format, files: list[list[dict[str, object]]]
) -> None:
    report = opened(our_report(tmp_path, report_format, files).manifest_path)
    with run_query(report, "SELECT size, last_modified_date, key FROM inventory_report") as found:
        assert found.schema.types == [pa.int64(), pa.timestamp("us", tz="UTC"), pa.string()]
        assert list(found.batches()) == []
    assert answer(report, "SELECT count(*) AS n FROM inventory_report") == [{"n": 0}]


@pytest.mark.parametrize("report_format", Format)
def test_rows_come_in_the_order_of_the_report_and_can_be_joined(
    tmp_path: Path, report_format: Format
) -> None:
    keys = [f"{number:05}" for number in range(6000)]
    pieces = [objects(keys[:2500]), objects(keys[2500:2501]), objects(keys[2501:])]
    report = opened(our_report(tmp_path, report_format, pieces).manifest_path)
    assert [row["key"] for row in answer(report, "FROM inventory_report")] == keys
    sql = "SELECT count(*) AS n FROM inventory_report a JOIN inventory_report b USING (key)"
    assert answer(report, sql) == [{"n": 6000}]


def test_a_moment_far_ahead_is_read(tmp_path: Path) -> None:
    row = objects(["k"])[0] | {"object_lock_retain_until_date": datetime(2126, 1, 1, tzinfo=UTC)}
    for report_format in Format:
        root = tmp_path / report_format
        fields = ("ObjectLockRetainUntilDate",)
        report = opened(our_report(root, report_format, [[row]], fields=fields).manifest_path)
        sql = "SELECT year(object_lock_retain_until_date) AS y FROM inventory_report"
        assert answer(report, sql) == [{"y": 2126}]
