"""Is a report complete, by what its files claim? Pure; asked before publishing and again when verifying."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from stocktake.model.errors import IncompleteRunError
from stocktake.model.keys import KeyRange
from stocktake.model.runs import DataFile, ListedRange


def check_tiling(ranges: Sequence[KeyRange], whole: KeyRange) -> None:
    """Check that `ranges`, in order, cover `whole` exactly: no gap, no overlap.

    Raises:
        IncompleteRunError: they do not; the message names the first place.
    """
    if not ranges:
        raise IncompleteRunError(f"nothing was listed of {_shown(whole)}")
    if ranges[0].after != whole.after:
        raise IncompleteRunError(
            f"keys after {whole.after!r} up to {ranges[0].after!r} were not listed"
        )
    for left, right in pairwise(ranges):
        if left.upto != right.after:
            raise IncompleteRunError(f"{_shown(left)} is not followed by {_shown(right)}")
    if ranges[-1].upto != whole.upto:
        raise IncompleteRunError(
            f"keys after {ranges[-1].upto!r} up to {whole.upto!r} were not listed"
        )


def check_ranges(ranges: Sequence[ListedRange], whole: KeyRange, rows: int) -> None:
    """Check that the listed ranges tile `whole`, that each holds only keys of its own, in whole pages, and that their
    rows add up to `rows`.

    Raises:
        IncompleteRunError: they do not; the message names the range.
    """
    check_tiling([each.range for each in ranges], whole)
    for each in ranges:
        for key in (each.first_key, each.last_key):
            if key is not None and key not in each.range:
                raise IncompleteRunError(f"the listing of {_shown(each.range)} holds {key!r}")
        if (each.rows == 0) != (each.first_key is None):
            raise IncompleteRunError(
                f"the listing of {_shown(each.range)} claims {each.rows} rows and first key {each.first_key!r}"
            )
        if each.pages is None or each.requests is None:
            continue
        if each.pages > each.requests or (each.rows and not each.pages):
            raise IncompleteRunError(
                f"the listing of {_shown(each.range)} claims {each.pages} pages from {each.requests} requests"
            )
    if (total := sum(each.rows for each in ranges)) != rows:
        raise IncompleteRunError(f"the ranges hold {total} rows, {rows} were kept")


def check_files(files: Sequence[DataFile], whole: KeyRange, rows: int) -> None:
    """Check that the files tile `whole`, that each holds only keys of its range, and that their rows add up to `rows`.

    Raises:
        IncompleteRunError: they do not; the message names the file.
    """
    check_tiling([file.range for file in files], whole)
    for file in files:
        for key in (file.first_key, file.last_key):
            if key is not None and key not in file.range:
                raise IncompleteRunError(
                    f"{file.file.key} holds {key!r}, outside {_shown(file.range)}"
                )
        if (file.rows == 0) != (file.first_key is None):
            raise IncompleteRunError(
                f"{file.file.key} claims {file.rows} rows and first key {file.first_key!r}"
            )
    if (total := sum(file.rows for file in files)) != rows:
        raise IncompleteRunError(f"the files hold {total} rows, {rows} were listed")


def _shown(keys: KeyRange) -> str:
    return (
        f"the keys after {keys.after!r} up to {'the end' if keys.upto is None else repr(keys.upto)}"
    )
