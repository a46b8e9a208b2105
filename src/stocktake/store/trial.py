"""Writing to a bucket on trial: under one key that nobody uses, and all of it is removed again.

What is written is known by that key alone, so whatever a lost answer, a retry or an error in the middle left can be
found by it: every version, every multipart upload. Before the first byte it is tried whether it could be removed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from stocktake.model.errors import NoSuchKeyError, RequestRefusedError, StoreError
from stocktake.model.ledger import Upload
from stocktake.model.runs import Counters
from stocktake.store import buckets
from stocktake.store.asking import asking
from stocktake.store.client import Client
from stocktake.store.connection import Connection
from stocktake.store.destinations import check_encryption
from stocktake.store.renewal import Renewal
from stocktake.store.requests import ClientLimits
from stocktake.store.unfinished import BucketUploads
from stocktake.store.uploads import put_object, uploaded_in_parts
from stocktake.store.writing import WriteOptions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BODY = b"written by stocktake on trial, and removed again\n"
NULL_VERSION = "null"
_VERSIONS_MAX = 100  # of the one key: as many as tries could ever have made
_NO_SUCH_CALL = (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)


class BucketTrial(AbstractContextManager["BucketTrial"]):
    """The right to write `key`, tried piece by piece. All methods but `clear` raise StoreError. Closing closes the
    connections; call `clear` before.
    """

    def __init__(self, s3: S3Client, bucket: str, key: str, counters: Counters) -> None:
        self._s3 = s3
        self._client = Client(s3, counters, begun=lambda _key, identity: self._begun.add(identity))
        self._bucket = bucket
        self.key = key
        self._versions: bool | None = None  # whether there may be any
        self._told = False  # by the store, that there may
        self._stored = False  # something, perhaps, that nobody has removed yet
        self._begun: set[str] = set()  # uploads
        self._known: set[str] = set()  # versions
        self._uncertain = False  # perhaps a write made some of which nobody heard
        for operation in ("PutObject", "CompleteMultipartUpload"):
            s3.meta.events.register(f"after-call.s3.{operation}", self._heard)

    @classmethod
    def open(
        cls, connection: Connection, bucket: str, key: str, counters: Counters, limits: ClientLimits
    ) -> BucketTrial:
        """A trial with the connection's settings."""
        s3 = connection.client(limits)
        Renewal(connection).attach(s3.meta.events)
        return cls(s3, bucket, key, counters)

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @property
    def uri(self) -> str:
        """The key with its bucket."""
        return f"s3://{self._bucket}/{self.key}"

    # -- before anything is written ----------------------------------------------------------------

    def look(self) -> None:
        """See that the bucket is there. That it may not be looked at or listed is no matter."""
        self._client.bucket_region(self._bucket, list_prefix=None)

    def locks_by_default(self) -> bool:
        """Whether what is written could not be removed, because the bucket locks it."""
        return buckets.locks_by_default(self._s3, self._bucket)

    def rehearse_removal(self) -> None:
        """Remove what is not there, in a way that would remove all of it and leaves no delete marker.

        Raises:
            AccessDeniedError: it could not be removed.
        """
        try:
            self._remove(NULL_VERSION if self._may_have_versions() else None)
        except RequestRefusedError:
            if self._told or not self._versions:
                raise
            self._versions = False  # nobody said that there are any, and the store does not know what they are called
            self._remove(None)

    def rehearse_abort(self) -> None:
        """Abort an upload that nobody began.

        Raises:
            AccessDeniedError: none could be aborted.
        """
        with suppress(NoSuchKeyError, RequestRefusedError):  # there is none, as it should be
            BucketUploads(self._s3, self._bucket).remove(Upload(self.key, str(uuid4())))

    @property
    def wrote(self) -> bool:
        """Whether there is something to remove."""
        return self._stored

    def _may_have_versions(self) -> bool:
        if self._versions is None:
            try:
                self._told = bool(buckets.told_versioned(self._s3, self._bucket))
                self._versions = self._told
            except StoreError:
                self._versions = True
        return self._versions

    # -- writing -----------------------------------------------------------------------------------

    def put(self, options: WriteOptions) -> None:
        """Write the object in one request."""
        with self._writing():
            put_object(self._s3, self._bucket, self.key, BODY, options)

    def read(self) -> bool:
        """Whether what was written can be read, byte by byte."""
        return self._client.read(self._bucket, self.key, len(BODY)) == BODY

    def check_encryption(self, options: WriteOptions) -> None:
        """Check that it is encrypted as was asked for.

        Raises:
            EncryptionNotAppliedError: it is not.
        """
        if (head := self._client.head(self._bucket, self.key)) is not None:
            check_encryption(options, self.uri, head)

    def upload(self, options: WriteOptions, *, complete: bool) -> bool:
        """Write the object in parts, of which there is one, and complete that, or else abort it. False where the store
        has no multipart uploads.
        """
        try:
            with self._writing():
                uploaded_in_parts(
                    self._s3, self._bucket, self.key, BODY, options=options, complete=complete
                )
        except StoreError as error:
            if error.status in _NO_SUCH_CALL:
                return False
            raise
        self._begun.clear()  # but for what a lost answer began, which a listing tells of
        return True

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._stored, before = True, self._stored
        try:
            yield
        except StoreError as error:
            self._uncertain |= error.retryable
            # What was refused is not there.
            self._stored = before or error.retryable or bool(self._begun)
            raise

    def _heard(self, parsed: dict[str, Any], **_: object) -> None:
        """A botocore hook (after-call): which version a write made, and whether it was sent again."""
        self._uncertain |= parsed["ResponseMetadata"].get("RetryAttempts", 0) > 0
        if version := parsed.get("VersionId"):
            self._known.add(version)

    # -- removing ----------------------------------------------------------------------------------

    def clear(self, *, written: bool = False) -> tuple[str, ...]:
        """Remove all that was written, however far that came. What is left is told, and why, not raised.
        `written` says that somebody else wrote it.
        """
        if not (self._stored or written):
            return ()
        left: list[str] = []
        for upload in sorted(self._begun | self._found_uploads()):
            try:
                BucketUploads(self._s3, self._bucket).remove(Upload(self.key, upload))
            except StoreError as error:
                left.append(f"upload {upload} of {self.uri}: {error.message}")
        for version in self._to_remove(left):
            try:
                self._remove(version)
            except StoreError as error:
                named = "" if version is None else f", version {version}"
                left.append(f"{self.uri}{named}: {error.message}")
        return tuple(left)

    def _remove(self, version: str | None) -> None:
        self._client.delete(self._bucket, self.key, version_id=version)

    def _found_uploads(self) -> set[str]:
        """Those that the store lists; none where it does not, or not to us."""
        try:
            found = BucketUploads(self._s3, self._bucket).find(self.key) or ()
        except StoreError:
            return set()
        return {each.id for each in found if each.key == self.key}

    def _to_remove(self, left: list[str]) -> Sequence[str | None]:
        """All versions of the key; None where there are no versions, but the object."""
        if not self._may_have_versions():
            return [None]
        try:
            return sorted(self._known | self._found_versions())
        except StoreError as error:
            if self._uncertain:
                left.append(f"versions of {self.uri}, perhaps: {error.message}")
            return sorted(self._known) or [NULL_VERSION]

    def _found_versions(self) -> set[str]:
        """Those that the store lists, delete markers too."""
        what = f"cannot list the versions of {self.uri}"
        with asking(what, f"s3:ListBucketVersions on {self._bucket}"):
            page: Any = self._s3.list_object_versions(
                Bucket=self._bucket, Prefix=self.key, MaxKeys=_VERSIONS_MAX
            )
            found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            return {each["VersionId"] for each in found if each["Key"] == self.key}
