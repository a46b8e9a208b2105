"""The configurations that users put, and beside them what AWS's document cannot say: the report options.

Both lie under the same key. A put of the one leaves the other alone, and a deletion takes both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Integer,
    Row,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from stocktake.model.configuration import InventoryConfiguration, parse_configuration_json
from stocktake.model.errors import (
    ConfigurationError,
    LedgerError,
    NoSuchConfigurationError,
    TooManyConfigurationsError,
)
from stocktake.model.stored import (
    CONFIGURATIONS_PER_BUCKET_MAX,
    ConfigurationKey,
    StoredConfiguration,
    Suspension,
)
from stocktake.state.tables import (
    VERSIONS,
    configuration_checks,
    configurations,
    counters,
    report_options,
)
from stocktake.state.transactions import Transactions

SEEN_MAX = 10_000  # some 30 MB

# What makes new options of those that are there, both as JSON objects.
OptionsChange: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Configurations(Transactions):
    """The configurations in one ledger. What a method was told is durable when it returns, and what it returns is of
    one moment. All methods raise LedgerError where the ledger cannot be read or written. May be used from several
    threads and, over one database, by several processes.
    """

    def __init__(self, engine: Engine, where: object, now: Callable[[], datetime]) -> None:
        super().__init__(engine, where, now)
        # By key and version, which no two puts have, and what may change beside: what was read once need not be read
        # again.
        self._seen: dict[tuple[object, ...], StoredConfiguration] = {}

    # -- AWS's document ----------------------------------------------------------------------------

    def put(
        self,
        store: str,
        bucket: str,
        configuration: InventoryConfiguration,
        owner: str | None = None,
        change: OptionsChange | None = None,
    ) -> StoredConfiguration:
        """Keep `configuration` under its Id, in place of any that is there; of its options what `change` makes of them,
        else they are left alone. Where that raises, nothing is put. The bucket is `owner`'s, as far as that is known.
        One that is suspended begins anew.

        Raises:
            TooManyConfigurationsError: the bucket has as many as it may have, and this would be a new one.
        """
        key = ConfigurationKey(store, bucket, configuration.id)
        now = self._now()
        values = {
            "document": configuration.model_dump_json(
                by_alias=True, exclude_none=True, ensure_ascii=True
            ),
            "enabled": configuration.is_enabled,
            "changed": now,
            "owner": owner,
        }
        with self.writing() as connection:
            values["version"] = _next_version(connection)
            connection.execute(_BEGIN_ANEW, _named(key) | {"created": now})
            if connection.execute(_UPDATE, _named(key) | values).rowcount == 0:
                _check_room(connection, key)
                connection.execute(
                    insert(configurations).values(**_columns(key), created=now, **values)
                )
            if change is not None:
                self._change_options(connection, key, change)
            return _read(connection, key)

    def get(self, key: ConfigurationKey) -> StoredConfiguration:
        """The configuration under `key`.

        Raises:
            NoSuchConfigurationError: there is none.
        """
        with self.reading() as connection:
            return _read(connection, key)

    def page(
        self, store: str, bucket: str, *, after: str = "", rows_max: int = 100
    ) -> Sequence[StoredConfiguration]:
        """The first configurations of a bucket whose Ids come behind `after`, ascending by Id, `rows_max` at most."""
        asked = {"of_store": store, "of_bucket": bucket, "after": after, "rows_max": rows_max}
        with self.reading() as connection:
            rows = connection.execute(_PAGE_VERSIONS, asked)
            known = [self._seen.get((store, bucket, *row)) for row in rows]
            if None in known:
                known = [_stored(row) for row in connection.execute(_PAGE, asked)]
        if len(self._seen) > SEEN_MAX:
            self._seen.clear()
        found = tuple(each for each in known if each is not None)
        self._seen.update((_seen_as(each), each) for each in found)
        return found

    def note_owner(self, stored: StoredConfiguration, owner: str) -> None:
        """Note whose the bucket of a configuration is that was put when nobody could tell."""
        unknown = and_(configurations.c.owner.is_(None), configurations.c.version == stored.version)
        with self.writing() as connection:
            connection.execute(
                update(configurations)
                .where(_at(configurations, stored.key), unknown)
                .values(owner=owner)
            )

    def buckets(self, store: str, *, after: str, rows_max: int) -> Sequence[tuple[str, int]]:
        """The first buckets of a store that have configurations and come behind `after`, ascending by name, `rows_max`
        at most; with how many they have.
        """
        of = configurations.c
        found = (
            select(of.bucket, func.count())
            .where(of.store == store, of.bucket > after)
            .group_by(of.bucket)
            .order_by(of.bucket)
            .limit(rows_max)
        )
        with self.reading() as connection:
            return [(bucket, count) for bucket, count in connection.execute(found)]

    def all(self, *, enabled: bool | None = None) -> Sequence[StoredConfiguration]:
        """Every configuration of every store, ascending by key; or only those that are `enabled`, or are not."""
        found = _SELECTED
        if enabled is not None:
            found = found.where(configurations.c.enabled == enabled)
        with self.reading() as connection:
            return tuple(sorted(map(_stored, connection.execute(found)), key=lambda each: each.key))

    def delete(self, key: ConfigurationKey) -> None:
        """Forget the configuration under `key`, its options, and what is known of it.

        Raises:
            NoSuchConfigurationError: there is none.
        """
        with self.writing() as connection:
            _next_version(connection)  # so that nobody puts options beside what is about to go
            if connection.execute(delete(configurations).where(_at(configurations, key))).rowcount:
                for beside in (report_options, configuration_checks):
                    connection.execute(delete(beside).where(_at(beside, key)))
                return
        raise _missing(key)

    # -- what it cannot say ------------------------------------------------------------------------

    def put_options(self, key: ConfigurationKey, options: Mapping[str, Any]) -> None:
        """Keep `options`, a JSON object, beside the configuration under `key`, in place of any that are there.

        Raises:
            NoSuchConfigurationError: there is no such configuration.
        """
        self.change_options(key, lambda _before: options)

    def change_options(self, key: ConfigurationKey, change: OptionsChange) -> None:
        """Keep what `change` makes of the options beside the configuration under `key`, a JSON object. Nobody else
        changes them between what it is given and what it returns; where it raises, they stay as they are.

        Raises:
            NoSuchConfigurationError: there is no such configuration.
        """
        with self.writing() as connection:
            _next_version(connection)  # takes turns with every put and deletion
            _read(connection, key)
            self._change_options(connection, key, change)

    def _change_options(
        self, connection: Connection, key: ConfigurationKey, change: OptionsChange
    ) -> None:
        there = _at(report_options, key)
        document = json.dumps(change(_options(connection, key)))
        values = {"document": document, "changed": self._now()}
        if connection.execute(update(report_options).where(there).values(values)).rowcount == 0:
            connection.execute(insert(report_options).values(**_columns(key), **values))
        # What was found without them is no longer true.
        wanting = update(configuration_checks).where(_at(configuration_checks, key))
        connection.execute(wanting.values(version=None, begun=None))

    def options(self, key: ConfigurationKey) -> Mapping[str, Any]:
        """The options beside the configuration under `key`; empty where none were put."""
        with self.reading() as connection:
            return _options(connection, key)

    def options_of_bucket(
        self, store: str, bucket: str, *, first: str, last: str
    ) -> Mapping[str, Mapping[str, Any]]:
        """The options beside those configurations of a bucket whose Ids are `first` to `last`, by Id; of those that
        have some.
        """
        of = report_options.c
        found = select(of.id, of.document).where(
            of.store == store, of.bucket == bucket, of.id.between(first, last)
        )
        with self.reading() as connection:
            return {row.id: json.loads(row.document) for row in connection.execute(found)}


_SELECTED: Select[Any] = select(
    *(
        configurations.c[name]
        for name in (
            *("store", "bucket", "id", "document", "created", "changed", "version"),
            *("owner", "suspended", "reason"),
        )
    )
)


# Made once: putting a statement together takes longer than the database takes to answer it.
_ONE_BUCKET = and_(
    configurations.c.store == bindparam("of_store"),
    configurations.c.bucket == bindparam("of_bucket"),
)
_ONE = and_(_ONE_BUCKET, configurations.c.id == bindparam("of_id"))
_GET = _SELECTED.where(_ONE)
_PAGE = (
    _SELECTED.where(_ONE_BUCKET, configurations.c.id > bindparam("after"))
    .order_by(configurations.c.id)
    .limit(bindparam("rows_max", type_=Integer))
)
_PAGE_VERSIONS = _PAGE.with_only_columns(
    *(configurations.c[name] for name in ("id", "version", "owner", "suspended"))
)
_UPDATE = (
    update(configurations)
    .where(_ONE)
    .values(
        {name: bindparam(name) for name in ("document", "enabled", "changed", "version", "owner")}
    )
)
_BEGIN_ANEW = (
    update(configurations)
    .where(_ONE, configurations.c.suspended.is_not(None))
    .values(created=bindparam("created"), suspended=None, reason=None)
)
_COUNT = select(func.count()).select_from(configurations).where(_ONE_BUCKET)
_NEXT_VERSION = (
    update(counters)
    .where(counters.c.name == VERSIONS)
    .values(value=counters.c.value + 1)
    .returning(counters.c.value)
)


def _named(key: ConfigurationKey) -> dict[str, Any]:
    """What `_ONE` asks for."""
    return {"of_store": key.store, "of_bucket": key.bucket, "of_id": key.id}


def _columns(key: ConfigurationKey) -> dict[str, str]:
    return {"store": key.store, "bucket": key.bucket, "id": key.id}


def _at(table: Table, key: ConfigurationKey) -> ColumnElement[bool]:
    return and_(*(table.c[name] == value for name, value in _columns(key).items()))


def _next_version(connection: Connection) -> int:
    """A number greater than all before. Whoever has it is alone in writing configurations until the transaction ends,
    whatever the database.
    """
    version: int = connection.execute(_NEXT_VERSION).scalar_one()
    return version


def _check_room(connection: Connection, key: ConfigurationKey) -> None:
    there = connection.scalar(_COUNT, {"of_store": key.store, "of_bucket": key.bucket})
    if there is not None and there >= CONFIGURATIONS_PER_BUCKET_MAX:
        raise TooManyConfigurationsError(
            f"the bucket {key.bucket} already has {there} inventory configurations,"
            f" and may have {CONFIGURATIONS_PER_BUCKET_MAX}",
            hint="delete one that is no longer needed",
        )


def _read(connection: Connection, key: ConfigurationKey) -> StoredConfiguration:
    row = connection.execute(_GET, _named(key)).one_or_none()
    if row is None:
        raise _missing(key)
    return _stored(row)


def _options(connection: Connection, key: ConfigurationKey) -> Mapping[str, Any]:
    found = select(report_options.c.document).where(_at(report_options, key))
    document = connection.scalar(found)
    options: dict[str, Any] = json.loads(document) if document is not None else {}
    return options


def _missing(key: ConfigurationKey) -> NoSuchConfigurationError:
    return NoSuchConfigurationError(
        f"the bucket {key.bucket} has no inventory configuration `{key.id}`",
        hint=f"`stocktake config list s3://{key.bucket}` shows which there are",
    )


# A list is of a hundred documents that were parsed before, mostly; what comes of them is frozen.
parsed = lru_cache(4096)(parse_configuration_json)


def _seen_as(stored: StoredConfiguration) -> tuple[object, ...]:
    """What tells the stored configuration from all that were, or will be, under the same key."""
    key, suspension = stored.key, stored.suspension
    since = None if suspension is None else suspension.since
    return (key.store, key.bucket, key.id, stored.version, stored.owner, since)


def _stored(row: Row[Any]) -> StoredConfiguration:
    key = ConfigurationKey(row.store, row.bucket, row.id)
    try:
        configuration = parsed(row.document)
    except ConfigurationError as error:
        raise LedgerError(
            f"the ledger's record of the configuration {key.id} of {key.bucket} cannot be read: {error}",
            hint="was it written by another version of stocktake? go on with that one",
        ) from error
    suspension = None if row.suspended is None else Suspension(row.suspended, row.reason or "")
    return StoredConfiguration(
        key, configuration, row.created, row.changed, row.version, row.owner, suspension
    )
