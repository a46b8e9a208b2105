"""ORC: what makes a file look like one of AWS's, and reading those that AWS's library writes."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.orc
import pyorc
import pytest

from stocktake.formats import describe
from stocktake.model.configuration import Format
from stocktake.model.errors import DataFileError
from stocktake.model.manifest import file_schema
from tests.formats.rows import (
    CURRENT_FIELDS,
    EVERY_FIELD,
    GENUINE_FIELDS,
    batch_of,
    hostile_rows,
    made_rows,
    rows_in,
    written,
)
from tests.formats.test_csv import VERSIONS_CSV, zipped

AWS = Path(__file__).parents[1] / "golden" / "aws"


@pytest.fixture(scope="module")
def reader() -> pyorc.Reader:
    data = written(Format.ORC, [batch_of(hostile_rows(), EVERY_FIELD)], EVERY_FIELD)
    return pyorc.Reader(io.BytesIO(data))


def test_the_file_looks_like_a_genuine_one(reader: pyorc.Reader) -> None:
    assert reader.format_version == (0, 12)
    assert reader.compression == pyorc.CompressionKind.ZLIB
    assert reader.compression_block_size == 262_144
    assert reader.row_index_stride == 10_000
    assert reader.user_metadata == {}
    assert reader.read_stripe(0).writer_timezone in {"UTC", "GMT"}


def test_the_schema_is_the_manifests(reader: pyorc.Reader) -> None:
    assert str(reader.schema) == file_schema(Format.ORC, EVERY_FIELD)


def test_stripes_know_their_first_and_last_key() -> None:
    data = written(Format.ORC, made_rows(25_000), CURRENT_FIELDS)
    stripe = pyorc.Reader(io.BytesIO(data)).read_stripe(0)
    statistics = stripe[2].statistics
    assert statistics["minimum"] == "data/000000000 é.bin"
    assert statistics["maximum"] == "data/000024999 é.bin"


def test_rows_spread_over_stripes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stocktake.formats.orc._STRIPE_BYTES", 2**16)
    data = written(Format.ORC, made_rows(100_000), CURRENT_FIELDS)
    assert pyorc.Reader(io.BytesIO(data)).num_of_stripes > 1
    rows = rows_in(Format.ORC, data, CURRENT_FIELDS, ["key", "size"])
    assert [row["size"] for row in rows] == list(range(100_000))


def test_files_of_orcs_java_library_are_read_and_described_as_genuine_manifests_do() -> None:
    data = (AWS / "versions.orc").read_bytes()
    assert rows_in(Format.ORC, data, GENUINE_FIELDS) == rows_in(
        Format.CSV, zipped(VERSIONS_CSV), GENUINE_FIELDS
    )
    genuine = (AWS / "schema.orc.txt").read_text()
    assert describe(Format.ORC, io.BytesIO(data)) == (5, genuine)


def test_a_file_whose_moments_have_a_zone_is_read_but_not_called_the_same() -> None:
    columns = {
        "bucket": pa.array(["b"]),
        "key": pa.array(["k"]),
        "size": pa.array([1]),
        "last_modified_date": pa.array([datetime(2024, 7, 1, tzinfo=UTC)]),
        "e_tag": pa.array(["e"]),
        "storage_class": pa.array(["STANDARD"]),
    }
    sink = io.BytesIO()
    pyarrow.orc.write_table(pa.table(columns), sink)
    (row,) = rows_in(Format.ORC, sink.getvalue(), CURRENT_FIELDS)
    assert row["last_modified_date"] == datetime(2024, 7, 1, tzinfo=UTC)
    schema = describe(Format.ORC, io.BytesIO(sink.getvalue()))[1]
    assert "last_modified_date:timestamp with local time zone" in schema


def test_a_moment_beyond_2262_is_written_right_and_reading_it_is_one_clear_error() -> None:
    moment = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    rows = [{"bucket": "b", "key": "k", "last_modified_date": moment}]
    data = written(Format.ORC, [batch_of(rows, CURRENT_FIELDS)], CURRENT_FIELDS)
    (row,) = pyorc.Reader(io.BytesIO(data))
    assert row[3] == moment
    with pytest.raises(DataFileError, match="out of range for nanosecond"):
        rows_in(Format.ORC, data, CURRENT_FIELDS)
    assert rows_in(Format.ORC, data, CURRENT_FIELDS, ["key"]) == [{"key": "k"}]


def test_columns_that_are_not_the_reports_are_named() -> None:
    data = written(Format.ORC, made_rows(3), CURRENT_FIELDS)
    with pytest.raises(
        DataFileError, match="column 4 is `last_modified_date`, the report has `e_tag`"
    ):
        rows_in(Format.ORC, data, (*CURRENT_FIELDS[:3], *CURRENT_FIELDS[4:]))
