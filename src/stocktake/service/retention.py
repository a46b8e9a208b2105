"""Removing whole reports that are old: what there is, what is to go, and its removal, whatever interrupts it.

Which objects go is decided by names that a report of this very configuration can have and no other manifest names;
what a manifest says beyond that is somebody's text. All that is to go is in the ledger before the first of it goes, the
checksum before all else, so that nothing half removed looks whole.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from stocktake.model.addresses import Address, S3Address
from stocktake.model.errors import (
    AccessDeniedError,
    InventoryError,
    ManifestError,
    NoSuchKeyError,
    ReportError,
    UndecidedError,
)
from stocktake.model.manifest import MANIFEST_BYTES_MAX, parse_manifest, render_checksum
from stocktake.model.paths import (
    MANIFEST,
    ReportPaths,
    configuration_root,
    parse_manifest_key,
)
from stocktake.model.report_options import parse_report_options
from stocktake.model.retention import (
    Condition,
    Doomed,
    Expiry,
    KeptReport,
    Retention,
    expired,
    judge,
)
from stocktake.model.runs import InventoryRun
from stocktake.model.store import Store
from stocktake.model.stored import ConfigurationKey
from stocktake.service.clearing import Place, basename, basenames, named_by_manifests, opened_place
from stocktake.state.expiries import OpenExpiry
from stocktake.state.ledger import Ledger
from stocktake.store.files import ReportFiles
from stocktake.store.removing import Piece, Removing, own_pieces

_log = logging.getLogger("stocktake")

REPORTS_MAX = 100_000  # of one configuration
TRY_AGAIN_AFTER = timedelta(minutes=10)
_CHECKSUM_BYTES_MAX = 1024
_KEEP_BYTES_MAX = 1024


@dataclass(frozen=True, slots=True)
class Shelf:
    """The reports of one configuration: the destination at `address` of `store`, and their folder `root` in it."""

    address: Address
    store: Store
    root: str
    place: Place

    @property
    def removing(self) -> Removing:
        """How what lies there is removed."""
        return self.place.removing

    def expiry(self, paths: ReportPaths, objects: Sequence[Doomed] = (), others: int = 0) -> Expiry:
        """The removal of a report that lies there."""
        return Expiry(self.address, self.store, self.root, paths.moment, tuple(objects), others)


@dataclass(frozen=True, slots=True)
class Expired:
    """A report and what became of it: it is removed, or would be, but for so many data files as others name (`shared`);
    or stays, for the reason `why`. So many `others` lie under its keys and stay: versions that its run did not write.
    """

    report: KeptReport
    uri: str
    objects: int
    why: str = ""
    shared: int = 0
    others: int = 0


@contextmanager
def opened_shelf(address: Address, store: Store, root: str) -> Iterator[Shelf]:
    """The reports in the folder `root` of a destination.

    Raises:
        InventoryError: it cannot be reached.
    """
    with opened_place(address, store) as place:
        yield Shelf(address, store, root, place)


# -- what there is -----------------------------------------------------------------------------------


def find_reports(shelf: Shelf) -> Sequence[KeptReport]:
    """Every report folder of the configuration, the oldest first.

    Raises:
        InventoryError: the destination cannot be asked.
    """
    files, root = shelf.place.files, shelf.root
    data = frozenset(files.list(f"{root}/data/"))
    found: list[KeptReport] = []
    for entry in files.list(f"{root}/"):
        paths = parse_manifest_key(f"{entry}{MANIFEST}") if entry.endswith("/") else None
        if paths is None:
            continue
        if len(found) >= REPORTS_MAX:
            raise UndecidedError(f"there are more than {REPORTS_MAX} reports in {files.uri(root)}")
        found.append(_looked_at(files, paths, data))
    return tuple(sorted(found, key=lambda each: each.paths.moment))


def _looked_at(files: ReportFiles, paths: ReportPaths, data: Collection[str]) -> KeptReport:
    spared = _read(files, paths.keep, _KEEP_BYTES_MAX) is not None
    body = _read(files, paths.manifest, MANIFEST_BYTES_MAX)
    checksum = _read(files, paths.checksum, _CHECKSUM_BYTES_MAX)
    if body is None:
        return KeptReport(paths, Condition.UNFINISHED, None, spared, "it has no manifest")
    try:
        manifest = parse_manifest(body)
    except ManifestError as error:
        return KeptReport(paths, Condition.UNFINISHED, None, spared, error.message, unreadable=True)
    if checksum is None or checksum.split() != render_checksum(body).split():
        why = "it has no checksum" if checksum is None else "its checksum is of another manifest"
        return KeptReport(paths, Condition.UNFINISHED, manifest, spared, why)
    condition, why = judge(paths, manifest, files.bucket, data)
    return KeptReport(paths, condition, manifest, spared, why)


def _read(files: ReportFiles, key: str, bytes_max: int) -> bytes | None:
    """The whole file; None where there is none. What is too long to be one is there, and says nothing."""
    try:
        return files.read(key, bytes_max)
    except NoSuchKeyError:
        return None
    except ReportError:
        return b""


# -- what is to go -----------------------------------------------------------------------------------


def expire(
    shelf: Shelf,
    ledger: Ledger,
    retention: Retention,
    now: datetime,
    *,
    dry_run: bool = False,
    stopping: Callable[[], bool] = lambda: False,
) -> Sequence[Expired]:
    """Remove the reports that `retention` does not keep, the oldest first; with `dry_run` only say so. What was begun
    before is ended first.

    Raises:
        UndecidedError: a manifest cannot be read, so that nobody knows what it names.
        InventoryError: the destination, or the ledger, cannot be used.
    """
    if not dry_run:
        finish_expiries(ledger, only=shelf)
    # Before and after: what a run names is in the ledger, and, once it leaves that, in a manifest.
    under_way = basenames(ledger.names_unfinished())
    reports = find_reports(shelf)
    under_way |= basenames(ledger.names_unfinished())
    old = expired(reports, retention, now, spared=_guarded(shelf, ledger, reports))
    if not old:
        return ()
    needed = _needed(shelf, reports, under_way)
    told: list[Expired] = []
    for report in old:
        if stopping():
            break
        told.append(_expire_one(shelf, ledger, report, needed, now, dry_run=dry_run))
        if not told[-1].why and not dry_run:
            needed.subtract(_names(report))
    return tuple(told)


def _guarded(shelf: Shelf, ledger: Ledger, reports: Sequence[KeptReport]) -> Collection[str]:
    """The newest good report of those that this ledger knows to be its own: one that somebody puts there with a newer
    date must not be the end of it.
    """
    good = {each.paths.folder for each in reports if each.condition is Condition.GOOD}
    if not good:
        return ()
    known = ledger.expiries.published(shelf.expiry(reports[0].paths))
    return tuple(folder for folder in known if folder in good)[:1]


def _needed(
    shelf: Shelf, reports: Sequence[KeptReport], under_way: Collection[str]
) -> Counter[str]:
    """How many manifests name a data file; one that a run under way has named counts as if others did, too."""
    if unreadable := next((each for each in reports if each.unreadable), None):
        uri = shelf.place.files.uri(unreadable.paths.manifest)
        raise UndecidedError(
            f"{uri} cannot be read, so any file may be one that it names: {unreadable.why}",
            hint="mend that manifest, or remove it, first",
        )
    needed: Counter[str] = Counter()
    for report in reports:
        needed.update(_names(report))
    needed.update(dict.fromkeys(under_way, 2))
    return needed


def _names(report: KeptReport) -> set[str]:
    return {basename(file.key) for file in report.manifest.files} if report.manifest else set()


def _expire_one(
    shelf: Shelf,
    ledger: Ledger,
    report: KeptReport,
    needed: Counter[str],
    now: datetime,
    *,
    dry_run: bool,
) -> Expired:
    """Remove one report. It stays whole where any of it is locked, or where it cannot be told what there is of it."""
    assert report.manifest is not None
    own = [file.key for file in report.manifest.files if needed[basename(file.key)] == 1]
    uri = shelf.place.files.uri(report.paths.folder)
    try:
        written = ledger.expiries.versions(shelf.expiry(report.paths))
        objects, others, locked = _objects(shelf, (*report.paths.commit, *own), written, now)
        if locked or (others and not objects):
            why = locked or "of what lies there, its run wrote nothing"
            return Expired(report, uri, len(objects), why, others=others)
        if not dry_run:
            place = ledger.expiries.begin(shelf.expiry(report.paths, objects, others))
            _remove(ledger, place, shelf.removing, objects)
    except InventoryError as error:
        return Expired(report, uri, 0, error.message)
    shared = len(_names(report)) - len(set(own))
    return Expired(report, uri, len(objects), shared=shared, others=others)


def _objects(
    shelf: Shelf, keys: Sequence[str], written: Mapping[str, Collection[str]], now: datetime
) -> tuple[Sequence[Doomed], int, str]:
    """What there is under the keys and is to go; how many versions are not, because somebody else than the run wrote
    them, where it is known which it has `written`; and what keeps one of the former from being removed, if anything.
    """
    objects: list[Doomed] = []
    others, locked = 0, ""
    for key in keys:
        pieces, foreign = _pieces(shelf, key, written)
        others += foreign
        for piece in pieces:
            objects.append(Doomed(key, piece.id))
            if not locked and (lock := shelf.removing.lock(key, piece, now)):
                locked = f"{shelf.place.files.uri(key)} is {lock}"
    return objects, others, locked


def _pieces(
    shelf: Shelf, key: str, written: Mapping[str, Collection[str]]
) -> tuple[Sequence[Piece], int]:
    """The pieces under the key that are to go, and how many others there are. Where nothing is known to be `written`
    there, all of them are: so it is with what was made later, or by others than this ledger's runs. Delete markers go
    with what they hide: a run that goes on after a crash makes some, too.
    """
    own = written.get(key, ())
    try:
        found = shelf.removing.pieces(key)
    except AccessDeniedError:
        if not own and (not written or shelf.place.destination.exists(key)):
            raise
        return tuple(Piece(version) for version in sorted(own)), 0
    going = own_pieces(found, own) if own else found
    return going, len(found) - len(going)


def expire_after(
    ledger: Ledger, key: ConfigurationKey, run: InventoryRun, *, stopping: Callable[[], bool]
) -> None:
    """Remove the reports that the configuration under `key`, whose `run` was just published, does not keep. What goes
    wrong is told in the log: the new report is there whatever becomes of old ones, and the next one tries again.
    """
    what = f"old reports of {key.id} of {key.bucket}"
    try:
        retention = parse_report_options(ledger.configurations.options(key), key.id).retention
        if retention.keeps_all:
            return
        delivery = run.configuration.delivery
        root = configuration_root(delivery.prefix or "", run.bucket, run.configuration.id)
        at = run.address
        place = S3Address(at.bucket) if isinstance(at, S3Address) else at
        with opened_shelf(place, run.destination, root) as shelf:
            for each in expire(
                shelf, ledger, retention, ledger.schedule.moment(), stopping=stopping
            ):
                if each.why:
                    _log.warning("the old report %s stays: %s", each.uri, each.why)
                else:
                    _log.info("the old report %s is removed", each.uri)
                if each.shared:
                    _log.warning(
                        "%s data files of %s stay: others name them", each.shared, each.uri
                    )
                if each.others:
                    _log.warning(
                        "%s versions under the keys of %s stay: its run did not write them",
                        each.others,
                        each.uri,
                    )
    except InventoryError as error:
        _log.warning("%s stay: %s", what, error)
    except Exception:  # noqa: BLE001 - a defect there must not end the worker
        _log.exception("%s stay, by a defect", what)


# -- its removal -------------------------------------------------------------------------------------


def _remove(ledger: Ledger, place: str, removing: Removing, objects: Sequence[Doomed]) -> None:
    try:
        for each in objects:
            removing.remove(each.key, each.version)
    except InventoryError as error:
        ledger.expiries.failed(place, error)
        raise
    ledger.expiries.over(place)


def finish_expiries(
    ledger: Ledger, *, only: Shelf | None = None, untried_for: timedelta | None = None
) -> None:
    """End the removals that were begun and that nothing ended; all, or those of one shelf. What cannot be removed is
    noted, and tried again next time.

    Raises:
        LedgerError: the ledger cannot be used.
    """
    for begun in ledger.expiries.open(untried_for=untried_for):
        expiry = begun.expiry
        if only is not None and (expiry.address, expiry.root) != (only.address, only.root):
            continue
        try:
            with opened_shelf(expiry.address, expiry.store, expiry.root) as shelf:
                _finish(ledger, shelf, begun)
        except InventoryError as error:
            _log.warning("the report %s is not removed yet: %s", begun.place, error)
            ledger.expiries.failed(begun.place, error)


def _finish(ledger: Ledger, shelf: Shelf, begun: OpenExpiry) -> None:
    paths = begun.expiry.paths
    if shelf.place.destination.exists(paths.checksum):
        # It is whole: whether it is to go may be another question by now.
        ledger.expiries.over(begun.place, removed=False)
        return
    needed = basenames(ledger.names_unfinished())
    needed |= named_by_manifests(shelf.place.files, shelf.root, but=(paths.manifest,))
    needed |= basenames(ledger.names_unfinished())
    commit = frozenset(paths.commit)
    objects = [
        each
        for each in begun.expiry.objects
        if each.key in commit or basename(each.key) not in needed
    ]
    _remove(ledger, begun.place, shelf.removing, objects)
