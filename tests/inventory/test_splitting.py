"""Lanes are kept busy, with few requests more than the pages there are."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import md5
from itertools import pairwise

import pytest

from stocktake.inventory.listing import SAMPLES_PER_PAGE, OpenRange
from stocktake.inventory.splitting import PageFacts, Splitter, Take
from stocktake.model.histogram import Histogram
from stocktake.model.keys import KEY_BYTES_MAX, KeyRange

PAGE = 1000

SHAPES = {
    "hex": lambda n: md5(str(n).encode(), usedforsecurity=False).hexdigest(),
    "counter": lambda n: f"part-{n:09d}",
    "dates": lambda n: (
        f"logs/{2000 + n // 40000}/{n // 4000 % 10 + 1:02d}/{n // 200 % 20:02d}/{n:07d}.gz"
    ),
    "deep": lambda n: "a/b" * 100 + f"/{n:08d}",
    "long": lambda n: "p" * 990 + f"{n:09d}",
}


@dataclass
class Outcome:
    """What a listing of simulated rounds took: all requests under way are answered together."""

    requests: int
    rounds: int
    pivots: list[str]
    histogram: Histogram


def simulate(keys: Sequence[str], lanes: int, hints: Sequence[str] = ()) -> Outcome:
    """List `keys`, which are sorted."""
    splitter = Splitter([KeyRange()], lanes=lanes, hints=hints)
    under_way: dict[int, OpenRange] = {}
    outcome = Outcome(0, 0, [], Histogram())
    while not splitter.done:
        while len(under_way) < lanes and (action := splitter.next_action()) is not None:
            if isinstance(action, Take):
                under_way[action.gap] = OpenRange(action.keys)
            elif under_way[action.gap].split(action.pivot):
                outcome.pivots.append(action.pivot)
                splitter.granted(action.gap, action.pivot)
            else:
                splitter.refused(action.gap, action.pivot)
        outcome.rounds += 1
        for gap, open_range in deque(under_way.items()):
            outcome.requests += 1
            facts = list_page(keys, open_range)
            if facts.last is not None:
                outcome.histogram.add(facts.last, facts.rows)
            splitter.page(gap, facts)
            if facts.done:
                del under_way[gap]
    return outcome


def list_page(keys: Sequence[str], open_range: OpenRange) -> PageFacts:
    start = bisect_right(keys, open_range.kept)
    page = keys[start : start + PAGE]
    kept = len(page) if open_range.upto is None else bisect_right(page, open_range.upto)
    open_range.done = kept < len(page) or start + PAGE >= len(keys)
    open_range.kept = page[kept - 1] if kept else open_range.kept
    step = max(1, len(page) // SAMPLES_PER_PAGE)
    places = range(step, len(page), step)
    return PageFacts(
        rows=kept,
        discarded=len(page) - kept,
        samples=tuple((page[at - 1], page[at]) for at in places),
        last=page[kept - 1] if kept else None,
        beyond=page[kept] if kept < len(page) else None,
        done=open_range.done,
    )


@pytest.mark.parametrize(("count", "requests_max"), [(0, 1), (3, 1), (1000, 1), (3000, 4)])
def test_small_buckets_are_not_split(count: int, requests_max: int) -> None:
    assert simulate([f"k{n:05d}" for n in range(count)], 32).requests <= requests_max


@pytest.mark.parametrize("shape", SHAPES)
def test_all_lanes_are_busy_with_few_requests_whatever_the_keys_look_like(shape: str) -> None:
    keys = sorted({SHAPES[shape](n) for n in range(300_000)})
    found = simulate(keys, 8)
    ideal = len(keys) / PAGE / 8
    assert found.requests <= 1.15 * len(keys) / PAGE
    assert ideal / found.rounds >= 0.7
    for pivot in found.pivots:
        assert len(pivot.encode()) <= KEY_BYTES_MAX
    # The next run begins from what this one has learned.
    again = simulate(keys, 8, found.histogram.boundaries(64))
    assert ideal / again.rounds >= 0.85
    assert again.requests <= 1.15 * len(keys) / PAGE


def test_hints_that_are_wrong_cost_a_request_each_and_lose_nothing() -> None:
    keys = sorted(SHAPES["counter"](n) for n in range(20_000))
    found = simulate(keys, 8, ["a", "b", "c", "part-000003000", "x", "y", "z"])
    assert found.histogram.rows == len(keys)
    assert found.requests <= 20 + 7 + 10


def test_progress_grows_to_the_end() -> None:
    keys = sorted(SHAPES["hex"](n) for n in range(50_000))
    splitter = Splitter([KeyRange()], lanes=1)
    assert splitter.progress is None
    action = splitter.next_action()
    assert isinstance(action, Take)
    open_range = OpenRange(action.keys)
    seen = []
    while not open_range.done:
        splitter.page(action.gap, list_page(keys, open_range))
        splitter.next_action()
        if splitter.progress is not None:
            seen.append(splitter.progress)
    assert splitter.progress == 1.0
    assert all(0 <= share <= 1 for share in seen)
    assert sum(left <= right for left, right in pairwise(seen)) > len(seen) * 0.8
