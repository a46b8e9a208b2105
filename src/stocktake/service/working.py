"""Working on a run, new or resumed, with the ledger beside: entered or taken up, carried out, closed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from stocktake.inventory.sealing import is_intact
from stocktake.model.documents import decode_run
from stocktake.model.errors import (
    AccessDeniedError,
    ContradictionError,
    EncryptionNotAppliedError,
    IncompleteRunError,
    InventoryError,
    NoSuchKeyError,
    StoppedError,
    UsageError,
    WorkerLostError,
)
from stocktake.model.ledger import RESUMABLE, RunRecord, RunState
from stocktake.model.manifest import MANIFEST_BYTES_MAX, parse_manifest
from stocktake.model.paths import SIDECAR_BYTES_MAX, ReportPaths
from stocktake.model.pieces import Kept
from stocktake.model.remembering import FATES
from stocktake.model.runs import Counters, DataFile, InventoryResult, InventoryRun, Progress
from stocktake.model.sidecar import parse_sidecar
from stocktake.service.clearing import (
    Place,
    chosen_paths,
    find_left_at,
    find_placed,
    opened_place_of,
    placed_objects,
    remove_leftovers,
    remove_spool,
)
from stocktake.service.journal import LedgerJournal, Work
from stocktake.state.ledger import Ledger
from stocktake.state.owners import BEAT_EVERY, this_process
from stocktake.store.files import ReportFiles

# After these, nothing that the run has can be trusted or is wanted; after any other error it can go on.
CONDEMNING = (ContradictionError, EncryptionNotAppliedError, IncompleteRunError)
# After these it can go on even if it has nothing yet: nothing was found wrong with what was asked for.
PASSING = (StoppedError, WorkerLostError)


def begin_run(ledger: Ledger, run: InventoryRun, spool_above: Path) -> Work:
    """Enter a run, whose rows are to wait below `spool_above`.

    Raises:
        InventoryError: the ledger cannot be written.
    """
    claim = ledger.begin(run, this_process(), spool_above)
    return Work(claim, run, Kept(), ledger.run(claim.run).spool)


def resume_run(ledger: Ledger, name: str | None) -> Work:
    """Take up the run called `name`, or the newest that can be taken up.

    Raises:
        UsageError: there is none.
        InventoryError: another process works on it, or the run is over.
    """
    record = find_resumable(ledger, name)
    run = decode_run(record.document)
    claim = ledger.resume(record.id, this_process())
    return Work(claim, run, ledger.kept(record.id), record.spool, resumed=True)


def find_resumable(ledger: Ledger, name: str | None) -> RunRecord:
    """The run called `name`, or the newest that can be taken up.

    Raises:
        UsageError: there is none.
    """
    if name is not None:
        return ledger.run(name)
    for record in ledger.runs():
        if record.state in RESUMABLE:
            return record
    raise UsageError("there is no run to go on with", hint="`stocktake runs` lists them")


def carry_out(
    ledger: Ledger,
    work: Work,
    take: Callable[[Work, LedgerJournal], InventoryResult],
) -> InventoryResult:
    """Carry out a run: have `take` do what is still to be done and publish the report, and write down what becomes of
    it. What the run named and its report does not need is removed; where that fails, a warning says so.

    Raises:
        InventoryError: what `take` raised. Unless it condemns what there is, the run can go on, as the hint says.
    """
    with _recorded(ledger, work) as journal:
        work = _without_what_was_lost(ledger, work)
        work, result = _settled(ledger, work) if work.resumed else (work, None)
        if result is None:
            result = take(_without_what_is_gone(ledger, work), journal)
        journal.published(result)
    try:
        _clear_beside(ledger, work)
        ledger.claims.cleared(work.claim.run)
    except InventoryError as error:
        warning = (
            f"what the run began and its report does not need was not removed: {error.message};"
        )
        warning += f" `stocktake runs abandon {work.claim.run}` tries again"
        result = replace(result, warnings=(*result.warnings, warning))
    return result


def beating(
    journal: LedgerJournal, on_progress: Callable[[Progress], None], now: Callable[[], datetime]
) -> Callable[[Progress], None]:
    """`on_progress`, with the journal told now and then that the run is still being worked on."""
    told_at = now()

    def told(progress: Progress) -> None:
        nonlocal told_at
        if (moment := now()) - told_at >= BEAT_EVERY:
            told_at = moment
            journal.beat()
        on_progress(progress)

    return told


# -- how it ends -------------------------------------------------------------------------------------


@contextmanager
def _recorded(ledger: Ledger, work: Work) -> Iterator[LedgerJournal]:
    journal = LedgerJournal(ledger, work)
    try:
        yield journal
    except InventoryError as error:
        state = _state_after(error, nothing_kept=journal.empty)
        error.hint = f"{error.hint}; {_leave(ledger, work, state, error)}".strip("; ")
        raise
    except (
        BaseException
    ) as error:  # a defect, or the program must leave at once: what there is may still be good
        failure = InventoryError(f"internal error: {type(error).__name__}: {error}")
        _leave(ledger, work, RunState.STOPPED, failure)
        raise


def _state_after(error: InventoryError, *, nothing_kept: bool) -> RunState:
    if isinstance(error, CONDEMNING):
        return RunState.FAILED
    if nothing_kept and not isinstance(error, PASSING):
        return RunState.FAILED  # such as a bucket that is not there: there is nothing to go on from
    return RunState.STOPPED


def _leave(ledger: Ledger, work: Work, state: RunState, error: InventoryError) -> str:
    """Write down how the run ended, and clear away what is of no use; what the user can do then, if anything."""
    run = work.claim.run
    try:
        ledger.leave(work.claim, state, error)
    except InventoryError:
        # Another process has the run, and what there is of it; or the ledger cannot be written, and the run will be
        # found to be interrupted. The error itself is what counts now.
        return "`stocktake runs` says what became of the run"
    if state is RunState.STOPPED:
        return f"`stocktake run --resume {run}` goes on, `stocktake runs abandon {run}` removes what it left"
    try:
        _clear_all(ledger, run)
    except InventoryError as failure:
        return f"what it left was not removed ({failure.message}): `stocktake runs abandon {run}` tries again"
    return ""


def _clear_all(ledger: Ledger, run: str) -> None:
    """Remove everything of a run that failed."""
    record = ledger.run(run)
    if record.names or record.root is not None:
        with opened_place_of(record) as place:
            remove_leftovers(place, find_left_at(place, ledger, record))
    remove_spool(record.spool)
    ledger.forget_all(run)


def _clear_beside(ledger: Ledger, work: Work) -> None:
    """Remove what a run left beside its report: the rows on this machine, and what was begun before it was resumed."""
    run = work.claim.run
    record = ledger.run(run)
    if record.names or work.resumed:
        with opened_place_of(record) as place:
            names = ledger.names(run)
            remove_leftovers(place, find_left_at(place, ledger, record))
            ledger.forget(run, names)
    remove_spool(record.spool)


# -- going on ----------------------------------------------------------------------------------------


def _without_what_was_lost(ledger: Ledger, work: Work) -> Work:
    """The work without the segments whose files did not survive; they are listed again."""
    lost = [segment for segment in work.kept.segments if not is_intact(segment)]
    if not lost:
        return work
    ledger.drop(work.claim, lost)
    intact = tuple(segment for segment in work.kept.segments if segment not in lost)
    return replace(work, kept=replace(work.kept, segments=intact))


def _without_what_is_gone(ledger: Ledger, work: Work) -> Work:
    """The work without the data files that somebody removed or changed since they were delivered; what was in them is
    listed again.
    """
    if not work.kept.files:
        return work
    with opened_place_of(ledger.run(work.claim.run)) as place:
        gone = {
            each.file.file.key for each in work.kept.files if not _is_whole(place.files, each.file)
        }
    if not gone:
        return work
    ledger.drop(work.claim, (), gone)
    whole = tuple(each for each in work.kept.files if each.file.file.key not in gone)
    return replace(work, kept=replace(work.kept, files=whole))


def _is_whole(files: ReportFiles, delivered: DataFile) -> bool:
    """Whether a data file is still what was delivered: in a folder every byte of it, in a bucket its size. What may be
    written there and not be read is believed.
    """
    file = delivered.file
    if (path := files.path(file.key)) is not None:
        try:
            with path.open("rb") as content:
                found = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False))
        except OSError:
            return False
        return found.hexdigest() == file.md5
    try:
        return files.size(file.key) == file.size
    except NoSuchKeyError:
        return False
    except AccessDeniedError:
        return True


def _settled(ledger: Ledger, work: Work) -> tuple[Work, InventoryResult | None]:
    """Look at the report folder that a run chose before it was resumed. What it placed there is removed, so that it can
    be placed again; where all of it was, the report is published, and returned. Where another run's report is there
    now, the choice is void.
    """
    record = ledger.run(work.claim.run)
    paths = chosen_paths(record)
    if paths is None:
        return work, None
    with opened_place_of(record) as place:
        placed = find_placed(place.files, paths, ledger.names(record.id))
        if placed.published:
            return work, _published(place, paths)
        for each in placed_objects(place, placed, ledger.expiries.versions_of(record.id)):
            place.removing.remove(each.key, each.version)
    if placed.foreign:
        work = replace(work, kept=replace(work.kept, root=None, moment=None))
    return work, None


def _published(place: Place, paths: ReportPaths) -> InventoryResult:
    """The result of a run that was interrupted when its report was published already."""
    files = place.files
    said = parse_sidecar(files.read(paths.sidecar, SIDECAR_BYTES_MAX))
    counters: Counters = Counter(
        rows=said.rows, object_bytes=said.object_bytes, retries=said.retries
    )
    for group in ("requests", "problems", "unknowable"):
        counters.update({f"{group}.{name}": n for name, n in getattr(said, group).items()})
    if (remembered := said.remembered) is not None:
        counters.update({f"remembered.{name}": getattr(remembered, name) for name in FATES})
        counters.update({f"revised.{name}": n for name, n in remembered.revised.items()})
    return InventoryResult(
        address=place.destination.uri(paths.manifest),
        manifest=parse_manifest(files.read(paths.manifest, MANIFEST_BYTES_MAX)),
        counters=counters,
        seconds=(said.finished - said.started).total_seconds(),
        files=said.data_files(),
        warnings=said.warnings,
        walk=said.walk,
    )
