"""HEAD answers -> Arrow columns, one answer and one value after the other: slow, and the judge of the fast reader.

A header that is absent is a null, except where absence itself is the answer (no encryption, no bucket key, class
STANDARD). A header that cannot be understood is a null too: one strange object must not end an inventory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring
from typing import TypeAlias

import pyarrow as pa

from stocktake.model.fields import CHECKSUM_ALGORITHMS, MOMENT, NUMBER, TEXT
from stocktake.store.headers import Headers, header_text, metadata_text, read_headers
from stocktake.store.moments import any_moment, http_moment, iso_text
from stocktake.store.requests import Answer

_OK = 200  # HTTPStatus.OK costs a function call for each look
UNREADABLE = -1  # the status of an answer of 200 that makes no sense
# Before the headers may stand a status line, behind them an empty one; a header may go on in lines that are indented.
_SOUND = re.compile(
    rb"(?:HTTP/[^\r\n\0]*+\r\n)?(?:[^:\r\n\0]++:[^\r\n\0]*+\r\n(?:[ \t][^\r\n\0]*+\r\n)*+)*+(?:\r\n)?"
)
DIGITS_MAX = 18  # of a number that fits 64 bits

METADATA = b"x-amz-meta-"
_ENCRYPTION = b"x-amz-server-side-encryption"
_CUSTOMER_KEY = b"x-amz-server-side-encryption-customer-algorithm"
_ENCRYPTIONS = {"AES256": "SSE-S3", "aws:kms": "SSE-KMS", "aws:kms:dsse": "DSSE-KMS"}
_KMS_KEY = b"x-amz-server-side-encryption-aws-kms-key-id"
_BUCKET_KEY = b"x-amz-server-side-encryption-bucket-key-enabled"
EXPIRATION = b"x-amz-expiration"
_ARCHIVE = b"x-amz-archive-status"
_LOCK = b"x-amz-object-lock-"
_RETAIN_UNTIL = _LOCK + b"retain-until-date"
REPLICATION = b"x-amz-replication-status"
_REPLICATIONS = {"COMPLETE": "COMPLETED"}
_TIERS = {"ARCHIVE_ACCESS": "ARCHIVE", "DEEP_ARCHIVE_ACCESS": "DEEP_ARCHIVE"}
CHECKSUMS = {f"x-amz-checksum-{name.lower()}".encode(): name for name in CHECKSUM_ALGORITHMS}
_CHECKSUM_NAMES = frozenset(CHECKSUMS)
_HOLD_DURATIONS = {
    _LOCK + b"event-hold-duration-days": "days",
    _LOCK + b"event-hold-duration-years": "years",
}
_EXPIRY_DATE = re.compile(r'expiry-date="([^"]*)"')
_ONGOING = re.compile(r'ongoing-request="(true|false)"')

Value: TypeAlias = str | int | None
Reader: TypeAlias = Callable[[Headers], Value]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """How a column is read: a function of the headers of these names, and of no others."""

    name: str
    kind: pa.DataType
    read: Reader
    headers: frozenset[bytes]  # in lower case; METADATA stands for all that begin with it


def read_exact(answers: Sequence[Answer]) -> pa.RecordBatch:
    """One row of HEADS_SCHEMA for each answer, in their order; all but the status is null where that is not 200. It is
    UNREADABLE where any line is no header.
    """
    statuses = [
        UNREADABLE
        if answer.status == _OK and _SOUND.fullmatch(answer.headers) is None
        else answer.status
        for answer in answers
    ]
    known = [
        read_headers(answer.headers) if status == _OK else None
        for answer, status in zip(answers, statuses, strict=True)
    ]
    columns = [pa.array(statuses, pa.int16())]
    columns += [
        pa.array(
            [None if headers is None else column.read(headers) for headers in known], column.kind
        )
        for column in COLUMNS
    ]
    return pa.RecordBatch.from_arrays(columns, schema=HEADS_SCHEMA)


def _text(name: bytes) -> Reader:
    def read(headers: Headers) -> Value:
        value = headers.get(name)
        return header_text(value) or None if value else None

    return read


def _word(name: bytes, renamed: dict[str, str] | None = None) -> Reader:
    words = renamed or {}

    def read(headers: Headers) -> Value:
        value = headers.get(name)
        if not value:
            return None
        word = header_text(value).upper()
        return words.get(word, word) or None

    return read


def _number(name: bytes) -> Reader:
    def read(headers: Headers) -> Value:
        value = headers.get(name)
        if value is None or not (value := value.strip()).isdigit() or len(value) > DIGITS_MAX:
            return None
        return int(value)

    return read


def _last_modified(headers: Headers) -> Value:
    value = headers.get(b"last-modified")
    return None if value is None else http_moment(header_text(value))


def _retain_until(headers: Headers) -> Value:
    value = headers.get(_RETAIN_UNTIL)
    return None if value is None else any_moment(header_text(value))


def _e_tag(headers: Headers) -> Value:
    value = headers.get(b"etag")
    return None if value is None else header_text(value).removeprefix("W/").strip('"') or None


def _storage_class(headers: Headers) -> Value:
    value = headers.get(b"x-amz-storage-class")
    return header_text(value) if value else "STANDARD"


def _version_id(headers: Headers) -> Value:
    value = header_text(headers.get(b"x-amz-version-id", b""))
    return None if value in ("", "null") else value


def _encryption_status(headers: Headers) -> Value:
    if headers.get(_CUSTOMER_KEY):
        return "SSE-C"
    value = headers.get(_ENCRYPTION)
    if not value:
        return "NOT-SSE"
    algorithm = header_text(value)
    return _ENCRYPTIONS.get(algorithm, algorithm)


def _bucket_key_status(headers: Headers) -> Value:
    enabled = headers.get(_BUCKET_KEY, b"").strip().lower()
    return "ENABLED" if enabled == b"true" else "DISABLED"


def _event_hold_duration(headers: Headers) -> Value:
    for name, unit in _HOLD_DURATIONS.items():
        if value := headers.get(name):
            return f"{header_text(value)} {unit}"
    return None


def _lifecycle_expiration(headers: Headers) -> Value:
    value = headers.get(EXPIRATION)
    # Lifecycle leaves objects alone whose replication failed, so AWS's reports name no date for them.
    if value is None or headers.get(REPLICATION, b"").strip().upper() == b"FAILED":
        return None
    return expiry(value)


@lru_cache(maxsize=4096)  # many objects expire on one day, by one rule
def expiry(value: bytes) -> int | None:
    """The date in a value of x-amz-expiration or x-amz-restore, in milliseconds since 1970."""
    found = _EXPIRY_DATE.search(header_text(value))
    return None if found is None else any_moment(found[1])


def _restore_status(headers: Headers) -> Value:
    """The JSON that a listing gives for its RestoreStatus."""
    value = headers.get(b"x-amz-restore")
    if value is None:
        return None
    ongoing, moment = _ONGOING.search(header_text(value)), expiry(value)
    if ongoing is None:
        return None
    dated = "" if moment is None else f',"RestoreExpiryDate":"{iso_text(moment)}"'
    return f'{{"IsRestoreInProgress":{ongoing[1]}{dated}}}'


def _checksum_algorithm(headers: Headers) -> Value:
    if _CHECKSUM_NAMES.isdisjoint(headers):
        return None
    return ",".join(name for header, name in CHECKSUMS.items() if header in headers)


def _checksum_value(headers: Headers) -> Value:
    if _CHECKSUM_NAMES.isdisjoint(headers):
        return None
    return ",".join(
        f"{name}:{header_text(headers[header])}"
        for header, name in CHECKSUMS.items()
        if header in headers
    )


def _user_metadata(headers: Headers) -> Value:
    names = [name for name in headers if name.startswith(METADATA)]
    if not names:
        return "{}"
    metadata = {header_text(name[len(METADATA) :]): metadata_text(headers[name]) for name in names}
    # What json.dumps would write, for a third of its cost.
    members = [
        f"{encode_basestring(name)}:{encode_basestring(metadata[name])}"
        for name in sorted(metadata)
    ]
    return f"{{{','.join(members)}}}"


# Every column but the status: its name, its type, how its value is read, and from which headers.
COLUMNS = tuple(
    Column(name, kind, read, frozenset(headers))
    for name, kind, read, *headers in (
        ("size", NUMBER, _number(b"content-length"), b"content-length"),
        ("last_modified_date", MOMENT, _last_modified, b"last-modified"),
        ("e_tag", TEXT, _e_tag, b"etag"),
        ("storage_class", TEXT, _storage_class, b"x-amz-storage-class"),
        ("version_id", TEXT, _version_id, b"x-amz-version-id"),
        ("replication_status", TEXT, _word(REPLICATION, _REPLICATIONS), REPLICATION),
        ("encryption_status", TEXT, _encryption_status, _ENCRYPTION, _CUSTOMER_KEY),
        ("kms_key_arn", TEXT, _text(_KMS_KEY), _KMS_KEY),
        ("bucket_key_status", TEXT, _bucket_key_status, _BUCKET_KEY),
        ("object_lock_mode", TEXT, _word(_LOCK + b"mode"), _LOCK + b"mode"),
        ("object_lock_retain_until_date", MOMENT, _retain_until, _RETAIN_UNTIL),
        ("object_lock_legal_hold_status", TEXT, _word(_LOCK + b"legal-hold"), _LOCK + b"legal-hold"),
        ("object_lock_event_hold_status", TEXT, _word(_LOCK + b"event-hold"), _LOCK + b"event-hold"),
        ("object_lock_event_hold_duration", TEXT, _event_hold_duration, *_HOLD_DURATIONS),
        ("intelligent_tiering_access_tier", TEXT, _word(_ARCHIVE, _TIERS), _ARCHIVE),
        ("lifecycle_expiration_date", MOMENT, _lifecycle_expiration, EXPIRATION, REPLICATION),
        ("restore_status", TEXT, _restore_status, b"x-amz-restore"),
        ("checksum_algorithm", TEXT, _checksum_algorithm, *CHECKSUMS),
        ("checksum_type", TEXT, _word(b"x-amz-checksum-type"), b"x-amz-checksum-type"),
        ("checksum_value", TEXT, _checksum_value, *CHECKSUMS),
        ("content_type", TEXT, _text(b"content-type"), b"content-type"),
        ("content_encoding", TEXT, _text(b"content-encoding"), b"content-encoding"),
        ("user_metadata", TEXT, _user_metadata, METADATA),
        ("tagging_count", NUMBER, _number(b"x-amz-tagging-count"), b"x-amz-tagging-count"),
        ("parts_count", NUMBER, _number(b"x-amz-mp-parts-count"), b"x-amz-mp-parts-count"),
    )
)  # fmt: skip

# One row an answer. Texts are unquoted, moments UTC; `user_metadata` is a JSON object with sorted, lower-case names.
HEADS_SCHEMA = pa.schema([
    pa.field("status", pa.int16(), nullable=False),
    *(pa.field(column.name, column.kind) for column in COLUMNS),
])  # fmt: skip
