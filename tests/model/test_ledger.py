"""The states of a run and what may follow each."""

from __future__ import annotations

from stocktake.model.ledger import RESUMABLE, TRANSITIONS, UNFINISHED, Owner, RunState


def test_every_state_says_what_may_follow_it() -> None:
    assert set(TRANSITIONS) == set(RunState)


def test_nothing_follows_a_published_report_or_an_abandoned_run() -> None:
    assert [state for state in RunState if not TRANSITIONS[state]] == [
        RunState.PUBLISHED,
        RunState.ABANDONED,
    ]


def test_a_run_that_is_worked_on_can_be_neither_taken_up_nor_abandoned() -> None:
    assert not TRANSITIONS[RunState.RUNNING] & {RunState.RUNNING, RunState.ABANDONED}


def test_what_failed_is_never_taken_up_again() -> None:
    assert set(RESUMABLE) == {RunState.INTERRUPTED, RunState.STOPPED}
    assert set(UNFINISHED) == {*RESUMABLE, RunState.RUNNING}


def test_a_process_is_seen_only_from_its_own_place() -> None:
    here = Owner("host", "boot", "pid:[1]", 7, "123")
    assert here.place == Owner("renamed", "boot", "pid:[1]", 8, "9").place
    assert here.place != Owner("host", "boot", "pid:[2]", 7, "123").place
    assert here.place != Owner("host", "later", "pid:[1]", 7, "123").place
    assert str(here) == "process 7 on host"
