"""HEAD answers -> Arrow columns: what an object's headers say, in the words of inventory reports.

A header that is absent is a null, except where absence itself is the answer (no encryption, no bucket key, class
STANDARD). A header that cannot be understood is a null too: one strange object must not end an inventory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from http import HTTPStatus
from json.encoder import encode_basestring
from typing import TypeAlias

import pyarrow as pa

from stocktake.model.fields import MOMENT, NUMBER, TEXT
from stocktake.model.runs import Call
from stocktake.store.headers import Headers, header_text, metadata_text, read_headers
from stocktake.store.moments import http_moment, iso_moment, iso_text
from stocktake.store.requests import Answer, Request

_PROOF_BYTES_MAX = 64 * 2**10  # room for an error document; else the object's first byte
_DIGITS_MAX = 18  # of a number that fits 64 bits

_METADATA = b"x-amz-meta-"
_ENCRYPTION = b"x-amz-server-side-encryption"
_CUSTOMER_KEY = b"x-amz-server-side-encryption-customer-algorithm"
_ENCRYPTIONS = {"AES256": "SSE-S3", "aws:kms": "SSE-KMS", "aws:kms:dsse": "DSSE-KMS"}
_REPLICATION = b"x-amz-replication-status"
_REPLICATIONS = {"COMPLETE": "COMPLETED"}
_TIERS = {"ARCHIVE_ACCESS": "ARCHIVE", "DEEP_ARCHIVE_ACCESS": "DEEP_ARCHIVE"}
_CHECKSUMS = {
    f"x-amz-checksum-{name.lower()}".encode(): name
    for name in (
        "CRC64NVME", "CRC32", "CRC32C", "SHA1", "SHA256", "SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128",
    )
}  # fmt: skip
_CHECKSUM_NAMES = frozenset(_CHECKSUMS)
_HOLD_DURATIONS = {
    b"x-amz-object-lock-event-hold-duration-days": "days",
    b"x-amz-object-lock-event-hold-duration-years": "years",
}
_EXPIRY_DATE = re.compile(r'expiry-date="([^"]*)"')
_ONGOING = re.compile(r'ongoing-request="(true|false)"')

_Value: TypeAlias = str | int | None
_Reader: TypeAlias = Callable[[Headers], _Value]


def head_request(
    bucket: str,
    key: str,
    version_id: str | None,
    *,
    checksum: bool = False,
    request_payer: bool = False,
) -> Request:
    """HeadObject of the current object, or of the version named: `null` where all versions are inventoried.

    `checksum` asks for the stored checksums, which needs more permissions on objects under a key service.
    """
    headers = [("x-amz-checksum-mode", "ENABLED")] if checksum else []
    return _object_request(Call.HEAD, "HEAD", bucket, key, version_id, headers, request_payer)


def proof_request(
    bucket: str, key: str, version_id: str | None, *, request_payer: bool = False
) -> Request:
    """A GET of the object's first byte. Its error document says what a refused HEAD, having no body, cannot."""
    headers = [("Range", "bytes=0-0")]
    return _object_request(Call.PROOF, "GET", bucket, key, version_id, headers, request_payer)


def _object_request(  # noqa: PLR0917
    call: Call,
    method: str,
    bucket: str,
    key: str,
    version_id: str | None,
    headers: list[tuple[str, str]],
    request_payer: bool,  # noqa: FBT001
) -> Request:
    payer = [("x-amz-request-payer", "requester")] if request_payer else []
    return Request(
        call=call,
        method=method,
        bucket=bucket,
        key=key,
        query=(("versionId", version_id),) if version_id is not None else (),
        headers=(*headers, *payer),
        body_bytes_max=_PROOF_BYTES_MAX,
    )


def read_heads(answers: Sequence[Answer]) -> pa.RecordBatch:
    """One row of HEADS_SCHEMA for each answer, in their order; all but the status is null where that is not 200."""
    known = [
        read_headers(answer.headers) if answer.status == HTTPStatus.OK else None
        for answer in answers
    ]
    columns = [pa.array([answer.status for answer in answers], pa.int16())]
    columns += [
        pa.array([None if headers is None else read(headers) for headers in known], kind)
        for _, kind, read in _COLUMNS
    ]
    return pa.RecordBatch.from_arrays(columns, schema=HEADS_SCHEMA)


def _text(name: bytes) -> _Reader:
    def read(headers: Headers) -> _Value:
        value = headers.get(name)
        return header_text(value) or None if value else None

    return read


def _word(name: bytes, renamed: dict[str, str] | None = None) -> _Reader:
    words = renamed or {}

    def read(headers: Headers) -> _Value:
        value = headers.get(name)
        if not value:
            return None
        word = header_text(value).upper()
        return words.get(word, word) or None

    return read


def _number(name: bytes) -> _Reader:
    def read(headers: Headers) -> _Value:
        value = headers.get(name)
        if value is None or not (value := value.strip()).isdigit() or len(value) > _DIGITS_MAX:
            return None
        return int(value)

    return read


def _last_modified(headers: Headers) -> _Value:
    value = headers.get(b"last-modified")
    return None if value is None else http_moment(header_text(value))


def _retain_until(headers: Headers) -> _Value:
    value = headers.get(b"x-amz-object-lock-retain-until-date")
    return None if value is None else _any_moment(header_text(value))


def _any_moment(text: str) -> int | None:
    moment = iso_moment(text) if text[:1].isdigit() else None
    return http_moment(text) if moment is None else moment


def _e_tag(headers: Headers) -> _Value:
    value = headers.get(b"etag")
    return None if value is None else header_text(value).removeprefix("W/").strip('"') or None


def _storage_class(headers: Headers) -> _Value:
    value = headers.get(b"x-amz-storage-class")
    return header_text(value) if value else "STANDARD"


def _version_id(headers: Headers) -> _Value:
    value = header_text(headers.get(b"x-amz-version-id", b""))
    return None if value in ("", "null") else value


def _encryption_status(headers: Headers) -> _Value:
    if headers.get(_CUSTOMER_KEY):
        return "SSE-C"
    value = headers.get(_ENCRYPTION)
    if not value:
        return "NOT-SSE"
    algorithm = header_text(value)
    return _ENCRYPTIONS.get(algorithm, algorithm)


def _bucket_key_status(headers: Headers) -> _Value:
    enabled = headers.get(b"x-amz-server-side-encryption-bucket-key-enabled", b"").strip().lower()
    return "ENABLED" if enabled == b"true" else "DISABLED"


def _event_hold_duration(headers: Headers) -> _Value:
    for name, unit in _HOLD_DURATIONS.items():
        if value := headers.get(name):
            return f"{header_text(value)} {unit}"
    return None


def _lifecycle_expiration(headers: Headers) -> _Value:
    value = headers.get(b"x-amz-expiration")
    # Lifecycle leaves objects alone whose replication failed, so AWS's reports name no date for them.
    if value is None or headers.get(_REPLICATION, b"").strip().upper() == b"FAILED":
        return None
    return _expiry(value)


@lru_cache(maxsize=4096)  # many objects expire on one day, by one rule
def _expiry(value: bytes) -> int | None:
    found = _EXPIRY_DATE.search(header_text(value))
    return None if found is None else _any_moment(found[1])


def _restore_status(headers: Headers) -> _Value:
    """The JSON that a listing gives for its RestoreStatus."""
    value = headers.get(b"x-amz-restore")
    if value is None:
        return None
    ongoing, moment = _ONGOING.search(header_text(value)), _expiry(value)
    if ongoing is None:
        return None
    dated = "" if moment is None else f',"RestoreExpiryDate":"{iso_text(moment)}"'
    return f'{{"IsRestoreInProgress":{ongoing[1]}{dated}}}'


def _checksum_algorithm(headers: Headers) -> _Value:
    if _CHECKSUM_NAMES.isdisjoint(headers):
        return None
    return ",".join(name for header, name in _CHECKSUMS.items() if header in headers)


def _checksum_value(headers: Headers) -> _Value:
    if _CHECKSUM_NAMES.isdisjoint(headers):
        return None
    return ",".join(
        f"{name}:{header_text(headers[header])}"
        for header, name in _CHECKSUMS.items()
        if header in headers
    )


def _user_metadata(headers: Headers) -> _Value:
    names = [name for name in headers if name.startswith(_METADATA)]
    if not names:
        return "{}"
    metadata = {header_text(name[len(_METADATA) :]): metadata_text(headers[name]) for name in names}
    # What json.dumps would write, for a third of its cost.
    members = [
        f"{encode_basestring(name)}:{encode_basestring(metadata[name])}"
        for name in sorted(metadata)
    ]
    return f"{{{','.join(members)}}}"


_LOCK = b"x-amz-object-lock-"

# Every column but the status: its name, its type, and how its value is read.
_COLUMNS: tuple[tuple[str, pa.DataType, _Reader], ...] = (
    ("size", NUMBER, _number(b"content-length")),
    ("last_modified_date", MOMENT, _last_modified),
    ("e_tag", TEXT, _e_tag),
    ("storage_class", TEXT, _storage_class),
    ("version_id", TEXT, _version_id),
    ("replication_status", TEXT, _word(_REPLICATION, _REPLICATIONS)),
    ("encryption_status", TEXT, _encryption_status),
    ("kms_key_arn", TEXT, _text(b"x-amz-server-side-encryption-aws-kms-key-id")),
    ("bucket_key_status", TEXT, _bucket_key_status),
    ("object_lock_mode", TEXT, _word(_LOCK + b"mode")),
    ("object_lock_retain_until_date", MOMENT, _retain_until),
    ("object_lock_legal_hold_status", TEXT, _word(_LOCK + b"legal-hold")),
    ("object_lock_event_hold_status", TEXT, _word(_LOCK + b"event-hold")),
    ("object_lock_event_hold_duration", TEXT, _event_hold_duration),
    ("intelligent_tiering_access_tier", TEXT, _word(b"x-amz-archive-status", _TIERS)),
    ("lifecycle_expiration_date", MOMENT, _lifecycle_expiration),
    ("restore_status", TEXT, _restore_status),
    ("checksum_algorithm", TEXT, _checksum_algorithm),
    ("checksum_type", TEXT, _word(b"x-amz-checksum-type")),
    ("checksum_value", TEXT, _checksum_value),
    ("content_type", TEXT, _text(b"content-type")),
    ("content_encoding", TEXT, _text(b"content-encoding")),
    ("user_metadata", TEXT, _user_metadata),
    ("tagging_count", NUMBER, _number(b"x-amz-tagging-count")),
    ("parts_count", NUMBER, _number(b"x-amz-mp-parts-count")),
)  # fmt: skip

# One row an answer. Texts are unquoted, moments UTC; `user_metadata` is a JSON object with sorted, lower-case names.
HEADS_SCHEMA = pa.schema([
    pa.field("status", pa.int16(), nullable=False),
    *(pa.field(name, kind) for name, kind, _ in _COLUMNS),
])  # fmt: skip
