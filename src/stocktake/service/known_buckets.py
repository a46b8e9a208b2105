"""Whether a bucket is there: its store is asked, and its answer believed for a short while; and whose it is."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

from stocktake.model.errors import NoSuchBucketError, StoreError, ThrottledError, UsageError
from stocktake.model.store import Store
from stocktake.store.client import Client
from stocktake.store.connection import Connection

BELIEVED_S = (
    30.0  # that a bucket is there; that it is not is never kept, as it may be made the next moment
)
BUCKETS_MAX = 10_000
# Of one store at a time, and how long one more question waits for its turn: a store that hangs takes its time, but not
# all threads of the server with it.
QUESTIONS_MAX = 8
TURN_S_MAX = 5.0


class KnownBuckets(AbstractContextManager["KnownBuckets"]):
    """Which buckets the stores have. Connections are opened when they are first needed, with the service's own
    credentials. May be used from several threads.
    """

    def __init__(self, stores: Mapping[str, Store], monotonic: Callable[[], float]) -> None:
        self._stores = stores
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._clients: dict[str, Client] = {}
        self._turns = {name: threading.BoundedSemaphore(QUESTIONS_MAX) for name in stores}
        self._seen: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._open = ExitStack()

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def check(self, store: str, bucket: str) -> None:
        """Check that `store` has `bucket`; a bucket that may not be looked at is there.

        Raises:
            UsageError: no such store is known.
            NoSuchBucketError: it has not.
            ThrottledError: the store has many questions to answer already.
            StoreError: it cannot be told.
        """
        with self._lock:
            seen = self._seen.get((store, bucket))
        if seen is not None and self._monotonic() - seen < BELIEVED_S:
            return
        client = self._client(store)
        with self._turn(store):
            client.bucket_region(bucket, list_prefix=None)
        with self._lock:
            self._seen[store, bucket] = self._monotonic()
            self._seen.move_to_end((store, bucket))
            while len(self._seen) > BUCKETS_MAX:
                self._seen.popitem(last=False)

    def owner(self, store: str, bucket: str) -> str | None:
        """Whose the bucket is, as the store calls them; None where it does not say, for whatever reason.

        Raises:
            UsageError: no such store is known.
            NoSuchBucketError: there is no such bucket.
        """
        client = self._client(store)
        try:
            with self._turn(store):
                return client.bucket_owner(bucket)
        except NoSuchBucketError:
            raise
        except StoreError:
            return None

    def names(self, store: str) -> Sequence[str]:
        """The buckets that `store` has for whom it is asked for, ascending by name.

        Raises:
            UsageError, ThrottledError, StoreError: as `check`.
        """
        client = self._client(store)
        with self._turn(store):
            return sorted(client.bucket_names())

    @contextmanager
    def _turn(self, store: str) -> Iterator[None]:
        turns = self._turns[store]
        if not turns.acquire(timeout=TURN_S_MAX):
            raise ThrottledError(
                f"{QUESTIONS_MAX} questions to the store `{store}` are not answered yet"
            )
        try:
            yield
        finally:
            turns.release()

    def _client(self, store: str) -> Client:
        with self._lock:
            if (client := self._clients.get(store)) is None:
                if (described := self._stores.get(store)) is None:
                    known = ", ".join(sorted(self._stores)) or "none"
                    raise UsageError(f"no store is called `{store}`; known are: {known}")
                opened = Client.open(Connection.open(described), Counter())
                client = self._clients[store] = self._open.enter_context(opened)
            return client
