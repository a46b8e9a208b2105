"""Workers that say nothing: asked, told of, given up, by a clock that is put forward by hand."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from stocktake.inventory.processes import WorkerProcess, WorkerProcesses
from stocktake.inventory.watching import (
    ASKED_AFTER_S,
    GIVEN_UP_AFTER_S,
    LOOK_S_MAX,
    TOLD_AFTER_S,
    Watch,
)
from stocktake.model.errors import WorkerLostError


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def forward(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def worker() -> Iterator[WorkerProcess]:
    """A process that has not been told which run it works for, and so says nothing."""
    processes = WorkerProcesses(1)
    [worker] = processes.workers
    worker.begun = True
    yield worker
    processes.kill()
    processes.wait()


def looks(watch: Watch, clock: Clock, worker: WorkerProcess, seconds: float) -> list[str]:
    """What is told when it is looked often, for so long."""
    told = []
    for _ in range(round(seconds / LOOK_S_MAX)):
        clock.forward(LOOK_S_MAX)
        told.append(watch.look([worker]))
    return told


def test_who_is_silent_is_asked_then_told_of_and_given_up_in_the_end(worker: WorkerProcess) -> None:
    clock = Clock()
    watch = Watch(clock)
    assert not any(looks(watch, clock, worker, ASKED_AFTER_S - 1))
    assert not worker.asked
    assert not any(looks(watch, clock, worker, TOLD_AFTER_S - ASKED_AFTER_S))
    assert worker.asked
    told = looks(watch, clock, worker, GIVEN_UP_AFTER_S - TOLD_AFTER_S)
    assert set(told) == {"a worker process does not answer; the run waits for 600 s"}
    with pytest.raises(WorkerLostError, match="has not answered for 600 s"):
        looks(watch, clock, worker, 2)


def test_who_says_anything_is_there(worker: WorkerProcess) -> None:
    clock = Clock()
    watch = Watch(clock)
    assert looks(watch, clock, worker, TOLD_AFTER_S)[-1]
    worker.silent_s, worker.asked = 0.0, False  # as a report has it
    assert not any(looks(watch, clock, worker, TOLD_AFTER_S - 1))


def test_time_for_which_nobody_looked_counts_for_little(worker: WorkerProcess) -> None:
    """Ctrl-Z halts the parent, a laptop that sleeps halts all; a clock may be set."""
    clock = Clock()
    watch = Watch(clock)
    for seconds in (3600.0 * 24, -3600.0, 1e6):
        clock.forward(seconds)
        assert watch.look([worker]) == ""
    assert worker.silent_s == 2 * LOOK_S_MAX


def test_who_has_no_run_yet_may_be_silent(worker: WorkerProcess) -> None:
    clock = Clock()
    worker.begun = False
    assert not any(looks(Watch(clock), clock, worker, GIVEN_UP_AFTER_S + 1))


def test_who_is_gone_cannot_be_asked(worker: WorkerProcess) -> None:
    clock = Clock()
    assert worker.process is not None
    os.kill(worker.process.pid, signal.SIGKILL)
    worker.process.wait()
    with pytest.raises(WorkerLostError, match="ended unexpectedly, by signal 9"):
        looks(Watch(clock), clock, worker, TOLD_AFTER_S)
