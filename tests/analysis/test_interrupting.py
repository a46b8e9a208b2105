"""A signal ends a question that is under way."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pytest

from stocktake.analysis.interrupting import Interruptible
from stocktake.analysis.query import run_query
from stocktake.analysis.report import open_report
from stocktake.analysis.session import open_session
from stocktake.analysis.tables import one_table
from stocktake.model.configuration import Format
from stocktake.model.errors import StoppedError
from stocktake.store.files import FolderFiles
from tests.analysis.questions import opened
from tests.analysis.reports import objects, our_report

ENDLESS = "SELECT count(*) FROM inventory_report, range(10000000000000) r(i) WHERE hash(i) % 7 = 3"


@contextmanager
def pressed_after(seconds: float) -> Iterator[None]:
    """Ctrl-C is pressed within the block, or while its end waits for that."""
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        yield
    finally:
        timer.join()


@pytest.mark.parametrize("report_format", Format)
def test_ctrl_c_ends_a_question_that_has_no_rows_yet_and_leaves_nothing(
    tmp_path: Path, report_format: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = opened(our_report(tmp_path / "r", report_format, [objects(["k"])]).manifest_path)
    spill = tmp_path / "spill"
    spill.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spill))
    started = time.monotonic()
    with (
        pytest.raises(KeyboardInterrupt),
        pressed_after(0.5),
        run_query(report, ENDLESS) as found,
    ):
        list(found.batches())
    assert time.monotonic() - started < 60  # without, it would take hours
    assert list(spill.iterdir()) == []
    assert "stocktake-query_0" not in [thread.name for thread in threading.enumerate()]


class Pressed(FolderFiles):
    """Files of which none is opened without Ctrl-C being pressed."""

    def open(self, key: str) -> BinaryIO:
        if "/data/" in key:
            os.kill(os.getpid(), signal.SIGINT)
        with super().open(key) as file:
            return BytesIO(file.read())


@pytest.mark.parametrize("report_format", Format)
def test_ctrl_c_ends_a_question_that_is_only_being_prepared(
    tmp_path: Path, report_format: Format
) -> None:
    path = our_report(tmp_path, report_format, [objects(["k"])]).manifest_path
    files, key = Pressed.at(path)
    with pytest.raises(KeyboardInterrupt):
        open_session([one_table(open_report(files, key))], direct=False)


def test_ctrl_c_ends_a_question_half_way(tmp_path: Path) -> None:
    report = opened(our_report(tmp_path, Format.CSV, [objects(["k"])]).manifest_path)
    sql = "SELECT i FROM inventory_report, range(10000000000000) r(i)"
    with run_query(report, sql) as found:
        batches = found.batches()
        assert next(batches).num_rows
        with pytest.raises(KeyboardInterrupt), pressed_after(0.2):
            [batch.num_rows for batch in batches]


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
            assert told.acquire(timeout=60)

    with (
        Interruptible(told.release) as calls,
        pytest.raises(KeyboardInterrupt),
        pressed_after(0.1),
    ):
        calls.run(work)
