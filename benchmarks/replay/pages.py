"""The records of a page, as AWS writes them: about 320 bytes each with a key of 40."""

from __future__ import annotations

from functools import cache

from benchmarks.replay.bucket import Bucket
from benchmarks.replay.columns import FILLER, Cells, Spelling
from benchmarks.replay.facts import (
    CLOCK,
    ETAG,
    ISO_DAY,
    LATEST,
    PARTS,
    SIZE,
    VERSION_ID,
)
from benchmarks.replay.layout import Layout, Piece, spelt_key

_OWNER = b"<Owner><ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a</ID></Owner>"
_MODIFIED: list[Piece] = [b"<LastModified>", ISO_DAY, b"T", CLOCK, b".000Z</LastModified>"]
_VERSION: list[Piece] = [
    b"<VersionId>",
    VERSION_ID,
    b"</VersionId><IsLatest>",
    LATEST,
    b"</IsLatest>",
]


class Records:
    """Renders the records of one bucket; what does not differ between them is made once."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._contents = cache(self._contents_layout)
        self._versions = cache(self._version_layout)
        self._markers = cache(self._marker_layout)

    def objects(self, start: int, stop: int, spelling: Spelling, *, owner: bool) -> bytes:
        """The current objects that LIST shows as those numbers."""
        batch = self._bucket.histories.current(start, stop)
        return self._contents(spelling, owner).joined(batch)

    def versions(self, start: int, stop: int, spelling: Spelling) -> bytes:
        """Those rows of ListObjectVersions: versions, and delete markers in their place among them."""
        batch, markers = self._bucket.histories.rows(start, stop)
        rows = self._versions(spelling).cells(batch)
        marker_rows = self._markers(spelling).cells(batch.take(markers))
        pieces: list[Cells] = []
        behind = 0
        for place, marker_row in zip(markers.tolist(), marker_rows, strict=True):
            pieces += [rows[behind:place], marker_row]
            behind = place + 1
        pieces.append(rows[behind:])
        return b"".join(piece.data for piece in pieces).replace(FILLER, b"")

    def _contents_layout(self, spelling: Spelling, owner: bool) -> Layout:  # noqa: FBT001
        return Layout(self._record(b"Contents", spelling, [], _OWNER if owner else b""))

    def _version_layout(self, spelling: Spelling) -> Layout:
        return Layout(self._record(b"Version", spelling, _VERSION, _OWNER))

    def _marker_layout(self, spelling: Spelling) -> Layout:
        key = spelt_key(self._bucket.shape, spelling)
        end = b"%b</DeleteMarker>" % _OWNER
        return Layout([b"<DeleteMarker><Key>", *key, b"</Key>", *_VERSION, *_MODIFIED, end])

    def _record(
        self, name: bytes, spelling: Spelling, version: list[Piece], owner: bytes
    ) -> list[Piece]:
        key = spelt_key(self._bucket.shape, spelling)
        checksum = (
            b"<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>"
            b"<ChecksumType>FULL_OBJECT</ChecksumType>"
        )
        return [
            b"<%b><Key>" % name, *key, b"</Key>", *version, *_MODIFIED,
            b"<ETag>&quot;", ETAG, PARTS, b"&quot;</ETag>", checksum, b"<Size>", SIZE, b"</Size>",
            owner, b"<StorageClass>STANDARD</StorageClass></%b>" % name,
        ]  # fmt: skip
