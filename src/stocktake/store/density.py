"""How many entries a sorted list about has that can only be asked for pages of it: by how densely they lie. Pure.

Entries that are made alike, as the first page shows them, are a stretch of the list. It is measured at places further
ahead each time, until one lies behind its end, which is then looked for. What follows is another stretch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stocktake.store.keyspace import KeySpace

GROWTH = 4  # of the distance from one place to the next
HALVINGS_MAX = 6  # of the distance in which the end lies


@dataclass(frozen=True, slots=True)
class Entries:
    """A page: its texts, ascending, and whether more follow."""

    texts: Sequence[str]
    truncated: bool


class OutOfRequestsError(Exception):
    """Nothing more may be asked."""


@dataclass(slots=True)
class Dense:
    """How many entries were counted or guessed so far, and whether that is all of them."""

    count: float = 0.0
    whole: bool = False


def count_densely(first: Entries, ask: Callable[[str], Entries]) -> Dense:
    """About how many entries there are, of which `first` are the first ones. `ask` gives the page behind a text, or
    raises OutOfRequestsError: then what was seen until then is all that is told.
    """
    dense = Dense()
    page = first
    try:
        while page.texts and page.truncated:
            space = KeySpace(page.texts)
            # Whatever lies behind all texts of this stretch begins another one.
            behind = ask(space.text(space.end - 1))
            if behind.texts and behind.texts[0] <= page.texts[-1]:
                break  # the store does not begin where it is told to
            if not _count_stretch(dense, page, space, ask):
                return dense
            page = behind
        else:
            dense.whole = True
    except OutOfRequestsError:
        return dense
    dense.count += len(page.texts)
    return dense


def _count_stretch(
    dense: Dense, page: Entries, space: KeySpace, ask: Callable[[str], Entries]
) -> bool:
    """Add the entries of `space`, of which `page` has the first ones. False where a page repeats
    what was seen: the store goes back, or the keys cannot be told apart.
    """
    last = page.texts[-1]
    end = space.place(last)
    span = max(1, end - space.place(page.texts[0]))
    dense.count += len(page.texts)
    density, step, beyond, halvings = len(page.texts) / span, 0, space.end - 1, 0
    while halvings <= HALVINGS_MAX and end < beyond:
        at = end + step
        if at >= beyond:
            at, halvings = (end + beyond) // 2, halvings + 1
        page = ask(space.text(at))
        places = [place for place in map(space.place, page.texts) if place < space.end - 1]
        if not places:
            beyond = at
            continue
        if page.texts[0] <= last:
            return False
        found = len(places) / max(1, places[-1] - at)
        dense.count += (at - end) * (density + found) / 2 + len(places)
        if len(places) < len(page.texts) or not page.truncated:
            return True
        last, density, end, step = page.texts[-1], found, places[-1], max(span, step * GROWTH)
    dense.count += (beyond - end) / 2 * density
    return True
