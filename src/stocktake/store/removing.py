"""Removing objects for good: in a versioned bucket each version of them, and none that is locked.

A plain DELETE in a versioned bucket hides an object and frees nothing; it is never sent where there are versions.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from stocktake.model.errors import AccessDeniedError, ContradictionError, ServerError
from stocktake.store import buckets
from stocktake.store.asking import asking
from stocktake.store.folders import FolderDestination

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from stocktake.store.client import Client

VERSIONS_PAGES_MAX = 10  # of one key, 1,000 versions each


@dataclass(frozen=True, slots=True)
class Piece:
    """A version of an object. `id` is None where the bucket has no versions; `marker`: it is a delete marker."""

    id: str | None
    marker: bool = False


class Removing(Protocol):
    """Where objects are removed for good. All methods raise InventoryError where that is refused."""

    def pieces(self, key: str) -> Sequence[Piece]:
        """What there is under the key, in the order in which it must go: the newest last, lest an older one show."""

    def newest(self, key: str) -> Piece | None:
        """What readers see under the key, where they see anything: asked for by itself, for whoever may list no
        versions.
        """

    def lock(self, key: str, piece: Piece, now: datetime) -> str:
        """What keeps the piece from being removed; empty where nothing is known to."""

    def remove(self, key: str, version: str | None) -> None:
        """Remove a version, or the object; that it is gone already is fine."""


def own_pieces(found: Sequence[Piece], own: Collection[str | None]) -> Sequence[Piece]:
    """Those of the pieces `found` under a key that go with whoever wrote the versions `own`. Delete markers go with
    what they hide, where nobody else has anything there: older releases made some, too, when a run went on.
    """
    if all(each.marker or each.id in own for each in found):
        return found
    return tuple(each for each in found if each.id in own)


@dataclass(frozen=True, slots=True)
class FolderRemoving:
    """A folder: a file is one piece."""

    destination: FolderDestination

    def pieces(self, key: str) -> Sequence[Piece]:
        """The file."""
        return (Piece(None),) if self.destination.exists(key) else ()

    def newest(self, key: str) -> Piece | None:
        """The file."""
        return Piece(None) if self.destination.exists(key) else None

    def lock(self, key: str, piece: Piece, now: datetime) -> str:  # noqa: ARG002
        """Nothing."""
        return ""

    def remove(self, key: str, version: str | None) -> None:  # noqa: ARG002
        """Remove the file."""
        self.destination.remove(key)


class BucketRemoving:
    """A bucket. `client` is the caller's, and speaks by `s3`."""

    def __init__(self, s3: S3Client, client: Client, bucket: str) -> None:
        self._s3 = s3
        self._client = client
        self._bucket = bucket
        self._versions: bool | None = None  # whether there may be any
        self._told = False  # and whether the store said so
        self._locks: bool | None = None

    def pieces(self, key: str) -> Sequence[Piece]:
        """All versions, delete markers too, the oldest first."""
        if self._may_have_versions():
            found = self._found_versions(key)
            if found or self._told:
                return found
        return (Piece(None),) if self._client.exists(self._bucket, key) else ()

    def newest(self, key: str) -> Piece | None:
        """What HEAD finds; the store names its version where the bucket has any."""
        head = self._client.head(self._bucket, key)
        return None if head is None else Piece(head.version_id)

    def lock(self, key: str, piece: Piece, now: datetime) -> str:
        """The lock of one version."""
        if piece.id is None or piece.marker or not self._may_be_locked():
            return ""
        what = f"cannot look at s3://{self._bucket}/{key}"
        with asking(what, f"s3:GetObjectVersion on {self._bucket}"):
            head: Any = self._s3.head_object(Bucket=self._bucket, Key=key, VersionId=piece.id)
        if head.get("ObjectLockLegalHoldStatus") == "ON":
            return "under a legal hold"
        until = head.get("ObjectLockRetainUntilDate")
        if until is not None and until > now:
            return f"locked until {until:%Y-%m-%d %H:%M} UTC ({head.get('ObjectLockMode')})"
        return ""

    def remove(self, key: str, version: str | None) -> None:
        """Delete one version, or the object of a bucket without versions."""
        self._client.delete(self._bucket, key, version_id=version)

    def _may_have_versions(self) -> bool:
        if self._versions is None:
            try:
                self._versions = self._told = bool(buckets.told_versioned(self._s3, self._bucket))
            except (AccessDeniedError, ServerError):
                self._versions = True
        return self._versions

    def _may_be_locked(self) -> bool:
        if self._locks is None:
            self._locks = self._client.has_object_lock(self._bucket) is not False
        return self._locks

    def _found_versions(self, key: str) -> Sequence[Piece]:
        what = f"cannot list the versions of s3://{self._bucket}/{key}"
        found: list[Piece] = []
        marker: dict[str, str] = {}
        for _ in range(VERSIONS_PAGES_MAX):
            with asking(what, f"s3:ListBucketVersions on {self._bucket}"):
                page: Any = self._s3.list_object_versions(
                    Bucket=self._bucket,
                    Prefix=key,
                    **marker,  # type: ignore[arg-type]
                )
                found += _pieces(page, key)
                # Keys that only begin like it come behind it.
                if not page.get("IsTruncated") or page["NextKeyMarker"] != key:
                    return tuple(reversed(found))
                marker = {
                    "KeyMarker": page["NextKeyMarker"],
                    "VersionIdMarker": page["NextVersionIdMarker"],
                }
        raise ContradictionError(f"{what}: there are more than {VERSIONS_PAGES_MAX} pages of them")


def _pieces(page: Any, key: str) -> list[Piece]:
    """The versions of the key in one page, the newest first, as each store lists them."""
    entries = [
        (entry, marker)
        for name, marker in (("Versions", False), ("DeleteMarkers", True))
        for entry in page.get(name, ())
        if entry["Key"] == key
    ]
    # botocore lists versions and markers apart; the latest of both is the one that readers see.
    entries.sort(key=lambda each: (each[0]["IsLatest"], each[0]["LastModified"]), reverse=True)
    return [Piece(entry["VersionId"], marker) for entry, marker in entries]
