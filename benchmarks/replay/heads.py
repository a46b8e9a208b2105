"""HeadObject: 19 headers for each object, of encryption, locks, replication, checksums, metadata; as AWS spells them.

Answers are made a thousand keys at a time and kept for a while, because HEADs follow the order of a listing.
"""

from __future__ import annotations

from typing import TypeAlias

from benchmarks.replay.bucket import Bucket
from benchmarks.replay.facts import (
    CHECKSUM,
    CLOCK,
    ETAG,
    HTTP_DAY,
    PARTS,
    SIZE,
    VERSION_ID,
    Batch,
    Day,
    Hash,
    Picked,
)
from benchmarks.replay.layout import ROWS_MAX, Layout, Piece

BLOCKS_MAX = 64  # about a megabyte each

# Key, and version id or b"" for the newest -> status line and headers without the last empty line, and the checksum's.
_Heads: TypeAlias = dict[tuple[bytes, bytes], tuple[bytes, bytes]]

_KMS_KEYS = [
    f"arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-{number:012d}"
    for number in range(4)
]
_CONTENT_TYPES = ["application/octet-stream", "application/x-parquet", "image/jpeg", "text/csv"]
_RULE = b' 00:00:00 GMT", rule-id="expire-after-two-years"\r\n'

_HEADERS: list[Piece] = [
    b"HTTP/1.1 200 OK\r\nx-amz-id-2: ", Hash(salt=0x1D), b"=",
    b"\r\nx-amz-request-id: ", Hash(salt=0x2E),
    b"\r\nDate: Tue, 01 Dec 2026 09:00:00 GMT",
    b"\r\nLast-Modified: ", HTTP_DAY, b" ", CLOCK, b" GMT",
    b'\r\nx-amz-expiration: expiry-date="', Day("%a, %d %b %Y", behind=730), _RULE,
    b'ETag: "', ETAG, PARTS, b'"',
    b"\r\nx-amz-server-side-encryption: aws:kms",
    b"\r\nx-amz-server-side-encryption-aws-kms-key-id: ", Picked(_KMS_KEYS, shift=8),
    b"\r\nx-amz-server-side-encryption-bucket-key-enabled: true",
    b"\r\nx-amz-version-id: ", VERSION_ID,
    b"\r\nx-amz-replication-status: ", Picked(["COMPLETED", "COMPLETED", "COMPLETED", "PENDING"], shift=10),
    b"\r\nx-amz-object-lock-mode: ", Picked(["GOVERNANCE", "COMPLIANCE"], shift=12),
    b"\r\nx-amz-object-lock-retain-until-date: ", Day("%Y-%m-%d", behind=2555), b"T", CLOCK, b".000Z",
    b"\r\nx-amz-object-lock-legal-hold: ", Picked(["OFF", "OFF", "OFF", "ON"], shift=13),
    b"\r\nx-amz-meta-department: ", Picked(["finance", "imaging", "research", "archive"], shift=15),
    b"\r\nContent-Type: ", Picked(_CONTENT_TYPES, shift=18),
    b"\r\nContent-Length: ", SIZE, b"\r\n",
]  # fmt: skip
_CHECKSUM_HEADERS: list[Piece] = [
    b"x-amz-checksum-crc64nvme: ", CHECKSUM, b"\r\nx-amz-checksum-type: FULL_OBJECT\r\n",
]  # fmt: skip


class Heads:
    """Answers HEAD for the objects of one bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._headers, self._checksums = Layout(_HEADERS), Layout(_CHECKSUM_HEADERS)
        self._known: _Heads = {}
        self._blocks: dict[
            int, list[tuple[bytes, bytes]]
        ] = {}  # what is known, in the order it was made

    def head(self, key: bytes, version_id: bytes, *, checksum: bool) -> bytes | None:
        """The whole answer for the newest version, or the one named; None where there is none, or a delete marker.

        The two headers about the checksum stand there only with `checksum`: 17 without them.
        """
        wanted = (key, version_id)
        found = self._known.get(wanted)
        if found is None:
            rank = self._bucket.rank_of(key)
            if rank is None:
                return None
            self._make(rank // ROWS_MAX)
            found = self._known.get(wanted)
            if found is None:
                return None
        headers, checksums = found
        return b"%b%b\r\n" % (headers, checksums) if checksum else b"%b\r\n" % headers

    def _make(self, block: int) -> None:
        """Make the answers of a block known, in place of those which have been for longest."""
        if block in self._blocks:
            return
        if len(self._blocks) >= BLOCKS_MAX:
            for gone in self._blocks.pop(next(iter(self._blocks))):
                del self._known[gone]
        made = self._made(block)
        self._known.update(made)
        self._blocks[block] = list(made)

    def _made(self, block: int) -> _Heads:
        bucket = self._bucket
        keys = range(block * ROWS_MAX, min((block + 1) * ROWS_MAX, bucket.shape.count))
        rows = range(
            bucket.histories.rows_before(keys.start), bucket.histories.rows_before(keys.stop)
        )
        made: _Heads = {}
        for start in range(rows.start, rows.stop, ROWS_MAX):
            batch, markers = bucket.histories.rows(start, min(start + ROWS_MAX, rows.stop))
            made.update(self._heads(batch, set(markers.tolist())))
        return made

    def _heads(self, batch: Batch, markers: set[int]) -> _Heads:
        assert batch.ages is not None
        version_ids = self._bucket.version_ids(batch)
        answers = zip(self._headers.each(batch), self._checksums.each(batch), strict=True)
        made: _Heads = {}
        for row, answer in enumerate(answers):
            if row in markers:
                continue
            key = self._bucket.shape.key(int(batch.ranks[row]))
            made[key, version_ids[row]] = answer
            if not batch.ages[row]:
                made[key, b""] = answer
        return made
