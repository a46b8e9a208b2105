"""Whatever is guessed, refused, lost or changed meanwhile: a key that stands still is listed exactly once, in order."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from stocktake.inventory.listing import OpenRange
from stocktake.inventory.splitting import PageFacts, Split, Splitter, Take
from stocktake.model.keys import KEY_BYTES_MAX, KeyRange
from stocktake.model.proof import check_tiling

KEYS = st.one_of(
    st.text("ab/0129\x01é\U0001f600", min_size=1, max_size=6),
    st.integers(0, 99999).map(lambda number: f"logs/2026/{number:05d}.gz"),
    st.integers(0, 99).map(lambda number: "p" * 999 + f"{number:02d}"),
    st.text("aé\U0001f600", min_size=1, max_size=3).map(lambda text: "p" * 1012 + text),
)
SHAPES = (
    "{:04d}",
    "a/{:x}",
    "logs/2026-{0:03d}/{0:09d}.gz",
    "\U0001f600/{:04d}",
    "p" * 990 + "{:04d}",
)
STEPS_MAX = 5000
# More of them, before a release: STOCKTAKE_TEST_EXAMPLES=1000.
EXAMPLES = int(os.environ.get("STOCKTAKE_TEST_EXAMPLES", "100"))


@dataclass
class Lane:
    """A gap under way, as the worker that lists it sees it."""

    gap: int
    begun: str
    keys: OpenRange
    found: list[str] = field(default_factory=list)


class Listing(RuleBasedStateMachine):
    """A parent with its splitter, and workers that answer in any order."""

    @initialize(
        odd=st.sets(KEYS, max_size=60),
        regular=st.sampled_from(SHAPES),
        count=st.integers(0, 300),
        page_rows=st.integers(1, 4),
        lanes=st.integers(1, 5),
        hints=st.lists(KEYS, max_size=6),
        control_characters=st.booleans(),
    )
    def begin(
        self,
        *,
        odd: set[str],
        regular: str,
        count: int,
        page_rows: int,
        lanes: int,
        hints: list[str],
        control_characters: bool,
    ) -> None:
        self.standing = odd | {regular.format(number) for number in range(count)}
        self.passing: set[str] = set()
        self.page_rows, self.lanes_max = page_rows, lanes
        self.splitter = Splitter(
            [KeyRange()], lanes=lanes, hints=hints, control_characters=control_characters
        )
        self.lanes: list[Lane] = []
        self.asked: list[Split] = []
        self.finished: list[tuple[KeyRange, list[str]]] = []

    @precondition(lambda self: len(self.lanes) + len(self.asked) < self.lanes_max)
    @rule()
    def ask(self) -> None:
        match self.splitter.next_action():
            case Take(gap, keys):
                self.lanes.append(Lane(gap, keys.after, OpenRange(keys)))
            case Split() as split:
                [keys] = [lane.keys for lane in self.lanes if lane.gap == split.gap]
                assert keys.kept < split.pivot
                assert keys.upto is None or split.pivot < keys.upto
                assert len(split.pivot.encode()) <= KEY_BYTES_MAX
                self.asked.append(split)
            case None:
                pass

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        self._answer(self.asked.pop(data.draw(st.integers(0, len(self.asked) - 1))))

    def _answer(self, split: Split) -> None:
        lane = next((lane for lane in self.lanes if lane.gap == split.gap), None)
        if lane is not None and lane.keys.split(split.pivot):
            self.splitter.granted(split.gap, split.pivot)
        else:
            self.splitter.refused(split.gap, split.pivot)

    @precondition(lambda self: self.lanes)
    @rule(data=st.data())
    def page(self, data: st.DataObject) -> None:
        self._list_page(self.lanes[data.draw(st.integers(0, len(self.lanes) - 1))])

    def _list_page(self, lane: Lane) -> None:
        keys = lane.keys
        behind = sorted(key for key in self.standing | self.passing if key > keys.kept)
        page = behind[: self.page_rows]
        inside = [key for key in page if keys.upto is None or key <= keys.upto]
        keys.done = len(inside) < len(page) or len(behind) <= self.page_rows
        keys.kept = inside[-1] if inside else keys.kept
        lane.found += inside
        self.splitter.page(
            lane.gap,
            PageFacts(
                rows=len(inside),
                discarded=len(page) - len(inside),
                samples=tuple(pairwise(page)),
                last=inside[-1] if inside else None,
                beyond=page[len(inside)] if len(inside) < len(page) else None,
                done=keys.done,
            ),
        )
        if keys.done:
            self.lanes.remove(lane)
            self.finished.append((KeyRange(lane.begun, keys.upto), lane.found))

    @precondition(lambda self: self.lanes)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        lane = self.lanes.pop(data.draw(st.integers(0, len(self.lanes) - 1)))
        if lane.keys.kept > lane.begun:
            self.finished.append((KeyRange(lane.begun, lane.keys.kept), lane.found))
        self.splitter.lost(lane.gap, lane.keys.kept)

    @rule(key=KEYS)
    def change(self, key: str) -> None:
        if key not in self.standing:
            self.passing ^= {key}

    def teardown(self) -> None:
        if not hasattr(self, "splitter"):
            return
        for _ in range(STEPS_MAX):
            if self.splitter.done:
                break
            self._go_on()
        assert self.splitter.done, "the listing does not end"
        assert self.splitter.progress == 1.0
        finished = sorted(self.finished, key=lambda piece: piece[0].after)
        check_tiling([keys for keys, _ in finished], KeyRange())
        listed = [key for _, found in finished for key in found]
        assert listed == sorted(set(listed))
        assert self.standing <= set(listed)

    def _go_on(self) -> None:
        """Whatever comes next when nobody is late."""
        under_way = len(self.lanes) + len(self.asked)
        if self.asked:
            self._answer(self.asked.pop())
            return
        if under_way < self.lanes_max:
            self.ask()
        if len(self.lanes) + len(self.asked) == under_way:
            self._list_page(self.lanes[0])


TestListing = Listing.TestCase
TestListing.settings = settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None)
