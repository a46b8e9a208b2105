from __future__ import annotations

import errno
import fcntl
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.inventory.spool import Segment, Spool, read_segment, spool_folder
from stocktake.model.errors import SpoolError
from stocktake.model.keys import KeyRange
from stocktake.model.proof import check_tiling

SCHEMA = pa.schema([pa.field("key", pa.string(), nullable=False), pa.field("n", pa.int64())])


def batch(keys: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"key": keys, "n": list(range(len(keys)))}, schema=SCHEMA)


def spooled(folder: Path, keys: KeyRange, rows_max: int, pages: list[list[str]]) -> list[Segment]:
    segments: list[Segment] = []
    with Spool(folder, keys, SCHEMA, rows_max, segments.append) as spool:
        for page in pages:
            spool.add(batch(page))
        spool.finish()
    return segments


KEYS = st.lists(st.tuples(st.text("abc", min_size=1, max_size=3), st.integers(1, 7)), max_size=12)


@given(KEYS, st.integers(1, 6), st.integers(1, 5))
def test_segments_tile_the_range_keep_every_row_and_never_part_a_key(
    tmp_path_factory: pytest.TempPathFactory,
    counted: list[tuple[str, int]],
    rows_max: int,
    page_rows: int,
) -> None:
    keys = sorted(key for key, count in dict(counted).items() for _ in range(count))
    pages = [keys[start : start + page_rows] for start in range(0, len(keys), page_rows)]
    segments = spooled(tmp_path_factory.mktemp("spool"), KeyRange(), rows_max, pages)
    check_tiling([segment.range for segment in segments], KeyRange())
    found = []
    for segment in segments:
        inside = [key for rows in read_segment(segment) for key in rows.column("key").to_pylist()]
        assert len(inside) == segment.rows
        assert all(key in segment.range for key in inside)
        assert (segment.first_key, segment.last_key) == (
            (inside[0], inside[-1]) if inside else (None, None)
        )
        # More rows than that only where the last key, which is never parted, brings them.
        assert segment.rows <= rows_max or segment.rows - inside.count(inside[-1]) < rows_max
        found += inside
    assert found == keys
    assert not segments[-1].full


def test_a_range_that_ends_with_its_last_key_has_no_empty_segment_behind(tmp_path: Path) -> None:
    segments = spooled(tmp_path, KeyRange("", "b"), 1, [["a", "b"]])
    assert [segment.range for segment in segments] == [KeyRange("", "a"), KeyRange("a", "b")]


def test_the_folder_of_a_run_is_removed_and_so_is_that_of_a_killed_one(tmp_path: Path) -> None:
    killed = tmp_path / "stocktake-spool-killed"
    killed.mkdir()
    (killed / "rows.arrow").write_bytes(b"rows")
    (tmp_path / "stocktake-spool-killed.lock").touch()
    with spool_folder(tmp_path) as folder:
        assert not killed.exists()
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_run_under_way_is_left_alone(tmp_path: Path) -> None:
    busy = tmp_path / "stocktake-spool-busy"
    busy.mkdir()
    with (tmp_path / "stocktake-spool-busy.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with spool_folder(tmp_path):
            assert busy.is_dir()
    assert busy.is_dir()


def test_a_missing_spool_folder_is_one_clear_error(tmp_path: Path) -> None:
    with (
        pytest.raises(SpoolError, match=r"cannot keep rows in .*nowhere") as caught,
        spool_folder(tmp_path / "nowhere"),
    ):
        pass
    assert "--spool-folder" in caught.value.hint


def test_an_error_in_the_run_is_not_mistaken_for_one_of_the_spool(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="of the run") as caught, spool_folder(tmp_path):
        raise OSError(errno.EIO, "of the run")
    assert not isinstance(caught.value, SpoolError)
