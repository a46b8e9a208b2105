"""The use cases about whole reports: which there are, which are to stay, and the removal of the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from stocktake.model.addresses import Address, LocalAddress, S3Address, parse_address
from stocktake.model.errors import AddressError, NoReportError, NoSuchKeyError, UsageError
from stocktake.model.paths import MANIFEST, ReportPaths, parse_manifest_key
from stocktake.model.retention import KeptReport, Retention
from stocktake.model.store import Store
from stocktake.service import house
from stocktake.service.orphans import folder_of
from stocktake.service.retention import Expired, Shelf, expire, find_reports, opened_shelf
from stocktake.service.runs import open_ledger
from stocktake.state.expiries import OpenExpiry

KEEP_TEXT = b"No retention removes this report. `stocktake reports unkeep` takes that back.\n"


@dataclass(frozen=True, slots=True)
class Whose:
    """Which configuration's reports: its folder is `address`; or, with `bucket` and `id`, the destination is."""

    address: str
    store: Store
    bucket: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """The reports at `address`, the oldest first, each with how people write its folder; and what is being removed."""

    address: str
    reports: Sequence[tuple[KeptReport, str]]
    leaving: Sequence[OpenExpiry]


def list_reports(whose: Whose) -> Listed:
    """Every report of a configuration, and what is to be said of it. Nothing is changed.

    Raises:
        NoReportError: there is none.
        InventoryError: the destination cannot be asked.
    """
    with _shelf(whose) as shelf, open_ledger(house.settings().state_folder) as ledger:
        reports = find_reports(shelf)
        leaving = [
            each
            for each in ledger.expiries.open()
            if (each.expiry.address, each.expiry.root) == (shelf.address, shelf.root)
        ]
        _check_any(shelf, [*reports, *leaving])
        uri = shelf.place.files.uri
        return Listed(
            uri(shelf.root), tuple((each, uri(each.paths.folder)) for each in reports), leaving
        )


def expire_reports(whose: Whose, retention: Retention, *, dry_run: bool) -> Sequence[Expired]:
    """Remove the reports that `retention` does not keep; with `dry_run` only say which.

    Raises:
        UsageError: the retention keeps all.
        NoReportError: there is none.
        UndecidedError: a manifest cannot be read, so that nobody knows what it names.
        InventoryError: the destination cannot be asked.
    """
    if retention.keeps_all:
        raise UsageError(
            "nothing says which reports are old", hint="give --keep-last N, --keep-days D, or both"
        )
    with _shelf(whose) as shelf, open_ledger(house.settings().state_folder) as ledger:
        _check_any(shelf, [*shelf.place.files.list(f"{shelf.root}/"), *ledger.expiries.open()])
        return expire(shelf, ledger, retention, house.now(), dry_run=dry_run)


def mark_report(address: str, store: Store, *, keep: bool) -> str:
    """Have a report stay whatever its configuration's retention says; or no longer. Returns how people write where it
    lies.

    Raises:
        AddressError: the address is no report's.
        NoReportError: there is none.
        InventoryError: the destination refuses.
    """
    where, paths = _report(address)
    with opened_shelf(where, store, paths.root) as shelf:
        try:
            shelf.place.files.size(paths.manifest)
        except NoSuchKeyError as error:
            raise NoReportError(f"there is no report {address}") from error
        kept = shelf.place.destination.exists(paths.keep)
        if keep and not kept:
            shelf.place.destination.put(paths.keep, KEEP_TEXT)
        if not keep:
            for piece in shelf.removing.pieces(paths.keep):
                shelf.removing.remove(paths.keep, piece.id)
        return shelf.place.files.uri(paths.folder)


# -- where they lie ----------------------------------------------------------------------------------


@contextmanager
def _shelf(whose: Whose) -> Iterator[Shelf]:
    where = parse_address(whose.address, folder=house.settings().working_folder)
    if isinstance(where, S3Address):
        root = folder_of(where.key, whose.bucket, whose.id)
        where = S3Address(where.bucket)
    elif whose.bucket or whose.id:
        root = folder_of("", whose.bucket, whose.id)
    else:
        where, root = _above(where, 2)
    if root.count("/") < 1:
        raise AddressError(
            f"`{whose.address}` is no configuration's folder; expected DESTINATION/BUCKET/ID",
            hint="or give the destination, with --bucket and --id",
        )
    with opened_shelf(where, whose.store, root) as shelf:
        yield shelf


def _above(where: LocalAddress, levels: int) -> tuple[LocalAddress, str]:
    """The folder so many levels above, and the key of the folder below it."""
    parts = where.path.absolute().parts
    if len(parts) <= levels:
        return where, ""
    return LocalAddress(type(where.path)(*parts[:-levels])), "/".join(parts[-levels:])


def _report(address: str) -> tuple[Address, ReportPaths]:
    text = address.rstrip("/").removesuffix(f"/{MANIFEST}")
    where = parse_address(text, folder=house.settings().working_folder)
    place: Address
    if isinstance(where, S3Address):
        place, key = S3Address(where.bucket), where.key
    else:
        place, key = _above(where, 3)
    paths = parse_manifest_key(f"{key}/{MANIFEST}")
    if paths is None:
        raise AddressError(
            f"`{address}` is no report; expected DESTINATION/BUCKET/ID/YYYY-MM-DDTHH-MMZ"
        )
    return place, paths


def _check_any(shelf: Shelf, found: Sequence[object]) -> None:
    if not found:
        raise NoReportError(
            f"there are no reports in {shelf.place.files.uri(shelf.root)}",
            hint="give the configuration's folder, DESTINATION/BUCKET/ID, or --bucket and --id",
        )
