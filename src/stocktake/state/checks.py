"""What trying out each configuration has shown, and who is trying which at the moment.

A configuration wants a check when it has runs and its last put has none. Whoever claims one has it for CLAIM_S; what
is left by somebody who did not come back is known by the trial that the claim names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta

from pydantic import ValidationError
from sqlalchemy import (
    ColumnElement,
    Connection,
    Update,
    and_,
    bindparam,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from stocktake.model.checks import CheckResult, StoredCheck
from stocktake.model.stored import CheckClaim, ConfigurationKey
from stocktake.state.schedule_rows import RUNS
from stocktake.state.tables import configuration_checks, configurations
from stocktake.state.transactions import Transactions

CLAIM_S = 600.0  # longer than any check takes
_PARTS = ("store", "bucket", "id")


class Checks(Transactions):
    """The checks in one ledger. All methods raise LedgerError where it cannot be read or written. May be used from
    several threads and, over one database, by several processes.
    """

    def claim(self, stores: Collection[str]) -> CheckClaim | None:
        """Take the configuration of these stores that has waited longest for its check; None where none does."""
        with (
            self.reading() as connection
        ):  # most of the time there is none, and nobody has to wait for that
            found = self._wanting(connection, stores)
        if found is None:
            return None
        with self.writing() as connection:
            found = self._wanting(connection, stores)
            return None if found is None else self._claimed(connection, *found)

    def _wanting(
        self, connection: Connection, stores: Collection[str]
    ) -> tuple[ConfigurationKey, str | None] | None:
        """The configuration that has waited longest, and what an earlier check of it wrote."""
        found = connection.execute(
            select(*(configurations.c[name] for name in _PARTS), _TABLE.trial)
            .join_from(configurations, configuration_checks, _SAME, isouter=True)
            .where(
                RUNS,
                configurations.c.store.in_(stores),
                self._free(connection),
                or_(_TABLE.version.is_(None), _TABLE.version != configurations.c.version),
            )
            .order_by(configurations.c.version)
            .limit(1)
        ).first()
        return found and (ConfigurationKey(found.store, found.bucket, found.id), found.trial)

    def _free(self, connection: Connection) -> ColumnElement[bool]:
        over = self.moment_in(connection) - timedelta(seconds=CLAIM_S)
        return or_(_TABLE.begun.is_(None), _TABLE.begun < over)

    def _claimed(
        self, connection: Connection, key: ConfigurationKey, trial: str | None
    ) -> CheckClaim | None:
        now = self.moment_in(connection)
        free = and_(_at(key), self._free(connection))
        taken = update(configuration_checks).where(free).values(begun=now)
        if connection.execute(taken).rowcount == 0:
            try:
                with connection.begin_nested():
                    new = {**_columns(key), "begun": now}
                    connection.execute(insert(configuration_checks).values(new))
            except IntegrityError:  # another process was faster
                return None
        return CheckClaim(key, now, trial)

    def name_trial(self, claim: CheckClaim, trial: str | None) -> bool:
        """Note what is about to be written on trial, or that nothing of it is left; whether the claim holds."""
        values = {"trial": trial}
        with self.writing() as connection:
            return connection.execute(_of(claim).values(values)).rowcount == 1

    def finish(self, claim: CheckClaim, version: int, result: CheckResult) -> None:
        """Keep what was found of the configuration as it was put under `version`; the claim ends. Nothing happens where
        it had ended before, or the configuration was deleted.
        """
        with self.writing() as connection:
            values = {
                "begun": None,
                "version": version,
                "checked": self.moment_in(connection),
                "document": result.model_dump_json(),
            }
            connection.execute(_of(claim).values(values))

    def give_back(self, claim: CheckClaim) -> None:
        """End the claim: somebody is to try it anew, soon."""
        with self.writing() as connection:
            connection.execute(_of(claim).values(begun=None))

    def want(self, key: ConfigurationKey) -> None:
        """Have a configuration be tried anew, as soon as somebody can; a claim of it ends."""
        values = {"version": None, "begun": None}
        with self.writing() as connection:
            connection.execute(update(configuration_checks).where(_at(key)).values(values))

    def of_bucket(
        self, store: str, bucket: str, *, first: str, last: str
    ) -> Mapping[str, StoredCheck]:
        """What is known of those configurations of a bucket whose Ids are `first` to `last`, as they were put last; by
        Id.
        """
        asked = {"of_store": store, "of_bucket": bucket, "first": first, "last": last}
        with self.reading() as connection:
            found = connection.execute(_OF_BUCKET, asked).all()
        return {
            row.id: StoredCheck(row.checked, result)
            for row in found
            if (result := _read(row.document)) is not None
        }


_TABLE = configuration_checks.c
_SAME = and_(*(_TABLE[name] == configurations.c[name] for name in _PARTS))
_OF_BUCKET = (
    select(_TABLE.id, _TABLE.checked, _TABLE.document)
    .join_from(configuration_checks, configurations, _SAME)
    .where(
        _TABLE.store == bindparam("of_store"),
        _TABLE.bucket == bindparam("of_bucket"),
        _TABLE.id.between(bindparam("first"), bindparam("last")),
        _TABLE.version == configurations.c.version,
    )
)


def _columns(key: ConfigurationKey) -> dict[str, str]:
    return {name: getattr(key, name) for name in _PARTS}


def _at(key: ConfigurationKey) -> ColumnElement[bool]:
    return and_(*(_TABLE[name] == value for name, value in _columns(key).items()))


def _of(claim: CheckClaim) -> Update:
    return update(configuration_checks).where(_at(claim.key), _TABLE.begun == claim.begun)


def _read(document: str) -> CheckResult | None:
    """A result; None where another version of stocktake wrote what this one does not know: it is as good as none."""
    try:
        return CheckResult.model_validate_json(document)
    except ValidationError:
        return None
