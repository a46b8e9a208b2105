"""Writing objects: one request for what is small, parts for what is large.

Every upload carries Content-MD5. Stores of every age check it, buckets with a default retention
demand it, and it needs no aws-chunked trailer, which Ceph 16 and others refuse.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from stocktake.model.errors import SpoolError, StoppedError, StoreError
from stocktake.store.asking import asking
from stocktake.store.writing import WriteOptions

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MD5_PIECE_BYTES = 2**20
STOP_LOOKED_FOR_EVERY_S = 0.02
_NOT_ALLOWED, _NOT_IMPLEMENTED = 405, 501
_UPLOAD = "stocktake_upload"  # in a request's context: of what it begins an upload
_WRITTEN = "stocktake_written"  # likewise: which object it writes
_NULL = "null"
_CONDITION_FAILED = (409, 412)  # 409: another such PUT is under way


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """How files are uploaded. Memory is `concurrency` times a piece of 1 MiB and a socket
    buffer: parts are read from the file as they are sent. A file that would need more than S3's
    10,000 parts gets larger ones.
    """

    multipart_bytes_min: int = 64 * 2**20
    part_bytes: int = 16 * 2**20
    concurrency: int = 4


def put_object(s3: S3Client, bucket: str, key: str, body: bytes, options: WriteOptions) -> None:
    """Store `body` in one request."""
    with _writing(bucket, key, options):
        s3.put_object(Bucket=bucket, Key=key, Body=body, **options.arguments(key))


def put_new_object(s3: S3Client, bucket: str, key: str, body: bytes, options: WriteOptions) -> bool:
    """Store `body` in one request unless there is such an object; False where there is.

    A store that refuses the condition itself (501) is asked without it.
    """
    try:
        with _writing(bucket, key, options):
            s3.put_object(
                Bucket=bucket, Key=key, Body=body, IfNoneMatch="*", **options.arguments(key)
            )
    except StoreError as error:
        if error.status in _CONDITION_FAILED:
            return False
        if error.status != _NOT_IMPLEMENTED:
            raise
        put_object(s3, bucket, key, body, options)
    return True


def upload_file(
    s3: S3Client,
    bucket: str,
    key: str,
    path: Path,
    *,
    options: WriteOptions,
    limits: UploadLimits,
    stopping: threading.Event | None = None,
) -> None:
    """Store the file at `path`; a failed, stopped or interrupted multipart upload is aborted.

    Raises:
        SpoolError: the file cannot be read.
        StoppedError: `stopping` was set before the upload was complete.
    """
    try:
        with _writing(bucket, key, options), _transfer_manager(s3, limits) as transfers:
            upload = transfers.upload(str(path), bucket, key, options.arguments(key))
            while stopping is not None and not upload.done():
                if stopping.wait(STOP_LOOKED_FOR_EVERY_S):
                    raise StoppedError("stopped")  # leaving the manager so aborts the upload
            upload.result()
    except OSError as error:
        raise SpoolError(f"cannot read {path} to upload it: {error.strerror or error}") from error


def _transfer_manager(s3: S3Client, limits: UploadLimits) -> Any:
    from s3transfer.manager import TransferConfig, TransferManager  # noqa: PLC0415 - few clients upload

    config = TransferConfig(
        multipart_threshold=limits.multipart_bytes_min,
        multipart_chunksize=limits.part_bytes,
        max_request_concurrency=limits.concurrency,
    )
    return TransferManager(s3, config)


def tell_uploads(s3: S3Client, begun: Callable[[str, str], None]) -> None:
    """Have `begun` told the key and id of every multipart upload that `s3` begins, before its first part is sent. What
    cannot be told is aborted.
    """

    def remember(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
        context[_UPLOAD] = {name: params[name] for name in ("Bucket", "Key")}

    def tell(parsed: dict[str, Any], context: dict[str, Any], **_: object) -> None:
        named, upload_id = context[_UPLOAD], parsed.get("UploadId")
        if not upload_id:
            return
        try:
            begun(named["Key"], upload_id)
        except BaseException:
            s3.abort_multipart_upload(**named, UploadId=upload_id)
            raise

    s3.meta.events.register("before-parameter-build.s3.CreateMultipartUpload", remember)
    s3.meta.events.register("after-call.s3.CreateMultipartUpload", tell)


def told_versions(s3: S3Client) -> dict[tuple[str, str], str]:
    """Which version each object is, by bucket and key, that `s3` has written from now on, as the store said it in its
    answer; whoever reads an entry takes it out. A bucket whose versions are suspended writes over the one that it calls
    `null`, so that name stands for nothing.
    """
    versions: dict[tuple[str, str], str] = {}

    def remember(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
        context[_WRITTEN] = (params["Bucket"], params["Key"])

    def tell(parsed: dict[str, Any], context: dict[str, Any], **_: object) -> None:
        if (version := parsed.get("VersionId", _NULL)) != _NULL:
            versions[context[_WRITTEN]] = version

    for operation in ("PutObject", "CompleteMultipartUpload"):
        s3.meta.events.register(f"before-parameter-build.s3.{operation}", remember)
        s3.meta.events.register(f"after-call.s3.{operation}", tell)
    return versions


def try_write(s3: S3Client, bucket: str, key: str, options: WriteOptions) -> bool:
    """Prove the right to write `key` with these options: begin a multipart upload of it and abort
    that at once.

    Nothing ever becomes visible. `key` must be one that nobody uses: a store that ignored the
    upload's id would take the abort for the deletion of that object. False where the store has no
    multipart uploads: nothing is proven.

    Raises:
        StoreError: the bucket is missing; or writing there, or with these options, or aborting is
            refused.
    """
    try:
        with _writing(bucket, key, options):
            upload_id = s3.create_multipart_upload(
                Bucket=bucket, Key=key, **options.arguments(key)
            ).get("UploadId")
    except StoreError as error:
        if error.status not in (_NOT_ALLOWED, _NOT_IMPLEMENTED):
            raise
        # What is it that the store does not implement: these options, or multipart uploads?
        if options != WriteOptions() and try_write(s3, bucket, key, WriteOptions()):
            raise
        return False
    if not upload_id:
        return False
    with asking(
        f"cannot abort multipart upload {upload_id} of s3://{bucket}/{key}, begun to try writing",
        f"s3:AbortMultipartUpload on {bucket}, or parts of failed uploads stay and are charged for",
    ):
        s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
    return True


def uploaded_in_parts(
    s3: S3Client, bucket: str, key: str, body: bytes, *, options: WriteOptions, complete: bool
) -> None:
    """Store `body` as a multipart upload of one part; or abort that upload behind its part, so that nothing becomes
    visible. One that fails is aborted.

    Raises:
        StoreError: it, or aborting it, is refused.
    """
    named: Any = {"Bucket": bucket, "Key": key}
    with _writing(bucket, key, options):
        upload_id = s3.create_multipart_upload(**named, **options.arguments(key))["UploadId"]
        try:
            part = s3.upload_part(**named, UploadId=upload_id, PartNumber=1, Body=body)
            if complete:
                parts: Any = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
                s3.complete_multipart_upload(**named, UploadId=upload_id, MultipartUpload=parts)
        except BaseException:
            with suppress(Exception):  # the first failure is the one to tell of
                s3.abort_multipart_upload(**named, UploadId=upload_id)
            raise
    if complete:
        return
    with asking(
        f"cannot abort an upload of s3://{bucket}/{key}", f"s3:AbortMultipartUpload on {bucket}"
    ):
        s3.abort_multipart_upload(**named, UploadId=upload_id)


@contextmanager
def _writing(bucket: str, key: str, options: WriteOptions) -> Iterator[None]:
    """As `asking`; where a KMS key is asked for, a refusal also says that the key may be the
    reason.
    """
    try:
        with asking(f"cannot write s3://{bucket}/{key}", f"s3:PutObject on {bucket}"):
            yield
    except StoreError as error:
        # Ceph answers InvalidAccessKeyId for a KMS key it does not know; AWS KMS.NotFoundException
        # or AccessDenied.
        if options.kms_key_id is not None and not error.retryable:
            about = (
                f"the store must know the KMS key `{options.kms_key_id}` and let this user use it"
            )
            error.hint = f"{error.hint}; {about}" if error.hint else about
        raise


def add_content_md5(params: dict[str, Any], **_: object) -> None:
    """A botocore hook (before-call): name the MD5 of what is about to be sent."""
    params["headers"]["Content-MD5"] = base64.b64encode(_md5(params["body"])).decode()


def _md5(body: BinaryIO) -> bytes:
    """The MD5 of the rest of `body`, which botocore makes a file of, whatever it is given."""
    digest = hashlib.md5(usedforsecurity=False)
    start = body.tell()
    while piece := body.read(_MD5_PIECE_BYTES):
        digest.update(piece)
    body.seek(start)
    return digest.digest()
