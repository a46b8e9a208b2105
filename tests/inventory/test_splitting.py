"""Lanes are kept busy, with few requests more than the pages there are."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import md5
from itertools import pairwise

import pytest

from stocktake.inventory.keyspace import common_length
from stocktake.inventory.listing import SAMPLES_PER_PAGE, OpenRange
from stocktake.inventory.splitting import PageFacts, Split, Splitter, Take
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

HIVE = {
    "hive": lambda n: (
        f"sales.db/{'clicks' if n % 4 else 'orders'}/year=2026/month={n % 5 + 6:02d}/"
        f"day={n % 28 + 1:02d}/hour={n % 24:02d}/part-{n % 200:05d}-{SHAPES['hex'](n)[:10]}.parquet"
    ),
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


def test_what_lies_behind_a_first_folder_is_asked_for_before_it_is_listed_to_its_end() -> None:
    folders = [
        "".join(chr(0x4E00 + (7 * n) % 3000 + 3 * place) for place in range(3)) for n in range(60)
    ]
    names = [chr(0x4E00 + 11 * n) + chr(0x5000 + n % 900) for n in range(260)]
    keys = sorted(
        f"資料/{folder}/{name}-{n:02d}" for folder in folders for name in names for n in range(25)
    )
    outcome = simulate(keys, 16)
    first = keys[0].rpartition("/")[0]
    assert outcome.pivots[0].startswith(first)
    assert outcome.pivots[0] > first + "/" + max(names)
    assert outcome.requests <= len(keys) / PAGE * 1.15


def test_gaps_do_not_end_where_folders_do_and_pages_with_them() -> None:
    keys = [f"project-{n // 500:04d}/scan-{n % 500:06d}.dcm" for n in range(200_000)]
    outcome = simulate(keys, 8)
    assert all("/scan-" in pivot for pivot in outcome.pivots)
    assert outcome.requests <= len(keys) / PAGE + 14


def test_hints_that_are_wrong_cost_a_request_each_and_lose_nothing() -> None:
    keys = sorted(SHAPES["counter"](n) for n in range(20_000))
    found = simulate(keys, 8, ["a", "b", "c", "part-000003000", "x", "y", "z"])
    assert found.histogram.rows == len(keys)
    assert found.requests <= 20 + 7 + 10


@pytest.mark.parametrize("hint", ["part-\x00", "part-\ud800", "part-\ufffe", "p" * 1025])
def test_hints_that_no_store_takes_are_left_out(hint: str) -> None:
    splitter = Splitter([KeyRange()], lanes=8, hints=[hint, "part-5"])
    taken = [splitter.next_action(), splitter.next_action()]
    assert {each.keys for each in taken if isinstance(each, Take)} == {
        KeyRange("", "part-5"),
        KeyRange("part-5", None),
    }


@pytest.mark.parametrize("shape", [*SHAPES, "hive"])
def test_buckets_of_a_few_pages_cost_few_requests_more(shape: str) -> None:
    for count in range(2000, 6001, 500):
        keys = sorted({(SHAPES | HIVE)[shape](n) for n in range(count)})
        pages = -(-len(keys) // PAGE)
        assert simulate(keys, 32).requests <= pages + 3, count


def test_progress_grows_to_the_end() -> None:
    keys = sorted(SHAPES["hex"](n) for n in range(50_000))
    splitter = Splitter([KeyRange()], lanes=1)
    assert splitter.progress is None
    action = splitter.next_action()
    assert isinstance(action, Take)
    open_range = OpenRange(action.keys)
    seen: list[float] = []
    while not open_range.done:
        splitter.page(action.gap, list_page(keys, open_range))
        splitter.next_action()
        if splitter.progress is not None:
            seen.append(splitter.progress)
    assert splitter.progress == 1.0
    assert all(0 <= share <= 1 for share in seen)
    assert sum(left <= right for left, right in pairwise(seen)) > len(seen) * 0.8


def test_nothing_else_is_begun_before_the_first_page_is_there() -> None:
    splitter = Splitter([KeyRange()], lanes=8)
    assert splitter.next_action() == Take(1, KeyRange())
    assert splitter.next_action() is None


def test_with_hints_all_lanes_begin_at_once_the_last_range_first() -> None:
    splitter = Splitter([KeyRange()], lanes=4, hints=[f"{number:02d}" for number in range(64)])
    taken = [splitter.next_action() for _ in range(4)]
    assert splitter.next_action() is None
    ranges = [action.keys for action in taken if isinstance(action, Take)]
    assert len(ranges) == 4
    assert ranges[0].upto is None
    assert sorted(each.after for each in ranges)[0] == ""


def test_what_is_resumed_is_taken_at_once_range_by_range() -> None:
    whole = [KeyRange("a", "b"), KeyRange("c", "d"), KeyRange("x", None)]
    splitter = Splitter(whole, lanes=8)
    taken = [splitter.next_action() for _ in whole]
    assert {action.keys for action in taken if isinstance(action, Take)} == set(whole)


def test_a_lost_lane_gives_back_what_is_not_safe_and_no_more() -> None:
    splitter = Splitter([KeyRange("a", "m")], lanes=2)
    assert splitter.next_action() == Take(1, KeyRange("a", "m"))
    splitter.page(1, PageFacts(2, 0, (("b", "c"),), "c", None, done=False))
    splitter.lost(1, "b")
    assert splitter.next_action() == Take(1, KeyRange("b", "m"))
    splitter.lost(1, "m")
    assert splitter.done


def test_an_answer_about_a_gap_that_is_done_is_not_minded() -> None:
    splitter = Splitter([KeyRange()], lanes=2)
    splitter.next_action()
    splitter.page(1, PageFacts(0, 0, (), None, None, done=True))
    splitter.refused(1, "x")
    assert splitter.done


def test_no_pivot_holds_a_control_character_where_they_are_forbidden() -> None:
    keys = sorted({f"\x01{n % 7}\x02{chr(1 + n % 30)}{n:06d}" for n in range(60_000)})
    assert {pivot for pivot in simulate(keys, 8).pivots if not pivot.isprintable()}
    splitter = Splitter([KeyRange()], lanes=8, control_characters=False)
    pivots = listed_by(splitter, keys)
    # What a pivot shares with the keys around it cannot be helped; what is chosen can.
    for pivot in pivots:
        before = keys[bisect_right(keys, pivot) - 1]
        behind = keys[min(bisect_right(keys, pivot), len(keys) - 1)]
        shared = max(common_length(pivot, before), common_length(pivot, behind))
        assert pivot[shared:].isprintable()


@pytest.mark.parametrize("lanes", [2, 8])
def test_versions_of_one_key_stay_together_however_many_pages_they_fill(lanes: int) -> None:
    rows = sorted([f"doc/{n:05d}" for n in range(20_000)] + ["doc/07777"] * 10_000)
    splitter = Splitter([KeyRange()], lanes=lanes)
    listed_by(splitter, rows)


def listed_by(splitter: Splitter, rows: Sequence[str]) -> list[str]:
    """List `rows`, of which several may have the same key, and check that each comes once; the pivots."""
    under_way: dict[int, list[int]] = {}  # the next row, and that behind the last
    pivots: list[str] = []
    found: list[tuple[int, int]] = []
    while not splitter.done:
        while (action := splitter.next_action()) is not None:
            if isinstance(action, Take):
                keys = action.keys
                end = len(rows) if keys.upto is None else bisect_right(rows, keys.upto)
                under_way[action.gap] = [bisect_right(rows, keys.after), end]
                continue
            gap = under_way[action.gap]
            pivots.append(action.pivot)
            if gap[0] and rows[gap[0] - 1] >= action.pivot:
                splitter.refused(action.gap, action.pivot)
                continue
            gap[1] = bisect_right(rows, action.pivot)
            splitter.granted(action.gap, action.pivot)
        for number, (start, end) in list(under_way.items()):
            page = rows[start : start + PAGE]
            kept = max(min(end - start, len(page)), 0)
            done = kept < len(page) or start + PAGE >= len(rows)
            step = max(1, len(page) // SAMPLES_PER_PAGE)
            samples = tuple((page[at - 1], page[at]) for at in range(step, len(page), step))
            last = page[kept - 1] if kept else None
            beyond = page[kept] if kept < len(page) else None
            splitter.page(number, PageFacts(kept, len(page) - kept, samples, last, beyond, done))
            found.append((start, start + kept))
            under_way[number][0] += kept
            if done:
                del under_way[number]
    assert min(found)[0] == 0
    assert all(left[1] == right[0] for left, right in pairwise(sorted(found)))
    assert max(end for _, end in found) == len(rows)
    return pivots


@pytest.mark.parametrize("misses", [0.0, 2.0])
def test_a_split_is_granted_of_a_gap_that_is_expected_to_hold_nothing_any_more(
    misses: float,
) -> None:
    """Pages come while the lane is asked; after one of them, nothing may be expected behind."""
    keys = sorted(SHAPES["hex"](n) for n in range(200 * PAGE))
    splitter = Splitter([KeyRange()], lanes=8)
    first = splitter.next_action()
    assert isinstance(first, Take)
    under_way = OpenRange(first.keys)
    splitter.page(first.gap, list_page(keys, under_way))
    asked = splitter.next_action()
    assert isinstance(asked, Split)
    gap = splitter._gaps[asked.gap]
    gap.expected, gap.misses = 0.0, misses
    splitter.granted(asked.gap, asked.pivot)
    taken = splitter.next_action()
    assert isinstance(taken, Take)
    assert taken.keys == KeyRange(asked.pivot, None)
