"""The calls that are few: about buckets, about single objects, and uploads. botocore sends them.

Whatever botocore raises stops here and becomes one of `model/errors.py`, naming the thing and the
permission it takes. Bulk LIST and HEAD go through `transport.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stocktake.model.configuration import Encryption
from stocktake.model.errors import (
    AccessDeniedError,
    NoSuchBucketError,
    NoSuchKeyError,
    ReportError,
    RequestRefusedError,
    ServerError,
    StoreError,
    UsageError,
)
from stocktake.model.keys import has_dot_segments
from stocktake.model.runs import Call, Counters
from stocktake.store import buckets
from stocktake.store.asking import asking
from stocktake.store.connection import Connection
from stocktake.store.renewal import Renewal
from stocktake.store.requests import ClientLimits
from stocktake.store.uploads import (
    UploadLimits,
    add_content_md5,
    put_new_object,
    put_object,
    tell_uploads,
    told_versions,
    try_write,
    upload_file,
)
from stocktake.store.writing import WriteOptions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READ_TRIES_MAX = (
    3  # of a body that breaks off; what happens before the body, botocore repeats itself
)
_NOT_FOUND, _RANGE_NOT_SATISFIABLE = 404, 416
_PARTIAL_CONTENT = 206


@dataclass(frozen=True, slots=True)
class Head:
    """What HEAD says of one object. `encryption` and `kms_key_id` are the headers as they stand;
    `version_id` is None where the store names none.
    """

    size: int
    encryption: str | None
    kms_key_id: str | None
    version_id: str | None


class Client(AbstractContextManager["Client"]):
    """Typed control calls to one store. Every request, each retry included, is counted as
    `requests.control`.

    `begun` is told the key and id of each multipart upload before its first part is sent.

    All methods raise StoreError, of the class that says what to do about it. May be used from
    several threads.
    """

    def __init__(
        self,
        s3: S3Client,
        counters: Counters,
        *,
        request_payer: bool = False,
        uploads: UploadLimits | None = None,
        begun: Callable[[str, str], None] | None = None,
    ) -> None:
        self._s3 = s3
        self._counters = counters
        self._counting = threading.Lock()
        self._payer: dict[str, Any] = {"RequestPayer": "requester"} if request_payer else {}
        self._uploads = uploads or UploadLimits()
        events = s3.meta.events
        events.register("before-send.s3", self._count)
        for operation in buckets.CHECKED_OPERATIONS:
            events.register(f"before-parse.s3.{operation}", buckets.keep_root_element)
        for operation in ("PutObject", "UploadPart"):
            events.register(f"before-call.s3.{operation}", add_content_md5)
        self._written = told_versions(s3)
        if begun is not None:
            tell_uploads(s3, begun)

    @classmethod
    def open(
        cls,
        connection: Connection,
        counters: Counters,
        *,
        uploads: UploadLimits | None = None,
        begun: Callable[[str, str], None] | None = None,
        limits: ClientLimits | None = None,
    ) -> Client:
        """A client with the connection's settings, whose credentials it has fetched anew when they
        expire; its requests are added to `counters`.
        """
        s3 = connection.client(limits)
        Renewal(connection).attach(s3.meta.events)
        payer = connection.store.request_payer
        return cls(s3, counters, request_payer=payer, uploads=uploads, begun=begun)

    def close(self) -> None:
        """Close the connections."""
        self._s3.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- buckets -----------------------------------------------------------------------------------

    def bucket_names(self) -> list[str]:
        """The names of all buckets that who asks has, in the store's order.

        Raises:
            StoreError: they may not be listed, or cannot.
            ContradictionError: the list has no end.
        """
        return buckets.names(self._s3)

    def bucket_region(self, bucket: str, *, list_prefix: str | None = "") -> str | None:
        """The region the store names for the bucket; None where it names none, as most stores but
        AWS do.

        HEAD has no body, so a refusal does not say why: then one listing of one key below
        `list_prefix` is asked for. If that succeeds, the refusal of HEAD is no matter.
        `list_prefix` None is for a bucket that will only be written to: there it is no matter
        either that listing is denied.

        Raises:
            NoSuchBucketError, CredentialsError, ExpiredTokenError, AccessDeniedError,
                UnreachableError, ServerError.
        """
        return buckets.region(self._s3, bucket, list_prefix, self._payer)

    def bucket_versioned(self, bucket: str) -> bool | None:
        """Whether the bucket has, or once had, versioning; None where the store or a missing
        permission hides it.
        """
        return buckets.versioned(self._s3, bucket)

    def bucket_owner(self, bucket: str) -> str | None:
        """Whose the bucket is, as the store calls them; None where the store or a missing permission hides it.

        Raises:
            NoSuchBucketError: the store says that there is no such bucket, in so many words: an answer without a
                document, as proxies give where a store is down, does not.
            StoreError: it cannot be asked.
        """
        return buckets.owner(self._s3, bucket)

    def has_object_lock(self, bucket: str) -> bool | None:
        """Whether objects of the bucket can be locked; None where the store or a missing
        permission hides it.
        """
        return buckets.object_lock(self._s3, bucket)

    def list_keys(self, bucket: str, prefix: str, delimiter: str = "") -> Iterator[str]:
        """The keys that start with `prefix`, in the store's order; with a delimiter, also the
        common prefixes, each in its place among the keys of its page.

        Raises:
            ContradictionError: a page does not advance, or says there is more but not where.
        """
        return buckets.list_keys(self._s3, bucket, prefix, delimiter, self._payer)

    # -- objects -----------------------------------------------------------------------------------

    def head(self, bucket: str, key: str) -> Head | None:
        """What HEAD says, or None where there is no such object; a missing bucket looks the
        same.
        """
        try:
            with asking(f"cannot look at s3://{bucket}/{key}", f"s3:GetObject on {bucket}"):
                answer = self._s3.head_object(Bucket=bucket, Key=key, **self._payer)
        except (NoSuchKeyError, NoSuchBucketError):
            return None
        return Head(
            answer["ContentLength"],
            answer.get("ServerSideEncryption"),
            answer.get("SSEKMSKeyId"),
            answer.get("VersionId"),
        )

    def exists(self, bucket: str, key: str) -> bool:
        """Whether there is such an object. Where HEAD is refused, a listing may still tell."""
        try:
            return self.head(bucket, key) is not None
        except (AccessDeniedError, RequestRefusedError) as refusal:
            try:
                return next(self.list_keys(bucket, key), None) == key
            except AccessDeniedError:
                raise refusal from None

    def size(self, bucket: str, key: str) -> int:
        """The object's length in bytes.

        Raises:
            NoSuchKeyError: there is no such object.
        """
        if (head := self.head(bucket, key)) is None:
            raise NoSuchKeyError(
                f"there is no s3://{bucket}/{key}", code="NoSuchKey", status=_NOT_FOUND
            )
        return head.size

    def read(self, bucket: str, key: str, bytes_max: int) -> bytes:
        """The whole object.

        Raises:
            NoSuchKeyError: there is no such object.
            ReportError: it is longer than `bytes_max`.
        """
        body, _ = self._get(bucket, key, bytes_max + 1)
        if len(body) > bytes_max:
            raise ReportError(
                f"s3://{bucket}/{key} is longer than the {bytes_max} bytes expected at most"
            )
        return body

    def read_range(self, bucket: str, key: str, start: int, stop: int) -> bytes:
        """The bytes from `start` up to, not including, `stop`; fewer where the object ends, none
        behind its end.

        Raises:
            NoSuchKeyError: there is no such object.
            ServerError: the store ignores ranges.
        """
        if stop <= start:
            return b""
        try:
            body, partial = self._get(bucket, key, stop - start, Range=f"bytes={start}-{stop - 1}")
        except RequestRefusedError as error:
            if error.status == _RANGE_NOT_SATISFIABLE:
                return b""
            raise
        if not partial and start:
            raise ServerError(
                f"the store ignores ranges: asked for bytes {start} to {stop} of s3://{bucket}/{key}"
            )
        return body

    def _get(self, bucket: str, key: str, bytes_max: int, **arguments: str) -> tuple[bytes, bool]:
        """At most `bytes_max` bytes of the answer, and whether it is a part of the object."""
        what, needs = f"cannot read s3://{bucket}/{key}", f"s3:GetObject on {bucket}"
        tries = 1
        while True:
            with asking(what, needs):
                answer = self._s3.get_object(Bucket=bucket, Key=key, **self._payer, **arguments)  # type: ignore[arg-type]
            try:
                with asking(what, needs):
                    body = answer["Body"].read(bytes_max)
                if len(body) < (whole := min(bytes_max, answer["ContentLength"])):
                    raise ServerError(
                        f"{what}: the answer broke off after {len(body)} of {whole} bytes"
                    )
            except StoreError as error:
                tries += 1
                if not error.retryable or tries > READ_TRIES_MAX:
                    raise
            else:
                return body, answer["ResponseMetadata"]["HTTPStatusCode"] == _PARTIAL_CONTENT
            finally:
                answer["Body"].close()

    # -- writing -----------------------------------------------------------------------------------

    def put(
        self,
        bucket: str,
        key: str,
        body: bytes,
        *,
        encryption: Encryption | None,
        owner_full_control: bool,
    ) -> None:
        """Store `body` in one request. The Content-Type goes by the key's ending
        (writing.CONTENT_TYPES).
        """
        put_object(self._s3, bucket, key, body, WriteOptions(encryption, owner_full_control))
        self._written.pop((bucket, key), None)

    def put_new(
        self,
        bucket: str,
        key: str,
        body: bytes,
        *,
        encryption: Encryption | None,
        owner_full_control: bool,
    ) -> tuple[bool, str | None]:
        """As `put`, unless there is an object of that name: then False. A store that does not know the condition
        stores the object all the same. Beside that, the version that was made, in a bucket that has versions.
        """
        options = WriteOptions(encryption, owner_full_control)
        new = put_new_object(self._s3, bucket, key, body, options)
        return new, self._written.pop((bucket, key), None)

    def upload(
        self,
        bucket: str,
        key: str,
        path: Path,
        *,
        encryption: Encryption | None,
        owner_full_control: bool,
        stopping: threading.Event | None = None,
    ) -> str | None:
        """Store the file at `path`, in parts where it is large. A failed upload aborts what it
        began. Returns the version that was made, in a bucket that has versions.

        Raises:
            SpoolError: the file cannot be read.
            StoppedError: `stopping` was set before the upload was complete.
        """
        options = WriteOptions(encryption, owner_full_control)
        upload_file(
            self._s3, bucket, key, path, options=options, limits=self._uploads, stopping=stopping
        )
        return self._written.pop((bucket, key), None)

    def try_write(
        self, bucket: str, key: str, *, encryption: Encryption | None, owner_full_control: bool
    ) -> bool:
        """Whether an upload to `key`, which nobody may be using, could be begun and aborted with
        these settings. False where the store has no multipart uploads, so that nothing is proven.
        Nothing is left behind.

        Raises:
            StoreError: the bucket is missing, or writing there is refused.
        """
        return try_write(self._s3, bucket, key, WriteOptions(encryption, owner_full_control))

    def delete(self, bucket: str, key: str, *, version_id: str | None = None) -> None:
        """Delete one object, or one version of it; that it is gone already is fine.

        Raises:
            UsageError: the key is empty, or has segments that a proxy may resolve, so that the
                request could end up as one about the bucket.
        """
        if not key or has_dot_segments(key):
            raise UsageError(
                f"`{key}` is no key in s3://{bucket} to delete; expected one without `.` and `..`"
            )
        version = {} if version_id is None else {"VersionId": version_id}
        with asking(f"cannot delete s3://{bucket}/{key}", f"s3:DeleteObject on {bucket}"):
            self._s3.delete_object(Bucket=bucket, Key=key, **version)  # type: ignore[arg-type]

    def _count(self, **_: object) -> None:
        with self._counting:
            self._counters[f"requests.{Call.CONTROL}"] += 1
