"""Objects that lie among the data files of a configuration although nobody needs them any more."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stocktake.model.addresses import LocalAddress, parse_address
from stocktake.model.errors import NoReportError, UsageError
from stocktake.model.ledger import Upload
from stocktake.model.paths import configuration_root
from stocktake.model.store import Store
from stocktake.service import house
from stocktake.service.clearing import basename, basenames, named_by_manifests, opened_place
from stocktake.service.runs import open_ledger
from stocktake.store.files import ReportFiles
from stocktake.store.folders import TEMPORARY_PREFIX

FOLDERS_MAX = 10_000  # below `data/`, where reports have none


@dataclass(frozen=True, slots=True)
class Orphans:
    """What nobody needs of the configuration folder at `address`: keys, each also as people write it, and uploads that
    were begun, None where the store does not tell. `objects` is how many were looked at; `bucket` None is a folder.
    """

    address: str
    bucket: str | None
    keys: tuple[str, ...]
    uris: tuple[str, ...]
    uploads: tuple[Upload, ...] | None
    objects: int

    def to_json(self) -> dict[str, Any]:
        """The same as JSON takes it."""
        uploads = self.uploads
        return {
            "configuration": self.address,
            "objects": self.objects,
            "orphans": list(self.uris),
            "uploads": None if uploads is None else [{"key": u.key, "id": u.id} for u in uploads],
        }


def find_orphans(
    state_folder: Path,
    address: str,
    store: Store,
    *,
    source_bucket: str | None = None,
    configuration_id: str | None = None,
) -> Orphans:
    """Everything below `data/` of a configuration that no manifest and no unfinished run of this ledger names.

    `address` is the configuration's folder; or, where its source's bucket and its id are given, the destination.

    Raises:
        UsageError: it is no address, or one of the two is missing.
        NoReportError: there is no such folder with reports.
        UndecidedError: a manifest cannot be read, so that nobody knows what it names.
    """
    where = parse_address(address, folder=house.settings().working_folder)
    prefix = "" if isinstance(where, LocalAddress) else where.key
    root = folder_of(prefix, source_bucket, configuration_id)
    start = f"{root}/data/" if root else "data/"
    with opened_place(where, store) as place:
        # In this order: what was listed is named by then, and what leaves the ledger stands in a manifest.
        listed = list(_objects(place.files, start))
        begun = place.unfinished.find(start)
        with open_ledger(state_folder) as ledger:
            unfinished = basenames(ledger.names_unfinished())
        named = named_by_manifests(place.files, root)
        if not listed and not named:
            raise NoReportError(
                f"there are no data files in {place.files.uri(start)}, and no manifests beside",
                hint="give the configuration's folder, DESTINATION/BUCKET/ID, or --bucket and --id",
            )
        needed = unfinished | named
        orphans = tuple(key for key in listed if basename(key) not in needed)
        return Orphans(
            address=place.files.uri(root),
            bucket=place.files.bucket,
            keys=orphans,
            uris=tuple(place.files.uri(key) for key in orphans),
            uploads=None if begun is None else _without(begun, needed),
            objects=len(listed),
        )


def folder_of(prefix: str, source_bucket: str | None, configuration_id: str | None) -> str:
    """The configuration's folder: below `prefix` where its source's bucket and its id are given, else `prefix` itself.

    Raises:
        UsageError: one of the two is missing.
    """
    if source_bucket is not None and configuration_id is not None:
        return configuration_root(prefix, source_bucket, configuration_id)
    if source_bucket is None and configuration_id is None:
        return prefix.rstrip("/")
    raise UsageError(
        "--bucket and --id go together: the source's bucket and the configuration's id",
        hint="or give the configuration's folder alone: DESTINATION/BUCKET/ID",
    )


def _objects(files: ReportFiles, prefix: str) -> Iterator[str]:
    """The keys below `prefix`, folder by folder. Files that are still being written are no objects."""
    folders = deque([prefix])
    for _ in range(FOLDERS_MAX):
        if not folders:
            return
        for key in files.list(folders.popleft()):
            if key.endswith("/"):
                folders.append(key)
            elif not basename(key).startswith(TEMPORARY_PREFIX):
                yield key
    raise UsageError(f"there are more than {FOLDERS_MAX} folders below {files.uri(prefix)}")


def _without(uploads: Iterable[Upload], needed: frozenset[str]) -> tuple[Upload, ...]:
    return tuple(upload for upload in uploads if basename(upload.key) not in needed)
