"""That other people's readers find in our data files what we wrote, and no reader's time zone matters."""

from __future__ import annotations

import csv
import gzip
import io
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import polars
import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet
import pyorc
import pytest

from stocktake.model.configuration import Format
from stocktake.model.fields import FLAG, MOMENT, NUMBER, TEXT, report_fields
from stocktake.model.keys import decode_csv_key
from tests.formats.rows import EVERY_FIELD, Row, batch_of, hostile_rows, written

# Rows as (column -> text, flag, number, milliseconds).


def milliseconds(value: object) -> object:
    if isinstance(value, datetime):
        naive = value.replace(tzinfo=None)
        return (naive - datetime(1970, 1, 1)) // timedelta(milliseconds=1)  # noqa: DTZ001
    return value


def plain(rows: list[Row]) -> list[Row]:
    return [{name: milliseconds(value) for name, value in row.items()} for row in rows]


_FROM_TEXT: Mapping[pa.DataType, Callable[[str], object]] = {
    TEXT: str,
    NUMBER: int,
    FLAG: {"true": True, "false": False}.__getitem__,
    MOMENT: datetime.fromisoformat,
}


def from_texts(rows: list[list[str | None]]) -> list[Row]:
    """CSV's texts as values, by nothing but the documented rules."""
    return [
        {
            field.column: None
            if not text
            else decode_csv_key(text)
            if field.column == "key"
            else _FROM_TEXT[field.type](text)
            for field, text in zip(EVERY_FIELD, row, strict=True)
        }
        for row in rows
    ]


def by_python_csv(path: Path) -> list[Row]:
    text = gzip.decompress(path.read_bytes()).decode()
    return from_texts(list(csv.reader(io.StringIO(text, newline=""), strict=True)))


def by_duckdb_csv(path: Path) -> list[Row]:
    columns = {field.column: "VARCHAR" for field in EVERY_FIELD}
    rows = duckdb.execute(
        "SELECT * FROM read_csv(?, header=false, all_varchar=true, auto_detect=false, columns=?,"
        " quote='\"', escape='\"', delim=',', compression='gzip', parallel=false)",
        [str(path), columns],
    ).fetchall()
    return from_texts([list(row) for row in rows])


def by_polars_csv(path: Path) -> list[Row]:
    frame = polars.read_csv(
        gzip.decompress(path.read_bytes()),
        has_header=False,
        infer_schema=False,
        new_columns=[field.column for field in EVERY_FIELD],
    )
    return from_texts([list(row) for row in frame.rows()])


def by_duckdb_parquet(path: Path) -> list[Row]:
    columns = ", ".join(
        f"epoch_ms({field.column}) AS {field.column}" if field.type == MOMENT else field.column
        for field in EVERY_FIELD
    )
    answer = duckdb.execute(f"SELECT {columns} FROM read_parquet(?)", [str(path)])
    names = [field.column for field in EVERY_FIELD]
    return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


def by_polars_parquet(path: Path) -> list[Row]:
    return polars.read_parquet(path).to_dicts()


def by_pyarrow_parquet(path: Path) -> list[Row]:
    return pyarrow.parquet.read_table(path).to_pylist()


def by_pyarrow_orc(path: Path) -> list[Row]:
    return pyarrow.orc.read_table(path).to_pylist()


def by_pyorc(path: Path) -> list[Row]:
    with path.open("rb") as source:
        return list(pyorc.Reader(source, struct_repr=pyorc.StructRepr.DICT))


READERS = [
    (Format.CSV, by_python_csv),
    (Format.CSV, by_duckdb_csv),
    (Format.CSV, by_polars_csv),
    (Format.ORC, by_pyarrow_orc),
    (Format.ORC, by_pyorc),
    (Format.PARQUET, by_pyarrow_parquet),
    (Format.PARQUET, by_duckdb_parquet),
    (Format.PARQUET, by_polars_parquet),
]
every_reader = pytest.mark.parametrize(
    ("report_format", "reader"), READERS, ids=[reader.__name__ for _, reader in READERS]
)


@every_reader
def test_other_readers_find_the_same_rows(
    report_format: Format, reader: Callable[[Path], list[Row]], tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(written(report_format, [batch_of(hostile_rows(), EVERY_FIELD)], EVERY_FIELD))
    assert plain(reader(path)) == plain(hostile_rows())


@every_reader
def test_other_readers_find_no_rows_where_there_are_none(
    report_format: Format, reader: Callable[[Path], list[Row]], tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(written(report_format, [], EVERY_FIELD))
    # polars takes no empty CSV, whoever wrote it.
    expected = (
        pytest.raises(polars.exceptions.NoDataError) if reader is by_polars_csv else nullcontext()
    )
    with expected:
        assert reader(path) == []


_MOMENTS_PROGRAM = """
import sys, pyorc
from stocktake.formats import read_batches
from stocktake.model.configuration import Format
from stocktake.model.fields import report_fields
fields = report_fields(("LastModifiedDate",), all_versions=False)
for path, report_format in zip(sys.argv[1:], (Format.CSV, Format.ORC, Format.PARQUET)):
    with open(path, "rb") as source:
        for batch in read_batches(report_format, source, fields):
            print([moment.isoformat() for moment in batch.column(2).to_pylist()])
with open(sys.argv[2], "rb") as source:
    print([row[2].isoformat() for row in pyorc.Reader(source)])
"""


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu"])
def test_moments_do_not_depend_on_the_readers_time_zone(zone: str, tmp_path: Path) -> None:
    fields = report_fields(("LastModifiedDate",), all_versions=False)
    # Within New York's summer time, in its skipped hour, and in winter.
    texts = ["2024-07-01T12:00:00.123000", "2024-03-10T02:30:00", "1999-12-31T23:59:59"]
    moments = [datetime.fromisoformat(f"{text}+00:00") for text in texts]
    rows = [
        {"bucket": "b", "key": str(number), "last_modified_date": moment}
        for number, moment in enumerate(moments)
    ]
    paths = [tmp_path / report_format for report_format in (Format.CSV, Format.ORC, Format.PARQUET)]
    for path in paths:
        path.write_bytes(written(Format(path.name), [batch_of(rows, fields)], fields))
    command = [sys.executable, "-c", _MOMENTS_PROGRAM, *map(str, paths)]
    environment = {"TZ": zone, "PYTHONPATH": ":".join(sys.path)}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines() == [str([moment.isoformat() for moment in moments])] * 4
