"""The file of ages: what was written comes back, wherever it is read from; damage is an error."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from stocktake.formats.ages import GROUP_ROWS, Ages, write_ages
from stocktake.model.errors import DataFileError
from stocktake.model.remembering import AGES_SCHEMA


def rows(count: int) -> pa.RecordBatch:
    first = date(2026, 1, 1)
    return pa.RecordBatch.from_pylist(
        [
            {
                "key_hash": n * 7919 % 2**32,
                "enriched_at": None if n % 5 == 0 else first + timedelta(days=n % 3),
                "postponed": n % 11 == 0,
            }
            for n in range(count)
        ],
        schema=AGES_SCHEMA,
    )


def test_any_rows_can_be_read_by_their_numbers(tmp_path: Path) -> None:
    path, whole = tmp_path / "ages", rows(1000)
    write_ages([whole.slice(0, 400), whole.slice(400)], path)
    ages = Ages(path)
    assert ages.rows == 1000
    for first, count in ((0, 1000), (399, 2), (999, 1), (0, 0), (1000, 0)):
        assert ages.slice(first, count).to_pylist() == whole.slice(first, count).to_pylist()
    with pytest.raises(DataFileError, match="only 1000 ages"):
        ages.slice(999, 2)


def test_rows_of_several_groups_are_read_as_one(tmp_path: Path) -> None:
    path, whole = tmp_path / "ages", rows(1000)
    many = [whole] * (2 * GROUP_ROWS // 1000 + 1)
    write_ages(many, path)
    ages = Ages(path)
    assert sum(group.num_rows for group in ages.groups()) == 1000 * len(many)
    at = GROUP_ROWS - 500
    found = ages.slice(at, 1000).to_pylist()
    assert found == [whole.slice((at + n) % 1000, 1).to_pylist()[0] for n in range(1000)]


def test_a_file_that_takes_few_bytes_a_row(tmp_path: Path) -> None:
    path = tmp_path / "ages"
    write_ages([rows(1000)] * 100, path)
    assert path.stat().st_size < 5.5 * 100_000


def test_damage_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "ages"
    write_ages([rows(5000)], path)
    whole = path.read_bytes()
    path.write_bytes(whole[:1000] + b"\xff" * 8 + whole[1008:])
    with pytest.raises(DataFileError):
        Ages(path).slice(0, 5000)
    path.write_bytes(whole[:-9])
    with pytest.raises(DataFileError, match="cannot be read as Parquet"):
        Ages(path)
