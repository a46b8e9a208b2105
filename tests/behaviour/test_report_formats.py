"""What every `ReportWriter` and reader must do, whatever the format."""

from __future__ import annotations

import contextlib
import errno
import gc
import io

import pyarrow as pa
import pyarrow.orc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.formats import ReportWriter, describe, open_writer, read_batches
from stocktake.model.configuration import Format
from stocktake.model.errors import AccessDeniedError, DataFileError, UnknownFieldError
from stocktake.model.fields import Field, report_fields, report_schema
from stocktake.model.manifest import file_schema
from tests.formats.rows import (
    CURRENT_FIELDS,
    EVERY_FIELD,
    Row,
    batch_of,
    hostile_rows,
    made_rows,
    rows_in,
    rows_of,
    written,
)

every_format = pytest.mark.parametrize("report_format", list(Format))


class ForwardOnly:
    """A sink that knows nothing but `write`, and fails once it holds `bytes_max`."""

    def __init__(self, bytes_max: int = 2**40) -> None:
        self.data = bytearray()
        self._bytes_max = bytes_max

    def write(self, data: bytes) -> int:
        if len(self.data) + len(data) > self._bytes_max:
            raise OSError(errno.ENOSPC, "no space left on device")
        self.data += data
        return len(data)


def is_whole(report_format: Format, data: bytes, fields: tuple[Field, ...]) -> bool:
    """Whether a reader takes the bytes for a data file."""
    try:
        describe(report_format, io.BytesIO(data))
        rows_in(report_format, data, fields)
    except DataFileError:
        return False
    return True


# ---- round trips


@every_format
@given(rows=rows_of(EVERY_FIELD), data=st.data())
def test_any_rows_come_back(report_format: Format, rows: list[Row], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(rows)))
    batches = [batch_of(part, EVERY_FIELD) for part in (rows[:cut], rows[cut:])]
    assert rows_in(report_format, written(report_format, batches, EVERY_FIELD), EVERY_FIELD) == rows


@every_format
def test_every_hostile_key_with_every_field_comes_back(report_format: Format) -> None:
    data = written(report_format, [batch_of(hostile_rows(), EVERY_FIELD)], EVERY_FIELD)
    assert rows_in(report_format, data, EVERY_FIELD) == hostile_rows()


@every_format
def test_rows_that_are_null_wherever_they_may_be_come_back(report_format: Format) -> None:
    rows = [
        {f.column: None if f.nullable else f"{f.column}{number}" for f in EVERY_FIELD}
        for number in range(20_001)
    ]
    data = written(report_format, [batch_of(rows, EVERY_FIELD)], EVERY_FIELD)
    assert rows_in(report_format, data, EVERY_FIELD) == rows


@every_format
def test_many_rows_come_back_in_order_in_batches_of_the_report_schema(
    report_format: Format,
) -> None:
    data = written(report_format, made_rows(250_500, page=700), CURRENT_FIELDS)
    batches = list(read_batches(report_format, io.BytesIO(data), CURRENT_FIELDS))
    schema = report_schema(CURRENT_FIELDS)
    assert all(batch.schema.equals(schema) for batch in batches)
    assert len(batches) > 1
    expected = pa.Table.from_batches(made_rows(250_500), schema)
    assert pa.Table.from_batches(batches, schema).equals(expected)


@every_format
def test_a_batch_larger_than_a_piece_is_cut(report_format: Format) -> None:
    table = pa.Table.from_batches(made_rows(210_000)).combine_chunks()
    data = written(report_format, table.to_batches(), CURRENT_FIELDS)
    assert data == written(report_format, made_rows(210_000), CURRENT_FIELDS)


@every_format
def test_no_rows_are_a_valid_file(report_format: Format) -> None:
    for batches in ([], [batch_of([], EVERY_FIELD)]):
        data = written(report_format, batches, EVERY_FIELD)
        assert data, "not even an end"
        assert rows_in(report_format, data, EVERY_FIELD) == []
        assert describe(report_format, io.BytesIO(data))[0] == 0


@every_format
def test_an_empty_text_is_null_in_csv_and_itself_elsewhere(report_format: Format) -> None:
    fields = report_fields(("ContentType",), all_versions=False)
    row = {"bucket": "b", "key": "k", "content_type": ""}
    (found,) = rows_in(
        report_format, written(report_format, [batch_of([row], fields)], fields), fields
    )
    assert found["content_type"] == (None if report_format is Format.CSV else "")


# ---- writing


@every_format
def test_the_file_is_described_by_the_manifests_schema(report_format: Format) -> None:
    data = written(report_format, made_rows(1500), CURRENT_FIELDS)
    rows, schema = describe(report_format, io.BytesIO(data))
    assert rows == 1500
    expected = "" if report_format is Format.CSV else file_schema(report_format, CURRENT_FIELDS)
    assert schema == expected


@every_format
def test_writing_never_looks_back(report_format: Format) -> None:
    sink = ForwardOnly()
    with open_writer(report_format, sink, report_schema(CURRENT_FIELDS)) as writer:  # type: ignore[arg-type]
        for batch in made_rows(120_000):
            writer.write(batch)
        assert len(sink.data) > 0, "rows are held for too long"
    assert bytes(sink.data) == written(report_format, made_rows(120_000), CURRENT_FIELDS)


@every_format
def test_closing_again_changes_nothing(report_format: Format) -> None:
    sink = io.BytesIO()
    with open_writer(report_format, sink, report_schema(CURRENT_FIELDS)) as writer:
        for batch in made_rows(10):
            writer.write(batch)
        writer.close()
        length = len(sink.getvalue())
        writer.close()
        writer.abandon()
    assert len(sink.getvalue()) == length
    assert not sink.closed, "the sink is not ours to close"
    with pytest.raises(ValueError, match="closed"):
        writer.write(next(iter(made_rows(1))))


@every_format
@pytest.mark.parametrize("rows", [0, 10, 250_000])
def test_an_exception_leaves_nothing_that_passes_for_a_whole_file(
    report_format: Format, rows: int
) -> None:
    sink = io.BytesIO()

    def fail() -> None:
        with open_writer(report_format, sink, report_schema(CURRENT_FIELDS)) as writer:
            for batch in made_rows(rows):
                writer.write(batch)
            raise KeyError("something else")

    with pytest.raises(KeyError):
        fail()
    gc.collect()
    left = sink.getvalue()
    assert not is_whole(report_format, left, CURRENT_FIELDS)


@every_format
def test_a_writer_that_is_just_dropped_leaves_no_whole_file(report_format: Format) -> None:
    sink = io.BytesIO()
    writer = open_writer(report_format, sink, report_schema(CURRENT_FIELDS))
    for batch in made_rows(250_000):
        writer.write(batch)
    del writer
    gc.collect()
    assert not is_whole(report_format, sink.getvalue(), CURRENT_FIELDS)


@every_format
def test_a_full_disk_is_told_as_it_is_and_ends_the_file(report_format: Format) -> None:
    whole = len(written(report_format, made_rows(120_000), CURRENT_FIELDS))
    for room in (10, whole // 2, whole - 1):
        sink = ForwardOnly(room)

        def fill(sink: ForwardOnly = sink) -> None:
            with open_writer(report_format, sink, report_schema(CURRENT_FIELDS)) as writer:  # type: ignore[arg-type]
                for batch in made_rows(120_000):
                    writer.write(batch)

        with pytest.raises(OSError, match="no space left") as caught:
            fill()
        assert caught.value.errno == errno.ENOSPC
        gc.collect()
        assert not is_whole(report_format, bytes(sink.data), CURRENT_FIELDS)


@every_format
def test_after_a_failure_closing_is_harmless_and_writing_is_not(report_format: Format) -> None:
    sink = ForwardOnly(20)
    batch = next(iter(made_rows(200_000, page=200_000)))

    def fill(writer: ReportWriter) -> None:
        writer.write(batch)
        writer.close()

    writer = open_writer(report_format, sink, report_schema(CURRENT_FIELDS))  # type: ignore[arg-type]
    with pytest.raises(OSError, match="no space left"):
        fill(writer)
    length = len(sink.data)
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.write(batch)
    assert len(sink.data) == length


@every_format
def test_a_batch_of_another_schema_is_refused(report_format: Format) -> None:
    writer = open_writer(report_format, io.BytesIO(), report_schema(EVERY_FIELD))
    with pytest.raises(ValueError, match="expected"):
        writer.write(next(iter(made_rows(1))))
    writer.abandon()


@every_format
def test_a_row_without_a_key_is_refused(report_format: Format) -> None:
    fields = report_fields((), all_versions=False)
    columns = [pa.array(["b"]), pa.array([None], pa.string())]
    batch = pa.RecordBatch.from_arrays(columns, schema=report_schema(fields))
    writer = open_writer(report_format, io.BytesIO(), report_schema(fields))
    with pytest.raises(ValueError, match="`key` is null in 1 rows"):
        writer.write(batch)
    writer.abandon()


# ---- reading


@every_format
def test_a_choice_of_columns_is_read_in_the_order_asked_for(report_format: Format) -> None:
    data = written(report_format, made_rows(3), CURRENT_FIELDS)
    rows = rows_in(report_format, data, CURRENT_FIELDS, ["storage_class", "key"])
    assert [tuple(row) for row in rows] == [("storage_class", "key")] * 3
    assert rows[1] == {"storage_class": "STANDARD", "key": "data/000000001 é.bin"}


@every_format
def test_a_column_the_report_lacks_is_named(report_format: Format) -> None:
    data = written(report_format, made_rows(3), CURRENT_FIELDS)
    with pytest.raises(UnknownFieldError, match="`object_owner`"):
        rows_in(report_format, data, CURRENT_FIELDS, ["object_owner"])


@every_format
@pytest.mark.parametrize("kept", [0, 1, 7, 0.3, 0.99, -9, -1])
def test_a_truncated_file_is_an_error_whatever_is_missing(
    report_format: Format, kept: float
) -> None:
    data = written(report_format, made_rows(5000), CURRENT_FIELDS)
    short = data[: kept if isinstance(kept, int) else int(len(data) * kept)]
    with pytest.raises(DataFileError, match=f"^the file x cannot be read as {report_format}: .+"):
        list(read_batches(report_format, io.BytesIO(short), CURRENT_FIELDS, name="the file x"))
    with pytest.raises(DataFileError):
        describe(report_format, io.BytesIO(short))


@every_format
@given(place=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_a_flipped_byte_is_an_error_of_ours_or_none(
    report_format: Format, place: float, mask: int
) -> None:
    data = bytearray(written(report_format, made_rows(300), CURRENT_FIELDS))
    data[int(place * len(data))] ^= mask
    with contextlib.suppress(DataFileError):  # what else is raised fails the test
        rows_in(report_format, bytes(data), CURRENT_FIELDS)


@every_format
def test_a_file_of_another_format_is_an_error(report_format: Format) -> None:
    for other in set(Format) - {report_format}:
        data = written(other, made_rows(10), CURRENT_FIELDS)
        with pytest.raises(DataFileError):
            rows_in(report_format, data, CURRENT_FIELDS)


@every_format
def test_other_columns_than_the_file_has_are_an_error(report_format: Format) -> None:
    data = written(report_format, made_rows(10), CURRENT_FIELDS)
    with pytest.raises(DataFileError):
        rows_in(report_format, data, CURRENT_FIELDS[:-1])
    with pytest.raises(DataFileError):
        rows_in(report_format, data, EVERY_FIELD)


@every_format
def test_what_the_source_itself_raises_comes_through_unchanged(report_format: Format) -> None:
    data = written(report_format, made_rows(10), CURRENT_FIELDS)

    class Refusing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise AccessDeniedError("cannot read s3://b/k")

        readinto = None  # type: ignore[assignment]

    batches = read_batches(report_format, Refusing(data), CURRENT_FIELDS)
    with pytest.raises(AccessDeniedError, match="cannot read"):
        list(batches)
