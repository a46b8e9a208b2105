"""The only place where concrete parts meet: doors are opened here, and the clock is read here."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from stocktake.model.addresses import LocalAddress, S3Address, parse_address
from stocktake.model.errors import AddressError, SpoolError
from stocktake.model.store import Store
from stocktake.service.settings import SPOOL, Settings, read_settings
from stocktake.store.connection import Connection
from stocktake.store.destinations import BucketDestination, Destination, FolderDestination
from stocktake.store.files import BucketFiles, FolderFiles, ReportFiles

_chosen_file: list[Path] = []  # the last one counts


def settings() -> Settings:
    """What the environment and the file of settings say."""
    return read_settings(file=_chosen_file[-1] if _chosen_file else None)


@contextmanager
def settings_from(file: Path | None) -> Iterator[None]:
    """Have `file`, where there is one, be the file of settings of this process while the block runs."""
    if file is not None:
        _chosen_file.append(file)
    try:
        yield
    finally:
        if file is not None:
            _chosen_file.pop()


def now() -> datetime:
    """The present moment, UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds by a clock that nobody puts back, for how long things take."""
    return time.monotonic()


def made_spool_folder(chosen: Path | None) -> Path:
    """The folder below which rows wait. One that the user chose must be there: it may be a disk that is not mounted.

    Raises:
        SpoolError: the one that nobody chose cannot be made.
    """
    default = settings().state_folder / SPOOL
    if chosen not in (None, default):
        return chosen
    try:
        default.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SpoolError(
            f"the folder {default}, where rows wait, cannot be made: {error.strerror or error}",
            hint="name another state folder with STOCKTAKE_STATE_FOLDER",
        ) from error
    return default


@contextmanager
def opened_place(address: str, store: Store) -> Iterator[tuple[Destination, str]]:
    """Where one file is to be written, and its key there; connections close with the block.

    Raises:
        AddressError: it is no address, or names no file.
        CredentialsError: there are none to write with.
    """
    where = parse_address(address, folder=settings().working_folder)
    if address.endswith("/") or (isinstance(where, S3Address) and not where.key):
        raise AddressError(f"`{address}` names no file; expected s3://bucket/key or a path")
    if isinstance(where, LocalAddress):
        path = Path(os.path.normpath(where.path))
        yield FolderDestination(path.parent, path.parent.name), path.name
        return
    from stocktake.store.client import Client  # noqa: PLC0415 - a folder needs none

    with BucketDestination(Client.open(Connection.open(store), Counter()), where.bucket) as place:
        yield place, where.key


@contextmanager
def opened_files(address: str, store: Store) -> Iterator[tuple[ReportFiles, str]]:
    """The files at `address`, and the key it names among them; connections close with the block.

    Raises:
        AddressError: it is no address.
        UsageError: the store is described in a way that makes no sense.
        CredentialsError: there are none to ask with.
    """
    where = parse_address(address, folder=settings().working_folder)
    if isinstance(where, LocalAddress):
        # A `..` is the user's here, and not a manifest's: FolderFiles would follow neither.
        yield FolderFiles.at(Path(os.path.normpath(where.path)))
        return
    from stocktake.store.client import Client  # noqa: PLC0415 - a folder needs none

    with Client.open(Connection.open(store), Counter()) as client:
        yield BucketFiles(client, where.bucket), where.key
