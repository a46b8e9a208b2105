"""Processes of a run that are killed or halted: the run ends with a clear error and can go on, or waits and says so."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from stocktake.inventory import watching
from stocktake.model.errors import WorkerLostError
from stocktake.model.runs import Progress
from tests.acceptance.killing import descendants_of, wait_for
from tests.inventory.whole_runs import Notes, rows, take
from tests.servers.fault import FaultServer, do_before, synthetic

OBJECTS = 12_000


@pytest.fixture
def store(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> FaultServer:
    for name, value in fault_server.as_server().environment().items():
        monkeypatch.setenv(name, value)
    fault_server.bucket("b", generated=synthetic(OBJECTS, "data/{:08d}".format))
    return fault_server


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are asked and told of soon, but not given up sooner than a busy machine needs."""
    monkeypatch.setattr(watching, "ASKED_AFTER_S", 0.2)
    monkeypatch.setattr(watching, "TOLD_AFTER_S", 1.0)


def workers() -> set[int]:
    """The processes of the run that this process carries out."""
    found = set()
    for pid in descendants_of(os.getpid()):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"stocktake.inventory" in words:
            found.add(pid)
    return found


class Halted:
    """Halts all workers at the first request that comes, and lets them go on again."""

    def __init__(self) -> None:
        self.pids: set[int] = set()
        self.notes: list[str] = []

    def halt(self) -> None:
        if not self.pids:
            self.pids = workers()
            self._send(signal.SIGSTOP)

    def go_on(self) -> None:
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        for pid in self.pids:
            os.kill(pid, number)

    def hear(self, progress: Progress) -> None:
        if progress.note:
            self.notes.append(progress.note)


@pytest.fixture
def halted() -> Iterator[Halted]:
    made = Halted()
    yield made
    assert wait_for(lambda: not workers(), 30), "a worker goes on"


def kill_all() -> None:
    for pid in workers():
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("nth", [1, 8])
def test_a_worker_that_is_killed_ends_the_run_which_can_go_on(
    store: FaultServer, tmp_path: Path, nth: int
) -> None:
    expected = rows(tmp_path / "calm", take(store, tmp_path / "calm"))
    store.rule(do_before(kill_all), operation="List", nth=nth)
    notes = Notes()
    with pytest.raises(WorkerLostError, match=r"worker process .*ended unexpectedly"):
        take(store, tmp_path / "out", notes=notes)
    store.clear_rules()
    result = take(store, tmp_path / "out", notes=notes.resumed())
    assert rows(tmp_path / "out", result) == expected


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("nth", [1, 8])
def test_workers_that_are_halted_are_told_of_and_waited_for(
    store: FaultServer, tmp_path: Path, halted: Halted, nth: int
) -> None:
    store.rule(do_before(halted.halt), operation="List", nth=nth)

    def hear(progress: Progress) -> None:
        halted.hear(progress)
        if progress.note:
            halted.go_on()

    result = take(store, tmp_path / "out", on_progress=hear)
    assert len(rows(tmp_path / "out", result)) == OBJECTS
    assert "not answer; the run waits" in halted.notes[0]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("nth", [1, 8])
def test_workers_that_stay_halted_are_given_up_and_the_run_can_go_on(
    store: FaultServer,
    tmp_path: Path,
    halted: Halted,
    monkeypatch: pytest.MonkeyPatch,
    nth: int,
) -> None:
    monkeypatch.setattr(watching, "GIVEN_UP_AFTER_S", 4.0)
    store.rule(do_before(halted.halt), operation="List", nth=nth)
    notes = Notes()
    with pytest.raises(WorkerLostError, match=r"worker process .*has not answered for [45] s"):
        take(store, tmp_path / "out", notes=notes, on_progress=halted.hear)
    assert halted.notes
    assert list((tmp_path / "out").rglob("manifest*")) == []
    monkeypatch.undo()
    for name, value in store.as_server().environment().items():
        monkeypatch.setenv(name, value)
    result = take(store, tmp_path / "out", notes=notes.resumed())
    assert len(rows(tmp_path / "out", result)) == OBJECTS
