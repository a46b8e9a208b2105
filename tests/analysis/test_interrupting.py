"""A signal ends a question that is under way."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from stocktake.analysis.interrupting import Interruptible
from stocktake.analysis.query import run_query
from stocktake.model.configuration import Format
from stocktake.model.errors import StoppedError
from tests.analysis.questions import opened
from tests.analysis.reports import objects, our_report

ENDLESS = "SELECT count(*) FROM inventory_report, range(10000000000000) r(i) WHERE hash(i) % 7 = 3"


def pressed_after(seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    return timer


@pytest.mark.parametrize("report_format", Format)
def test_ctrl_c_ends_a_question_that_has_no_rows_yet_and_leaves_nothing(
    tmp_path: Path, report_format: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = opened(our_report(tmp_path / "r", report_format, [objects(["k"])]).manifest_path)
    spill = tmp_path / "spill"
    spill.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spill))
    started = time.monotonic()
    timer = pressed_after(0.5)
    with pytest.raises(KeyboardInterrupt), run_query(report, ENDLESS) as found:
        list(found.batches())
    timer.join()
    assert time.monotonic() - started < 60  # without, it would take hours
    assert list(spill.iterdir()) == []
    assert "stocktake-query_0" not in [thread.name for thread in threading.enumerate()]


def test_ctrl_c_ends_a_question_half_way(tmp_path: Path) -> None:
    report = opened(our_report(tmp_path, Format.CSV, [objects(["k"])]).manifest_path)
    sql = "SELECT i FROM inventory_report, range(10000000000000) r(i)"
    with run_query(report, sql) as found:
        batches = found.batches()
        assert next(batches).num_rows
        timer = pressed_after(0.2)
        with pytest.raises(KeyboardInterrupt):
            [batch.num_rows for batch in batches]
    timer.join()


def test_a_thread_that_hears_no_signal_is_stopped_by_an_event(tmp_path: Path) -> None:
    report = opened(our_report(tmp_path, Format.PARQUET, [objects(["k"])]).manifest_path)
    stop = threading.Event()
    timer = threading.Timer(0.3, stop.set)
    timer.start()
    with pytest.raises(StoppedError), run_query(report, ENDLESS, stop=stop) as found:
        list(found.batches())
    timer.join()


def test_what_the_work_returns_and_raises_comes_through() -> None:
    with Interruptible(lambda: None) as calls:
        assert calls.run(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            calls.run(lambda: 1 // 0)


def test_work_that_has_not_begun_to_listen_is_told_again() -> None:
    told = threading.Semaphore(0)

    def work() -> None:
        for _ in range(3):
            assert told.acquire(timeout=30)

    with Interruptible(told.release) as calls:
        timer = pressed_after(0.1)
        with pytest.raises(KeyboardInterrupt):
            calls.run(work)
    timer.join()
