"""How well the splitter keeps lanes busy: a simulation of events, without a network, over keys of every shape.

    python -m benchmarks.splitting_simulation [--keys 2000000] [--lanes 32] [--seed 1] [--shapes hex hive]

Each shape is listed four times: for the first time; again, with hints from the histogram of the first run; with one
lane five times slower than the others; and with latencies that vary (log-normally, with the same mean). Efficiency is
the ideal time, in which all lanes fetch full pages from beginning to end, divided by the time taken. In every run it is
checked that the gaps tile all keys. CPU time is that of the splitter alone.
"""

from __future__ import annotations

import argparse
import heapq
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.key_shapes import SHAPES, ShapedKeys, shaped_keys
from stocktake.inventory.splitting import PageFacts, Splitter, Take
from stocktake.model.histogram import Histogram
from stocktake.model.keys import KeyRange

PAGE_ROWS = 1000
SAMPLES_PER_PAGE = 8
SLOW_LANE = 5
SLOW_FACTOR = 5.0
SPREAD = 0.5  # of the logarithm of a latency

Latency = Callable[[int, random.Random], float]


def fixed(_lane: int, _draw: random.Random) -> float:
    """Every answer takes 1."""
    return 1.0


def one_slow_lane(lane: int, _draw: random.Random) -> float:
    """Every answer takes 1, but for those of one lane."""
    return SLOW_FACTOR if lane == SLOW_LANE else 1.0


def lognormal(_lane: int, draw: random.Random) -> float:
    """An answer takes 1 on average, some of them much more."""
    return draw.lognormvariate(-SPREAD * SPREAD / 2, SPREAD)


@dataclass(slots=True)
class Outcome:
    """What one simulated run came to. Times are in answers of an unhurried lane."""

    keys: int
    lanes: int
    time: float = 0.0
    requests: int = 0
    splits: int = 0
    page_calls_s: float = 0.0
    splitter_s: float = 0.0
    histogram: Histogram = field(default_factory=Histogram)

    @property
    def efficiency(self) -> float:
        """Of the ideal: 1 is all lanes busy with full pages all the time."""
        return -(-self.keys // PAGE_ROWS) / self.lanes / self.time

    @property
    def requests_per_1000(self) -> float:
        """Requests per 1,000 keys."""
        return self.requests / self.keys * 1000


@dataclass(slots=True)
class _Gap:
    """What a lane works: from the row at `next` up to that at `end`, which a split moves."""

    lane: int
    start: int
    next: int
    end: int
    kept: str = ""


class Simulation:
    """One run: lanes ask the splitter for work, and each of them has one page in flight."""

    def __init__(
        self, keys: ShapedKeys, *, lanes: int, latency: Latency = fixed, hints: Sequence[str] = ()
    ) -> None:
        self._keys = keys
        self._latency = latency
        self._draw = random.Random(len(keys))
        self._splitter = Splitter([KeyRange()], lanes=lanes, hints=hints)
        self._idle = list(range(lanes))
        self._gaps: dict[int, _Gap] = {}
        self._answers: list[tuple[float, int, int]] = []
        self._listed: list[tuple[int, int]] = []
        self.outcome = Outcome(len(keys), lanes)

    def run(self) -> Outcome:
        """List all keys.

        Raises:
            AssertionError: a key was listed twice or not at all.
        """
        self._give_work()
        while self._answers:
            self.outcome.time, _, number = heapq.heappop(self._answers)
            self._answer(number)
            self._give_work()
        position = 0
        for start, end in sorted(self._listed):
            assert start == position, f"rows {position} to {start} were not listed once"
            position = end
        assert position == len(self._keys)
        assert self._splitter.done
        return self.outcome

    def _answer(self, number: int) -> None:
        gap, rows = self._gaps[number], len(self._keys)
        page_end = min(gap.next + PAGE_ROWS, rows)
        kept = max(min(page_end, gap.end), gap.next)
        done = kept < page_end or page_end == rows
        facts = self._facts(gap.next, kept, page_end, done=done)
        if facts.last is not None:
            gap.kept = facts.last
            self.outcome.histogram.add(facts.last, facts.rows)
        gap.next = kept
        started = time.process_time()
        self._splitter.page(number, facts)
        spent = time.process_time() - started
        self.outcome.page_calls_s += spent
        self.outcome.splitter_s += spent
        if done:
            self._idle.append(gap.lane)
            self._listed.append((gap.start, kept))
            del self._gaps[number]
        else:
            self._request(number)

    def _facts(self, start: int, kept: int, end: int, *, done: bool) -> PageFacts:
        key = self._keys.key
        step = max(1, (end - start) // SAMPLES_PER_PAGE)
        return PageFacts(
            rows=kept - start,
            discarded=end - kept,
            samples=tuple(
                (key(row - 1) if row > start else "", key(row)) for row in range(start, end, step)
            ),
            last=key(kept - 1) if kept > start else None,
            beyond=key(kept) if kept < end else None,
            done=done,
        )

    def _request(self, number: int) -> None:
        self.outcome.requests += 1
        latency = self._latency(self._gaps[number].lane, self._draw)
        heapq.heappush(self._answers, (self.outcome.time + latency, self.outcome.requests, number))

    def _give_work(self) -> None:
        while self._idle:
            started = time.process_time()
            action = self._splitter.next_action()
            self.outcome.splitter_s += time.process_time() - started
            if action is None:
                return
            if isinstance(action, Take):
                start = self._keys.rank_behind(action.keys.after) if action.keys.after else 0
                end = len(self._keys)
                if action.keys.upto is not None:
                    end = self._keys.rank_behind(action.keys.upto)
                self._gaps[action.gap] = _Gap(self._idle.pop(0), start, start, end)
                self._request(action.gap)
            elif action.pivot > self._gaps[action.gap].kept:
                self._gaps[action.gap].end = self._keys.rank_behind(action.pivot)
                self._splitter.granted(action.gap, action.pivot)
                self.outcome.splits += 1
            else:
                self._splitter.refused(action.gap, action.pivot)


def simulate(shape: str, keys: ShapedKeys, lanes: int) -> str:
    """One line of the table: each run's efficiency and requests per 1,000 keys, and the first one's CPU time."""
    first = Simulation(keys, lanes=lanes).run()
    hints = Histogram.of(first.histogram.stored()).boundaries(lanes - 1)
    outcomes = [
        first,
        Simulation(keys, lanes=lanes, hints=hints).run(),
        Simulation(keys, lanes=lanes, latency=one_slow_lane).run(),
        Simulation(keys, lanes=lanes, latency=lognormal).run(),
    ]
    cells = [f"{each.efficiency:7.1%} {each.requests_per_1000:.3f}" for each in outcomes]
    pages = -(-len(keys) // PAGE_ROWS)
    page_us = first.page_calls_s / pages * 1e6
    key_us = first.splitter_s / len(keys) * 1e6
    return f"{shape:<12}{'  '.join(cells)}{first.splits:8}{page_us:9.0f}{key_us:9.3f}"


def main() -> None:
    """Simulate and print one line for each shape."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=2_000_000)
    parser.add_argument("--lanes", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    chosen = parser.parse_args()
    heads = ("first run", "with hints", "slow lane", "lognormal")
    columns = "  ".join(f"{head:>13}" for head in heads)
    print(f"{chosen.keys:,} keys, {chosen.lanes} lanes: efficiency and requests per 1,000 keys")
    print(f"{'shape':<12}{columns}{'splits':>8}{'us/page':>9}{'us/key':>9}")
    for shape in chosen.shapes:
        keys = shaped_keys(shape, chosen.keys, chosen.seed)
        print(simulate(shape, keys, chosen.lanes), flush=True)


if __name__ == "__main__":
    main()
