"""Reports that are being removed: which objects are still to go, so that whoever comes after a crash goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, or_, select, update

from stocktake.model.addresses import LocalAddress
from stocktake.model.documents import decode, encode
from stocktake.model.errors import InventoryError
from stocktake.model.ledger import RunState
from stocktake.model.retention import Expiry
from stocktake.model.store import check_no_secret
from stocktake.state.report_versions import (
    delete_versions,
    insert_version,
    select_versions,
    select_versions_of,
)
from stocktake.state.reports import delete_report
from stocktake.state.tables import expiries, runs
from stocktake.state.transactions import Transactions


@dataclass(frozen=True, slots=True)
class OpenExpiry:
    """One that was begun. `place` tells it from all others; `error` is why it did not come to its end, last time."""

    place: str
    expiry: Expiry
    begun: datetime
    tried: datetime | None
    error: str | None


class Expiries(Transactions):
    """The reports that are being removed, in one ledger. All methods raise LedgerError where it cannot be used."""

    def begin(self, expiry: Expiry) -> str:
        """Write down, before anything goes, what is to go; returns its place. One that was begun before stays as it is.

        Raises:
            UsageError: the endpoint's URL holds a secret, which is not to be written down.
        """
        check_no_secret(expiry.store)
        place = place_of(expiry)
        with self.writing() as connection:
            there = select(expiries.c.place).where(expiries.c.place == place)
            if connection.scalar(there) is None:
                row = {"place": place, "document": encode(expiry), "begun": self._now()}
                connection.execute(insert(expiries).values(row))
        return place

    def open(self, *, untried_for: timedelta | None = None) -> Sequence[OpenExpiry]:
        """All that were begun and are not over; or only those that nobody tried for so long."""
        found = select(expiries).order_by(expiries.c.begun, expiries.c.place)
        if untried_for is not None:
            before = self._now() - untried_for
            found = found.where(or_(expiries.c.tried.is_(None), expiries.c.tried < before))
        with self.reading() as connection:
            return tuple(
                OpenExpiry(row.place, decode(Expiry, row.document), row.begun, row.tried, row.error)
                for row in connection.execute(found)
            )

    def failed(self, place: str, error: InventoryError) -> None:
        """Note why one did not come to its end."""
        self._set(place, tried=self._now(), error=error.message)

    def over(self, place: str, *, removed: bool = True) -> None:
        """Note that nothing is left to be removed; or that nothing is to be `removed` any more."""
        one = expiries.c.place == place
        with self.writing() as connection:
            document = connection.scalar(select(expiries.c.document).where(one))
            connection.execute(delete(expiries).where(one))
            if removed:
                delete_report(connection, place)
                # Where others lie there, it stays known that those are not the run's.
                if document is not None and not decode(Expiry, document).others:
                    delete_versions(connection, place)

    def wrote(self, run: str, key: str, version: str) -> None:
        """Note which version an object is that was written beside a report which its run has published."""
        with self.writing() as connection:
            insert_version(connection, run, key, version, self._now())

    def versions(self, expiry: Expiry) -> Mapping[str, frozenset[str]]:
        """Which versions the run that published a report wrote, by key; empty where that is not known."""
        with self.reading() as connection:
            return select_versions(connection, place_of(expiry))

    def versions_of(self, run: str) -> Mapping[str, frozenset[str]]:
        """The same of a run that may have published none."""
        with self.reading() as connection:
            return select_versions_of(connection, run)

    def published(self, expiry: Expiry) -> Sequence[str]:
        """The folders of the reports that runs of this ledger published beside that one, the newest first."""
        start = f"{where_of(expiry)}/"
        beside = runs.c.place.startswith(f"{start}{expiry.root}/", autoescape=True)
        found = (
            select(runs.c.place)
            .where(runs.c.state == RunState.PUBLISHED, beside)
            .order_by(runs.c.moment.desc())
        )
        with self.reading() as connection:
            places = connection.scalars(found)
            return tuple(place.removeprefix(start) for place in places if place is not None)

    def _set(self, place: str, **values: object) -> None:
        with self.writing() as connection:
            connection.execute(update(expiries).where(expiries.c.place == place).values(**values))


def place_of(expiry: Expiry) -> str:
    """The report folder, with its store."""
    return f"{where_of(expiry)}/{expiry.paths.folder}"


def where_of(expiry: Expiry) -> str:
    """The destination as the ledger tells it from all others; report folders begin there."""
    if isinstance(expiry.address, LocalAddress):
        return str(expiry.address)
    return f"{expiry.store.endpoint_url or ''} s3://{expiry.address.bucket}"
