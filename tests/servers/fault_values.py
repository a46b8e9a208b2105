"""What passes through the fault server: a request as it was read, a response as it will be
written."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, unquote_plus

from tests.servers.fault_xml import ERROR_CONTENT, error_document


class BadTargetError(ValueError):
    """A request target that is no path of ours."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `target` is path and query as they stood on the wire, header names are lower
    case, `operation` is AWS's name of the call, e.g. HeadObject; a sub-resource AWS does not know
    gives `Unknown`."""

    method: str
    target: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    operation: str
    subresource: str


class Pattern:
    """The bytes of an object nobody wrote: as long as wished, without lying in memory. Slices are
    real bytes."""

    UNIT = bytes(range(32, 127)) + b"\n"

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self.length)
        first = start % len(self.UNIT)
        wanted = max(stop - start, 0)
        return (self.UNIT * ((first + wanted) // len(self.UNIT) + 1))[first : first + wanted]


class Window:
    """A part of a `Pattern`, cut only when it is sent."""

    def __init__(self, whole: Pattern | bytes, start: int, stop: int) -> None:
        self.whole, self.start, self.stop = whole, start, stop

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(len(self))
        return self.whole[self.start + start : self.start + stop]


Body = bytes | Pattern | Window


@dataclass(slots=True)
class Response:
    """One answer, and how it is to go wrong on the wire.

    The first byte waits for the event `held`, where there is one, and then for `delay_s`. Of the
    body, `stall_s` seconds pass at byte `stall_at`, and the connection is closed in good order at
    byte `cut_at` although Content-Length names the whole. `reset` sends a TCP reset: "at once"
    instead of any answer, "after headers", or "in body" at byte `cut_at`.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Body = b""
    delay_s: float = 0.0
    held: threading.Event | None = None
    stall_at: int | None = None
    stall_s: float = 0.0
    cut_at: int | None = None
    reset: str = ""


def document(body: bytes, status: int = 200) -> Response:
    """An XML document as answer."""
    return Response(status, {"Content-Type": "application/xml"}, body)


def error(
    status: int,
    code: str,
    message: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    **members: str,
) -> Response:
    """S3's error document; a HEAD is answered without it, as S3 does. `members` become elements of
    the document."""
    body = error_document(code, message or code, members)
    return Response(status, {"Content-Type": ERROR_CONTENT, **(headers or {})}, body)


# Which call a sub-resource makes of a request: (level, method, sub-resource) -> AWS's name.
OPERATIONS: dict[tuple[str, str, str], str] = {
    ("service", "GET", ""): "ListBuckets",
    ("bucket", "GET", ""): "ListObjects",
    ("bucket", "GET", "list-type"): "ListObjectsV2",
    ("bucket", "GET", "versions"): "ListObjectVersions",
    ("bucket", "GET", "uploads"): "ListMultipartUploads",
    ("bucket", "GET", "versioning"): "GetBucketVersioning",
    ("bucket", "GET", "object-lock"): "GetObjectLockConfiguration",
    ("bucket", "GET", "location"): "GetBucketLocation",
    ("bucket", "GET", "lifecycle"): "GetBucketLifecycleConfiguration",
    ("bucket", "GET", "acl"): "GetBucketAcl",
    ("bucket", "GET", "encryption"): "GetBucketEncryption",
    ("bucket", "GET", "inventory"): "GetBucketInventoryConfiguration",
    ("bucket", "GET", "tagging"): "GetBucketTagging",
    ("bucket", "GET", "policy"): "GetBucketPolicy",
    ("bucket", "GET", "ownershipControls"): "GetBucketOwnershipControls",
    ("bucket", "HEAD", ""): "HeadBucket",
    ("bucket", "PUT", ""): "CreateBucket",
    ("bucket", "PUT", "versioning"): "PutBucketVersioning",
    ("bucket", "DELETE", ""): "DeleteBucket",
    ("bucket", "POST", "delete"): "DeleteObjects",
    ("object", "GET", ""): "GetObject",
    ("object", "GET", "acl"): "GetObjectAcl",
    ("object", "GET", "tagging"): "GetObjectTagging",
    ("object", "GET", "retention"): "GetObjectRetention",
    ("object", "GET", "legal-hold"): "GetObjectLegalHold",
    ("object", "GET", "attributes"): "GetObjectAttributes",
    ("object", "GET", "uploadId"): "ListParts",
    ("object", "HEAD", ""): "HeadObject",
    ("object", "PUT", ""): "PutObject",
    ("object", "PUT", "uploadId"): "UploadPart",
    ("object", "POST", "uploads"): "CreateMultipartUpload",
    ("object", "POST", "uploadId"): "CompleteMultipartUpload",
    ("object", "DELETE", ""): "DeleteObject",
    ("object", "DELETE", "uploadId"): "AbortMultipartUpload",
}
LISTINGS = ("ListObjects", "ListObjectsV2", "ListObjectVersions")
_SUBRESOURCES = {subresource for _, _, subresource in OPERATIONS if subresource}
# Everything else in a query is a sub-resource, known to us or not.
_PARAMETERS = frozenset({
    "prefix", "delimiter", "marker", "max-keys", "encoding-type", "start-after", "continuation-token",
    "fetch-owner", "key-marker", "version-id-marker", "allow-unordered", "metadata", "versionId",
    "partNumber", "x-id", "upload-id-marker", "max-uploads", "id",
})  # fmt: skip


def read_request(
    method: str, target: str, headers: Mapping[str, str], body: bytes, domains: tuple[str, ...]
) -> Request:
    """The request that these parts make. A bucket stands first in the path, or before one of
    `domains` in the host name; the target may be absolute, as proxies receive it. Paths are never
    normalised: `a/../b` is a key.

    Raises:
        BadTargetError: not a path, or not UTF-8 behind its percent signs.
    """
    host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
    if target.startswith("http://"):
        authority, _, target = target[7:].partition("/")
        host, target = authority.partition(":")[0], "/" + target
    path, _, text = target.partition("?")
    if not path.startswith("/"):
        raise BadTargetError(path)
    try:
        plain = unquote(path, errors="strict")[1:]
        query = _query(text)
    except UnicodeDecodeError as failure:
        raise BadTargetError(path) from failure
    domain = next((domain for domain in domains if host.endswith("." + domain)), "")
    bucket, key = (
        (host[: -len(domain) - 1], plain)
        if domain
        else plain.split("/", 1)
        if "/" in plain
        else (plain, "")
    )
    level = "object" if key else "bucket" if bucket else "service"
    subresource = _subresource(query)
    operation = OPERATIONS.get((level, method, subresource), "Unknown")
    return Request(method, target, bucket, key, query, headers, body, operation, subresource)


def _query(text: str) -> dict[str, str]:
    query: dict[str, str] = {}
    for part in text.split("&") if text else ():
        name, _, value = part.partition("=")
        if "%" in value or "+" in value:
            value = unquote_plus(value, errors="strict")
        query[unquote_plus(name)] = value
    return query


def _subresource(query: Mapping[str, str]) -> str:
    for name in query:
        if name in _SUBRESOURCES:
            return name
    for name in query:
        if name not in _PARAMETERS and not name.startswith(("response-", "X-Amz-")):
            return name
    return ""
