"""What the parent knows of the ranges of a run: who lists them, what came of them, where a second look is due."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from stocktake.inventory.messages import PageReport
from stocktake.inventory.processes import WorkerProcess
from stocktake.inventory.second_look import Spot
from stocktake.inventory.splitting import PageFacts
from stocktake.model.errors import MarkerIgnoredError
from stocktake.model.histogram import Histogram
from stocktake.model.keys import KeyRange
from stocktake.model.pieces import Segment
from stocktake.model.runs import ListedRange

# Second looks: a few always, then one in so many pages, so that they cost next to nothing; with an end.
LOOKS_MIN = 2
PAGES_PER_LOOK = 500
LOOKS_MAX = 16


@dataclass(slots=True)
class _Range:
    """One range under way or done. Its end may have come nearer since it was begun."""

    after: str
    upto: str | None
    worker: WorkerProcess
    rows: int = 0
    pages: int = 0
    requests: int = 0
    first_key: str | None = None
    last_key: str | None = None
    beyond: str | None = None  # the first key behind it that its last page showed
    ended: bool = False  # the store said that nothing follows
    done: bool = False
    waiting: list[Segment] = field(default_factory=list)  # for a data file to be full


@dataclass(frozen=True, slots=True)
class Looks:
    """What is to be looked at again: these spots, and so many that the workers remember."""

    spots: tuple[Spot, ...]
    own: int


class Ranges:
    """The ranges of a run, by the number that the splitter gave them."""

    def __init__(self) -> None:
        self._ranges: dict[int, _Range] = {}
        self._under_way = 0
        self.splitting: set[int] = set()  # those that were asked to split, and have not answered
        self.pages = self.rows = self.object_bytes = 0  # listed so far
        self.last_key = ""
        self._least: str | None = None  # of all keys listed
        self._honoured: set[bool] = set()  # markers, by whether they were guessed
        self.histogram = Histogram()

    @property
    def all_done(self) -> bool:
        """Whether every range that was begun is finished."""
        return self._under_way == 0

    def worker_of(self, index: int) -> WorkerProcess:
        """Who lists it."""
        return self._ranges[index].worker

    def begin(self, index: int, keys: KeyRange, worker: WorkerProcess) -> None:
        """`worker` was given the range."""
        self._ranges[index] = _Range(keys.after, keys.upto, worker)
        self._under_way += 1

    def listed(self, page: PageReport) -> None:
        """A page of it came."""
        each, facts = self._ranges[page.index], page.facts
        self._judge_marker(each, facts)
        self.pages += 1
        each.pages += 1
        each.requests += page.requests
        each.ended = each.ended or page.ended
        each.beyond = facts.beyond
        each.rows += facts.rows
        self.rows += facts.rows
        self.object_bytes += page.object_bytes
        if facts.last is not None:
            each.first_key = page.first if each.first_key is None else each.first_key
            each.last_key = facts.last
            self.last_key = max(self.last_key, facts.last)
            self.histogram.add(facts.last, facts.rows)

    def _judge_marker(self, each: _Range, facts: PageFacts) -> None:
        """A page that leaves out keys which are there began where it was to: behind a key that was only guessed, the
        range's start, or behind the one that the page before ended with.
        """
        if not facts.samples:
            return
        first = facts.samples[0][1]
        if each.pages or (self._least is not None and self._least <= each.after):
            self._honoured.add(not each.pages)
        self._least = first if self._least is None else min(self._least, first)

    def never_honoured(self, error: MarkerIgnoredError) -> bool:
        """Whether no page began where it was to that could have begun as wrongly as this one did."""
        if error.inclusive:
            return False not in self._honoured  # what was only guessed is hardly ever there
        return True not in self._honoured if error.guessed else not self._honoured

    def split(self, index: int, pivot: str) -> None:
        """It ends at `pivot` now."""
        self._ranges[index].upto = pivot

    def keep(self, index: int, segment: Segment) -> None:
        """A segment of it that waits to become part of a data file."""
        self._ranges[index].waiting.append(segment)

    def take_waiting(self, index: int) -> list[Segment]:
        """Its segments that wait, which now wait no longer."""
        each = self._ranges[index]
        waiting, each.waiting = each.waiting, []
        return waiting

    def finish(self, index: int) -> None:
        """It was listed to its end."""
        self._ranges[index].done = True
        self._under_way -= 1

    def waiting_segments(self) -> Iterator[Segment]:
        """All segments that are in no data file yet, in no order."""
        for each in self._ranges.values():
            yield from each.waiting

    def listed_ranges(self) -> tuple[ListedRange, ...]:
        """The finished ranges, in key order."""
        done = sorted((each for each in self._ranges.values() if each.done), key=lambda r: r.after)
        return tuple(
            ListedRange(
                KeyRange(each.after, each.upto),
                each.rows,
                each.first_key,
                each.last_key,
                each.pages,
                each.requests,
            )
            for each in done
        )

    def _neighbours(self) -> Iterator[tuple[_Range, _Range]]:
        """Every two ranges with rows that only ranges done without a row lie between. Where others were listed before
        the run went on, or are still to be, there are keys between that nobody here knows of.
        """
        before: _Range | None = None
        left: _Range | None = None
        for each in sorted(self._ranges.values(), key=lambda r: r.after):
            if (before is not None and before.upto != each.after) or not (each.rows or each.done):
                left = None
            before = each
            if each.rows:
                if left is not None:
                    yield left, each
                left = each

    def _untrue_bounds(self) -> Iterator[Spot]:
        """Every place where a range's last page showed a key behind it that the ranges there do not have."""
        before: _Range | None = None
        waits: _Range | None = None
        for each in sorted(self._ranges.values(), key=lambda r: r.after):
            if before is not None and before.upto != each.after:
                waits = None
            before = each
            if waits is not None and waits.beyond is not None and each.first_key is not None:
                if each.first_key > waits.beyond:
                    yield Spot(waits.last_key or waits.after, (each.first_key,), each.first_key)
                waits = None
            waits = each if each.beyond is not None else waits
        if waits is not None and before is not None and before.upto is None:
            yield Spot(waits.last_key or waits.after, (), None)

    def _bounds(self, *, ended: bool) -> list[Spot]:
        """Between every two ranges of which the first is done, by whether the store said that nothing follows it."""
        return [
            Spot(left.last_key, (right.first_key,), right.first_key)
            for left, right in self._neighbours()
            if left.done and left.ended is ended
            if left.last_key is not None and right.first_key is not None
        ]

    def drawn_looks(self, random: Random | None = None) -> Looks:
        """Where to look again by chance: some bounds between ranges and some pages. Nothing where a page was all."""
        if self.pages <= 1:
            return Looks((), 0)
        random = random or Random()  # noqa: S311 - no secret hangs on it
        count = min(LOOKS_MAX, LOOKS_MIN + self.pages // PAGES_PER_LOOK)
        bounds = self._bounds(ended=False)
        drawn = random.sample(bounds, min(len(bounds), count // 2))
        return Looks(tuple(drawn), count - len(drawn))

    def full_page(self, rows_max: int) -> tuple[Spot, ...]:
        """Where one page was all, and as full as pages of `rows_max` rows are: behind it. A store that ends every
        listing with its first page shows nothing else that is suspect.
        """
        if self.pages != 1:
            return ()
        return tuple(
            Spot(each.last_key, (), each.upto)
            for each in self._ranges.values()
            if each.ended and each.rows >= rows_max
            if each.last_key is not None and each.last_key != each.upto
        )

    def suspects(self) -> tuple[Spot, ...]:
        """Once all is listed, where to look again in any case: every place where the store said that nothing follows,
        and yet something was listed behind it, or where it showed something that was not.
        """
        return (*self._untrue_bounds(), *self._bounds(ended=True))
