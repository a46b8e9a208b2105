"""Whether a process is still there: no other is ever taken for it."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from datetime import timedelta

import pytest

from stocktake.model.documents import decode
from stocktake.model.ledger import Owner
from stocktake.state import owners
from stocktake.state.owners import SILENT_FOR_MAX, is_alive, this_process
from tests.state.ledgers import GONE, START, python

SAY_WHO = """
from stocktake.model.documents import encode
from stocktake.state.owners import this_process
print(encode(this_process()), flush=True)
input()
"""


def alive(owner: Owner, ago: timedelta = timedelta(days=9)) -> bool:
    return is_alive(owner, START - ago, START)


def test_this_process_is_alive_however_long_it_was_silent() -> None:
    assert alive(this_process())


def test_a_process_is_alive_until_it_is_killed_even_while_nobody_has_waited_for_it() -> None:
    process = python(SAY_WHO)
    assert process.stdout is not None
    owner = decode(Owner, process.stdout.readline())
    assert owner.pid == process.pid
    assert alive(owner)
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie now
    assert not alive(owner, timedelta(0))
    process.communicate()
    assert not alive(owner, timedelta(0))


def test_another_process_with_the_same_number_is_not_taken_for_it() -> None:
    assert not alive(replace(this_process(), started="1"), timedelta(0))
    assert not alive(GONE, timedelta(0))


@pytest.mark.parametrize("elsewhere", [{"namespace": "pid:[1]"}, {"boot": "other"}])
def test_a_process_that_cannot_be_seen_is_alive_while_it_is_heard_of(
    elsewhere: dict[str, str],
) -> None:
    owner = replace(this_process(), **elsewhere)  # type: ignore[arg-type]
    assert alive(owner, SILENT_FOR_MAX - timedelta(seconds=1))
    assert not alive(owner, SILENT_FOR_MAX)


def test_without_proc_whoever_has_the_number_is_taken_for_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr(owners, "_PROC", tmp_path)
    here = this_process()
    assert (here.boot, here.namespace, here.started) == ("", "", "")
    assert alive(here)
    assert alive(replace(here, pid=1))  # it is somebody else's
    assert not alive(replace(here, pid=GONE.pid))
