"""Whole runs against a store that fails and lies: the report of an undisturbed run, or none."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stocktake.inventory.take import take_inventory
from stocktake.model.addresses import LocalAddress
from stocktake.model.errors import ContradictionError, StoreError
from stocktake.model.pieces import Kept, Segment
from stocktake.model.runs import Counters, DataFile, InventoryResult, Limits
from tests.inventory.lanes import make_run
from tests.servers.fault import (
    Action,
    FaultServer,
    drop_keys,
    ignore_start_after,
    internal_error,
    repeat_page,
    reset,
    slow_down,
    stall,
    stop_early,
    synthetic,
    truncate,
)

# More objects, before a release: STOCKTAKE_TEST_OBJECTS=1000000.
OBJECTS = int(os.environ.get("STOCKTAKE_TEST_OBJECTS", "40000"))
LIMITS = Limits(
    concurrency=16,
    processes=2,
    stall_timeout_s=1,
    retry_delay_s_min=0.01,
    retry_delay_s_max=0.2,
    tries_max=12,
)


@pytest.fixture
def store(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> FaultServer:
    for name, value in fault_server.as_server().environment().items():
        monkeypatch.setenv(name, value)
    fault_server.bucket(
        "b", generated=synthetic(OBJECTS, lambda n: f"{n // 7000:03d}/{n % 7000:07d}")
    )
    return fault_server


class Notes:
    """A journal for tests that go on from nothing."""

    def folder(self, root: str, moment: datetime) -> bool:
        return True

    def spooled(self, segment: Segment) -> None:
        assert segment.path is None or segment.path.is_file()

    def named(self, key: str) -> None:
        assert key

    def uploading(self, key: str, upload_id: str) -> None:
        raise AssertionError("nothing is uploaded to a folder")

    def delivered(self, file: DataFile, group: Sequence[Segment], spent: Counters) -> None:
        assert file.rows == sum(segment.rows for segment in group)

    def beat(self) -> None:
        pass  # nobody else can take this run up


def take(store: FaultServer, folder: Path, *, versions: str = "Current") -> InventoryResult:
    """Run; the report lies in `folder`."""
    run = replace(
        make_run(store.endpoint_url, "b", versions=versions, limits=LIMITS),
        address=LocalAddress(folder),
    )
    return take_inventory(
        run,
        kept=Kept(),
        spool=folder.with_name(f"{folder.name}-spool"),
        journal=Notes(),
        now=lambda: datetime.now(UTC),
        on_progress=lambda progress: None,
        stop=threading.Event(),
    )


def rows(folder: Path, result: InventoryResult) -> list[tuple[object, ...]]:
    """The report's rows, without the data files' bounds."""
    found = []
    for file in result.manifest.files:
        found += pq.read_table(folder / file.key).to_pylist()
    return [tuple(row.values()) for row in found]


def test_a_store_that_fails_now_and_then_is_inventoried_as_one_that_does_not(
    store: FaultServer, tmp_path: Path
) -> None:
    expected = rows(tmp_path / "calm", take(store, tmp_path / "calm"))
    assert len(expected) == OBJECTS
    store.rule(slow_down(), probability=0.05)
    for fault in (reset(), stall(), truncate()):
        store.rule(fault, probability=0.01)
    result = take(store, tmp_path / "storm")
    assert rows(tmp_path / "storm", result) == expected
    assert result.counters["retries"] > 0


@pytest.mark.parametrize("fault", [internal_error(), truncate(), reset()], ids=lambda f: f.name)
def test_a_fault_that_stays_ends_the_run_without_a_report_and_names_the_range(
    store: FaultServer, tmp_path: Path, fault: Action
) -> None:
    store.rule(fault, operation="List", after=9)
    with pytest.raises(StoreError, match=r"missing are the keys after .+ up to "):
        take(store, tmp_path / "out")
    assert list((tmp_path / "out").rglob("manifest*")) == []


LIES: dict[str, Callable[[FaultServer], object]] = {
    "keys missing from a page": lambda store: store.rule(drop_keys(200), operation="List", nth=23),
    "the same page again": lambda store: store.rule(repeat_page(), operation="List", after=12),
    "start-after ignored": lambda store: store.rule(
        ignore_start_after(), operation="List", after=1
    ),
    "the end too soon": lambda store: store.rule(stop_early(), operation="List", after=12),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_store_that_lies_is_found_out_on_every_try(
    store: FaultServer, tmp_path: Path, lie: str
) -> None:
    found_out = 0
    for number in range(3):
        store.clear_rules()
        store.reset_counts()
        LIES[lie](store)
        folder = tmp_path / str(number)
        try:
            result = take(store, folder)
        except ContradictionError:
            found_out += 1
            assert list(folder.rglob("manifest*")) == []
        else:
            # The lie befell what another range listed too, so that nothing was lost by it.
            assert len(rows(folder, result)) == OBJECTS
    assert found_out > 0
