"""A sealed segment is found whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.inventory.sealing import is_intact, seal
from stocktake.model.errors import SpoolError
from stocktake.model.keys import KeyRange
from stocktake.model.pieces import Segment


def segment(path: Path | None, rows: int = 3) -> Segment:
    return Segment(KeyRange("a", "b"), rows, "b", "b", path)


def written(folder: Path, body: bytes) -> Segment:
    path = folder / "segment.arrow"
    path.write_bytes(body)
    return seal(segment(path))


def test_a_sealed_segment_is_intact(tmp_path: Path) -> None:
    sealed = written(tmp_path, b"rows" * 1_000_000)
    assert sealed.size == 4_000_000
    assert is_intact(sealed)


@given(body=st.binary(min_size=1, max_size=50), data=st.data())
def test_a_segment_that_was_torn_is_not_used(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, data: st.DataObject
) -> None:
    sealed = written(tmp_path_factory.mktemp("spool"), body)
    assert sealed.path is not None
    torn = data.draw(
        st.one_of(
            st.integers(0, len(body) - 1).map(lambda size: body[:size]),
            st.just(bytes(len(body))),
            st.binary(min_size=1, max_size=3).map(lambda more: body + more),
        ).filter(lambda other: other != body)
    )
    sealed.path.write_bytes(torn)
    assert not is_intact(sealed)
    sealed.path.unlink()
    assert not is_intact(sealed)


def test_a_range_without_rows_needs_no_file() -> None:
    nothing = segment(None, rows=0)
    assert seal(nothing) == nothing
    assert is_intact(nothing)


def test_rows_without_a_file_are_not_used() -> None:
    assert not is_intact(segment(None, rows=1))


def test_a_segment_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match=r"cannot keep rows in .*: No such file") as caught:
        seal(segment(tmp_path / "gone.arrow"))
    assert "--spool-folder" in caught.value.hint
