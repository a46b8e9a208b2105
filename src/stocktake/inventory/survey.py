"""Split the key space: which ranges can be worked on side by side.

Bounds are only ever names the store has shown. One page tells a small bucket; the folders of a larger one (a listing
with a delimiter) give as many ranges as keep the processes busy, and say how far through the key space a key is.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from stocktake.inventory.calls import CallPlan
from stocktake.inventory.listing import Marker, fetch_page
from stocktake.model.errors import StoreError
from stocktake.model.keys import KeyRange
from stocktake.model.runs import InventoryRun
from stocktake.store.transport import Transport

RANGES_PER_PROCESS = (
    4  # so that a process whose ranges were small takes over from one whose were large
)


@dataclass(frozen=True, slots=True)
class Survey:
    """The ranges, in key order, which tile the key space; and names seen in it, in order, as milestones."""

    ranges: tuple[KeyRange, ...]
    milestones: tuple[str, ...] = ()
    warning: str = ""

    def done(self, key: str) -> float | None:
        """How far through the key space `key` is, 0 to 1; None where there are too few milestones to tell."""
        if len(self.milestones) < RANGES_PER_PROCESS:
            return None
        return bisect_right(self.milestones, key) / len(self.milestones)


def survey(run: InventoryRun, transport: Transport) -> Survey:
    """The ranges of a run. Costs one request for a bucket of one page, two for any other.

    Raises:
        StoreError: the bucket cannot be listed.
    """
    whole = Survey((KeyRange(),))
    first = fetch_page(run, CallPlan(), Marker(""), transport)
    if not first.truncated or first.batch.num_rows == 0 or run.limits.processes <= 1:
        return whole
    last = first.batch.column("key")[-1].as_py()
    try:
        folders = fetch_page(run, CallPlan(), Marker(last), transport, delimiter="/")
    except StoreError as error:
        return Survey((KeyRange(),), warning=f"the bucket was not split: {error.message}")
    names = {*folders.common_prefixes, *folders.batch.column("key").to_pylist()}
    milestones = sorted(name for name in names if name > last)
    return Survey(
        split_at(milestones, run.limits.processes * RANGES_PER_PROCESS), tuple(milestones)
    )


def split_at(milestones: list[str], ranges_max: int) -> tuple[KeyRange, ...]:
    """At most `ranges_max` ranges that tile the whole key space, cut at milestones with equal numbers between them."""
    step = max(1, -(-len(milestones) // ranges_max))
    ranges = [KeyRange()]
    for pivot in milestones[step - 1 : -1 : step]:
        ranges[-1:] = ranges[-1].split(pivot)
    return tuple(ranges)
