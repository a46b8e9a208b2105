"""Runs that are stopped, or lose their store: what is listed again is no more than what was under way."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from stocktake.model.capabilities import Walk
from stocktake.model.errors import InventoryError, StoppedError
from stocktake.model.runs import Progress
from tests.inventory.whole_runs import Notes, rows, take
from tests.servers.fault import (
    FaultServer,
    FixtureObject,
    Request,
    access_denied,
    hold,
    ignore_start_after,
    latency,
    synthetic,
)

KEYS, VERSIONS = 30_000, 3
PAGES = KEYS // 1000


@pytest.fixture
def store(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> FaultServer:
    for name, value in fault_server.as_server().environment().items():
        monkeypatch.setenv(name, value)
    fault_server.bucket("b", generated=synthetic(KEYS, "data/{:08d}".format))
    return fault_server


def stopped(
    store: FaultServer,
    folder: Path,
    *,
    versions: str = "Current",
    where: Callable[[Request], bool] | None = None,
) -> tuple[Notes, int]:
    """What a run has that was stopped in its middle, and how many rows it had listed by then. Pages are counted `where`
    that says so.
    """
    notes, stop, never = Notes(), threading.Event(), threading.Event()
    told = [0]

    def look(progress: Progress) -> None:
        if not stop.is_set():
            told[0] = progress.counters["rows"]
        if told[0] >= KEYS // 6:
            stop.set()

    # No more than half of the pages come, so that it is never over before it is stopped.
    store.rule(hold(never), operation="List", where=where, after=PAGES // 2)
    with pytest.raises(StoppedError):
        take(store, folder, notes=notes, stop=stop, on_progress=look, versions=versions)
    store.clear_rules()
    return notes, told[0]


def test_a_run_that_was_stopped_lists_again_only_what_was_under_way(
    store: FaultServer, tmp_path: Path
) -> None:
    expected = rows(tmp_path / "calm", take(store, tmp_path / "calm"))
    notes, told = stopped(store, tmp_path / "out")
    assert KEYS // 6 <= told <= notes.kept().counters["rows"] <= KEYS // 2
    result = take(store, tmp_path / "out", notes=notes.resumed())
    assert rows(tmp_path / "out", result) == expected
    assert result.counters["rows"] == KEYS
    assert result.counters["object_bytes"] == KEYS


def test_a_serial_walk_that_was_stopped_takes_no_row_twice(
    store: FaultServer, tmp_path: Path
) -> None:
    expected = rows(tmp_path / "calm", take(store, tmp_path / "calm"))
    store.rule(ignore_start_after(), operation="List")
    notes, _ = stopped(
        store, tmp_path / "out", where=lambda request: "continuation-token" in request.query
    )
    assert notes.kept().counters["rows"] > 0
    store.rule(ignore_start_after(), operation="List")
    result = take(store, tmp_path / "out", notes=notes.resumed())
    assert rows(tmp_path / "out", result) == expected
    assert result.walk is Walk.SERIAL


def test_versions_are_never_kept_in_part(store: FaultServer, tmp_path: Path) -> None:
    store.bucket(
        "b",
        [
            FixtureObject(f"{number:05d}", version_id=f"v{version}")
            for number in range(KEYS // VERSIONS)
            for version in range(VERSIONS)
        ],
    )
    expected = rows(tmp_path / "calm", take(store, tmp_path / "calm", versions="All"))
    notes, _ = stopped(store, tmp_path / "out", versions="All")
    assert 0 < notes.kept().counters["rows"] < KEYS
    assert all(each.rows % VERSIONS == 0 for each in notes.segments)
    result = take(store, tmp_path / "out", notes=notes.resumed(), versions="All")
    assert rows(tmp_path / "out", result) == expected


def test_a_run_that_lost_its_store_keeps_what_it_has(store: FaultServer, tmp_path: Path) -> None:
    expected = rows(tmp_path / "calm", take(store, tmp_path / "calm"))
    notes = Notes()
    store.rule(latency(0.05), operation="List")
    store.rule(access_denied(), operation="List", after=PAGES // 2)
    with pytest.raises(InventoryError, match="AccessDenied"):
        take(store, tmp_path / "out", notes=notes)
    assert notes.kept().counters["rows"] > 0
    store.clear_rules()
    result = take(store, tmp_path / "out", notes=notes.resumed())
    assert rows(tmp_path / "out", result) == expected
