"""Answers as tables, CSV, JSON lines and Parquet."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stocktake.analysis.output import Output, write_answer, write_table
from stocktake.analysis.query import run_query
from stocktake.analysis.report import Report, open_report
from stocktake.model.configuration import Format
from stocktake.store.files import FolderFiles
from tests.analysis.reports import genuine_rows, objects, our_report


def written(report: Report, sql: str, output: Output) -> tuple[int, bytes]:
    sink = io.BytesIO()
    with run_query(report, sql) as answer:
        rows = write_answer(answer, output, sink)
    return rows, sink.getvalue()


def texts(report: Report, sql: str, output: Output) -> str:
    return written(report, sql, output)[1].decode()


COLUMNS = "SELECT key, version_id, is_latest, size, last_modified_date FROM inventory_report"


def test_json_lines_have_types_and_iso_moments(genuine: Report) -> None:
    rows, body = written(genuine, COLUMNS, Output.JSONL)
    assert rows == 5
    lines = [json.loads(line) for line in body.splitlines()]
    assert lines[3] == {
        "key": "inventory-test/key2",
        "version_id": "gdN1exfZmD7m713patv8dlQ7fTNwle3v",
        "is_latest": True,
        "size": None,
        "last_modified_date": "2024-05-06T22:46:14.000Z",
    }


def test_csv_has_a_header_and_tells_nothing_from_an_empty_text(genuine: Report) -> None:
    sql = COLUMNS.replace("version_id", "version_id, '' AS empty, NULL AS none")
    rows, body = written(genuine, sql, Output.CSV)
    assert rows == 5
    lines = body.decode().splitlines()
    assert lines[0].replace('"', "") == (
        "key,version_id,empty,none,is_latest,size,last_modified_date"
    )
    assert lines[1] == '"inventory-test/",,"",,true,0,"2024-05-06T22:37:48.000Z"'
    read = list(csv.reader(io.StringIO(body.decode())))
    assert [row[0] for row in read[1:]] == [row["key"] for row in genuine_rows()]


def test_parquet_keeps_columns_and_types(genuine: Report) -> None:
    rows, body = written(genuine, "SELECT * FROM inventory_report", Output.PARQUET)
    table = pq.read_table(io.BytesIO(body))
    assert rows == table.num_rows == 5
    assert table.to_pylist() == genuine_rows()


def test_a_table_lines_up_and_says_how_many_rows(genuine: Report) -> None:
    shown = texts(genuine, "SELECT key, size, is_latest FROM inventory_report", Output.TABLE)
    assert shown == (
        "key                  size  is_latest\n"
        "-------------------  ----  ---------\n"
        "inventory-test/         0  true\n"
        "inventory-test/key1     0  false\n"
        "inventory-test/key1     5  true\n"
        "inventory-test/key2        true\n"
        "inventory-test/key2     5  false\n"
        "(5 rows)\n"
    )


def test_a_table_too_wide_for_the_terminal_is_shown_row_by_row(genuine: Report) -> None:
    sql = "SELECT key, size FROM inventory_report ORDER BY size DESC, key LIMIT 2"
    shown = []
    for room in (len("inventory-test/key1  size"), len("inventory-test/key1  size") - 1):
        sink = io.BytesIO()
        with run_query(genuine, sql) as answer:
            assert write_table(answer, sink, room=room) == 2
        shown.append(sink.getvalue().decode())
    assert shown[0].splitlines()[0] == "key                  size"
    assert shown[1] == (
        "-- 1 --\nkey   inventory-test/key1\nsize  5\n"
        "-- 2 --\nkey   inventory-test/key2\nsize  5\n(2 rows)\n"
    )


def test_a_table_holds_every_row_and_a_long_value_further_down_whole(tmp_path: Path) -> None:
    keys = [f"{number:05}" for number in range(2500)] + ["x" * 300]
    path = our_report(tmp_path, Format.CSV, [objects(keys)]).manifest_path
    report = open_report(*FolderFiles.at(path))
    shown = texts(report, "SELECT key FROM inventory_report", Output.TABLE).splitlines()
    assert shown[2:-1] == keys
    assert shown[-1] == "(2501 rows)"


def test_nothing_in_a_table_can_command_the_terminal(tmp_path: Path) -> None:
    keys = ["\x1b[31mred", "line\nfeed", "ä 漢"]
    path = our_report(tmp_path, Format.PARQUET, [objects(sorted(keys))]).manifest_path
    report = open_report(*FolderFiles.at(path))
    shown = texts(report, "SELECT key FROM inventory_report", Output.TABLE)
    assert shown.splitlines()[2:] == ["\\x1b[31mred", "line\\nfeed", "ä 漢", "(3 rows)"]


@pytest.mark.parametrize("output", Output)
def test_an_answer_without_rows_still_has_its_columns(genuine: Report, output: Output) -> None:
    sql = "SELECT key, size FROM inventory_report WHERE false"
    rows, body = written(genuine, sql, output)
    assert rows == 0
    if output is Output.PARQUET:
        assert pq.read_table(io.BytesIO(body)).column_names == ["key", "size"]
    elif output is Output.JSONL:
        assert body == b""
    else:
        assert b"key" in body.splitlines()[0]


@pytest.mark.parametrize("hostile", [False, True])
def test_json_lines_say_what_any_json_reader_understands(tmp_path: Path, hostile: bool) -> None:
    keys = ["a b", "z\u2028é", "\U0001f600"]
    keys += ["\x00", "\n\t", '"', "\\", "\x1f", "\x7f"] if hostile else []
    path = our_report(tmp_path, Format.CSV, [objects(sorted(keys))]).manifest_path
    report = open_report(*FolderFiles.at(path))
    body = texts(report, 'SELECT key AS "k""\\", size FROM inventory_report', Output.JSONL)
    lines = [json.loads(line) for line in body.split("\n")[:-1]]
    assert [line['k"\\'] for line in lines] == sorted(keys)
    assert [line["size"] for line in lines] == list(range(len(keys)))


VALUES = """SELECT sum(size) AS huge, 1.5::DECIMAL(4, 2) AS decimal, 'NaN'::DOUBLE AS nan,
  0.1::DOUBLE AS float, DATE '2024-05-06' AS day, TIME '01:02:03' AS time, INTERVAL 1 DAY AS period,
  TIMESTAMP '2024-05-06 01:02:03.000004' AS naive, [TIMESTAMPTZ '2024-05-06 00:00:00Z'] AS moments,
  {'a': 1, 'b': [true, NULL]} AS nested, 'x'::BLOB AS bytes, '8f6cd7a6-d6c7-4e46-9ff4-2f1c2a0a9d33'::UUID
  AS uuid, MAP {'k': 2} AS map, 18446744073709551615::UBIGINT AS big, 'é"' AS quoted
  FROM inventory_report"""


def test_every_kind_of_value_has_a_form_in_json(genuine: Report) -> None:
    found = json.loads(texts(genuine, VALUES, Output.JSONL))
    assert found["huge"] == 10
    assert found["decimal"] == 1.5
    assert found["nan"] is None
    assert found["float"] == 0.1
    assert found["day"] == "2024-05-06"
    assert found["time"] == "01:02:03"
    assert found["naive"] == "2024-05-06T01:02:03.000004"
    assert found["moments"] == ["2024-05-06T00:00:00+00:00"]
    assert found["nested"] == {"a": 1, "b": [True, None]}
    assert found["bytes"] == "78"
    assert found["big"] == 2**64 - 1
    assert found["quoted"] == 'é"'


def test_every_kind_of_value_has_a_form_in_text(genuine: Report) -> None:
    header, row = csv.reader(io.StringIO(texts(genuine, VALUES, Output.CSV)))
    found = dict(zip(header, row, strict=True))
    assert found["huge"] == "10"
    assert found["decimal"] == "1.50"
    assert found["float"] == "0.1"
    assert found["naive"] == "2024-05-06T01:02:03.000004"
    assert json.loads(found["nested"]) == {"a": 1, "b": [True, None]}
    assert found["quoted"] == 'é"'
    assert texts(genuine, VALUES, Output.TABLE).count("\n") == 4
