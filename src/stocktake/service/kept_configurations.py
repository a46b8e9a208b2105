"""Configurations where a user keeps them: in the ledger of this machine, or on a server; the same words for both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from stocktake.model.access import EVERYTHING
from stocktake.model.checks import CheckResult, StoredCheck
from stocktake.model.configuration import InventoryConfiguration, parse_configuration_json
from stocktake.model.report_options import ReportOptions
from stocktake.model.store import Store
from stocktake.model.stored import ConfigurationKey, StoredConfiguration, Suspension
from stocktake.service import house
from stocktake.service.asking_server import asked_server, asking_server, understood
from stocktake.service.commands import configurations as commands
from stocktake.service.commands.configurations import Desk
from stocktake.service.commands.options import change_options, get_options
from stocktake.service.kept_runs import bucket_at
from stocktake.service.known_buckets import KnownBuckets
from stocktake.service.runs import open_ledger
from stocktake.service.server_settings import STORE
from stocktake.store.server_api import ServerApi


class KeptConfigurations(Protocol):
    """The configurations of one store. Buckets are named by their addresses, `s3://NAME`.

    All methods raise UsageError where an address is no bucket's, and InventoryError where what is asked is refused.
    """

    def put(
        self,
        bucket: str,
        configuration: InventoryConfiguration,
        options: Mapping[str, Any] | None = None,
    ) -> StoredConfiguration:
        """Keep a configuration, in place of any with its Id, if the store has the bucket; and with it those `options`
        beside it that are named, or else neither of both. None takes one back.
        """

    def options(self, bucket: str, identity: str) -> ReportOptions:
        """The options beside a configuration."""

    def change_options(
        self, bucket: str, identity: str, change: Mapping[str, Any]
    ) -> ReportOptions:
        """Change those that are named; None takes one back. All there are then."""

    def get(self, bucket: str, identity: str) -> StoredConfiguration:
        """One configuration."""

    def list(self, bucket: str) -> Sequence[StoredConfiguration]:
        """All configurations of the bucket, ascending by Id."""

    def check(self, bucket: str, identity: str) -> ConfigurationKey:
        """Have a configuration be tried out anew, by a worker."""

    def delete(self, bucket: str, identity: str) -> ConfigurationKey:
        """Forget a configuration, and the options beside it. The bucket may be gone from the store, where it is this
        machine that keeps them.
        """


@contextmanager
def kept_configurations(
    server: str | None,
    store_name: str | None,
    store: Store,
    token_file: Path | None = None,
    ledger_url: str | None = None,
) -> Iterator[KeptConfigurations]:
    """Those that the server at the URL `server` has, else at that of the settings, asked as `store` and `token_file`
    say. Without one, or where the store's endpoint or `ledger_url` is named, those of a ledger, for the buckets of
    `store`: of that ledger, else of this machine's.

    Raises:
        UsageError: the server, or the store, cannot be as described, or two places are named.
        CredentialsError: there are none to ask the server with.
        LedgerError: the ledger cannot be used.
    """
    name = store_name or STORE
    asked = asked_server(server, store, ledger_url)
    if asked is None:
        with (
            open_ledger(house.settings().state_folder, ledger_url) as ledger,
            KnownBuckets({name: store}, house.monotonic) as buckets,
        ):
            desk = Desk(ledger.configurations, buckets.check, buckets.owner, ledger.checks)
            yield _InLedger(name, desk)
        return
    with asking_server(asked, store, token_file) as api:
        yield _OnServer(name, api)


class _InLedger:
    """On behalf of whoever may write the ledger, and so may do everything."""

    def __init__(self, store: str, desk: Desk) -> None:
        self._store = store
        self._desk = desk
        # What is in the ledger can be read and deleted when the bucket is gone, too.
        self._believing = replace(desk, check_bucket=_believe)

    def put(
        self,
        bucket: str,
        configuration: InventoryConfiguration,
        options: Mapping[str, Any] | None = None,
    ) -> StoredConfiguration:
        key = self._key(bucket, configuration.id)
        return commands.put_configuration(self._desk, EVERYTHING, key, configuration, options)

    def options(self, bucket: str, identity: str) -> ReportOptions:
        return get_options(self._desk.kept, EVERYTHING, self._key(bucket, identity))

    def change_options(
        self, bucket: str, identity: str, change: Mapping[str, Any]
    ) -> ReportOptions:
        return change_options(self._desk.kept, EVERYTHING, self._key(bucket, identity), change)

    def get(self, bucket: str, identity: str) -> StoredConfiguration:
        found = commands.get_configuration(self._believing, EVERYTHING, self._key(bucket, identity))
        return commands.with_all_known(self._desk, [found])[0]

    def list(self, bucket: str) -> Sequence[StoredConfiguration]:
        name, token = bucket_at(bucket), None
        found: list[StoredConfiguration] = []
        while True:  # no bucket has more than CONFIGURATIONS_PER_BUCKET_MAX
            page = commands.list_configurations(
                self._believing, EVERYTHING, self._store, name, token
            )
            found += commands.with_all_known(self._desk, page.configurations)
            if (token := page.next_token) is None:
                return found

    def check(self, bucket: str, identity: str) -> ConfigurationKey:
        key = self._key(bucket, identity)
        commands.want_check(self._believing, EVERYTHING, key)
        return key

    def delete(self, bucket: str, identity: str) -> ConfigurationKey:
        key = self._key(bucket, identity)
        commands.delete_configuration(self._believing, EVERYTHING, key)
        return key

    def _key(self, bucket: str, identity: str) -> ConfigurationKey:
        return ConfigurationKey(self._store, bucket_at(bucket), identity)


class _OnServer:
    """On behalf of the user's key."""

    def __init__(self, store: str, api: ServerApi) -> None:
        self._store = store
        self._api = api

    def put(
        self,
        bucket: str,
        configuration: InventoryConfiguration,
        options: Mapping[str, Any] | None = None,
    ) -> StoredConfiguration:
        path, document = self._path(bucket, configuration.id), configuration.to_json()
        if options:
            both = {"configuration": json.loads(document), "options": options}
            document = json.dumps(both)
        return _stored(self._api.ask("PUT", *path, document=document))

    def options(self, bucket: str, identity: str) -> ReportOptions:
        return _options(self._api.ask("GET", *self._path(bucket, identity), "options"))

    def change_options(
        self, bucket: str, identity: str, change: Mapping[str, Any]
    ) -> ReportOptions:
        path = (*self._path(bucket, identity), "options")
        return _options(self._api.ask("PATCH", *path, document=json.dumps(change)))

    def get(self, bucket: str, identity: str) -> StoredConfiguration:
        return _stored(self._api.ask("GET", *self._path(bucket, identity)))

    def list(self, bucket: str) -> Sequence[StoredConfiguration]:
        query: list[tuple[str, str]] = []
        found: list[StoredConfiguration] = []
        while True:
            page = self._api.ask("GET", *self._path(bucket), query=query)
            found += map(_stored, page["configurations"])
            if (token := page.get("next_token")) is None or ("token", token) in query:
                return found
            query = [("token", token)]

    def check(self, bucket: str, identity: str) -> ConfigurationKey:
        self._api.ask("POST", *self._path(bucket, identity), "check")
        return ConfigurationKey(self._store, bucket_at(bucket), identity)

    def delete(self, bucket: str, identity: str) -> ConfigurationKey:
        self._api.ask("DELETE", *self._path(bucket, identity))
        return ConfigurationKey(self._store, bucket_at(bucket), identity)

    def _path(self, bucket: str, *identity: str) -> tuple[str, ...]:
        return ("configurations", self._store, bucket_at(bucket), *identity)


def _believe(_store: str, _bucket: str) -> None:
    """Take a bucket to be there."""


def _stored(said: Any) -> StoredConfiguration:
    return understood(
        said,
        lambda said: StoredConfiguration(
            ConfigurationKey(said["store"], said["bucket"], said["id"]),
            parse_configuration_json(json.dumps(said["configuration"])),
            datetime.fromisoformat(said["created"]),
            datetime.fromisoformat(said["changed"]),
            said["version"],
            suspension=_suspension(said.get("suspended")),
            check=_check(said.get("check")),
            options=_options(said["options"]) if "options" in said else None,
        ),
    )


def _suspension(said: Any) -> Suspension | None:
    if said is None:
        return None
    return Suspension(datetime.fromisoformat(said["since"]), said["reason"])


def _options(said: Any) -> ReportOptions:
    return understood(said, ReportOptions.model_validate)


def _check(said: Any) -> StoredCheck | None:
    if said is None:
        return None
    return StoredCheck(datetime.fromisoformat(said["checked"]), CheckResult.model_validate(said))
