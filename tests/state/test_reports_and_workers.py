"""Reports are known for as long as they are there, workers for as long as they say so; on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from stocktake.model.addresses import parse_address
from stocktake.model.paths import ReportPaths
from stocktake.model.retention import Expiry
from stocktake.model.scheduled import SILENT_FOR_MAX
from stocktake.service.scheduler import Scheduler
from stocktake.state.ledger import Ledger
from stocktake.state.owners import this_process
from stocktake.state.schedule import FINISHED_FOR_MAX
from tests.model.test_runs import RUN
from tests.state.ledgers import Clock, opened_at
from tests.state.scheduling import claimed, put

PROBLEMS = {"refused": 2}
SAID = {"file_bytes": 4711, "object_bytes": 99, "problems": PROBLEMS}


def publish(ledger: Ledger, number: int) -> str:
    """Have the one configuration publish a report; what its run is called."""
    run = ledger.schedule.run_now(put(ledger))
    held = claimed(ledger)
    ledger.enter(held.claim, RUN, this_process(), Path("/spool"))
    root = "reports/b/daily"
    paths = ReportPaths(root, RUN.moment + timedelta(minutes=number))
    assert ledger.choose_folder(held.claim, f" s3://dest/{paths.folder}", root, paths.moment)
    ledger.publish(held.claim, f"s3://dest/{paths.manifest}", [], rows=number, said=SAID)
    return run


def test_reports_are_listed_in_pages_the_newest_first_with_what_they_hold(
    ledger: Ledger, clock: Clock
) -> None:
    key, names = put(ledger), []
    for number in range(3):
        names.append(publish(ledger, number))
        clock.passes(seconds=1)
    ledger.schedule.cancel(ledger.schedule.run_now(key))
    newest, middle = ledger.reports.page(key, rows_max=2)
    assert [newest.run, middle.run] == names[:0:-1]
    assert (newest.rows, newest.file_bytes, newest.object_bytes) == (2, 4711, 99)
    assert newest.problems == PROBLEMS
    assert newest.manifest.startswith("s3://dest/reports/b/daily/")
    [oldest] = ledger.reports.page(key, after=(middle.published, middle.run))
    assert (oldest.run, oldest.rows) == (names[0], 0)
    assert ledger.reports.page(replace(key, id="other")) == ()


def test_a_report_is_known_after_its_run_is_forgotten_until_it_is_removed(
    tmp_path: Path, clock: Clock
) -> None:
    with opened_at(str(tmp_path / "state"), clock) as ledger:
        key = put(ledger)
        run = publish(ledger, 0)
        clock.passes(days=FINISHED_FOR_MAX.days + 1)
        Scheduler(ledger.schedule).tick()
        assert run not in [each.id for each in ledger.schedule.list()]
        [report] = ledger.reports.page(key)
        assert report.run == run
        paths = ReportPaths("reports/b/daily", RUN.moment)
        address = parse_address("s3://dest", folder=tmp_path)
        expiry = Expiry(address, RUN.destination, paths.root, paths.moment, ())
        place = ledger.expiries.begin(expiry)
        assert ledger.reports.page(key)
        ledger.expiries.over(place)
        assert ledger.reports.page(key) == ()


def test_a_worker_is_alive_while_it_beats_whether_it_has_a_run_or_not(
    tmp_path: Path, clock: Clock
) -> None:
    with opened_at(str(tmp_path / "state"), clock) as ledger:
        assert not ledger.workers.any_alive()
        ledger.workers.beat("a", "h", 1, "9.9")
        ledger.workers.beat("b", "h", 2, "9.9")
        clock.passes(seconds=SILENT_FOR_MAX.total_seconds() - 1)
        ledger.workers.beat("b", "h", 2, "9.9")
        assert ledger.observing.figures(1).workers == 2
        clock.passes(seconds=2)
        first, second = ledger.workers.all()
        assert (first.id, first.alive, second.id, second.alive) == ("b", True, "a", False)
        assert (first.host, first.process, first.version) == ("h", 2, "9.9")
        assert first.begun < first.beaten
        ledger.workers.ended("b")
        assert not ledger.workers.any_alive()
        assert ledger.observing.figures(1).workers == 0
        clock.passes(days=2)
        ledger.workers.beat("c", "h", 3, "9.9")
        assert [each.id for each in ledger.workers.all()] == ["c"]


def test_workers_beat_by_the_clock_of_the_database(ledger: Ledger) -> None:
    ledger.workers.beat("a", "h", 1, "9.9")
    [worker] = ledger.workers.all()
    assert worker.alive
    assert worker.begun == worker.beaten
    assert ledger.workers.any_alive()
