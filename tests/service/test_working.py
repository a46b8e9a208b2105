"""A run that crashes anywhere goes on to the report it would have delivered undisturbed, and leaves nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stocktake.model.addresses import LocalAddress, S3Address
from stocktake.model.errors import (
    ContradictionError,
    InventoryError,
    NoSuchBucketError,
    StoppedError,
    UnreachableError,
    UsageError,
    WorkerLostError,
)
from stocktake.model.ledger import RunState
from stocktake.model.pieces import Kept
from stocktake.model.runs import InventoryResult, InventoryRun, Progress, RunStage
from stocktake.service.journal import LedgerJournal, Work
from stocktake.service.working import beating, begin_run, carry_out, resume_run
from stocktake.state.ledger import Ledger
from stocktake.state.owners import BEAT_EVERY
from tests.servers.fault import FaultServer, access_denied
from tests.service.taking import (
    KEYS,
    Crash,
    Steps,
    objects_left,
    root_of,
    rows_reported,
    run_to,
    run_to_bucket,
    taker,
    uploads_left,
)
from tests.state.ledgers import GONE, Clock

# The steps that only buckets know, and what lies there when a report is half published.
BUCKET_STEPS = (
    "writing tried", "named", "upload begun", "upload told", "part sent", "delivered", "stocktake.json",
)  # fmt: skip
Take = Callable[[Work, LedgerJournal], InventoryResult]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "state", now=clock) as opened:
        yield opened


@pytest.fixture
def run(tmp_path: Path) -> InventoryRun:
    return run_to(LocalAddress(tmp_path / "reports"))


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


def killed(ledger: Ledger, run: InventoryRun, spool: Path, take: Take) -> str:
    """A run that was killed while it was under way; the ledger was not told."""
    claim = ledger.begin(run, GONE, spool)
    work = Work(claim, run, Kept(), ledger.run(claim.run).spool)
    with pytest.raises(Crash):
        take(work, LedgerJournal(ledger, work))
    assert ledger.run(claim.run).state is RunState.INTERRUPTED
    return claim.run


def resumed(ledger: Ledger, name: str | None, take: Take) -> InventoryResult:
    return carry_out(ledger, resume_run(ledger, name), take)


def nothing_else_left(ledger: Ledger, run: InventoryRun, name: str, spool: Path) -> bool:
    record = ledger.run(name)
    return (
        record.names == 0
        and not uploads_left(run)
        and list(spool.iterdir()) == []
        and ledger.uploads(name) == ()
    )


def steps_of(ledger: Ledger, run: InventoryRun, spool: Path, multipart: Any = None) -> list[str]:
    """The steps that an undisturbed run takes."""
    steps = Steps()
    result = carry_out(ledger, begin_run(ledger, run, spool), taker(steps, multipart=multipart))
    assert rows_reported(run, result) == list(KEYS)
    return steps.taken


# -- crashes -------------------------------------------------------------------------------------


def test_a_run_that_is_killed_at_any_step_goes_on_to_the_same_report(
    ledger: Ledger, tmp_path: Path, spool: Path
) -> None:
    steps = steps_of(ledger, run_to(LocalAddress(tmp_path / "whole")), spool)
    for crash_at in range(len(steps)):
        run = run_to(LocalAddress(tmp_path / f"reports {crash_at}"))
        before: list[str] = []
        name = killed(ledger, run, spool, taker(Steps(crash_at), before))
        kept = ledger.kept(name)
        after: list[str] = []
        result = resumed(ledger, None, taker(listed=after))
        assert rows_reported(run, result) == list(KEYS)
        # Only what was in no finished piece is listed again.
        had = [each.range for each in kept.segments] + [each.file.range for each in kept.files]
        assert after == [key for key in KEYS if not any(key in piece for piece in had)]
        assert ledger.run(name).state is RunState.PUBLISHED
        assert nothing_else_left(ledger, run, name, spool)


def test_so_does_a_run_that_delivers_in_parts_to_a_bucket(
    ledger: Ledger, fault_server: FaultServer, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3, whole = fault_server.client(), run_to_bucket(fault_server, monkeypatch, "whole")
    steps = steps_of(ledger, whole, spool, multipart=s3)
    for crash_at in map(steps.index, BUCKET_STEPS):
        below = S3Address("reports", f"reports-{crash_at}")
        run = run_to(below, source=whole.source, destination=whole.destination)
        name = killed(ledger, run, spool, taker(Steps(crash_at), multipart=s3))
        result = resumed(ledger, name, taker(multipart=s3))
        assert rows_reported(run, result) == list(KEYS)
        assert nothing_else_left(ledger, run, name, spool)
    assert fault_server.bucket_named("reports").uploads == {}


@given(
    killed_at=st.integers(0, 30),
    crashes=st.lists(st.integers(0, 4), max_size=4),
    lost=st.sets(st.integers(0, 7)),
)
@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_however_often_it_crashes_and_whatever_the_disk_loses(
    *,
    ledger: Ledger,
    tmp_path_factory: pytest.TempPathFactory,
    killed_at: int,
    crashes: list[int],
    lost: set[int],
) -> None:
    folder = tmp_path_factory.mktemp("run")
    spool = folder / "spool"
    spool.mkdir()
    run = run_to(LocalAddress(folder / "reports"))
    name = killed(ledger, run, spool, taker(Steps(killed_at)))
    for crash_at in crashes:
        rows = ledger.run(name).spool
        for number, path in enumerate(sorted(rows.iterdir()) if rows.is_dir() else ()):
            if number in lost:
                path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(Crash):
            resumed(ledger, name, taker(Steps(crash_at)))
        assert ledger.run(name).state is RunState.STOPPED
    result = resumed(ledger, name, taker())
    assert rows_reported(run, result) == list(KEYS)
    assert result.counters["rows"] == len(KEYS)
    assert nothing_else_left(ledger, run, name, spool)


def _removed(path: Path) -> None:
    path.unlink()


def _cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _changed(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"0", b"1"))


def _made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("harm", [_removed, _cut_short, _changed, _made_a_folder])
def test_what_somebody_did_to_a_data_file_meanwhile_is_listed_again(
    ledger: Ledger, run: InventoryRun, spool: Path, harm: Callable[[Path], None]
) -> None:
    name = killed(ledger, run, spool, taker(Steps("stocktake.json")))
    lost = ledger.kept(name).files[1].file
    place = run.address.path / lost.file.key  # type: ignore[union-attr]
    harm(place)
    listed: list[str] = []
    result = resumed(ledger, name, taker(listed=listed))
    assert listed == [key for key in KEYS if key in lost.range]
    assert rows_reported(run, result) == list(KEYS)
    assert result.counters["rows"] == len(KEYS)
    assert nothing_else_left(ledger, run, name, spool)
    assert not place.is_file()


@pytest.mark.parametrize("body", [None, b"short"])
def test_so_it_is_in_a_bucket(
    ledger: Ledger,
    fault_server: FaultServer,
    spool: Path,
    monkeypatch: pytest.MonkeyPatch,
    body: bytes | None,
) -> None:
    run = run_to_bucket(fault_server, monkeypatch, "below")
    s3 = fault_server.client()
    name = killed(ledger, run, spool, taker(Steps("stocktake.json")))
    lost = ledger.kept(name).files[1].file
    s3.delete_object(Bucket="reports", Key=lost.file.key)
    if body is not None:
        s3.put_object(Bucket="reports", Key=lost.file.key, Body=body)
    listed: list[str] = []
    result = resumed(ledger, name, taker(listed=listed))
    assert listed == [key for key in KEYS if key in lost.range]
    assert rows_reported(run, result) == list(KEYS)
    assert nothing_else_left(ledger, run, name, spool)


def test_data_files_that_may_be_written_and_not_read_are_believed(
    ledger: Ledger, fault_server: FaultServer, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_to_bucket(fault_server, monkeypatch, "below")
    name = killed(ledger, run, spool, taker(Steps("delivery told")))
    had = [each.file.range for each in ledger.kept(name).files]
    denied = fault_server.rule(access_denied(), operation="HeadObject")
    listed: list[str] = []
    result = resumed(ledger, name, taker(listed=listed))
    denied.remove()
    assert not any(key in piece for key in listed for piece in had)
    assert rows_reported(run, result) == list(KEYS)


def test_a_run_that_was_killed_after_its_report_was_published_is_found_to_be_over(
    ledger: Ledger, run: InventoryRun, spool: Path
) -> None:
    last = len(steps_of(ledger, replace(run, bucket="other"), spool)) - 1
    name = killed(ledger, run, spool, taker(Steps(last)))
    listed: list[str] = []
    result = resumed(ledger, name, taker(listed=listed))
    assert listed == []
    assert rows_reported(run, result) == list(KEYS)
    assert result.counters == {
        "rows": 40, "object_bytes": 780, "requests.list": 3, "retries": 0,
    }  # fmt: skip
    assert (result.seconds, result.warnings) == (9.0, ("beware",))
    assert len(result.files) == len(result.manifest.files) == 4
    record = ledger.run(name)
    assert (record.state, record.manifest) == (RunState.PUBLISHED, result.address)


def test_where_another_report_took_the_folder_the_run_takes_the_next_minute(
    ledger: Ledger, run: InventoryRun, spool: Path, tmp_path: Path
) -> None:
    name = killed(ledger, run, spool, taker(Steps(8)))
    with Ledger.open(tmp_path / "elsewhere", now=Clock()) as other:  # of another machine
        theirs = carry_out(other, begin_run(other, run, spool), taker())
    result = resumed(ledger, name, taker())
    assert result.manifest.created == theirs.manifest.created + timedelta(minutes=1)
    assert len([key for key in objects_left(run) if key.endswith("manifest.checksum")]) == 2


# -- how a run ends ------------------------------------------------------------------------------


def failing(error: BaseException, after: int | None = 12) -> Take:
    """Takes an inventory until something happens; None: before anything is done."""

    def take(work: Work, journal: LedgerJournal) -> InventoryResult:
        if after is not None:
            with pytest.raises(Crash):
                taker(Steps(after))(work, journal)
        raise error

    return take


@pytest.mark.parametrize(
    ("error", "after", "state"),
    [
        (StoppedError("stopped"), None, RunState.STOPPED),
        (StoppedError("stopped"), 12, RunState.STOPPED),
        (UnreachableError("no network"), 12, RunState.STOPPED),
        (WorkerLostError("killed"), 12, RunState.STOPPED),
        (WorkerLostError("killed"), None, RunState.STOPPED),
        (UnreachableError("no network"), None, RunState.FAILED),
        (NoSuchBucketError("no such bucket"), None, RunState.FAILED),
        (ContradictionError("the store lies"), 30, RunState.FAILED),
    ],
)
def test_an_error_stops_a_run_unless_it_condemns_what_there_is_or_there_is_nothing(
    *,
    ledger: Ledger,
    run: InventoryRun,
    spool: Path,
    error: InventoryError,
    after: int | None,
    state: RunState,
) -> None:
    error.hint = ""
    work = begin_run(ledger, run, spool)
    with pytest.raises(type(error)) as caught:
        carry_out(ledger, work, failing(error, after))
    record = ledger.run(work.claim.run)
    assert (record.state, record.error) == (state, error.message)
    if state is RunState.STOPPED:
        assert f"`stocktake run --resume {record.id}`" in caught.value.hint
        assert rows_reported(run, resumed(ledger, record.id, taker())) == list(KEYS)
    else:
        assert caught.value.hint == ""
        assert (objects_left(run), record.names, list(spool.iterdir())) == ([], 0, [])


def test_a_defect_stops_a_run_and_is_raised_as_it_is(
    ledger: Ledger, run: InventoryRun, spool: Path
) -> None:
    work = begin_run(ledger, run, spool)
    with pytest.raises(ZeroDivisionError):
        carry_out(ledger, work, failing(ZeroDivisionError("by zero")))
    record = ledger.run(work.claim.run)
    assert record.state is RunState.STOPPED
    assert record.error == "internal error: ZeroDivisionError: by zero"


def test_whoever_lost_a_run_to_another_process_touches_nothing_of_it(
    ledger: Ledger, run: InventoryRun, spool: Path
) -> None:
    claim = ledger.begin(run, GONE, spool)  # it cannot be seen, and is taken for dead
    work = Work(claim, run, Kept(), ledger.run(claim.run).spool)
    resume_run(ledger, claim.run)
    file = run.address.path / root_of(run) / "data" / "theirs"  # type: ignore[union-attr]
    file.parent.mkdir(parents=True)
    file.write_text("")
    with pytest.raises(InventoryError, match="taken up or given up by another process") as caught:
        carry_out(ledger, work, taker())
    assert "--resume" not in caught.value.hint
    record = ledger.run(claim.run)
    assert (record.state, record.error, file.exists()) == (RunState.RUNNING, None, True)


def test_what_a_failed_run_left_and_could_not_be_removed_is_told(
    ledger: Ledger, fault_server: FaultServer, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_to_bucket(fault_server, monkeypatch)
    bucket = fault_server.bucket_named("reports")
    work = begin_run(ledger, run, spool)
    fault_server.rule(access_denied(), operation="DeleteObject")
    with pytest.raises(ContradictionError) as caught:
        carry_out(ledger, work, failing(ContradictionError("the store lies"), 30))
    assert "was not removed (cannot delete s3://reports/p/b/report1/data/" in caught.value.hint
    assert f"`stocktake runs abandon {work.claim.run}` tries again" in caught.value.hint
    assert ledger.run(work.claim.run).names == len(bucket.keys()) > 0


def test_a_report_is_published_even_if_what_lies_beside_it_cannot_be_removed(
    ledger: Ledger, fault_server: FaultServer, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_to_bucket(fault_server, monkeypatch)
    s3 = fault_server.client()
    name = killed(ledger, run, spool, taker(Steps(29), multipart=s3))
    fault_server.rule(access_denied(), operation=("DeleteObject", "AbortMultipartUpload"))
    assert ledger.names(name)
    result = resumed(ledger, name, taker())
    assert result.warnings[0] == "beware"
    assert f"`stocktake runs abandon {name}` tries again" in result.warnings[1]
    assert ledger.run(name).state is RunState.PUBLISHED
    assert ledger.run(name).names > 0


# -- taking up -----------------------------------------------------------------------------------


def test_the_newest_run_that_can_go_on_is_taken_up(
    ledger: Ledger, clock: Clock, run: InventoryRun, spool: Path
) -> None:
    with pytest.raises(UsageError, match="there is no run to go on with"):
        resume_run(ledger, None)
    names = []
    for number in range(2):
        clock.passes(minutes=1)
        names.append(killed(ledger, replace(run, bucket=f"b{number}"), spool, taker(Steps(4))))
    clock.passes(minutes=1)
    carry_out(ledger, begin_run(ledger, run, spool), taker())
    assert resume_run(ledger, None).claim.run == names[1]
    assert resume_run(ledger, None).claim.run == names[0]


def test_a_run_is_taken_up_as_it_was_asked_for(
    ledger: Ledger, run: InventoryRun, spool: Path
) -> None:
    name = killed(ledger, run, spool, taker(Steps(4)))
    work = resume_run(ledger, name.upper())
    assert (work.run, work.spool, work.resumed) == (run, spool / f"stocktake-spool-{name}", True)
    assert (work.kept.root, work.kept.moment) == (root_of(run), run.moment)


def test_two_runs_of_one_minute_take_two_folders(
    ledger: Ledger, run: InventoryRun, spool: Path
) -> None:
    killed(ledger, run, spool, taker(Steps(1)))  # it chose its folder, and left nothing there
    result = carry_out(ledger, begin_run(ledger, run, spool), taker())
    assert result.manifest.created == run.moment + timedelta(minutes=1)


def test_the_ledger_hears_of_a_run_about_once_a_minute(
    ledger: Ledger, clock: Clock, run: InventoryRun, spool: Path
) -> None:
    work = begin_run(ledger, run, spool)
    told: list[Progress] = []
    tell = beating(LedgerJournal(ledger, work), told.append, clock)
    progress = Progress(RunStage.LIST, work.kept.counters, None)
    began = clock.moment
    for _ in range(3):
        tell(progress)
        clock.passes(seconds=20)
    assert ledger.run(work.claim.run).updated == began
    tell(progress)
    assert ledger.run(work.claim.run).updated == began + BEAT_EVERY
    assert len(told) == 4
