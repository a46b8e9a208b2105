"""ListObjectsV2 and ListObjectVersions: from a query to a page, with S3's meaning of prefix, marker and token."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from benchmarks.replay.bucket import Bucket
from benchmarks.replay.columns import Spelling, spelt
from benchmarks.replay.layout import ROWS_MAX
from benchmarks.replay.pages import Records

_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = b'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_BEHIND_ALL = b"\xff"  # behind every text that goes on from the one before it: no UTF-8 holds it

Query: TypeAlias = Mapping[str, bytes]  # the parameters of a request, decoded


class Page(NamedTuple):
    """A document, and how many objects or versions stand in it."""

    body: bytes
    rows: int


class _Span(NamedTuple):
    """The rows of a page, and whether more follow."""

    start: int
    stop: int
    truncated: bool


class Lister:
    """Answers LIST for one bucket."""

    def __init__(self, bucket: Bucket, name: str) -> None:
        self._bucket, self._name = bucket, name.encode()
        self._records = Records(bucket)

    def objects(self, query: Query) -> Page:
        """One page of ListObjectsV2.

        Raises:
            ValueError: a parameter cannot be understood.
        """
        bucket, before = self._bucket, self._bucket.histories.current_before
        spelling = _spelling(query)
        token, after = query.get("continuation-token", b""), query.get("start-after", b"")
        first, end = self._ranks(query, urlsafe_b64decode(token) if token else after)
        span = _span(before(first), before(end), query)
        members = [
            _member(b"KeyCount", b"%d" % (span.stop - span.start)),
            _optional_member(b"StartAfter", spelt(after, spelling)),
            _optional_member(b"ContinuationToken", token),
        ]
        if span.truncated:
            last = bucket.ended_at(int(bucket.histories.current_keys(span.stop - 1, span.stop)[0]))
            members.append(_member(b"NextContinuationToken", urlsafe_b64encode(last)))
        owner = query.get("fetch-owner") == b"true"
        records = self._records.objects(span.start, span.stop, spelling, owner=owner)
        return self._page(b"ListBucketResult", query, span, members, records)

    def versions(self, query: Query) -> Page:
        """One page of ListObjectVersions.

        Raises:
            ValueError: a parameter cannot be understood, or the version named as marker does not exist.
        """
        bucket, before = self._bucket, self._bucket.histories.rows_before
        spelling = _spelling(query)
        after, version = query.get("key-marker", b""), query.get("version-id-marker", b"")
        first, end = self._ranks(query, after)
        start = bucket.row_of(after, version) + 1 if version else before(first)
        span = _span(start, before(end), query)
        members = [
            _member(b"KeyMarker", spelt(after, spelling)),
            _member(b"VersionIdMarker", version),
        ]
        if span.truncated:
            [batch, _] = bucket.histories.rows(span.stop - 1, span.stop)
            last = bucket.ended_at(int(batch.ranks[0]))
            members.append(_member(b"NextKeyMarker", spelt(last, spelling)))
            members.append(_member(b"NextVersionIdMarker", bucket.version_ids(batch)[0]))
        records = self._records.versions(span.start, span.stop, spelling)
        return self._page(b"ListVersionsResult", query, span, members, records)

    def _ranks(self, query: Query, after: bytes) -> tuple[int, int]:
        """The keys that are behind `after` and have the prefix, from the first to behind the last."""
        first = self._bucket.rank_behind(after) if after else 0
        prefix = query.get("prefix", b"")
        if not prefix:
            return first, self._bucket.shape.count
        rank_from = self._bucket.shape.rank_from
        end = rank_from(prefix + _BEHIND_ALL)
        return min(max(first, rank_from(prefix)), end), end

    def _page(
        self, root: bytes, query: Query, span: _Span, members: list[bytes], records: bytes
    ) -> Page:
        spelling = _spelling(query)
        encoding = b"<EncodingType>url</EncodingType>" if spelling is Spelling.URL else b""
        body = b"".join((
            _DECLARATION, b"<%b %b>" % (root, _NAMESPACE),
            _member(b"Name", self._name), _member(b"Prefix", spelt(query.get("prefix", b""), spelling)),
            *members, _member(b"MaxKeys", query.get("max-keys", b"%d" % ROWS_MAX)), encoding,
            _member(b"IsTruncated", b"true" if span.truncated else b"false"),
            records, b"</%b>" % root,
        ))  # fmt: skip
        return Page(body, span.stop - span.start)


def _span(start: int, end: int, query: Query) -> _Span:
    rows_max = min(int(query.get("max-keys", ROWS_MAX)), ROWS_MAX)
    if rows_max < 0:
        raise ValueError(f"max-keys is {rows_max}; expected no less than 0")
    stop = min(start + rows_max, end)
    return _Span(start, stop, truncated=start < stop < end)


def _spelling(query: Query) -> Spelling:
    encoding = query.get("encoding-type")
    if encoding not in (None, b"url"):
        raise ValueError(f"encoding-type is {encoding!r}; expected url")
    return Spelling.XML if encoding is None else Spelling.URL


def _member(name: bytes, text: bytes) -> bytes:
    return b"<%b>%b</%b>" % (name, text, name)


def _optional_member(name: bytes, text: bytes) -> bytes:
    return _member(name, text) if text else b""
