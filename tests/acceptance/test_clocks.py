"""Clocks of real workers that are put forth and back: each period has its report once, no run is published twice."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from stocktake.model.scheduled import ScheduledState
from stocktake.state.ledger import Ledger
from tests.servers.fault import FaultServer, hold, synthetic
from tests.servers.postgres import PostgresServer
from tests.service.worker_runs import REPORTS, SOURCE, opened, put, reported_keys, until

WITHIN_S = 240
OBJECTS = 200
DAY_S = 86400.0

# A program whose clock differs from the machine's by as many seconds as a file says at that moment.
SHIFTED = """
import sys
from datetime import timedelta
from pathlib import Path
from stocktake.service import house
true, file = house.now, Path(sys.argv.pop(1))
house.now = lambda: true() + timedelta(seconds=float(file.read_text()))
from stocktake.cli import main
main()
"""


class Shift:
    """By how much the workers' clocks differ from the machine's."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.to(0)

    def to(self, days: float) -> None:
        """From now on by so many days; all at once, as a clock is put."""
        beside = self.file.with_suffix(".new")
        beside.write_text(str(days * DAY_S))
        beside.replace(self.file)


@pytest.fixture
def shift(tmp_path: Path) -> Shift:
    return Shift(tmp_path / "shift")


@pytest.fixture
def store() -> Iterator[FaultServer]:
    with FaultServer() as server:
        server.bucket(SOURCE, generated=synthetic(OBJECTS, "{:05d}".format))
        server.bucket(REPORTS)
        yield server


@contextmanager
def shifted(
    store: FaultServer, folder: Path, shift: Shift, url: str | None = None
) -> Iterator[Callable[[], str]]:
    """A worker whose clock is shifted, for as long as the block runs; what it said so far."""
    environment = {**store.environment(), "STOCKTAKE_STATE_FOLDER": str(folder / "state")}
    if url:
        environment["STOCKTAKE_LEDGER"] = url
    log = folder / f"{os.urandom(4).hex()}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", SHIFTED, str(shift.file), "worker", "--lease", "15"],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        )
    try:
        yield log.read_text
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        process.wait(60)


def published(ledger: Ledger) -> list[object]:
    return [run.period for run in ledger.schedule.list() if run.state is ScheduledState.PUBLISHED]


def goes_by(ledger: Ledger, count: int) -> None:
    """Let each of so many workers say anew that it is there: meanwhile it looks what is due."""
    seen: Counter[str] = Counter()
    last: dict[str, object] = {}

    def have() -> bool:
        for each in ledger.workers.all():
            if last.get(each.id) != each.beaten:
                seen[each.id] += last.get(each.id) is not None
                last[each.id] = each.beaten
        return sum(times >= 1 for times in seen.values()) >= count

    until(have, WITHIN_S)


@pytest.mark.slow
def test_each_day_has_its_report_once_whichever_way_the_clocks_are_put(
    store: FaultServer, tmp_path: Path, shift: Shift
) -> None:
    with opened(None, tmp_path / "state") as ledger:
        put(ledger, fields=("Size",))
        with shifted(store, tmp_path, shift), shifted(store, tmp_path, shift):
            for days, reports in ((0, 1), (1, 2), (-1, 2), (3, 3)):
                shift.to(days)
                until(lambda reports=reports: len(published(ledger)) >= reports, WITHIN_S)
                goes_by(ledger, 2)
                assert len(ledger.schedule.list()) == len(published(ledger)) == reports, days
        periods = published(ledger)
    assert len(set(periods)) == len(periods) == len(reported_keys(store))


@pytest.mark.slow
@pytest.mark.parametrize("days", [1, -1])
def test_a_run_in_whose_midst_the_clocks_are_put_is_published_once(
    store: FaultServer, tmp_path: Path, shift: Shift, days: int
) -> None:
    done = threading.Event()
    store.rule(hold(done), bucket=REPORTS, where=lambda asked: asked.key.endswith("symlink.txt"))
    with ExitStack() as ending, opened(None, tmp_path / "state") as ledger:
        put(ledger, fields=("Size",))
        ending.callback(done.set)
        for _ in range(2):
            ending.enter_context(shifted(store, tmp_path, shift))
        until(lambda: any("symlink.txt" in entry.path for entry in store.log), WITHIN_S)
        shift.to(days)
        goes_by(ledger, 2)
        done.set()
        until(lambda: len(published(ledger)) == 1 + (days > 0), WITHIN_S)
        goes_by(ledger, 2)
        assert len(published(ledger)) == len(ledger.schedule.list()) == 1 + (days > 0)
    [*each] = reported_keys(store)
    assert [len(keys) for keys in each] == [OBJECTS] * (1 + (days > 0))


@pytest.mark.slow
def test_over_postgresql_it_is_not_the_workers_clocks_that_count(
    store: FaultServer, tmp_path: Path, shift: Shift, postgres_server: PostgresServer
) -> None:
    url = postgres_server.make_database()
    with opened(url, tmp_path / "state") as ledger:
        put(ledger, fields=("Size",))
        with shifted(store, tmp_path, shift, url), shifted(store, tmp_path, shift, url):
            for days in (3, -3, 0):
                shift.to(days)
                until(lambda: published(ledger), WITHIN_S)
                goes_by(ledger, 2)
                assert len(ledger.schedule.list()) == 1
    assert len(reported_keys(store)) == 1
