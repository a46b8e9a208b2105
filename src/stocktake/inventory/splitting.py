"""Where to split the key space, and when: lanes that list side by side are kept busy with as few requests as can be.

A *gap* is a KeyRange not yet completely listed, worked by one lane. Whoever works it decides whether it can be split at
a pivot, so what is planned here may be a page late: a refused split costs nothing. A pivot may be a guess. Gaps and
finished ranges tile the key space at every moment, whatever is guessed.

A split costs half a request on average (the last page of the left part is not full), and one more if nothing lies
behind the pivot. How many are worth it depends on what they cost so far, and on how many lanes have nothing to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import exp2
from string import digits
from typing import TypeAlias

from stocktake.inventory.forecast import Marks, Stretch, forecast
from stocktake.inventory.keyspace import KeySpace, common_length
from stocktake.inventory.pivots import Pivots
from stocktake.model.keys import KEY_BYTES_MAX, KeyRange

# A gap is split if so many pages are expected in it; a bucket of 3,000 keys costs 3 to 5 requests.
_SPLIT_PAGES_MIN = 4.0
# Requests that splitting may cost, and more for each page listed and each idle lane, before only larger gaps are split.
_SPENT_BASE = 30.0
_SPENT_PER_PAGE = 0.025
_SPENT_PER_IDLE_LANE = 0.5
_SPENT_STEEPNESS = 4.0

_BELIEVED_PAGES = 2000.0  # in a gap, and a tenth more by each page listed
_SMALL_PAGES = 3  # so long, a pivot with nothing behind it is the last: the bucket may be small
# As long as no more than this share of the lanes is busy, gaps are split again before it is known what the last split
# has brought, while few gaps are unknown for the pages that there were. Of few pages, that may be all there are.
_BUSY_FEW = 0.5
_UNKNOWN_PER_PAGE = 2
_UNKNOWN_FROM = 6  # pages
_TRIES_MAX = 8  # gaps looked at before a lane is left without work
_WAITING_PAGES_MAX = 2  # pages of a gap that wait to be learned from
_LEARNT_PAGES = 256  # all of them are learned from; of so many more every second one, and so on
_RARITY_MAX = 8
_SLOW = 0.6  # of the pages that others list: below, a lane keeps less than half
_FORGIVEN = 0.5  # of a miss, by each page: before all of it is, another makes pivots much nearer
_PATIENCE_PAGES = 3  # a page that takes so many times as long as others does not keep its gap whole


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What a lane tells of one page of a gap. `samples` are some pairs of neighbouring keys (the row before, this row)
    of the page, in order, those behind the range's end among them; the first may be ("", the page's first key).
    """

    rows: int  # kept, that is, within the range as it is now
    discarded: int  # of the page, behind the range
    samples: tuple[tuple[str, str], ...]
    last: str | None  # key kept
    beyond: str | None  # the first key behind the range, if the page had one
    done: bool  # the range is completely listed


@dataclass(frozen=True, slots=True)
class Take:
    """Work `keys`, which nobody works yet, as the gap of this number."""

    gap: int
    keys: KeyRange


@dataclass(frozen=True, slots=True)
class Split:
    """Ask whoever works `gap` to let go of the keys behind `pivot`."""

    gap: int
    pivot: str


Action: TypeAlias = Take | Split


@dataclass(slots=True, eq=False)
class _Gap:
    """`after` moves on as pages are listed, `upto` comes nearer with every split."""

    number: int
    after: str
    upto: str | None
    taken_at: int | None = None  # pages that had been listed, in all
    pages: int = 0
    pivot: str | None = None  # asked for, and not answered yet
    right: _Gap | None = None  # split off last
    left: _Gap | None = None  # that it was split off from
    misses: float = 0.0  # splits behind which there was nothing, less half the pages listed since
    waiting: list[PageFacts] = field(default_factory=list)
    sampled: str = ""
    expected: float = 0.0  # pages
    listed_since: int = 0  # pages, since that was expected
    stretches: list[Stretch] = field(default_factory=list)
    passed_over: bool = False  # until it is forecast anew


class Splitter:
    """Plans the listing of `whole` (ranges in key order that do not overlap) by `lanes` lanes.

    `hints` are keys between which there was about equally much the last time: all lanes begin at once. Without them,
    nothing else is begun until the first page is there. Without `control_characters`, no pivot holds any.
    """

    def __init__(
        self,
        whole: Sequence[KeyRange],
        *,
        lanes: int,
        hints: Sequence[str] = (),
        control_characters: bool = True,
    ) -> None:
        self._lanes = lanes
        self._space = KeySpace(control_characters=control_characters)
        self._marks = Marks()
        self._pivots = Pivots(self._space, self._marks)
        self._gaps: dict[int, _Gap] = {}
        self._order: list[_Gap] = []
        self._numbers = 0
        self._pages = 0
        self._waited = 0  # pages that waited to be learned from
        self._page_rows = 1
        self._spent = 0.0
        self._misses = 0
        self._forecast_at = -1  # pages listed then
        self._total: float | None = None
        pivots = self._pick(hints)
        for keys in whole:
            inside = [pivot for pivot in pivots if pivot in keys and pivot != keys.upto]
            for after, upto in pairwise([keys.after, *inside, keys.upto]):
                assert after is not None
                self._order.append(self._open(after, upto))

    # -- what to do --------------------------------------------------------------------------------

    def next_action(self) -> Action | None:
        """What a lane that has nothing to do should do; None: nothing is worth it now. To be asked again after every
        page, answer or loss, as long as a lane is idle.
        """
        untaken = [gap for gap in self._order if gap.taken_at is None]
        if untaken:
            # The last one first: new keys are often the greatest.
            gap = max(untaken, key=lambda each: (each.expected, each.number))
            gap.taken_at = self._pages
            return Take(gap.number, KeyRange(gap.after, gap.upto))
        if self._pages == 0 or not self._order:
            return None
        if self._misses and self._pages < _SMALL_PAGES:
            return None
        if self._forecast_at < 0 or self._pages - self._forecast_at >= self._stale_after():
            self._forecast()
        return self._next_split()

    def granted(self, gap: int, pivot: str) -> None:
        """The gap was split at `pivot`; what lies behind it is to be taken next."""
        left = self._gaps[gap]
        right = self._open(pivot, left.upto)
        self._order.insert(self._order.index(left) + 1, right)
        expected = self._share(left) * left.expected
        right.expected, left.expected = left.expected - expected, expected
        right.misses, right.left = max(0.0, left.misses - 1), left
        left.upto, left.right, left.pivot = pivot, right, None
        left.passed_over = not self._few_busy()
        self._spent += 0.5

    def refused(self, gap: int, pivot: str) -> None:
        """The gap was not split at `pivot`: it has been listed beyond it, or is done."""
        asked = self._gaps.get(gap)
        if asked is not None and asked.pivot == pivot:
            asked.pivot = None
            asked.passed_over = True

    def lost(self, gap: int, after: str | None = None) -> None:
        """Whoever worked the gap is gone: what lies behind `after`, the last key of which every row is safe, is to be
        taken again. By default that is the last key kept.
        """
        found = self._gaps[gap]
        if after is not None:
            found.after = after
        found.taken_at = found.pivot = None
        if found.after == found.upto:
            self._close(found)

    # -- what was found ----------------------------------------------------------------------------

    def page(self, gap: int, facts: PageFacts) -> None:
        """One page of the gap was listed."""
        found = self._gaps[gap]
        self._pages += 1
        self._page_rows = max(self._page_rows, facts.rows + facts.discarded)
        if found.pages == 0:
            self._judge_pivot(found, facts)
        found.pages += 1
        found.listed_since += 1
        found.misses = max(0.0, found.misses - _FORGIVEN)
        found.waiting.append(facts)
        if len(found.waiting) > _WAITING_PAGES_MAX:
            self._mark(found, found.waiting.pop(0))
        if facts.last is not None:
            found.after = facts.last
        if facts.done:
            self._learn(found)
            self._spent += 0.5 - facts.rows / self._page_rows
            self._close(found)

    @property
    def hinted(self) -> bool:
        """Whether enough is known beforehand to keep all lanes busy from the start."""
        return len(self._order) >= self._lanes > 1

    @property
    def done(self) -> bool:
        """Whether everything is listed."""
        return not self._gaps

    @property
    def progress(self) -> float | None:
        """The share of all pages that is listed, 0 to 1; None while nobody can tell."""
        if self.done:
            return 1.0
        if self._total is None:
            return None
        return min(self._pages / max(self._total, 1.0), 0.99)

    # -- planning ----------------------------------------------------------------------------------

    def _pick(self, hints: Sequence[str]) -> list[str]:
        """As many of the hints as keep all lanes busy, evenly chosen, in order. They come from a file that lay about,
        and are sent to the store: what can be no pivot is none.
        """
        usable = sorted({hint for hint in hints if hint and self._can_be_pivot(hint)})
        count = min(len(usable), max(self._lanes - 1, 0))
        return [usable[(2 * place + 1) * len(usable) // (2 * count)] for place in range(count)]

    def _can_be_pivot(self, text: str) -> bool:
        return all(map(self._space.usable, text)) and len(text.encode()) <= KEY_BYTES_MAX

    def _open(self, after: str, upto: str | None) -> _Gap:
        self._numbers += 1
        gap = self._gaps[self._numbers] = _Gap(self._numbers, after, upto)
        return gap

    def _close(self, gap: _Gap) -> None:
        del self._gaps[gap.number]
        self._order.remove(gap)

    def _stale_after(self) -> int:
        """How many pages later a forecast is worth making anew."""
        return max(1, min(len(self._order), self._lanes, self._pages // 8))

    def _forecast(self) -> None:
        for gap in self._order:
            self._learn(gap)
        found = forecast([(gap.after, gap.upto) for gap in self._order], self._marks, self._space)
        most = _BELIEVED_PAGES * (1 + self._pages / 10)
        for gap, stretches in zip(self._order, found, strict=True):
            gap.stretches = stretches
            rows = sum(stretch.rows for stretch in stretches)
            gap.expected = min(rows / self._page_rows, most)
            gap.listed_since = 0
            gap.passed_over = False
        self._ask_what_follows()
        self._forecast_at = self._pages
        self._total = self._pages + sum(gap.expected for gap in self._order)

    def _ask_what_follows(self) -> None:
        """Where no gap is worth a split and yet there is more, it may be because all keys seen so far begin alike. Then
        it is worth asking what lies behind all that do.
        """
        gap = self._order[-1]
        if gap.upto is not None or any(_worth(each) >= _SPLIT_PAGES_MIN for each in self._order):
            return
        first = self._marks.keys[0] if self._marks.keys else ""
        same = gap.after[: common_length(first, gap.after)].rstrip(digits)
        behind = self._space.successor(same[-1]) if same else None
        if behind is not None:
            pages = 2.0 * min(self._pages, self._lanes)
            rows = pages * self._page_rows
            gap.stretches.append(Stretch(rows, 0, same[:-1] + behind, None, 0.0, 1.0))
            gap.expected += pages

    def _next_split(self) -> Split | None:
        for _ in range(_TRIES_MAX):
            least = self._worth_min()
            gap = max(filter(self._can_be_split, self._order), key=_worth, default=None)
            if gap is None or _worth(gap) < least:
                return None
            pivot = self._pivot(gap)
            if pivot is not None:
                gap.pivot = pivot
                return Split(gap.number, pivot)
            gap.passed_over = True
        return None

    def _worth_min(self) -> float:
        """The pages that a gap must promise: more if splitting has cost much, fewer if many lanes are idle."""
        spent = self._spent + 0.5
        idle = max(self._lanes - len(self._order), 0)
        allowed = _SPENT_BASE + _SPENT_PER_PAGE * self._pages + _SPENT_PER_IDLE_LANE * idle
        busy = len(self._order) / self._lanes
        price = _SPENT_STEEPNESS * (spent / allowed) ** 4 * busy
        return _SPLIT_PAGES_MIN * max(1.0, price)

    def _can_be_split(self, gap: _Gap) -> bool:
        if gap.pivot is not None or gap.passed_over:
            return False
        if not self._is_known(gap):
            return False
        return gap.right is None or self._is_known(gap.right) or self._may_guess_on()

    def _few_busy(self) -> bool:
        return len(self._order) <= _BUSY_FEW * self._lanes

    def _may_guess_on(self) -> bool:
        """Whether lanes are better busy with what may be a guess built on a guess than idle."""
        if self._pages < _UNKNOWN_FROM or not self._few_busy():
            return False
        return sum(gap.pages == 0 for gap in self._order) < _UNKNOWN_PER_PAGE * self._pages

    def _is_known(self, gap: _Gap) -> bool:
        """Whether a first page has said what there is, or lets wait for itself too long."""
        waits = 0 if gap.taken_at is None else self._pages - gap.taken_at
        return gap.pages > 0 or waits > _PATIENCE_PAGES * len(self._order)

    def _share(self, gap: _Gap) -> float:
        """The part of a gap that it should keep when it is split: less if its lane is slower than others, far less if
        pivots had nothing behind them.
        """
        expected = max(
            gap.expected, 1.0
        )  # pages that came while its lane was asked to split may leave nothing
        if gap.misses:
            return max(exp2(-min(exp2(gap.misses), 60.0)), min(0.5, 2 / expected))
        taken = gap.taken_at if gap.taken_at is not None else self._pages
        due = (self._pages - taken) / len(self._order)
        pace = (gap.pages + 1) / (due + 1)
        if pace < _SLOW:
            return pace / (1 + pace)
        return 0.5 + min(0.1, 0.5 / expected)

    def _pivot(self, gap: _Gap) -> str | None:
        """Where to split the gap; None where no text can be found."""
        share = self._share(gap) * max(gap.expected - gap.listed_since, 0)
        rows = (gap.listed_since + share) * self._page_rows
        return self._pivots.find(gap.after, gap.upto, gap.stretches, rows, self._numbers)

    # -- learning ----------------------------------------------------------------------------------

    def _judge_pivot(self, gap: _Gap, facts: PageFacts) -> None:
        """The first page of a gap tells how good the pivot was, and what does not lie behind it."""
        if gap.left is not None:
            if facts.done and facts.rows < self._page_rows * 0.3:
                gap.left.misses += 1
                self._misses += 1
            else:
                gap.left.misses = 0.0
            gap.left = None
        first = facts.samples[0] if facts.samples else ("", "")
        if gap.after and first[0] == "" and first[1] > gap.after:
            self._space.learn_ending(gap.after, common_length(gap.after, first[1]))

    def _mark(self, gap: _Gap, facts: PageFacts) -> None:
        """Remember how many rows there were up to which key."""
        if facts.last is None:
            return
        keys = sorted({key for _, key in facts.samples if gap.sampled < key < facts.last})
        self._marks.add([*keys, facts.last], facts.rows)
        gap.sampled = facts.last

    def _learn(self, gap: _Gap) -> None:
        # The more pages there were, the less one more of a gap that is known says of how keys are made.
        rarity = min(1 + self._pages // _LEARNT_PAGES, _RARITY_MAX)
        for facts in gap.waiting:
            self._waited += 1
            if gap.pages <= _WAITING_PAGES_MAX or self._waited % rarity == 0:
                self._learn_keys(facts, gap.sampled)
            self._mark(gap, facts)
        gap.waiting.clear()

    def _learn_keys(self, facts: PageFacts, before: str) -> None:
        for left, right in facts.samples:
            if before and before < right:
                self._space.learn(before, right)
            if left and left < right:
                self._space.learn_neighbours(left, right)
            before = right


def _worth(gap: _Gap) -> float:
    """The pages that splitting a gap promises work for."""
    return (gap.expected - gap.listed_since) / (1 + gap.misses) ** 2
