"""What is still to be listed, by what has been finished: pure, and all that going on after a crash rests on."""

from __future__ import annotations

from collections.abc import Iterable

from stocktake.model.keys import KeyRange


def uncovered(pieces: Iterable[KeyRange], whole: KeyRange) -> tuple[KeyRange, ...]:
    """The keys of `whole` that lie in none of `pieces`, as the fewest ranges, in key order.

    The pieces may come in any order, overlap, touch, or reach beyond `whole`.
    """
    gaps: list[KeyRange] = []
    after = whole.after  # everything in `whole` up to here is covered, or in a gap
    for piece in sorted(pieces, key=lambda piece: piece.after):
        if piece.after > after:
            if whole.upto is not None and piece.after >= whole.upto:
                break
            gaps.append(KeyRange(after, piece.after))
            after = piece.after
        if piece.upto is None:
            return tuple(gaps)
        after = max(after, piece.upto)
    if whole.upto is None or after < whole.upto:
        gaps.append(KeyRange(after, whole.upto))
    return tuple(gaps)
