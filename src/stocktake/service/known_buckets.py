"""Whether a bucket is there: its store is asked, and its answer believed for a short while."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack

from stocktake.model.errors import UsageError
from stocktake.model.store import Store
from stocktake.store.client import Client
from stocktake.store.connection import Connection

BELIEVED_S = (
    30.0  # that a bucket is there; that it is not is never kept, as it may be made the next moment
)
BUCKETS_MAX = 10_000


class KnownBuckets(AbstractContextManager["KnownBuckets"]):
    """Which buckets the stores have. Connections are opened when they are first needed, with the service's own
    credentials. May be used from several threads.
    """

    def __init__(self, stores: Mapping[str, Store], monotonic: Callable[[], float]) -> None:
        self._stores = stores
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._clients: dict[str, Client] = {}
        self._seen: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._open = ExitStack()

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def check(self, store: str, bucket: str) -> None:
        """Check that `store` has `bucket`; a bucket that may not be looked at is there.

        Raises:
            UsageError: no such store is known.
            NoSuchBucketError: it has not.
            StoreError: it cannot be told.
        """
        with self._lock:
            seen = self._seen.get((store, bucket))
        if seen is not None and self._monotonic() - seen < BELIEVED_S:
            return
        self._client(store).bucket_region(bucket, list_prefix=None)
        with self._lock:
            self._seen[store, bucket] = self._monotonic()
            self._seen.move_to_end((store, bucket))
            while len(self._seen) > BUCKETS_MAX:
                self._seen.popitem(last=False)

    def _client(self, store: str) -> Client:
        with self._lock:
            if (client := self._clients.get(store)) is None:
                if (described := self._stores.get(store)) is None:
                    known = ", ".join(sorted(self._stores)) or "none"
                    raise UsageError(f"no store is called `{store}`; known are: {known}")
                opened = Client.open(Connection.open(described), Counter())
                client = self._clients[store] = self._open.enter_context(opened)
            return client
