"""What the parent knows of its ranges: where it may look again while some of them are under way."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.inventory.messages import PageReport
from stocktake.inventory.processes import WorkerProcess, WorkerProcesses
from stocktake.inventory.ranges import Ranges
from stocktake.inventory.splitting import PageFacts
from stocktake.model.keys import KeyRange

PLACES = 12


def key(place: float) -> str:
    return f"{int(place * 10):05d}"


@pytest.fixture(scope="module")
def worker() -> Iterator[WorkerProcess]:
    processes = WorkerProcesses(1)
    yield processes.workers[0]
    processes.ask_to_stop()
    processes.wait()


def begun(ranges: Ranges, worker: WorkerProcess, states: list[str]) -> None:
    """A range for each of `states`; the first key of each that has any lies in its middle."""
    for place, state in enumerate(states):
        upto = key(place + 1) if place + 1 < len(states) else None
        if state == "not given":
            continue
        ranges.begin(place, KeyRange(key(place) if place else "", upto), worker)
        rows = 0 if state == "empty" else 1
        if state != "begun":
            last = key(place + 0.5) if rows else None
            samples = (("", last),) if last else ()
            facts = PageFacts(rows, 0, samples, last, None, done=state in ("done", "empty"))
            ranges.listed(PageReport(place, facts, last, rows, 1, ended=False))
        if state in ("done", "empty"):
            ranges.finish(place)


@given(
    st.lists(
        st.sampled_from(["not given", "begun", "listing", "done", "empty"]),
        min_size=2,
        max_size=PLACES,
    )
)
def test_no_bound_that_is_looked_at_has_unlisted_keys_within(
    worker: WorkerProcess, states: list[str]
) -> None:
    ranges = Ranges()
    begun(ranges, worker, states)
    for spot in ranges.drawn_looks(Random(0)).spots:
        assert spot.upto is not None
        left, right = int(spot.after) // 10, int(spot.upto) // 10
        assert states[left] == "done"
        assert set(states[left + 1 : right]) <= {"empty"}
        assert states[right] in ("listing", "done")
