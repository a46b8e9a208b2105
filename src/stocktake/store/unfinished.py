"""What was begun under a key of the destination and never became an object: multipart uploads, temporary files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from stocktake.model.errors import (
    AccessDeniedError,
    ContradictionError,
    DestinationError,
    StoreError,
)
from stocktake.model.ledger import Upload
from stocktake.store.asking import asking
from stocktake.store.connection import Connection
from stocktake.store.folders import TEMPORARY_PREFIX
from stocktake.store.renewal import Renewal

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PAGES_MAX = 1000  # of one listing of uploads
_NO_SUCH_CALL = (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)


class Unfinished(Protocol):
    """What is unfinished at a destination. A context manager."""

    def find(self, prefix: str) -> Sequence[Upload] | None:
        """What was begun under keys that start with `prefix`; None where the store does not tell."""

    def remove(self, upload: Upload) -> None:
        """Remove what was begun; that it is gone already is fine. There must be no object at its key that is to stay:
        a store that does not know multipart uploads takes this for the deletion of it.
        """

    def __enter__(self) -> Unfinished: ...

    def __exit__(self, *_: object) -> None: ...


class BucketUploads(AbstractContextManager["BucketUploads"]):
    """The multipart uploads of a bucket. All methods raise StoreError."""

    def __init__(self, s3: S3Client, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    @classmethod
    def open(cls, connection: Connection, bucket: str) -> BucketUploads:
        """Those of `bucket`, asked for with the connection's settings."""
        s3 = connection.client()
        Renewal(connection).attach(s3.meta.events)
        return cls(s3, bucket)

    def __exit__(self, *_: object) -> None:
        self._s3.close()

    def find(self, prefix: str) -> Sequence[Upload] | None:
        """The uploads that are open; None where the store does not list uploads, or not to us."""
        try:
            return self._find(prefix)
        except AccessDeniedError:
            return None
        except StoreError as error:
            if error.status in _NO_SUCH_CALL:
                return None
            raise

    def _find(self, prefix: str) -> Sequence[Upload] | None:
        what = f"cannot list the multipart uploads of s3://{self._bucket}/{prefix}"
        found: list[Upload] = []
        marker: dict[str, Any] = {}
        for _ in range(PAGES_MAX):
            with asking(what, f"s3:ListBucketMultipartUploads on {self._bucket}"):
                page = self._s3.list_multipart_uploads(Bucket=self._bucket, Prefix=prefix, **marker)
                uploads = [
                    Upload(each["Key"], each["UploadId"]) for each in page.get("Uploads", ())
                ]
            if "Bucket" not in page and not uploads:
                return None  # another document, which botocore takes for an empty one
            found += [upload for upload in uploads if upload.key.startswith(prefix)]
            if not page.get("IsTruncated"):
                return found
            following = {
                "KeyMarker": page.get("NextKeyMarker", ""),
                "UploadIdMarker": page.get("NextUploadIdMarker", ""),
            }
            if following == marker:
                break
            marker = following
        raise ContradictionError(f"{what}: the listing does not end, after {len(found)} of them")

    def remove(self, upload: Upload) -> None:
        """Abort an upload."""
        try:
            with asking(
                f"cannot abort multipart upload {upload.id} of s3://{self._bucket}/{upload.key}",
                f"s3:AbortMultipartUpload on {self._bucket}",
            ):
                self._s3.abort_multipart_upload(
                    Bucket=self._bucket, Key=upload.key, UploadId=upload.id
                )
        except StoreError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise


class FolderRemains(AbstractContextManager["FolderRemains"]):
    """The temporary files below a folder; each is called after the file it was to become. All methods raise
    DestinationError.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def __exit__(self, *_: object) -> None:
        pass

    def find(self, prefix: str) -> Sequence[Upload] | None:
        """The temporary files of files in one folder, that of `prefix`; the name of each is its id."""
        folder, slash, start = prefix.rpartition("/")
        try:
            names = sorted(each.name for each in (self._root / folder).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise DestinationError(
                f"cannot list {self._root / folder}: {error.strerror}"
            ) from error
        return [
            Upload(f"{folder}{slash}{_final_name(name)}", name)
            for name in names
            if name.startswith(TEMPORARY_PREFIX) and _final_name(name).startswith(start)
        ]

    def remove(self, upload: Upload) -> None:
        """Remove a temporary file, and the folders below the root that are empty without it."""
        path = (self._root / upload.key).with_name(upload.id)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise DestinationError(f"cannot remove {path}: {error.strerror}") from error
        with suppress(OSError):  # up to the first that is not empty
            for folder in path.parents:
                if folder == self._root:
                    break
                folder.rmdir()


def _final_name(temporary: str) -> str:
    """What a temporary file was to be called: `.stocktake-NAME.UUID` was to be NAME."""
    return temporary.removeprefix(TEMPORARY_PREFIX).rpartition(".")[0]
