"""Whole runs against a store that fails and lies: the report of an undisturbed run, or none."""

from __future__ import annotations

import json
import os
import random
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stocktake.model.capabilities import Walk
from stocktake.model.errors import ContradictionError, StoreError
from stocktake.model.runs import Progress, RunStage
from tests.inventory.whole_runs import LIMITS, rows, table, take
from tests.servers.fault import (
    Action,
    FaultServer,
    Request,
    drop_keys,
    hold,
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
from tests.servers.fault_starts import of_bucket, start_behind_all

# Before a release, more objects (1,000,000), and more tries of each lie (100), elsewhere each time.
OBJECTS = int(os.environ.get("STOCKTAKE_TEST_OBJECTS", "40000"))
TRIES = int(os.environ.get("STOCKTAKE_TEST_LIES", "3"))
SEED = int(os.environ.get("STOCKTAKE_TEST_SEED", "7"))


@pytest.fixture
def store(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> FaultServer:
    for name, value in fault_server.as_server().environment().items():
        monkeypatch.setenv(name, value)
    fault_server.bucket("b", generated=synthetic(OBJECTS, key))
    return fault_server


def test_a_store_that_fails_now_and_then_is_inventoried_as_one_that_does_not(
    store: FaultServer, tmp_path: Path
) -> None:
    expected = table(tmp_path / "calm", take(store, tmp_path / "calm"))
    assert expected["key"].to_pylist() == [key(number) for number in range(OBJECTS)]
    store.rule(slow_down(), probability=0.05)
    for fault in (reset(), stall(), truncate()):
        store.rule(fault, probability=0.01)
    result = take(store, tmp_path / "storm", limits=replace(LIMITS, stall_timeout_s=1))
    assert table(tmp_path / "storm", result).equals(expected)
    told = {
        name: n for name, n in result.counters.items() if name.startswith(("ref", "ret", "req"))
    }
    assert result.counters["retries"] > 0
    print(json.dumps({"objects": OBJECTS, "seconds": round(result.seconds, 1), **told}))


@pytest.mark.parametrize("fault", [internal_error(), truncate(), reset()], ids=lambda f: f.name)
def test_a_fault_that_stays_ends_the_run_without_a_report_and_names_the_range(
    store: FaultServer, tmp_path: Path, fault: Action
) -> None:
    place = random.Random(SEED).randrange(2, OBJECTS // 1000)
    store.rule(fault, operation="List", after=place)
    with pytest.raises(StoreError, match=r"missing are the keys after .+ up to "):
        take(store, tmp_path / "out")
    assert list((tmp_path / "out").rglob("manifest*")) == []


def key(number: int) -> str:
    return f"{number // 7000:03d}/{number % 7000:07d}"


def starts_at_no_key(request: Request) -> bool:
    folder, _, name = request.query.get("start-after", "").partition("/")
    return bool(folder) and not (len(folder) == 3 and len(name) == 7)


# Each with the request that it begins with, where it does not befall all of them.
LIES: dict[str, Callable[[FaultServer, int], object]] = {
    "keys missing from a page": lambda store, place: store.rule(
        drop_keys(200), operation="List", nth=place
    ),
    "the same page again": lambda store, place: store.rule(
        repeat_page(), operation="List", after=place
    ),
    "start-after ignored from a page on": lambda store, place: store.rule(
        ignore_start_after(), operation="List", after=place
    ),
    "start-after ignored now and then": lambda store, place: store.rule(
        ignore_start_after(), operation="List", after=place, every=5
    ),
    "nothing behind a key that is not there": lambda store, _: store.rule(
        start_behind_all(), operation="List", where=starts_at_no_key
    ),
    "the end too soon": lambda store, place: store.rule(
        stop_early(), operation="List", after=place
    ),
    "the end with the first page": lambda store, _: store.rule(stop_early(), operation="List"),
    "the same part of every page left out": lambda store, _: store.rule(
        drop_keys(200), operation="List"
    ),
    "a page of another bucket": lambda store, place: store.rule(
        of_bucket("other"), operation="List", nth=place
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_store_that_lies_is_found_out_on_every_try(
    store: FaultServer, tmp_path: Path, lie: str
) -> None:
    store.bucket("other", generated=synthetic(OBJECTS, key))
    chance = random.Random(SEED)
    tally: Counter[str] = Counter()
    for number in range(TRIES):
        store.clear_rules()
        store.reset_counts()
        place = chance.randrange(1, OBJECTS // 1000)
        LIES[lie](store, place)
        folder = tmp_path / str(number)
        try:
            result = take(store, folder)
        except ContradictionError:
            tally["found out"] += 1
            assert list(folder.rglob("manifest*")) == []
        else:
            # The lie befell what another range listed too, so that nothing was lost by it; or it looked as if the store
            # could do no better, and so was not trusted any more.
            assert len(rows(folder, result)) == OBJECTS, place
            tally["not trusted" if result.walk is Walk.SERIAL else "nothing lost"] += 1
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps({"lie": lie, "tries": TRIES, **tally}))
    assert tally["found out"] + tally["not trusted"] > 0


def test_that_the_first_page_is_asked_for_again_is_told_before_it_has_come(
    store: FaultServer, tmp_path: Path
) -> None:
    told = threading.Event()

    def hear(progress: Progress) -> None:
        if progress.stage is RunStage.SURVEY and progress.counters["retries"]:
            told.set()

    store.rule(slow_down(), operation="List", times=2)
    store.rule(hold(told), operation="List", nth=3)
    result = take(store, tmp_path / "out", on_progress=hear)
    assert told.is_set()
    assert result.counters["retries"] == 2
