"""Which request gets which answer: the few of S3's operations that listing and enrichment need.

Any signature is accepted, and none is needed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes

from benchmarks.replay.bucket import Bucket
from benchmarks.replay.heads import Heads
from benchmarks.replay.listing import Lister, Query

BUCKET = "replay"
REGION = "eu-central-1"
COUNTERS_PATH = "/-/counters"

_CHECKSUM_MODE = b"\r\nx-amz-checksum-mode: enabled"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_LOCATION = (
    f'{_DECLARATION}<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{REGION}'
    "</LocationConstraint>"
).encode()


class Kind(StrEnum):
    """What a request is about."""

    LIST = "list"
    HEAD = "head"
    OTHER = "other"


class Request(NamedTuple):
    """A request whose head has arrived. `head` is all of it in lower case."""

    method: bytes
    bucket: bytes
    key: bytes
    query: Query
    head: bytes

    @property
    def kind(self) -> Kind:
        """What it is about."""
        if self.method == b"HEAD" and self.key:
            return Kind.HEAD
        listing = "list-type" in self.query or "versions" in self.query
        return Kind.LIST if self.method == b"GET" and not self.key and listing else Kind.OTHER


class Answer(NamedTuple):
    """The bytes of an answer, `head_bytes` of which are no body; and how many rows are listed in it."""

    status: int
    wire: bytes
    head_bytes: int
    rows: int = 0


def read_request(head: bytes) -> Request:
    """The request that begins with these lines.

    Raises:
        ValueError: that is no HTTP/1.1.
    """
    line, _, _ = head.partition(b"\r\n")
    method, target, _version = line.split(b" ")
    path, _, query = target.partition(b"?")
    bucket, _, key = path[1:].partition(b"/")
    return Request(
        method, bucket, unquote_to_bytes(key), _read_query(query) if query else {}, head.lower()
    )


def _read_query(query: bytes) -> Query:
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, errors="surrogateescape")
    return {name: value.encode(errors="surrogateescape") for name, value in pairs}


class Store:
    """The bucket named BUCKET, which holds the objects of one shape."""

    def __init__(self, bucket: Bucket, counters: Callable[[], Mapping[str, int]]) -> None:
        self._lister, self._heads = Lister(bucket, BUCKET), Heads(bucket)
        self._counters = counters

    def answer(self, request: Request) -> Answer:
        """The answer to one request."""
        if request.bucket != BUCKET.encode():
            return self._beside(request)
        match request.kind:
            case Kind.HEAD:
                return self._head(request)
            case Kind.LIST:
                return self._list(request.query)
            case Kind.OTHER:
                return _other(request)

    def _beside(self, request: Request) -> Answer:
        if f"/{request.bucket.decode()}/{request.key.decode()}" == COUNTERS_PATH:
            body = json.dumps(dict(self._counters())).encode()
            return _answer(HTTPStatus.OK, body, "Content-Type: application/json\r\n")
        return refusal(
            request, HTTPStatus.NOT_FOUND, "NoSuchBucket", f"expected the bucket {BUCKET}"
        )

    def _head(self, request: Request) -> Answer:
        wire = self._heads.head(
            request.key,
            request.query.get("versionId", b""),
            checksum=_CHECKSUM_MODE in request.head,
        )
        if wire is None:
            return refusal(request, HTTPStatus.NOT_FOUND, "NoSuchKey", "no such key")
        return Answer(HTTPStatus.OK, wire, len(wire))

    def _list(self, query: Query) -> Answer:
        if query.get("delimiter"):
            return _error(HTTPStatus.NOT_IMPLEMENTED, "NotImplemented", "no delimiters here")
        make = self._lister.versions if "versions" in query else self._lister.objects
        try:
            page = make(query)
        except ValueError as invalid:
            return _error(HTTPStatus.BAD_REQUEST, "InvalidArgument", str(invalid))
        return _answer(HTTPStatus.OK, page.body, rows=page.rows)


def _other(request: Request) -> Answer:
    if request.method == b"HEAD":
        return _answer(HTTPStatus.OK, b"", f"x-amz-bucket-region: {REGION}\r\n")
    if request.method == b"GET" and "location" in request.query:
        return _answer(HTTPStatus.OK, _LOCATION)
    message = "only ListObjectsV2, ListObjectVersions, HeadObject, HeadBucket, GetBucketLocation"
    return refusal(request, HTTPStatus.NOT_IMPLEMENTED, "NotImplemented", message)


def refusal(request: Request, status: HTTPStatus, code: str, message: str) -> Answer:
    """One of S3's errors; without the document where the request was a HEAD."""
    return _answer(status, b"") if request.method == b"HEAD" else _error(status, code, message)


def _error(status: HTTPStatus, code: str, message: str) -> Answer:
    document = f"{_DECLARATION}<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return _answer(status, document.encode())


def _answer(
    status: HTTPStatus,
    body: bytes,
    headers: str = "Content-Type: application/xml\r\n",
    rows: int = 0,
) -> Answer:
    first = f"HTTP/1.1 {status} {status.phrase}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    head = first.encode()
    return Answer(status, head + body, len(head), rows)
