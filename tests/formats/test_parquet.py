"""Parquet: what makes a file look like one of AWS's, and reading those that AWS's libraries write."""

from __future__ import annotations

import io
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stocktake.formats import describe
from stocktake.formats.parquet import PIECE_LIMITS
from stocktake.model.configuration import Format
from stocktake.model.errors import DataFileError
from stocktake.model.fields import TEXT, Field
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
def metadata() -> pq.FileMetaData:
    data = written(Format.PARQUET, [batch_of(hostile_rows(), EVERY_FIELD)], EVERY_FIELD)
    return pq.ParquetFile(io.BytesIO(data)).metadata


def test_the_file_looks_like_a_genuine_one(metadata: pq.FileMetaData) -> None:
    assert metadata.format_version == "1.0"
    assert metadata.metadata is None, "no key-value metadata, so no ARROW:schema either"
    assert metadata.num_columns == len(EVERY_FIELD)
    for index in range(metadata.num_columns):
        column = metadata.row_group(0).column(index)
        assert column.compression == "SNAPPY"
        assert column.has_column_index
        assert column.has_offset_index
        assert set(column.encodings) <= {"PLAIN", "PLAIN_DICTIONARY", "RLE", "BIT_PACKED"}


def test_every_column_has_minimum_and_maximum(metadata: pq.FileMetaData) -> None:
    keys = sorted(str(row["key"]) for row in hostile_rows())
    for index, field in enumerate(EVERY_FIELD):
        statistics = metadata.row_group(0).column(index).statistics
        assert statistics.has_min_max, field.name
        assert statistics.has_null_count, field.name
        if field.name == "Key":
            assert (statistics.min, statistics.max) == (keys[0], keys[-1])


def test_dictionaries_are_for_columns_that_repeat(metadata: pq.FileMetaData) -> None:
    with_one = {
        field.column
        for index, field in enumerate(EVERY_FIELD)
        if metadata.row_group(0).column(index).has_dictionary_page
    }
    unique = {"key", "version_id", "e_tag", "checksum_value"}
    flags = {"is_latest", "is_delete_marker", "is_multipart_uploaded"}
    assert with_one == {field.column for field in EVERY_FIELD} - unique - flags


def test_the_root_message_has_the_name_aws_gives_it() -> None:
    data = written(Format.PARQUET, made_rows(10), CURRENT_FIELDS)
    assert data.count(b"\x0cs3.inventory") == 1
    assert " s3.inventory {" in str(pq.ParquetFile(io.BytesIO(data)).schema)


def test_a_value_that_looks_like_the_root_is_left_alone() -> None:
    rows = [{"bucket": "b", "key": "\x06schema", "storage_class": "\x06schema"}]
    data = written(Format.PARQUET, [batch_of(rows, CURRENT_FIELDS)], CURRENT_FIELDS)
    (row,) = rows_in(Format.PARQUET, data, CURRENT_FIELDS)
    assert row["key"] == row["storage_class"] == "\x06schema"


def test_row_groups_are_even_whatever_the_pages() -> None:
    data = written(Format.PARQUET, made_rows(230_000, page=770), CURRENT_FIELDS)
    groups = pq.ParquetFile(io.BytesIO(data)).metadata
    sizes = [groups.row_group(index).num_rows for index in range(groups.num_row_groups)]
    assert sizes == [100_000, 100_000, 30_000]


def test_long_values_end_a_row_group_early_so_that_memory_stays_bounded() -> None:
    long = [{"bucket": "b", "key": f"{n:05d}", "e_tag": "x" * 10_000} for n in range(1000)]
    pages = [batch_of(long, CURRENT_FIELDS) for _ in range(20)]
    data = written(Format.PARQUET, pages, CURRENT_FIELDS)
    groups = pq.ParquetFile(io.BytesIO(data)).metadata
    assert groups.num_row_groups == 3
    assert groups.row_group(0).num_rows * 10_000 < PIECE_LIMITS.bytes_max + 2**24


@pytest.mark.parametrize("name", ["versions.parquet", "versions-utf8.parquet"])
def test_files_of_parquet_mr_are_read_and_described_as_genuine_manifests_do(name: str) -> None:
    data = (AWS / name).read_bytes()
    assert rows_in(Format.PARQUET, data, GENUINE_FIELDS) == rows_in(
        Format.CSV, zipped(VERSIONS_CSV), GENUINE_FIELDS
    )
    genuine = (AWS / "schema.parquet.txt").read_text()
    assert describe(Format.PARQUET, io.BytesIO(data)) == (5, genuine)


def test_a_file_with_the_old_annotations_alone_is_read(tmp_path: Path) -> None:
    path = tmp_path / "duckdb.parquet"
    duckdb.execute(
        f"COPY (SELECT 'b' AS bucket, 'k é' AS key, 5::BIGINT AS size,"
        f" TIMESTAMPTZ '2024-05-06 22:37:48Z' AS last_modified_date, 'e' AS e_tag,"
        f" NULL::VARCHAR AS storage_class) TO '{path}' (FORMAT parquet)"
    )
    (row,) = rows_in(Format.PARQUET, path.read_bytes(), CURRENT_FIELDS)
    assert row["key"] == "k é"
    assert str(row["last_modified_date"]) == "2024-05-06 22:37:48+00:00"
    assert row["storage_class"] is None


def test_columns_without_any_value_and_texts_that_are_not_said_to_be_any_are_read() -> None:
    keys = pa.array(["k é".encode()])
    nothing = {field.column: pa.nulls(1) for field in EVERY_FIELD if field.nullable}
    rest = {field.column: keys for field in EVERY_FIELD if not field.nullable}
    columns = {field.column: (nothing | rest)[field.column] for field in EVERY_FIELD}
    (row,) = rows_in(Format.PARQUET, _parquet(columns), EVERY_FIELD)
    assert row == dict.fromkeys(nothing) | dict.fromkeys(rest, "k é")


def _parquet(columns: dict[str, pa.Array]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


_BUCKET, _KEY = pa.array(["b"]), pa.array(["k"])
_FIELDS = EVERY_FIELD[:2]


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"key": _KEY, "bucket": _BUCKET}, "column 1 is `key`, the report has `bucket` there"),
        ({"bucket": _BUCKET}, "it has 1 columns, the report has 2"),
        ({"bucket": _BUCKET, "key": _KEY, "size": pa.array([1])}, "it has 3 columns"),
        ({"bucket": _BUCKET, "key": pa.array([1])}, "column `key` is int64, expected string"),
        ({"bucket": _BUCKET, "key": pa.array([None], TEXT)}, "a row has no key"),
        ({"bucket": _BUCKET, "key": pa.nulls(1)}, "column `key` is null, expected string"),
        ({"bucket": _BUCKET, "key": pa.array([b"\xff"])}, "UTF8"),
    ],
)
def test_columns_that_are_not_the_reports_are_named(
    columns: dict[str, pa.Array], complaint: str
) -> None:
    with pytest.raises(DataFileError, match=complaint):
        rows_in(Format.PARQUET, _parquet(columns), _FIELDS)


def test_a_page_whose_checksum_disagrees_is_noticed() -> None:
    data = bytearray(written(Format.PARQUET, made_rows(1000), CURRENT_FIELDS))
    sizes = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0).column(2)
    assert sizes.path_in_schema == "size"
    data[sizes.dictionary_page_offset + 200] ^= 1  # another number, which nothing else would tell
    with pytest.raises(DataFileError, match="CRC"):
        rows_in(Format.PARQUET, bytes(data), CURRENT_FIELDS)


def test_every_arrow_type_of_the_table_of_fields_is_described() -> None:
    types = {field.type for field in EVERY_FIELD}
    data = written(Format.PARQUET, [], _one_of_each())
    assert len(types) == 4
    assert describe(Format.PARQUET, io.BytesIO(data))[1] == (
        "message s3.inventory {  required binary bucket (STRING);  required binary key (STRING);"
        "  optional boolean is_latest;  optional int64 size;"
        "  optional int64 last_modified_date (TIMESTAMP(MILLIS,true));}"
    )


def _one_of_each() -> tuple[Field, ...]:
    names = ("Bucket", "Key", "IsLatest", "Size", "LastModifiedDate")
    return tuple(field for field in EVERY_FIELD if field.name in names)
