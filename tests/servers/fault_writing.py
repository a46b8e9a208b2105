"""PUT, multipart upload and DELETE: the fault server as a destination."""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime

from tests.servers.fault_fixtures import Bucket, FixtureObject, Upload
from tests.servers.fault_values import Request, Response, document, error
from tests.servers.fault_xml import elements, iso, result

_SSE = "x-amz-server-side-encryption"
_KEPT_HEADERS = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
)
_CHECKSUMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")
_KMS_KEY = "arn:aws:kms:us-east-1:000000000000:key/aws-s3"


class RefusedError(Exception):
    """A write that is answered by an error."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def write_object(bucket: Bucket, request: Request, now: Callable[[], datetime]) -> Response:
    """The answer to any call that changes an object or an upload; changes it."""
    try:
        return _WRITES[request.operation](bucket, request, now)
    except RefusedError as refused:
        return refused.response


def _put(bucket: Bucket, request: Request, now: Callable[[], datetime]) -> Response:
    if "x-amz-copy-source" in request.headers:
        return error(501, "NotImplemented", "Copying is not implemented")
    newest = bucket.find(request.key)
    if request.headers.get("if-none-match") == "*" and newest and not newest.delete_marker:
        message = "At least one of the pre-conditions you specified did not hold"
        return error(412, "PreconditionFailed", message)
    body = _checked_body(bucket, request)
    etag = hashlib.md5(body).hexdigest()
    return _stored(bucket, request.key, request.headers, body, etag=etag, moment=now())


def _checked_body(bucket: Bucket, request: Request) -> bytes:
    """The bytes that were sent, out of their chunks. Raises RefusedError when they are not what
    headers say."""
    headers, body = request.headers, request.body
    declared = headers.get("x-amz-content-sha256", "")
    if declared.startswith("STREAMING-"):
        if bucket.trailers == "refused" and declared.endswith("-TRAILER"):
            raise RefusedError(_digest_error("XAmzContentSHA256Mismatch", "x-amz-content-sha256"))
        body = _dechunked(body)
    elif re.fullmatch("[0-9a-f]{64}", declared) and hashlib.sha256(body).hexdigest() != declared:
        raise RefusedError(_digest_error("XAmzContentSHA256Mismatch", "x-amz-content-sha256"))
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    if headers.get("content-md5", md5) != md5:
        raise RefusedError(_digest_error("BadDigest", "Content-MD5"))
    return body


def _digest_error(code: str, header: str) -> Response:
    return error(400, code, f"The {header} you specified did not match what we received.")


def _dechunked(body: bytes) -> bytes:
    """What aws-chunked framing holds: `size;signature` lines, each before its bytes; trailers are
    left out."""
    parts, at = [], 0
    while at < len(body):
        line_end = body.index(b"\r\n", at)
        size = int(body[at:line_end].partition(b";")[0], 16)
        if size == 0:
            break
        parts.append(body[line_end + 2 : line_end + 2 + size])
        at = line_end + 2 + size + 2
    return b"".join(parts)


def _encryption(bucket: Bucket, asked: Mapping[str, str]) -> dict[str, str]:
    """The headers of the encryption that is applied; S3's default is SSE-S3."""
    wanted = asked.get(_SSE)
    if bucket.encryption == "refused" and wanted:
        message = "A header you provided implies functionality that is not implemented"
        raise RefusedError(error(501, "NotImplemented", message))
    if bucket.encryption != "applied":
        return {}
    headers = {_SSE: wanted or "AES256"}
    if (wanted or "").startswith("aws:kms"):
        headers[f"{_SSE}-aws-kms-key-id"] = asked.get(f"{_SSE}-aws-kms-key-id", _KMS_KEY)
    return headers


def _stored(
    bucket: Bucket, key: str, asked: Mapping[str, str], body: bytes, *, etag: str, moment: datetime
) -> Response:
    encryption = _encryption(bucket, asked)
    kept = {
        name: value
        for name, value in asked.items()
        if name in _KEPT_HEADERS or name.startswith("x-amz-meta-")
    }
    if kept.get("content-encoding", "").startswith("aws-chunked"):
        kept["content-encoding"] = kept["content-encoding"].removeprefix("aws-chunked").lstrip(", ")
    checksum = _checksum(asked)
    given = FixtureObject(
        key,
        last_modified=moment,
        etag=etag,
        storage_class=asked.get("x-amz-storage-class", "STANDARD"),
        content_type=asked.get("content-type", "binary/octet-stream"),
        head_headers={name: value for name, value in kept.items() if value} | encryption,
        body=body,
        checksum_algorithm=checksum,
        checksum_type="FULL_OBJECT" if checksum else "",
        checksum_value=asked.get(f"x-amz-checksum-{checksum.lower()}", ""),
    )
    stored = bucket.put(given)
    version = {"x-amz-version-id": stored.version_id} if stored.version_id else {}
    return Response(200, {"ETag": f'"{etag}"', **version, **encryption})


def _checksum(asked: Mapping[str, str]) -> str:
    return next((name for name in _CHECKSUMS if f"x-amz-checksum-{name.lower()}" in asked), "")


def _create_upload(bucket: Bucket, request: Request, now: Callable[[], datetime]) -> Response:
    encryption = _encryption(bucket, request.headers)
    upload_id = uuid.uuid4().hex
    bucket.uploads[upload_id] = Upload(request.key, dict(request.headers), now())
    inner = elements(Bucket=bucket.name, Key=request.key, UploadId=upload_id)
    answer = document(result("InitiateMultipartUploadResult", inner))
    answer.headers.update(encryption)
    return answer


def _upload_of(bucket: Bucket, request: Request) -> Upload:
    upload = bucket.uploads.get(request.query.get("uploadId", ""))
    if upload is None or upload.key != request.key:
        raise RefusedError(error(404, "NoSuchUpload", "The specified upload does not exist."))
    return upload


def _upload_part(bucket: Bucket, request: Request, _now: Callable[[], datetime]) -> Response:
    upload = _upload_of(bucket, request)
    body = _checked_body(bucket, request)
    upload.parts[int(request.query["partNumber"])] = body
    return Response(200, {"ETag": f'"{hashlib.md5(body).hexdigest()}"'})


def _complete(bucket: Bucket, request: Request, now: Callable[[], datetime]) -> Response:
    upload = _upload_of(bucket, request)
    text = request.body.decode()
    numbers = [int(number) for number in re.findall(r"<PartNumber>(\d+)</PartNumber>", text)]
    named = re.findall(r'<ETag>(?:&quot;|&#34;|")?([0-9a-f]{32})', text)
    digests = [hashlib.md5(upload.parts.get(number, b"")) for number in numbers]
    known = all(number in upload.parts for number in numbers)
    if not numbers or not known or named != [digest.hexdigest() for digest in digests]:
        return error(400, "InvalidPart", "One or more of the specified parts could not be found.")
    if numbers != sorted(set(numbers)):
        return error(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
    etag = (
        f"{hashlib.md5(b''.join(digest.digest() for digest in digests)).hexdigest()}-{len(numbers)}"
    )
    body = b"".join(upload.parts[number] for number in numbers)
    written = _stored(bucket, upload.key, upload.headers, body, etag=etag, moment=now())
    del bucket.uploads[request.query["uploadId"]]
    inner = elements(Bucket=bucket.name, Key=upload.key, ETag=f'"{etag}"')
    answer = document(result("CompleteMultipartUploadResult", inner))
    answer.headers.update(
        {name: value for name, value in written.headers.items() if name != "ETag"}
    )
    return answer


def _abort(bucket: Bucket, request: Request, _now: Callable[[], datetime]) -> Response:
    _upload_of(bucket, request)
    del bucket.uploads[request.query["uploadId"]]
    return Response(204)


def _list_parts(bucket: Bucket, request: Request, _now: Callable[[], datetime]) -> Response:
    upload = _upload_of(bucket, request)
    inner = elements(Bucket=bucket.name, Key=upload.key, IsTruncated="false")
    for number, body in sorted(upload.parts.items()):
        known = elements(PartNumber=number, LastModified=iso(upload.started), Size=len(body))
        inner += f"<Part>{known}{elements(ETag=hashlib.md5(body).hexdigest())}</Part>"
    return document(result("ListPartsResult", inner))


def _delete(bucket: Bucket, request: Request, _now: Callable[[], datetime]) -> Response:
    marker = bucket.remove(request.key, request.query.get("versionId"))
    if marker is None:
        return Response(204)
    return Response(
        204, {"x-amz-delete-marker": "true", "x-amz-version-id": marker.version_id or "null"}
    )


_WRITES: dict[str, Callable[[Bucket, Request, Callable[[], datetime]], Response]] = {
    "PutObject": _put,
    "CreateMultipartUpload": _create_upload,
    "UploadPart": _upload_part,
    "CompleteMultipartUpload": _complete,
    "AbortMultipartUpload": _abort,
    "ListParts": _list_parts,
    "DeleteObject": _delete,
}
WRITES = frozenset(_WRITES)
