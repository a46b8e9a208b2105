"""Asking what a store can do with a bucket, before a run relies on it."""

from __future__ import annotations

from stocktake.model.addresses import parse_s3_address
from stocktake.model.capabilities import Capabilities
from stocktake.model.runs import Counters, Limits
from stocktake.model.store import Store
from stocktake.store.connection import Connection
from stocktake.store.probe import probe_store
from stocktake.store.transport import Transport

# One request at a time, so that each one's time is its own; and whoever waits for the answer wants it soon.
PROBE_LIMITS = Limits(concurrency=1, tries_max=3, retry_delay_s_max=2.0)


def probe(source: str, store: Store) -> Capabilities:
    """What `store` can do with the keys of `source`, which is `s3://bucket[/prefix]`. It only reads.

    Raises:
        AddressError: it is no such address.
        StoreError: no bucket, no way there, no permission to list it.
    """
    where = parse_s3_address(source)
    connection = Connection.open(store)
    with Transport(connection, PROBE_LIMITS, Counters()) as transport:
        return probe_store(
            transport,
            where.bucket,
            where.key,
            endpoint=connection.endpoint_url(where.bucket),
            request_payer=store.request_payer,
        )
