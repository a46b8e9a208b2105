from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.model.errors import IncompleteRunError
from stocktake.model.keys import KeyRange
from stocktake.model.manifest import ManifestFile
from stocktake.model.proof import check_files, check_tiling
from stocktake.model.runs import DataFile
from tests.model.documents import KEYS

WHOLE = KeyRange()


@st.composite
def tilings(draw: st.DrawFn) -> list[KeyRange]:
    """The whole key space, cut at up to six places."""
    pivots = sorted(draw(st.sets(KEYS, max_size=6)))
    bounds = ["", *pivots]
    return [KeyRange(a, b) for a, b in zip(bounds, [*pivots, None], strict=True)]


@given(tilings())
def test_pieces_of_a_range_tile_it(pieces: list[KeyRange]) -> None:
    check_tiling(pieces, WHOLE)


@given(tilings(), st.data())
def test_a_missing_a_doubled_or_a_displaced_piece_is_noticed(
    pieces: list[KeyRange], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(pieces) - 1))
    missing = pieces[:place] + pieces[place + 1 :]
    doubled = [*pieces[: place + 1], *pieces[place:]]
    displaced = [*pieces[place:], *pieces[:place]]
    for wrong in (missing, doubled, displaced):
        if wrong != pieces:
            with pytest.raises(IncompleteRunError):
                check_tiling(wrong, WHOLE)


@given(tilings())
def test_a_larger_or_smaller_whole_is_noticed(pieces: list[KeyRange]) -> None:
    for whole in (KeyRange("", "\U0010ffff" * 9), KeyRange("\x00")):
        with pytest.raises(IncompleteRunError, match="were not listed"):
            check_tiling(pieces, whole)


def test_the_message_names_the_first_gap() -> None:
    pieces = [KeyRange("", "b"), KeyRange("c", None)]
    with pytest.raises(IncompleteRunError, match=r"after '' up to 'b' is not followed by .*'c'"):
        check_tiling(pieces, WHOLE)


def data_file(keys: KeyRange, rows: int, first: str | None, last: str | None) -> DataFile:
    return DataFile(
        ManifestFile(f"data/{keys.after}.parquet", 1, "0" * 32), keys, rows, first, last
    )


FILES = [
    data_file(KeyRange("", "m"), 3, "a", "m"),
    data_file(KeyRange("m", "s"), 0, None, None),
    data_file(KeyRange("s", None), 2, "t", "u"),
]


def test_files_that_hold_what_they_claim_are_accepted() -> None:
    check_files(FILES, WHOLE, 5)


@pytest.mark.parametrize(
    ("place", "changes", "complaint"),
    [
        (0, {"last_key": "n"}, r"data/\.parquet holds 'n', outside"),
        (2, {"first_key": "s"}, r"data/s\.parquet holds 's', outside"),
        (0, {"rows": 4}, "the files hold 6 rows, 5 were listed"),
        (1, {"rows": 1}, r"data/m\.parquet claims 1 rows and first key None"),
        (0, {"rows": 0}, r"claims 0 rows and first key 'a'"),
        (1, {"range": KeyRange("n", "s")}, "is not followed by"),
    ],
)
def test_a_claim_that_cannot_be_true_is_named(
    place: int, changes: dict[str, object], complaint: str
) -> None:
    files = list(FILES)
    files[place] = replace(files[place], **changes)  # type: ignore[arg-type]
    with pytest.raises(IncompleteRunError, match=complaint):
        check_files(files, WHOLE, 5)


def test_no_files_prove_nothing() -> None:
    with pytest.raises(IncompleteRunError, match="nothing was listed"):
        check_files([], WHOLE, 0)
