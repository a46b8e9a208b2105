"""What runs have left in their destinations: what it is, whether a report needs it, and its removal.

Nothing is removed but what a run named itself and no manifest names; in a bucket with versions each of those that the
run wrote, and no others.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from stocktake.model.addresses import Address, LocalAddress
from stocktake.model.documents import decode_run
from stocktake.model.errors import (
    AccessDeniedError,
    NoSuchBucketError,
    NoSuchKeyError,
    ReportError,
    RequestRefusedError,
    UndecidedError,
)
from stocktake.model.ledger import SPOOL_PREFIX, TRANSITIONS, RunRecord, RunState, Upload
from stocktake.model.manifest import MANIFEST_BYTES_MAX, parse_manifest, render_checksum
from stocktake.model.paths import MANIFEST, SIDECAR_BYTES_MAX, ReportPaths, report_folder_name
from stocktake.model.retention import Doomed
from stocktake.model.store import Store
from stocktake.state.ledger import Ledger
from stocktake.store.client import Client
from stocktake.store.connection import Connection
from stocktake.store.destinations import BucketDestination, Destination, FolderDestination
from stocktake.store.files import BucketFiles, FolderFiles, ReportFiles
from stocktake.store.removing import BucketRemoving, FolderRemoving, Piece, Removing, own_pieces
from stocktake.store.renewal import Renewal
from stocktake.store.unfinished import BucketUploads, FolderRemains, Unfinished

_CHECKSUM_BYTES_MAX = 1024


@dataclass(frozen=True, slots=True)
class Place:
    """A destination from all sides: as it is written to, as it is read, what is unfinished there, and how what is there
    is removed.
    """

    destination: Destination
    files: ReportFiles
    unfinished: Unfinished
    removing: Removing


@contextmanager
def opened_place(address: Address, store: Store) -> Iterator[Place]:
    """The folder, or the whole bucket, at `address`.

    Raises:
        InventoryError: it cannot be reached.
    """
    if isinstance(address, LocalAddress):
        root = address.path
        folder = FolderDestination(root, root.name)
        yield Place(folder, FolderFiles(root), FolderRemains(root), FolderRemoving(folder))
        return
    with ExitStack() as doors:
        connection = Connection.open(store)
        s3 = connection.client(None)
        Renewal(connection).attach(s3.meta.events)
        client = doors.enter_context(Client(s3, Counter(), request_payer=store.request_payer))
        uploads = doors.enter_context(BucketUploads.open(connection, address.bucket))
        # Nothing is written through it, so nothing needs to be said of encryption.
        writer = BucketDestination(
            client, address.bucket, encryption=None, owner_full_control=False
        )
        removing = BucketRemoving(s3, client, address.bucket)
        yield Place(writer, BucketFiles(client, address.bucket), uploads, removing)


def opened_place_of(record: RunRecord) -> AbstractContextManager[Place]:
    """The destination of a run; as `opened_place`."""
    run = decode_run(record.document)
    return opened_place(run.address, run.destination)


@dataclass(frozen=True, slots=True)
class Placed:
    """What lies in the report folder that a run chose. `keys` are of the run's own objects, in the order in which they
    must go, unless they are a `published` report; `foreign`: others are there, of another run.
    """

    keys: tuple[str, ...] = ()
    published: bool = False
    foreign: bool = False


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What a run has left that no report needs. `objects` are in the order in which they must go; `uris` are how people
    write their keys. `published` is the address of the run's manifest, if it is published. `untold`: the store does not
    say which multipart uploads are open, so these are all that were noted.
    """

    objects: tuple[Doomed, ...] = ()
    uris: tuple[str, ...] = ()
    uploads: tuple[Upload, ...] = ()
    spool: Path | None = None
    published: str | None = None
    untold: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the objects."""
        return keys_of(self.objects)

    @property
    def nothing(self) -> bool:
        """Whether nothing is left."""
        return not (self.objects or self.uploads or self.spool)


def find_leftovers(
    place: Place,
    record: RunRecord,
    names: Sequence[str],
    uploads: Sequence[Upload],
    written: Mapping[str, Collection[str]],
) -> Leftovers:
    """What is there of a run that named the keys `names`, began the `uploads` and has `written` these versions by key.

    Raises:
        UndecidedError: a manifest cannot be read, so that nobody knows what it names.
        InventoryError: the destination cannot be asked.
    """
    paths = chosen_paths(record)
    root = paths.root if paths else _root_of(names)
    placed = find_placed(place.files, paths, names)
    needed = named_by_manifests(place.files, root, but=placed.keys) if names else frozenset()
    free = [key for key in names if basename(key) not in needed]
    # What a report has needs nothing more; else what the run placed may be hidden by what others put there.
    whole = placed.published or record.state is RunState.PUBLISHED
    hidden = () if whole else sorted(set(written) - {*names, *placed.keys})
    objects = (
        *placed_objects(place, placed, written),
        *(each for key in (*hidden, *free) for each in _objects(place, key, written)),
    )
    tried = _tried(paths, placed)
    noted = [upload for upload in uploads if upload.key in free or upload.key in tried]
    begun = _begun(place.unfinished, root, tried, noted) if paths or free else []
    return Leftovers(
        objects=objects,
        uris=tuple(map(place.destination.uri, keys_of(objects))),
        uploads=tuple(
            upload
            for upload in (noted if begun is None else begun)
            if upload.key in free or upload.key in tried
        ),
        spool=_spool(record),
        published=place.files.uri(paths.manifest) if paths and placed.published else None,
        untold=begun is None,
    )


def placed_objects(
    place: Place, placed: Placed, written: Mapping[str, Collection[str]]
) -> Sequence[Doomed]:
    """What a run has `placed`, with what it has `written` under the same keys before; in the order in which it goes."""
    doomed: list[Doomed] = []
    for key in placed.keys:
        own = written.get(key, ())
        found = _found(place, key, own)
        # The newest is what was read, and known by that.
        ours = {*own, *(piece.id for piece in found[-1:])}
        doomed += (Doomed(key, piece.id) for piece in own_pieces(found, ours))
    return doomed


def _objects(place: Place, key: str, written: Mapping[str, Collection[str]]) -> Iterator[Doomed]:
    """What a run has under a key: the versions that it is known to have written; else all there are, for nobody else
    writes there.
    """
    own = written.get(key, ())
    found = _found(place, key, own)
    for piece in own_pieces(found, own) if own else found:
        yield Doomed(key, piece.id)


def _found(place: Place, key: str, own: Collection[str]) -> Sequence[Piece]:
    """What there is under a key, the newest last; where versions may not be listed, what is known of it."""
    try:
        return place.removing.pieces(key)
    except (AccessDeniedError, RequestRefusedError):
        newest = place.removing.newest(key)
        seen = () if newest is None else (newest,)
        return (*(Piece(version) for version in sorted({*own} - {p.id for p in seen})), *seen)


def _begun(
    unfinished: Unfinished, root: str, tried: Sequence[str], noted: Sequence[Upload]
) -> Sequence[Upload] | None:
    """What is unfinished where the run writes; None where the store does not tell. MinIO tells only of the very key
    that is asked about (minio/minio issue 20989), so those where something is likely are asked about one by one.
    """
    folders = {f"{root}/data/", *(f"{_above(key)}/" for key in tried)}
    likely = {*(upload.key for upload in noted), *tried[:1]}
    found: dict[Upload, None] = {}
    for prefix in (*sorted(folders), *sorted(likely)):
        if (there := unfinished.find(prefix)) is None:
            return None
        found |= dict.fromkeys(there)
    return tuple(found)


def _tried(paths: ReportPaths | None, placed: Placed) -> tuple[str, ...]:
    """The keys that a run writes to beside its data files, and that hold nothing which is to stay."""
    if paths is None:
        return ()
    if placed.published or placed.foreign:
        return (paths.probe,)
    beside = (paths.symlink, paths.sidecar, paths.ages, paths.manifest, paths.checksum)
    return (paths.probe, *beside)


def find_left_at(place: Place, ledger: Ledger, record: RunRecord) -> Leftovers:
    """What is there of a run, by what the ledger knows of it; as `find_leftovers`.

    In a bucket that is gone there is nothing.
    """
    try:
        names, uploads = ledger.names(record.id), ledger.uploads(record.id)
        return find_leftovers(place, record, names, uploads, ledger.expiries.versions_of(record.id))
    except NoSuchBucketError:
        return Leftovers(spool=_spool(record))


def remove_leftovers(place: Place, leftovers: Leftovers) -> None:
    """Remove them all. The first that cannot be removed ends it: what follows may be what it vouches for.

    Raises:
        InventoryError: the destination refuses.
    """
    for upload in leftovers.uploads:
        place.unfinished.remove(upload)
    for each in leftovers.objects:
        place.removing.remove(each.key, each.version)
    if leftovers.spool is not None:
        remove_spool(leftovers.spool)


def remove_spool(folder: Path) -> None:
    """Remove the folder in which a run's rows waited; nothing that is called otherwise."""
    if folder.name.startswith(SPOOL_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(NotADirectoryError):  # a file stands where the folder above should be
            folder.with_suffix(".lock").unlink(missing_ok=True)


def clear_spools(ledger: Ledger, above: Path) -> None:
    """Remove the folders below `above` in which rows of runs waited that are over, wherever these came to their end: a
    machine that was away hears of it by the ledger alone. What belongs to a run that the ledger does not know stays.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    found = {each.name.removeprefix(SPOOL_PREFIX): each for each in above.glob(f"{SPOOL_PREFIX}*")}
    if not found:
        return
    for record in ledger.runs():
        if record.id in found and not TRANSITIONS[record.state]:
            remove_spool(found[record.id])


def named_by_manifests(
    files: ReportFiles, root: str, *, but: Collection[str] = ()
) -> frozenset[str]:
    """The names, without folders, of all data files that manifests in the report folders of the configuration folder
    `root` name, published or not, except for the manifests `but`.

    Raises:
        UndecidedError: one cannot be read.
    """
    names: set[str] = set()
    start = f"{root}/" if root else ""
    for entry in files.list(start):
        key = f"{entry}{MANIFEST}"
        folder = entry.removeprefix(start)
        if not folder.endswith("/") or not report_folder_name(folder[:-1]) or key in but:
            continue
        try:
            manifest = parse_manifest(files.read(key, MANIFEST_BYTES_MAX))
        except NoSuchKeyError:
            continue
        except ReportError as error:
            raise UndecidedError(
                f"{files.uri(key)} cannot be read, so any file may be one that it names: {error.message}",
                hint="mend that manifest, or remove it, first",
            ) from error
        names |= basenames(file.key for file in manifest.files)
    return frozenset(names)


def find_placed(files: ReportFiles, paths: ReportPaths | None, names: Iterable[str]) -> Placed:
    """What lies in the report folder `paths`, chosen by a run that named the data files at `names`."""
    if paths is None:
        return Placed()
    bodies = {
        key: body
        for key, bytes_max in (
            (paths.manifest, MANIFEST_BYTES_MAX),
            (paths.sidecar, SIDECAR_BYTES_MAX),
            (paths.symlink, MANIFEST_BYTES_MAX),
        )
        if (body := _read(files, key, bytes_max)) is not None
    }
    # Each of the three names every data file of its report, and no two runs have one of the same name.
    ours = [name.encode() for name in basenames(names)]
    own = [key for key, body in bodies.items() if any(name in body for name in ours)]
    checksum = _read(files, paths.checksum, _CHECKSUM_BYTES_MAX)
    if checksum is not None and paths.manifest in own:
        if checksum.split() == render_checksum(bodies[paths.manifest]).split():
            return Placed(published=True)
        own.insert(0, paths.checksum)
    foreign = len(own) < len(bodies) + (checksum is not None)
    if own and not foreign and _is_there(files, paths.ages):
        own.append(paths.ages)
    return Placed(tuple(own), foreign=foreign)


def chosen_paths(record: RunRecord) -> ReportPaths | None:
    """The report folder that a run chose, if it has."""
    if record.root is None or record.moment is None:
        return None
    return ReportPaths(record.root, record.moment)


def _spool(record: RunRecord) -> Path | None:
    return record.spool if record.spool.is_dir() else None


def _root_of(names: Sequence[str]) -> str:
    """The configuration folder of data files' keys: `{root}/data/{name}`."""
    return names[0].rpartition("/data/")[0] if names else ""


def _read(files: ReportFiles, key: str, bytes_max: int) -> bytes | None:
    try:
        return files.read(key, bytes_max)
    except NoSuchKeyError:
        return None


def _is_there(files: ReportFiles, key: str) -> bool:
    try:
        files.size(key)
    except NoSuchKeyError:
        return False
    return True


def keys_of(objects: Iterable[Doomed]) -> tuple[str, ...]:
    """The keys of objects of which several may be versions of one."""
    return tuple(dict.fromkeys(each.key for each in objects))


def _above(key: str) -> str:
    return key.rpartition("/")[0]


def basename(key: str) -> str:
    """The last part of a key. A data file's is its own, wherever its report was copied to."""
    return key.rpartition("/")[2]


def basenames(keys: Iterable[str]) -> frozenset[str]:
    """The last part of each key."""
    return frozenset(basename(key) for key in keys)
