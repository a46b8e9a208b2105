from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.inventory.spool import Spool, make_spool, read_segment
from stocktake.model.errors import SpoolError
from stocktake.model.keys import KeyRange
from stocktake.model.pieces import Segment
from stocktake.model.proof import check_tiling
from stocktake.model.runs import Counters

SCHEMA = pa.schema([pa.field("key", pa.string(), nullable=False), pa.field("n", pa.int64())])


def batch(keys: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"key": keys, "n": list(range(len(keys)))}, schema=SCHEMA)


def spooled(
    folder: Path,
    keys: KeyRange,
    rows_max: int,
    pages: list[list[str]],
    *,
    segment_rows: int = 10_000,
    clock: Callable[[], float] = lambda: 0.0,
) -> list[Segment]:
    segments: list[Segment] = []
    counters: Counters = Counter()
    with Spool(
        folder,
        keys.after,
        SCHEMA,
        file_rows_max=rows_max,
        counters=counters,
        clock=clock,
        keep=segments.append,
        segment_rows=segment_rows,
    ) as spool:
        for page in pages:
            for part in spool.parts(batch(page)):
                counters["rows"] += part.num_rows
                spool.add(part)
        spool.finish(keys.upto)
    return segments


def files_of(segments: list[Segment]) -> list[list[Segment]]:
    """The segments that make one data file together."""
    files: list[list[Segment]] = [[]]
    for segment in segments:
        files[-1].append(segment)
        if segment.full:
            files.append([])
    return files


KEYS = st.lists(st.tuples(st.text("abc", min_size=1, max_size=3), st.integers(1, 7)), max_size=12)


@given(KEYS, st.integers(1, 6), st.integers(1, 5), st.integers(1, 9))
def test_segments_tile_the_range_keep_every_row_and_never_part_a_key(
    tmp_path_factory: pytest.TempPathFactory,
    counted: list[tuple[str, int]],
    rows_max: int,
    page_rows: int,
    segment_rows: int,
) -> None:
    keys = sorted(key for key, count in dict(counted).items() for _ in range(count))
    pages = [keys[start : start + page_rows] for start in range(0, len(keys), page_rows)]
    folder = tmp_path_factory.mktemp("spool")
    segments = spooled(folder, KeyRange(), rows_max, pages, segment_rows=segment_rows)
    check_tiling([segment.range for segment in segments], KeyRange())
    found = []
    for segment in segments:
        inside = [key for rows in read_segment(segment) for key in rows.column("key").to_pylist()]
        assert len(inside) == segment.rows
        assert all(key in segment.range for key in inside)
        assert (segment.first_key, segment.last_key) == (
            (inside[0], inside[-1]) if inside else (None, None)
        )
        found += inside
    assert found == keys
    assert not segments[-1].full
    assert all(segment.counters["rows"] == segment.rows for segment in segments)
    for file in files_of(segments):
        inside = [key for key in found if any(key in segment.range for segment in file)]
        # More rows than that only where the last key, which is never parted, brings them.
        assert len(inside) <= rows_max or len(inside) - inside.count(inside[-1]) < rows_max


def test_a_segment_ends_after_a_while_so_that_little_is_lost_with_a_killed_run(
    tmp_path: Path,
) -> None:
    times = iter([0.0, 9.0, 11.0, 11.0, 20.0])
    pages = [["a"], ["b"], ["c"], ["d"]]
    segments = spooled(tmp_path, KeyRange(), 100, pages, clock=lambda: next(times))
    assert [(each.first_key, each.last_key) for each in segments] == [("a", "b"), ("c", "d")]


def test_what_is_stopped_keeps_the_rows_it_has_and_what_was_counted_for_them(
    tmp_path: Path,
) -> None:
    segments: list[Segment] = []
    counters: Counters = Counter()
    with Spool(
        tmp_path, "", SCHEMA, file_rows_max=3, counters=counters, clock=lambda: 0.0, keep=segments.append
    ) as spool:  # fmt: skip
        spool.stop()
        assert segments == []
        for part in spool.parts(batch(["a", "b", "c", "d"])):
            counters["rows"] += part.num_rows
            spool.add(part)
        for part in spool.parts(batch(["e"])):
            counters["rows"] += part.num_rows  # counted, and never added
        spool.stop()
    assert [segment.range for segment in segments] == [KeyRange("", "c"), KeyRange("c", "d")]
    assert [segment.counters["rows"] for segment in segments] == [3, 1]
    assert [batch["key"].to_pylist() for batch in read_segment(segments[1])] == [["d"]]


def test_a_range_that_ends_with_its_last_key_has_no_empty_segment_behind(tmp_path: Path) -> None:
    segments = spooled(tmp_path, KeyRange("", "b"), 1, [["a", "b"]])
    assert [segment.range for segment in segments] == [KeyRange("", "a"), KeyRange("a", "b")]


def test_the_folder_is_for_its_owner_alone_and_stays(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    make_spool(folder)
    assert folder.stat().st_mode & 0o077 == 0
    (folder / "rows.arrow").write_bytes(b"rows")
    make_spool(folder)
    assert (folder / "rows.arrow").exists()


def test_a_spool_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SpoolError, match=r"cannot keep rows in .*file/run") as caught:
        make_spool(tmp_path / "file" / "run")
    assert "--spool-folder" in caught.value.hint
