"""Configurations in the ledger of this machine, on behalf of whoever may write it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from stocktake.model.access import EVERYTHING
from stocktake.model.addresses import S3Address, parse_address
from stocktake.model.errors import UsageError
from stocktake.model.store import Store
from stocktake.model.stored import ConfigurationKey, StoredConfiguration
from stocktake.service import house
from stocktake.service.commands import configurations as commands
from stocktake.service.commands.configurations import Desk
from stocktake.service.configuration_files import read_configuration
from stocktake.service.known_buckets import KnownBuckets
from stocktake.service.runs import open_ledger
from stocktake.service.server_settings import STORE


def put_local(
    bucket: str, source: Path | BinaryIO, store_name: str | None, store: Store
) -> StoredConfiguration:
    """Keep the configuration in `source`, JSON or XML, for the bucket at the address `bucket`.

    Raises:
        UsageError: no bucket's address, or `source` cannot be read.
        InventoryError: as `put_configuration`.
    """
    name = _bucket(bucket)
    configuration = read_configuration(source)
    with _desk({store_name or STORE: store}) as desk:
        return commands.put_configuration(
            desk, EVERYTHING, store_name or STORE, name, configuration
        )


def get_local(bucket: str, identity: str, store_name: str | None) -> StoredConfiguration:
    """The configuration `identity` of the bucket at the address `bucket`.

    Raises:
        UsageError: no bucket's address.
        NoSuchConfigurationError: there is none.
    """
    key = ConfigurationKey(store_name or STORE, _bucket(bucket), identity)
    with _desk({}) as desk:
        return commands.get_configuration(desk, EVERYTHING, key)


def list_local(bucket: str, store_name: str | None) -> Sequence[StoredConfiguration]:
    """The configurations of the bucket at the address `bucket`, ascending by Id.

    Raises:
        UsageError: no bucket's address.
    """
    name, token = _bucket(bucket), None
    found: list[StoredConfiguration] = []
    with _desk({}) as desk:
        while True:  # no bucket has more than CONFIGURATIONS_PER_BUCKET_MAX
            page = commands.list_configurations(desk, EVERYTHING, store_name or STORE, name, token)
            found += page.configurations
            if (token := page.next_token) is None:
                return found


def delete_local(bucket: str, identity: str, store_name: str | None) -> ConfigurationKey:
    """Forget the configuration `identity` of the bucket at the address `bucket`, which may be gone itself.

    Raises:
        UsageError: no bucket's address.
        NoSuchConfigurationError: there is none.
    """
    key = ConfigurationKey(store_name or STORE, _bucket(bucket), identity)
    with _desk({}) as desk:
        commands.delete_configuration(desk, EVERYTHING, key)
    return key


@contextmanager
def _desk(stores: Mapping[str, Store]) -> Iterator[Desk]:
    """The local ledger, and the stores that are asked for their buckets; where there is none, nobody is asked."""
    with (
        open_ledger(house.settings().state_folder) as ledger,
        KnownBuckets(stores, house.monotonic) as buckets,
    ):
        yield Desk(ledger.configurations, buckets.check if stores else _believe)


def _believe(_store: str, _bucket: str) -> None:
    """Take a bucket to be there: what is in the ledger can be read and deleted when it is gone, too."""


def _bucket(address: str) -> str:
    found = parse_address(address, folder=house.settings().working_folder)
    if not isinstance(found, S3Address) or found.key:
        raise UsageError(f"`{address}` is no bucket; expected s3://NAME")
    return found.bucket
