"""HEAD, GET and the sub-resources that are read, of objects and of buckets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from tests.servers.fault_fixtures import Bucket, FixtureObject
from tests.servers.fault_values import Pattern, Request, Response, Window, document, error
from tests.servers.fault_xml import elements, http_date, iso, result

SSE_C_ALGORITHM = "x-amz-server-side-encryption-customer-algorithm"
SSE_C_MESSAGE = (
    "The object was stored using a form of Server Side Encryption. "
    "The correct parameters must be provided to retrieve the object."
)
NOT_IMPLEMENTED = "A header or query you provided is not implemented"
# Which headers S3 leaves out for whom: header -> the permission's name in `Bucket.withheld`.
PERMISSIONS = {
    "x-amz-object-lock-mode": "retention",
    "x-amz-object-lock-retain-until-date": "retention",
    "x-amz-object-lock-event-hold": "retention",
    "x-amz-object-lock-event-hold-duration-days": "retention",
    "x-amz-object-lock-event-hold-duration-years": "retention",
    "x-amz-object-lock-legal-hold": "legal-hold",
    "x-amz-tagging-count": "tagging",
}
_MISSING = {
    "lifecycle": ("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"),
    "object-lock": (
        "ObjectLockConfigurationNotFoundError",
        "Object Lock configuration does not exist for this bucket",
    ),
    "encryption": (
        "ServerSideEncryptionConfigurationNotFoundError",
        "The configuration was not found",
    ),
    "inventory": ("NoSuchConfiguration", "The specified configuration does not exist."),
    "tagging": ("NoSuchTagSet", "The TagSet does not exist"),
    "policy": ("NoSuchBucketPolicy", "The bucket policy does not exist"),
    "ownershipControls": (
        "OwnershipControlsNotFoundError",
        "The bucket ownership controls were not found",
    ),
}


def read_object(bucket: Bucket, request: Request, *, subresource: str) -> Response:
    """The answer to HEAD or GET of an object, or of one of its sub-resources."""
    version_id = request.query.get("versionId")
    found = bucket.find(request.key, version_id)
    if found is None or (found.delete_marker and version_id is None):
        return _absent(bucket, request.key, version_id, found)
    if found.delete_marker:
        headers = {"x-amz-delete-marker": "true", "Allow": "DELETE", **_version(bucket, found)}
        return error(405, "MethodNotAllowed", "Not allowed against this resource.", headers=headers)
    if found.denied:
        return error(403, "AccessDenied", "Access Denied")
    if subresource:
        return _read_subresource(bucket, found, subresource)
    return _read_whole(bucket, request, found)


def _read_whole(bucket: Bucket, request: Request, found: FixtureObject) -> Response:
    if request.method == "HEAD" and found.head_status:
        return error(found.head_status, found.head_code or "HeadRefused")
    if found.sse_c and SSE_C_ALGORITHM not in request.headers:
        return error(400, "InvalidRequest", SSE_C_MESSAGE)
    headers = object_headers(bucket, found, request.headers)
    if "range" in request.headers:
        return _read_range(found, headers, request.headers["range"])
    body = Pattern(found.size) if request.method == "HEAD" else found.content()
    return Response(200, headers, body)


def _absent(
    bucket: Bucket, key: str, version_id: str | None, marker: FixtureObject | None
) -> Response:
    if marker is not None:
        headers = {"x-amz-delete-marker": "true", **_version(bucket, marker)}
        return error(
            404, "NoSuchKey", "The specified key does not exist.", headers=headers, Key=key
        )
    if version_id is not None:
        return error(
            404,
            "NoSuchVersion",
            "The specified version does not exist.",
            Key=key,
            VersionId=version_id,
        )
    return error(404, "NoSuchKey", "The specified key does not exist.", Key=key)


def _version(bucket: Bucket, found: FixtureObject) -> dict[str, str]:
    if found.version_id is None and not bucket.versioning:
        return {}
    return {"x-amz-version-id": found.version_id or "null"}


def object_headers(
    bucket: Bucket, found: FixtureObject, asked: Mapping[str, str]
) -> dict[str, str]:
    """The headers of HEAD and GET, but for those that the caller has no right to see."""
    headers = {
        "Last-Modified": http_date(found.last_modified),
        "ETag": f'"{found.etag}"',
        "Accept-Ranges": "bytes",
        "Content-Type": found.content_type,
        **_version(bucket, found),
    }
    if found.storage_class not in {"", "STANDARD"}:
        headers["x-amz-storage-class"] = found.storage_class
    if found.restore:
        headers["x-amz-restore"] = found.restore
    if found.tags:
        headers["x-amz-tagging-count"] = str(len(found.tags))
    if found.sse_c:
        headers[SSE_C_ALGORITHM] = "AES256"
    if found.checksum_value and asked.get("x-amz-checksum-mode", "").upper() == "ENABLED":
        headers[f"x-amz-checksum-{found.checksum_algorithm.lower()}"] = found.checksum_value
        if found.checksum_type:
            headers["x-amz-checksum-type"] = found.checksum_type
    headers.update(found.head_headers)
    if not bucket.withheld:
        return headers
    return {
        name: value
        for name, value in headers.items()
        if PERMISSIONS.get(name.lower()) not in bucket.withheld
    }


def _read_range(found: FixtureObject, headers: dict[str, str], asked: str) -> Response:
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", asked)
    if match is None or match.groups() == ("", ""):
        return Response(200, headers, found.content())
    first, last = match.groups()
    start = int(first) if first else max(found.size - int(last), 0)
    stop = min(int(last) + 1, found.size) if first and last else found.size
    if start >= found.size or stop <= start:
        return error(416, "InvalidRange", "The requested range is not satisfiable")
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{found.size}"
    content = found.content()
    assert not isinstance(content, Window)
    return Response(206, headers, Window(content, start, stop))


def _read_subresource(bucket: Bucket, found: FixtureObject, subresource: str) -> Response:
    if subresource in bucket.withheld:
        return error(403, "AccessDenied", "Access Denied")
    if subresource not in _OBJECT_DOCUMENTS:
        return error(501, "NotImplemented", NOT_IMPLEMENTED)
    body = _OBJECT_DOCUMENTS[subresource](found)
    if body is None:
        message = "The specified object does not have a ObjectLock configuration"
        return error(404, "NoSuchObjectLockConfiguration", message)
    return document(body)


def _lock_headers(found: FixtureObject) -> dict[str, str]:
    return {
        name.lower().removeprefix("x-amz-object-lock-"): value
        for name, value in found.head_headers.items()
    }


def _retention(found: FixtureObject) -> bytes | None:
    lock = _lock_headers(found)
    if "mode" not in lock:
        return None
    until = lock.get("retain-until-date", "")
    return result("Retention", elements(Mode=lock["mode"], RetainUntilDate=until))


def _legal_hold(found: FixtureObject) -> bytes | None:
    status = _lock_headers(found).get("legal-hold")
    return result("LegalHold", elements(Status=status)) if status else None


def _tagging(found: FixtureObject) -> bytes:
    pairs = (f"<Tag>{elements(Key=key, Value=value)}</Tag>" for key, value in found.tags.items())
    return result("Tagging", f"<TagSet>{''.join(pairs)}</TagSet>")


def _acl(owner: str) -> bytes:
    kind = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"'
    grantee = f"<Grantee {kind}>{elements(ID=owner)}</Grantee>"
    grant = f"<Grant>{grantee}{elements(Permission='FULL_CONTROL')}</Grant>"
    inner = f"<Owner>{elements(ID=owner)}</Owner><AccessControlList>{grant}</AccessControlList>"
    return result("AccessControlPolicy", inner)


# The sub-resources of an object; None where the object has none.
_OBJECT_DOCUMENTS: dict[str, Callable[[FixtureObject], bytes | None]] = {
    "acl": lambda found: found.acl or _acl(found.owner),
    "tagging": _tagging,
    "retention": _retention,
    "legal-hold": _legal_hold,
}


def read_bucket(bucket: Bucket, request: Request) -> Response:
    """The answer to HEAD of a bucket or GET of one of its sub-resources."""
    subresource = request.subresource
    if request.method == "HEAD":
        return Response(200, {"x-amz-bucket-region": bucket.region})
    if subresource in bucket.documents:
        return document(bucket.documents[subresource])
    if subresource in _BUCKET_DOCUMENTS:
        return document(_BUCKET_DOCUMENTS[subresource](bucket))
    if subresource in _MISSING:
        return error(404, *_MISSING[subresource], BucketName=bucket.name)
    return error(501, "NotImplemented", NOT_IMPLEMENTED)


def _versioning(bucket: Bucket) -> bytes:
    status = elements(Status=bucket.versioning) if bucket.versioning else ""
    return result("VersioningConfiguration", status)


def _location(bucket: Bucket) -> bytes:
    # The element holds the region itself; us-east-1 is the empty one.
    return result("LocationConstraint", "" if bucket.region == "us-east-1" else bucket.region)


def _uploads(bucket: Bucket) -> bytes:
    inner = elements(Bucket=bucket.name, MaxUploads=1000, IsTruncated="false")
    by_key = sorted(bucket.uploads.items(), key=lambda item: (item[1].key, item[1].started))
    for upload_id, upload in by_key:
        known = elements(Key=upload.key, UploadId=upload_id, Initiated=iso(upload.started))
        inner += f"<Upload>{known}</Upload>"
    return result("ListMultipartUploadsResult", inner)


_BUCKET_DOCUMENTS: dict[str, Callable[[Bucket], bytes]] = {
    "versioning": _versioning,
    "location": _location,
    "uploads": _uploads,
    "acl": lambda _bucket: _acl("fault"),
}
