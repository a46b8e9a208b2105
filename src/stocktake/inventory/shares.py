"""What of all that a run may do at a time is for one of its processes."""

from __future__ import annotations

from dataclasses import replace

from stocktake.inventory.calls import call_plan
from stocktake.model.runs import InventoryRun, Limits

# Where objects are asked about one by one, a page keeps the connections busy: one lane more has the next ready.
LANES_PER_PROCESS_ASKING = 2
# Where most answers are taken over, listing is what is waited for; each lane has a place in the earlier report open.
LANES_PER_PROCESS_REMEMBERING = 8


def lanes_max(run: InventoryRun, *, remembers: bool = False) -> int:
    """How many ranges of `run` are listed side by side, by all processes; `remembers`: most answers are taken over."""
    return process_count(run.limits) * lanes_per_process(run, remembers=remembers)


def lanes_per_process(run: InventoryRun, *, remembers: bool = False) -> int:
    """How many ranges one process lists side by side."""
    plan = call_plan(run.fields)
    most = share(run.limits).concurrency
    if not plan.asks:
        return most
    return min(most, LANES_PER_PROCESS_REMEMBERING if remembers else LANES_PER_PROCESS_ASKING)


def process_count(limits: Limits) -> int:
    """How many processes work on a run: each of them has a request in flight at least."""
    return min(limits.processes, limits.concurrency)


def share(limits: Limits) -> Limits:
    """One process's part of what all of them may do together."""
    processes = process_count(limits)
    return replace(
        limits,
        concurrency=limits.concurrency // processes,
        rate=None if limits.rate is None else limits.rate / processes,
    )
