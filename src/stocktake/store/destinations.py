"""Where a report is delivered: one protocol, two doors. A bucket is here, a folder in `folders.py`.

A key means the same to both, and neither leaves half a file under it: an object appears when its
upload is complete, a file when it has been renamed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from stocktake.model.addresses import LocalAddress
from stocktake.model.configuration import Encryption, bucket_arn
from stocktake.model.errors import EncryptionNotAppliedError, InventoryError, ReportExistsError
from stocktake.model.runs import Counters, InventoryRun
from stocktake.store.connection import Connection
from stocktake.store.folders import FolderDestination
from stocktake.store.writing import WriteOptions

if TYPE_CHECKING:
    from stocktake.store.client import Client, Head

__all__ = ["BucketDestination", "Destination", "FolderDestination", "open_destination"]


class Destination(Protocol):
    """Where a report is delivered. Closing it is the owner's; it may be used as a context
    manager.
    """

    @property
    def bucket_arn(self) -> str:
        """What the manifest prints as `destinationBucket`."""

    def uri(self, key: str) -> str:
        """How symlink.txt names the file: `s3://bucket/key`, or `file:///...` with what must be
        percent-encoded.
        """

    def check_writable(self, probe: str) -> None:
        """Prove, before anything is spent, that a report can be written beside the key `probe`, which nobody uses.
        Nothing is left behind.

        Raises:
            StoreError, DestinationError: it cannot.
        """

    def exists(self, key: str) -> bool:
        """Whether there is such a file."""

    def put(self, key: str, body: bytes) -> str | None:
        """Deliver a small file. Returns the version that was made; None where there are none, or it is not known.

        Raises:
            EncryptionNotAppliedError: the first file was stored otherwise than asked; it is removed
                again.
            ReportExistsError: there is such a file, where that can be told without a race: in
                folders.
            StoreError, DestinationError: it could not be written; nothing is left of it.
        """

    def upload(self, key: str, path: Path, stopping: threading.Event | None = None) -> str | None:
        """Deliver the file at `path`, which may be gone afterwards. Returns and raises as `put`, and SpoolError: `path`
        cannot be read; StoppedError: `stopping` was set first.
        """

    def remove(self, key: str) -> None:
        """Remove one file; that it is gone already is fine."""

    def list(self, prefix: str) -> Iterator[str]:
        """The keys that start with `prefix`, ascending."""

    def close(self) -> None:
        """Close what is open."""

    def __enter__(self) -> Destination: ...

    def __exit__(self, *_: object) -> None: ...


@contextmanager
def open_destination(
    run: InventoryRun, counters: Counters, begun: Callable[[str, str], None] | None = None
) -> Iterator[Destination]:
    """Where the run's report goes, for as long as the context lasts; requests are added to `counters`. `begun` is told
    the key and id of each multipart upload before its first part is sent.
    """
    delivery = run.configuration.delivery
    if isinstance(run.address, LocalAddress):
        yield FolderDestination(run.address.path, delivery.bucket_name)
        return
    from stocktake.store.client import Client  # noqa: PLC0415 - a folder needs none

    client = Client.open(Connection.open(run.destination), counters, begun=begun)
    with BucketDestination(
        client, run.address.bucket, delivery.encryption, run.owner_full_control
    ) as destination:
        yield destination


class BucketDestination(AbstractContextManager["BucketDestination"]):
    """A bucket. The client belongs to it and is closed with it.

    Some stores accept a request for encryption and ignore it (Ceph does so with SSE-S3), so HEAD
    looks at the first object that was written; one look per process that writes.
    """

    def __init__(
        self,
        client: Client,
        bucket: str,
        encryption: Encryption | None = None,
        owner_full_control: bool = False,  # noqa: FBT001, FBT002 - it stands in the configuration as a flag
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._options = WriteOptions(encryption, owner_full_control)
        self._asked: Any = {"encryption": encryption, "owner_full_control": owner_full_control}
        self._confirmed = self._options.algorithm is None

    @property
    def bucket_arn(self) -> str:
        """The bucket's ARN, as AWS writes it, whatever the store."""
        return bucket_arn(self._bucket)

    def uri(self, key: str) -> str:
        """The key as it stands: readers of symlink.txt do not decode it."""
        return f"s3://{self._bucket}/{key}"

    def check_writable(self, probe: str) -> None:
        """Begin a multipart upload of `probe` with all that will be asked for, and abort it: that
        takes the bucket, the right to write there, and the KMS key, and creates no object. Where
        the store has no multipart uploads, only the bucket is looked for.

        Raises:
            StoreError: the bucket is missing, or writing, or aborting what failed, is refused.
        """
        if not self._client.try_write(self._bucket, probe, **self._asked):
            self._client.bucket_region(self._bucket, list_prefix=None)

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        return self._client.exists(self._bucket, key)

    def put(self, key: str, body: bytes) -> str | None:
        """Deliver a small object, never over another run's where the store can tell (If-None-Match)."""
        stored, version = self._client.put_new(self._bucket, key, body, **self._asked)
        # A lost answer makes the client send it twice; what lies there may be what was sent first.
        if not stored and self._client.read(self._bucket, key, 2 * len(body) + 1) != body:
            raise ReportExistsError(f"{self.uri(key)} is there already, and not this run's")
        self._confirm_encryption(key)
        return version

    def upload(self, key: str, path: Path, stopping: threading.Event | None = None) -> str | None:
        """Deliver the file at `path`."""
        version = self._client.upload(self._bucket, key, path, stopping=stopping, **self._asked)
        self._confirm_encryption(key)
        return version

    def remove(self, key: str) -> None:
        """Delete one object; in a versioned bucket its versions stay, as with every plain
        DELETE.
        """
        self._client.delete(self._bucket, key)

    def list(self, prefix: str) -> Iterator[str]:
        """The keys that start with `prefix`."""
        return self._client.list_keys(self._bucket, prefix)

    def close(self) -> None:
        """Close the client."""
        self._client.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _confirm_encryption(self, key: str) -> None:
        if self._confirmed:
            return
        head: Head | None = None
        try:
            head = self._client.head(self._bucket, key)
            if head is None:
                raise EncryptionNotAppliedError(
                    f"{self.uri(key)} was stored, but HEAD does not find it to confirm its encryption"
                )
            check_encryption(self._options, self.uri(key), head)
        except InventoryError as error:
            self._take_back(key, head, error)
            raise
        self._confirmed = True

    def _take_back(self, key: str, head: Head | None, error: InventoryError) -> None:
        """Remove what was just written. A plain DELETE in a versioned bucket would leave it
        readable as a version.
        """
        version_id = head.version_id if head is not None else None
        try:
            self._client.delete(self._bucket, key, version_id=version_id)
        except InventoryError as failure:
            error.hint = f"{error.hint}; remove {self.uri(key)}: {failure.message}".removeprefix(
                "; "
            )


def check_encryption(options: WriteOptions, uri: str, head: Head) -> None:
    """Check that the object at `uri` is encrypted as `options` ask for.

    Raises:
        EncryptionNotAppliedError: it is not.
    """
    expected, expected_key = options.algorithm, options.kms_key_id
    if head.encryption == expected and _same_kms_key(expected_key, head.kms_key_id):
        return
    raise EncryptionNotAppliedError(
        f"the store accepted {_shown(expected, expected_key)} for {uri} and applied"
        f" {_shown(head.encryption, head.kms_key_id)}",
        hint="choose an --encryption that this store applies, or none",
    )


def _same_kms_key(expected: str | None, found: str | None) -> bool:
    """Whether `found`, which a store may leave out or write as an ARN, can be `expected`. An
    alias says nothing: the store answers with the key behind it.
    """
    if expected is None or found is None or "alias/" in expected:
        return True
    return expected == found or expected.endswith(f"/{found}") or found.endswith(f"/{expected}")


def _shown(algorithm: str | None, kms_key_id: str | None) -> str:
    if algorithm is None:
        return "no encryption"
    return f"{algorithm} with key {kms_key_id}" if kms_key_id is not None else algorithm
