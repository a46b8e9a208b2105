"""CSV: AWS's bytes, and every deviation a reader must bear with."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stocktake.formats import describe, ends_rows_with_crlf, read_batches
from stocktake.formats.csv import encode_keys
from stocktake.model.configuration import Format
from stocktake.model.errors import DataFileError
from stocktake.model.fields import Field, report_fields
from stocktake.model.keys import encode_csv_key
from tests.formats.rows import (
    CURRENT_FIELDS,
    GENUINE_FIELDS,
    KEYS,
    batch_of,
    made_rows,
    rows_in,
    written,
)

AWS = Path(__file__).parents[1] / "golden" / "aws"
DATED_FIELDS = report_fields(("Size", "LastModifiedDate"), all_versions=False)
VERSIONS_CSV = (AWS / "versions.csv").read_bytes()
CURRENT_CSV = (AWS / "current.csv").read_bytes()


def zipped(text: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(text) + packer.flush()


@pytest.mark.parametrize(
    ("text", "fields"), [(VERSIONS_CSV, GENUINE_FIELDS), (CURRENT_CSV, DATED_FIELDS)]
)
def test_genuine_rows_come_out_byte_for_byte(text: bytes, fields: tuple[Field, ...]) -> None:
    rows = rows_in(Format.CSV, zipped(text), fields)
    data = written(Format.CSV, [batch_of(rows, fields)], fields)
    assert gzip.decompress(data) == text
    assert data == zipped(text)


def test_genuine_rows_are_read_as_what_they_mean() -> None:
    rows = rows_in(Format.CSV, zipped(VERSIONS_CSV), GENUINE_FIELDS)
    marker = rows[3]
    assert [row["version_id"] for row in rows[:2]] == [None, None]
    assert marker["is_delete_marker"] is True
    assert marker["size"] is None
    assert marker["bucket_key_status"] == "DISABLED"
    assert str(marker["last_modified_date"]) == "2024-05-06 22:46:14+00:00"
    assert rows[4]["size"] == 5


def test_the_gzip_bytes_do_not_depend_on_how_the_rows_arrived() -> None:
    pages = list(made_rows(50_000))
    whole = pa.Table.from_batches(pages).combine_chunks().to_batches()
    data = written(Format.CSV, pages, CURRENT_FIELDS)
    assert data == written(Format.CSV, whole, CURRENT_FIELDS)
    assert data == zipped(gzip.decompress(data))


def test_the_gzip_header_is_the_genuine_one() -> None:
    header = written(Format.CSV, made_rows(10), CURRENT_FIELDS)[:10]
    assert header == bytes.fromhex("1f8b0800000000000003")


def test_no_rows_are_a_whole_gzip_file_of_nothing() -> None:
    assert gzip.decompress(written(Format.CSV, [], CURRENT_FIELDS)) == b""


@given(st.lists(KEYS, max_size=30))
@example([])
@example(["%41", "+", "~"])
def test_encoding_a_column_is_encoding_each_key(keys: list[str]) -> None:
    encoded = encode_keys(pa.array(keys, pa.string()))
    assert encoded.to_pylist() == [encode_csv_key(key) for key in keys]


def test_encoding_sees_only_its_slice_of_a_column() -> None:
    keys = pa.array(["é", "a b", "c", "d e"]).slice(1, 2)
    assert encode_keys(keys).to_pylist() == ["a%20b", "c"]


def test_a_space_written_as_plus_is_read_too() -> None:
    (row,) = rows_in(Format.CSV, zipped(b'"b","a+b%2Bc","1",""\n'), DATED_FIELDS)
    assert row["key"] == "a b+c"


@pytest.mark.parametrize(
    "data",
    [
        zipped(CURRENT_CSV + b"\n\n"),
        zipped(b"\n" + CURRENT_CSV),
        zipped(CURRENT_CSV.rstrip(b"\n")),
        zipped(CURRENT_CSV[:66]) + zipped(CURRENT_CSV[66:]),
        zipped(CURRENT_CSV) + zipped(b""),
        zipped(CURRENT_CSV) + bytes(512),
        zipped(CURRENT_CSV[:9]) + bytes(3) + zipped(CURRENT_CSV[9:]),
        zipped(CURRENT_CSV.replace(b"\n", b"\r\n")),
        gzip.compress(CURRENT_CSV),
    ],
    ids=[
        "blank lines at the end",
        "a blank line at the start",
        "no newline at the end",
        "two members",
        "an empty member",
        "zeros behind",
        "zeros between members",
        "CRLF",
        "another writer's header",
    ],
)
def test_deviations_that_do_not_matter_are_borne(data: bytes) -> None:
    assert rows_in(Format.CSV, data, DATED_FIELDS) == rows_in(
        Format.CSV, zipped(CURRENT_CSV), DATED_FIELDS
    )
    assert describe(Format.CSV, io.BytesIO(data)) == (2, "")


@pytest.mark.parametrize(
    ("text", "crlf"),
    [
        (b"", None), (b"\n\r\n", None), (b'"a"', None), (b'"a\r\n', None), (b'"a"\n"b"\r\n', False),
        (b'"a"\r\n"b"\n', True), (b'\n\r\n"a"\n', False), (b'\n"a"\r\n', True), (b'"a\r\nb","""\r\n"\n', False),
        (b'"a\nb\n","""\n"\r\n', True), (b"a,b\r\n", True), (b"a,b\n", False),
        (b'"' + b"\n" * 2**19 + b'"\r\n', True), (b'"' + b"\n" * 2**20 + b'"\r\n', None),
    ],
)  # fmt: skip
def test_what_ends_the_first_row_is_told_apart_from_line_ends_in_its_values(
    text: bytes, crlf: bool | None
) -> None:
    assert ends_rows_with_crlf(io.BytesIO(zipped(text))) is crlf


def test_rows_that_straddle_blocks_and_hold_line_ends_stay_whole() -> None:
    fields = report_fields(("UserMetadata",), all_versions=False)
    rows = [
        {"bucket": "b", "key": f"{number:06d}", "user_metadata": f'{{"{number}":"\n\r\n,"}}' + '"\n' * 40}
        for number in range(60_000)
    ]  # fmt: skip
    data = written(Format.CSV, [batch_of(rows, fields)], fields)
    assert len(gzip.decompress(data)) > 2 * 2**22, "too small to be cut"
    assert rows_in(Format.CSV, data, fields) == rows
    assert describe(Format.CSV, io.BytesIO(data)) == (60_000, "")


def test_only_the_wanted_columns_are_read_in_the_wanted_order() -> None:
    rows = rows_in(Format.CSV, zipped(CURRENT_CSV), DATED_FIELDS, ["size", "bucket"])
    assert list(rows[0].items()) == [
        ("size", 14340),
        ("bucket", "example-pictures"),
    ]


DAMAGE = {
    "no bytes": (b"", "in the middle of its gzip data"),
    "not gzip": (b"hello", "no gzip"),
    "cut off": (zipped(CURRENT_CSV)[:-9], "in the middle of its gzip data"),
    "cut in the trailer": (zipped(CURRENT_CSV)[:-1], "in the middle of its gzip data"),
    "a checksum that disagrees": (
        zipped(CURRENT_CSV)[:-8] + bytes(4) + zipped(CURRENT_CSV)[-4:],
        "data check",
    ),
    "junk behind": (zipped(CURRENT_CSV) + b"junk", "no gzip"),
    "a value too few": (zipped(CURRENT_CSV + b'"b","k","1"\n'), "row 3: Expected 4 columns, got 3"),
    "a value too many": (
        zipped(CURRENT_CSV + b'"b","k","1","","x"\n'),
        "row 3: Expected 4 columns",
    ),
    "a number that is none": (zipped(b'"b","k","1.5",""\n'), "invalid value '1.5'"),
    "a date that is none": (zipped(b'"b","k","1","yesterday"\n'), "yesterday"),
    "no key": (zipped(b'"b","","1",""\n'), "a row has no key"),
    "a key that is no UTF-8": (zipped(b'"b","%FF","1",""\n'), "not UTF-8"),
    "a value that is no UTF-8": (zipped(b'"\xff","k","1",""\n'), "UTF8"),
    "a quote that never closes": (
        zipped(CURRENT_CSV + b'"b","k","1","\n'),
        "within a quoted value",
    ),
}


@pytest.mark.parametrize(("data", "complaint"), DAMAGE.values(), ids=DAMAGE.keys())
def test_damage_is_named(data: bytes, complaint: str) -> None:
    with pytest.raises(DataFileError, match=complaint) as caught:
        list(read_batches(Format.CSV, io.BytesIO(data), DATED_FIELDS, name="data/x.csv.gz"))
    assert caught.value.message.startswith("data/x.csv.gz cannot be read as CSV: ")


def test_a_row_number_counts_from_the_start_of_the_file() -> None:
    good = b"".join(b'"b","k%07d","1",""\n' % number for number in range(300_000))
    with pytest.raises(DataFileError, match="row 300001: Expected 4 columns, got 2"):
        rows_in(Format.CSV, zipped(good + b'"b","k"\n'), DATED_FIELDS)


def test_describe_notices_rows_of_different_length() -> None:
    with pytest.raises(DataFileError, match="row 2: Expected 2 columns, got 3"):
        describe(Format.CSV, io.BytesIO(zipped(b'"b","k"\n"b","k","1"\n')))


def test_a_row_without_end_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(DataFileError, match="no row ends within"):
        rows_in(Format.CSV, zipped(b'"' + b"x" * (17 * 2**20)), DATED_FIELDS)
