"""The ledger: one process for each run, nothing lost that it was told, and an end to what it remembers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stocktake.model.documents import decode_run
from stocktake.model.errors import IncompleteRunError, InventoryError, StoppedError, UsageError
from stocktake.model.figures import Comparison, Figure, Sureness
from stocktake.model.ledger import Claim, RunState, Upload
from stocktake.model.pieces import Kept
from stocktake.state import ledger as ledger_module
from stocktake.state.ledger import FINISHED_FOR_MAX, Ledger
from stocktake.state.owners import this_process
from tests.model.test_runs import RUN
from tests.state.ledgers import GONE, START, Clock, begin, delivery, opened_at, python, segment

STOPPED = StoppedError("stopped", hint="go on")


# -- runs ----------------------------------------------------------------------------------------


def test_a_run_is_entered_with_all_that_it_takes_to_go_on(ledger: Ledger) -> None:
    claim = begin(ledger)
    record = ledger.run(claim.run)
    assert decode_run(record.document) == RUN
    assert (record.state, record.owner) == (RunState.RUNNING, this_process())
    assert (record.source, record.destination) == ("s3://b/logs", "s3://dest/inv")
    assert (record.configuration_id, record.rows, record.names) == ("report1", 0, 0)
    assert (record.started, record.updated, record.finished) == (START, START, None)
    assert record.spool == Path(f"/spool/stocktake-spool-{claim.run}")
    assert len(record.id) == 8
    assert ledger.run(f" {record.id.upper()} ") == record


def test_runs_are_listed_the_newest_first(ledger: Ledger, clock: Clock) -> None:
    first = begin(ledger)
    clock.passes(minutes=1)
    second = begin(ledger)
    assert [record.id for record in ledger.runs()] == [second.run, first.run]


def test_a_run_nobody_knows_is_a_usage_error(ledger: Ledger) -> None:
    for ask in (ledger.run, ledger.kept, ledger.abandon):
        with pytest.raises(UsageError, match="there is no run `zzz`"):
            ask("zzz")


def test_a_run_whose_process_is_gone_is_interrupted(ledger: Ledger) -> None:
    assert ledger.run(begin(ledger, GONE).run).state is RunState.INTERRUPTED


# -- claims --------------------------------------------------------------------------------------


def test_a_run_that_is_worked_on_is_neither_taken_up_nor_abandoned(ledger: Ledger) -> None:
    claim = begin(ledger)
    for ask in (lambda: ledger.resume(claim.run, GONE), lambda: ledger.abandon(claim.run)):
        with pytest.raises(InventoryError, match=f"process .* is working on the run {claim.run}"):
            ask()
    ledger.beat(claim)


@pytest.mark.parametrize("ended", [RunState.INTERRUPTED, RunState.STOPPED])
def test_whoever_takes_a_run_up_ends_the_claim_of_whoever_had_it(
    ledger: Ledger, ended: RunState
) -> None:
    before = begin(ledger, GONE)
    if ended is RunState.STOPPED:
        ledger.leave(before, RunState.STOPPED, STOPPED)
    assert ledger.run(before.run).state is ended
    after = ledger.resume(before.run, this_process())
    record = ledger.run(after.run)
    assert (record.state, record.owner, record.error) == (RunState.RUNNING, this_process(), None)
    for tell in EVERYTHING_TOLD:
        with pytest.raises(InventoryError, match="taken up or given up by another process"):
            tell(ledger, before)
    assert ledger.kept(before.run) == Kept()
    ledger.beat(after)


EVERYTHING_TOLD: list[Callable[[Ledger, Claim], object]] = [
    lambda ledger, claim: ledger.beat(claim),
    lambda ledger, claim: ledger.choose_folder(claim, "place", "root", START),
    lambda ledger, claim: ledger.name(claim, "key"),
    lambda ledger, claim: ledger.upload(claim, Upload("key", "id")),
    lambda ledger, claim: ledger.spool(claim, segment("", "b")),
    lambda ledger, claim: ledger.deliver(claim, delivery("key", "", "b"), []),
    lambda ledger, claim: ledger.place(claim, "key", "version"),
    lambda ledger, claim: ledger.move_spool(claim, Path("/spool")),
    lambda ledger, claim: ledger.drop(claim, [segment("", "b")]),
    lambda ledger, claim: ledger.leave(claim, RunState.STOPPED, STOPPED),
    lambda ledger, claim: ledger.publish(claim, "manifest", [], 0),
]


def test_everything_that_takes_a_claim_is_tried_above() -> None:
    told = {name for told in EVERYTHING_TOLD for name in told.__code__.co_names}
    assert {
        name
        for name, method in vars(Ledger).items()
        if "claim" in getattr(method, "__annotations__", ()) and not name.startswith("_")
    } <= told | {"enter"}  # which only claims of scheduled runs can: tests/state/test_schedule.py


RACE = """
import sys
from datetime import UTC, datetime
from stocktake.model.errors import InventoryError
from stocktake.state.owners import this_process
from tests.state.ledgers import opened_at
with opened_at(sys.argv[1], lambda: datetime.now(UTC)) as ledger:
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        ledger.resume(sys.argv[2], this_process())
        print("won", flush=True)
    except InventoryError as error:
        print(error.message, flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("ledger", ["sqlite"], indirect=True)  # which is a folder
def test_of_many_processes_that_take_a_run_up_at_once_one_succeeds(
    ledger: Ledger, place: str
) -> None:
    run = begin(ledger, GONE).run
    racers = [python(RACE, place, run) for _ in range(4)]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [racer.stdout.readline() for racer in racers if racer.stdout is not None]
    for racer in racers:
        racer.communicate("leave\n")
    assert said.count("won\n") == 1
    assert sum("is working on the run" in line for line in said) == 3


def test_processes_that_write_at_once_wait_for_each_other(
    ledger: Ledger, place: str, clock: Clock
) -> None:
    """What first reads and then writes would otherwise find that somebody wrote in between, and be refused."""

    def stop_and_go(number: int) -> RunState:
        with opened_at(place, clock) as own:
            claim = begin(own)
            for _ in range(20):
                own.leave(claim, RunState.STOPPED, STOPPED)
                claim = own.resume(claim.run, this_process())
            return own.run(claim.run).state

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(stop_and_go, range(4))) == [RunState.RUNNING] * 4


# -- what a run has ------------------------------------------------------------------------------


def test_segments_and_files_are_kept_in_key_order(ledger: Ledger) -> None:
    claim = begin(ledger)
    for name in ("z", "y"):
        ledger.name(claim, name)
    pieces = [segment("m", None), segment("", "b"), segment("b", "f"), segment("f", "m")]
    for piece in pieces:
        ledger.spool(claim, piece)
    late, early = delivery("z", "f", "m"), delivery("y", "", "b")
    ledger.deliver(claim, late, [pieces[3]])
    ledger.deliver(claim, early, [pieces[1]])
    assert ledger.kept(claim.run) == Kept((early, late), (pieces[2], pieces[0]))
    assert ledger.run(claim.run).rows == 40
    assert ledger.names(claim.run) == ("y", "z")


def test_keys_of_all_kinds_are_kept(ledger: Ledger) -> None:
    claim = begin(ledger)
    ledger.spool(claim, segment("\0\ud800'", "é\U0010ffff"))
    assert ledger.kept(claim.run).segments == (segment("\0\ud800'", "é\U0010ffff"),)


def test_a_delivered_file_has_no_open_upload(ledger: Ledger) -> None:
    claim = begin(ledger)
    for name in ("a", "b"):
        ledger.name(claim, name)
        ledger.upload(claim, Upload(name, f"upload of {name}"))
    ledger.deliver(claim, delivery("a", "", None), [])
    assert ledger.uploads(claim.run) == (Upload("b", "upload of b"),)


def test_segments_that_did_not_survive_are_forgotten_and_listed_again(ledger: Ledger) -> None:
    claim = begin(ledger)
    ledger.spool(claim, segment("", "b"))
    ledger.spool(claim, segment("b", None))
    ledger.drop(claim, [segment("", "b")])
    assert ledger.kept(claim.run).segments == (segment("b", None),)
    ledger.spool(claim, segment("", "a"))
    assert len(ledger.kept(claim.run).segments) == 2


def test_files_that_did_not_survive_are_mere_names_again(ledger: Ledger) -> None:
    claim = begin(ledger)
    for name, after, upto in (("a", "", "b"), ("b", "b", None)):
        ledger.name(claim, name)
        ledger.deliver(claim, delivery(name, after, upto), [])
    ledger.drop(claim, [], ["a"])
    assert ledger.kept(claim.run).files == (delivery("b", "b", None),)
    assert ledger.names(claim.run) == ("a", "b")


def test_a_report_folder_is_one_runs_until_nothing_is_left_of_that(ledger: Ledger) -> None:
    first, second = begin(ledger, GONE), begin(ledger)
    assert ledger.choose_folder(first, "here", "root", START)
    assert ledger.choose_folder(first, "here", "root", START)
    assert not ledger.choose_folder(second, "here", "root", START)
    assert ledger.choose_folder(second, "there", "other", START)
    kept = ledger.kept(second.run)
    assert (kept.root, kept.moment) == ("other", START)
    ledger.abandon(first.run)
    assert not ledger.choose_folder(second, "here", "root", START)
    ledger.forget_all(first.run)
    assert ledger.choose_folder(second, "here", "root", START)


def test_the_folder_of_a_published_report_stays_its_own(ledger: Ledger) -> None:
    first, second = begin(ledger), begin(ledger)
    ledger.choose_folder(first, "here", "root", START)
    ledger.publish(first, "manifest", [], 0)
    ledger.forget_all(first.run)
    assert not ledger.choose_folder(second, "here", "root", START)


@pytest.mark.parametrize("ledger", ["sqlite"], indirect=True)  # which is a folder
def test_what_was_told_is_there_for_whoever_opens_the_ledger_next(
    ledger: Ledger, place: str, clock: Clock
) -> None:
    claim = begin(ledger)
    ledger.name(claim, "a")
    ledger.upload(claim, Upload("a", "id"))
    ledger.spool(claim, segment("", "b"))
    with opened_at(place, clock) as other:
        assert other.runs() == ledger.runs()
        assert other.kept(claim.run).segments == (segment("", "b"),)
        assert (other.names(claim.run), other.uploads(claim.run)) == (("a",), (Upload("a", "id"),))


# -- how a run ends ------------------------------------------------------------------------------


def test_a_stopped_run_keeps_what_it_has(ledger: Ledger) -> None:
    claim = begin(ledger)
    ledger.spool(claim, segment("", "b"))
    ledger.leave(claim, RunState.STOPPED, STOPPED)
    record = ledger.run(claim.run)
    assert (record.state, record.error, record.hint) == (RunState.STOPPED, "stopped", "go on")
    assert (record.rows, record.finished, record.owner) == (10, None, None)


def test_a_failed_run_is_over(ledger: Ledger, clock: Clock) -> None:
    claim = begin(ledger)
    clock.passes(hours=1)
    ledger.leave(claim, RunState.FAILED, IncompleteRunError("missed"))
    record = ledger.run(claim.run)
    assert (record.state, record.error) == (RunState.FAILED, "missed")
    assert record.finished == clock.moment
    with pytest.raises(InventoryError, match="is failed and cannot be resumed"):
        ledger.resume(claim.run, this_process())
    ledger.abandon(claim.run)
    assert ledger.run(claim.run).state is RunState.ABANDONED


def test_of_a_published_run_only_what_no_manifest_names_is_remembered(ledger: Ledger) -> None:
    claim = begin(ledger)
    for name in ("a", "b", "left"):
        ledger.name(claim, name)
    ledger.upload(claim, Upload("left", "id"))
    ledger.deliver(claim, delivery("a", "", "b"), [])
    ledger.deliver(claim, delivery("b", "b", None), [])
    compared = [
        Comparison("rows", Figure(21, "the last report", Sureness.LIKELY), 20),
        Comparison("seconds", Figure(1.5, "the last report", Sureness.ROUGH), 0.25),
    ]
    ledger.publish(claim, "s3://dest/manifest.json", ["a", "b"], 20, compared=compared)
    assert list(ledger.comparisons(claim.run)) == compared
    record = ledger.run(claim.run)
    assert (record.state, record.rows, record.names) == (RunState.PUBLISHED, 20, 1)
    assert (record.manifest, record.finished) == ("s3://dest/manifest.json", START)
    assert ledger.names(claim.run) == ("left",)
    assert ledger.kept(claim.run) == Kept()
    for ask in (
        lambda: ledger.resume(claim.run, this_process()),
        lambda: ledger.abandon(claim.run),
    ):
        with pytest.raises(InventoryError, match="is published and cannot be") as caught:
            ask()
        assert "s3://dest/manifest.json" in caught.value.hint
    ledger.forget(claim.run, ["left"])
    assert (ledger.names(claim.run), ledger.uploads(claim.run)) == ((), ())


def test_abandoning_twice_is_abandoning_once(ledger: Ledger) -> None:
    claim = begin(ledger, GONE)
    ledger.name(claim, "a")
    ledger.abandon(claim.run)
    ledger.abandon(claim.run)
    assert ledger.names(claim.run) == ("a",)
    with pytest.raises(InventoryError, match="is abandoned and cannot be resumed"):
        ledger.resume(claim.run, this_process())


def test_only_names_of_unfinished_runs_protect_an_object(ledger: Ledger) -> None:
    running, stopped, abandoned = (begin(ledger, GONE) for _ in range(3))
    for name, claim in (("c", running), ("a", stopped), ("b", abandoned)):
        ledger.name(claim, name)
    ledger.leave(stopped, RunState.STOPPED, STOPPED)
    ledger.abandon(abandoned.run)
    assert ledger.names_unfinished() == ("a", "c")


# -- an end to what is remembered ----------------------------------------------------------------


def finished(ledger: Ledger, *, left: bool = False) -> str:
    claim = begin(ledger)
    if left:
        ledger.name(claim, "left")
    ledger.publish(claim, "manifest", [], 0)
    return claim.run


def test_finished_runs_are_forgotten_after_a_time_unless_they_left_something(
    ledger: Ledger, clock: Clock
) -> None:
    old, littering, stopped = finished(ledger), finished(ledger, left=True), begin(ledger)
    ledger.leave(stopped, RunState.STOPPED, STOPPED)
    clock.moment += FINISHED_FOR_MAX
    just_old_enough = finished(ledger)
    assert old in {record.id for record in ledger.runs()}
    clock.passes(seconds=1)
    last = begin(ledger)
    assert {record.id for record in ledger.runs()} == {
        littering, stopped.run, just_old_enough, last.run,
    }  # fmt: skip


def test_only_so_many_finished_runs_are_remembered(
    ledger: Ledger, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "FINISHED_RUNS_MAX", 2)
    unfinished = begin(ledger, GONE).run
    runs = []
    for _ in range(4):
        clock.passes(minutes=1)
        runs.append(finished(ledger))
    last = begin(ledger).run
    assert {record.id for record in ledger.runs()} == {unfinished, *runs[-2:], last}


def test_what_a_forgotten_run_had_is_forgotten_with_it(ledger: Ledger, clock: Clock) -> None:
    claim = begin(ledger, GONE)
    ledger.name(claim, "a")
    ledger.spool(claim, segment("", None))
    ledger.abandon(claim.run)
    ledger.forget_all(claim.run)
    clock.moment += 2 * FINISHED_FOR_MAX
    begin(ledger)
    with pytest.raises(UsageError):
        ledger.run(claim.run)
