"""ONE table: every column a report can have, in the order it stands there.

AWS's columns come first, in AWS's order whatever the configuration's order (genuine schemas are all subsequences of
it); the positions of the three newest are not documented, so they follow the last known one. stocktake's extensions
come after all of AWS's and appear only when they are named.

Column names follow AWS's rule: `_` before each capital but the first, then lower case (`ETag` -> `e_tag`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

import pyarrow as pa

from stocktake.model.errors import UnknownFieldError

TEXT = pa.string()
FLAG = pa.bool_()
NUMBER = pa.int64()
MOMENT = pa.timestamp("ms", tz="UTC")
WHOLE_NUMBER = f"a whole number of at most {2**63 - 1}"  # what a NUMBER is, to people

# The values of ChecksumAlgorithm, as S3 spells them.
CHECKSUM_ALGORITHMS = (
    "CRC64NVME", "CRC32", "CRC32C", "SHA1", "SHA256", "SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128",
)  # fmt: skip


class Source(StrEnum):
    """The cheapest call that yields a field."""

    RUN = "run"  # known without asking: the bucket's name
    LIST = "list"
    LIST_OWNER = "list with fetch-owner"  # ListObjectVersions names the owner unasked
    LIST_RESTORE = "list with x-amz-optional-object-attributes"
    HEAD = "HeadObject"
    HEAD_CHECKSUM = "HeadObject with x-amz-checksum-mode"
    ACL = "GetObjectAcl"
    TAGGING = (
        "GetObjectTagging"  # only where HeadObject's x-amz-tagging-count is above 0, or withheld
    )
    NEVER = "no S3 call"


class Kind(StrEnum):
    """Why a column stands in a report."""

    ALWAYS = "always"
    VERSIONS = "all versions"
    OPTIONAL = "AWS OptionalField"
    EXTENSION = "stocktake extension"


@dataclass(frozen=True, slots=True)
class Field:
    """One column: AWS's `name`, its ORC and Parquet `column`, its Arrow `type` and where its value comes from.

    `permission` is the IAM action without which the store refuses or silently withholds the value; `withheld` says it
    is the latter: the header is simply absent, which looks like "no". `mutable` says the value can change without a
    new version being written, and `passing` is a pattern of values that will: they are never taken over from an earlier
    report.
    """

    name: str
    column: str
    type: pa.DataType
    source: Source
    kind: Kind = Kind.OPTIONAL
    permission: str = "s3:ListBucket"
    withheld: bool = False
    mutable: bool = False
    passing: str = ""

    @property
    def nullable(self) -> bool:
        """Only bucket and key are required in genuine reports."""
        return self.name not in ("Bucket", "Key")

    @property
    def arrow(self) -> pa.Field:
        """The column as an Arrow field."""
        return pa.field(self.column, self.type, nullable=self.nullable)


_GET = "s3:GetObject"
_RETENTION = "s3:GetObjectRetention"
_HOLD = "s3:GetObjectLegalHold"
_TAGS = "s3:GetObjectTagging"
_LIFECYCLE = "s3:GetLifecycleConfiguration"

FIELDS: tuple[Field, ...] = (
    Field("Bucket", "bucket", TEXT, Source.RUN, Kind.ALWAYS),
    Field("Key", "key", TEXT, Source.LIST, Kind.ALWAYS),
    Field("VersionId", "version_id", TEXT, Source.LIST, Kind.VERSIONS, "s3:ListBucketVersions"),
    Field("IsLatest", "is_latest", FLAG, Source.LIST, Kind.VERSIONS, "s3:ListBucketVersions", mutable=True),
    Field("IsDeleteMarker", "is_delete_marker", FLAG, Source.LIST, Kind.VERSIONS, "s3:ListBucketVersions"),
    Field("Size", "size", NUMBER, Source.LIST),
    Field("LastModifiedDate", "last_modified_date", MOMENT, Source.LIST),
    Field("ETag", "e_tag", TEXT, Source.LIST),
    Field("StorageClass", "storage_class", TEXT, Source.LIST, mutable=True),
    Field("IsMultipartUploaded", "is_multipart_uploaded", FLAG, Source.LIST),
    Field("ReplicationStatus", "replication_status", TEXT, Source.HEAD, permission=_GET, mutable=True, passing="^PENDING$"),
    Field("EncryptionStatus", "encryption_status", TEXT, Source.HEAD, permission=_GET, mutable=True),
    Field("ObjectLockRetainUntilDate", "object_lock_retain_until_date", MOMENT, Source.HEAD, permission=_RETENTION, withheld=True, mutable=True),
    Field("ObjectLockMode", "object_lock_mode", TEXT, Source.HEAD, permission=_RETENTION, withheld=True, mutable=True),
    Field("ObjectLockLegalHoldStatus", "object_lock_legal_hold_status", TEXT, Source.HEAD, permission=_HOLD, withheld=True, mutable=True),
    Field("IntelligentTieringAccessTier", "intelligent_tiering_access_tier", TEXT, Source.HEAD, permission=_GET, mutable=True),
    Field("BucketKeyStatus", "bucket_key_status", TEXT, Source.HEAD, permission=_GET, mutable=True),
    Field("ChecksumAlgorithm", "checksum_algorithm", TEXT, Source.LIST),
    Field("ObjectAccessControlList", "object_access_control_list", TEXT, Source.ACL, permission="s3:GetObjectAcl", mutable=True),
    Field("ObjectOwner", "object_owner", TEXT, Source.LIST_OWNER, mutable=True),
    Field("LifecycleExpirationDate", "lifecycle_expiration_date", MOMENT, Source.HEAD, permission=_GET, mutable=True),
    Field("ObjectLockEventHoldStatus", "object_lock_event_hold_status", TEXT, Source.HEAD, permission=_RETENTION, withheld=True, mutable=True),
    Field("ObjectLockEventHoldDuration", "object_lock_event_hold_duration", TEXT, Source.HEAD, permission=_RETENTION, withheld=True, mutable=True),
    Field("IntelligentTieringReferenceDate", "intelligent_tiering_reference_date", MOMENT, Source.NEVER, permission=_GET, mutable=True),
    Field("ObjectTags", "object_tags", TEXT, Source.TAGGING, Kind.EXTENSION, _TAGS, withheld=True, mutable=True),
    Field("UserMetadata", "user_metadata", TEXT, Source.HEAD, Kind.EXTENSION, _GET),
    Field("ContentType", "content_type", TEXT, Source.HEAD, Kind.EXTENSION, _GET),
    Field("ContentEncoding", "content_encoding", TEXT, Source.HEAD, Kind.EXTENSION, _GET),
    Field("KmsKeyArn", "kms_key_arn", TEXT, Source.HEAD, Kind.EXTENSION, _GET, mutable=True),
    Field("ChecksumType", "checksum_type", TEXT, Source.LIST, Kind.EXTENSION),
    Field("ChecksumValue", "checksum_value", TEXT, Source.HEAD_CHECKSUM, Kind.EXTENSION, _GET),
    Field("PartsCount", "parts_count", NUMBER, Source.LIST, Kind.EXTENSION),
    Field("RestoreStatus", "restore_status", TEXT, Source.LIST_RESTORE, Kind.EXTENSION, mutable=True, passing="."),
)  # fmt: skip

BY_NAME: dict[str, Field] = {field.name: field for field in FIELDS}
BY_COLUMN: dict[str, Field] = {field.column: field for field in FIELDS}
OPTIONAL_FIELDS: tuple[str, ...] = tuple(f.name for f in FIELDS if f.kind is Kind.OPTIONAL)
EXTENSION_FIELDS: tuple[str, ...] = tuple(f.name for f in FIELDS if f.kind is Kind.EXTENSION)

_FROM_PLAIN_LIST = (Source.LIST,)
_FROM_ANY_LIST = (Source.LIST, Source.LIST_OWNER, Source.LIST_RESTORE)


def _optional_from(sources: Sequence[Source]) -> tuple[str, ...]:
    return tuple(f.name for f in FIELDS if f.kind is Kind.OPTIONAL and f.source in sources)


# The words `--fields` knows beside the names of fields. None of them adds an extension.
FIELD_SETS: dict[str, tuple[str, ...]] = {
    "default": _optional_from(_FROM_PLAIN_LIST),
    "free": _optional_from(_FROM_ANY_LIST),
    "all": OPTIONAL_FIELDS,
}


def choose_fields(words: Iterable[str]) -> tuple[str, ...]:
    """The optional field names that `words` (names in any letter case, or sets) ask for, in the report's order.

    Raises:
        UnknownFieldError: a word is neither a field that can be chosen nor a set.
    """
    known = {name.lower(): (name,) for name in OPTIONAL_FIELDS + EXTENSION_FIELDS} | FIELD_SETS
    chosen: set[str] = set()
    for word in words:
        if word.strip().lower() not in known:
            nearest = get_close_matches(word.strip().lower(), known, n=1)
            meant = f"; did you mean `{_spelt(nearest[0])}`?" if nearest else ""
            raise UnknownFieldError(
                f"unknown field `{word.strip()}`{meant}",
                hint=f"fields: {', '.join(OPTIONAL_FIELDS)}; extensions: {', '.join(EXTENSION_FIELDS)};"
                f" sets: {', '.join(FIELD_SETS)}",
            )
        chosen.update(known[word.strip().lower()])
    return tuple(field.name for field in FIELDS if field.name in chosen)


def _spelt(word: str) -> str:
    return next((name for name in OPTIONAL_FIELDS + EXTENSION_FIELDS if name.lower() == word), word)


def report_fields(optional: Iterable[str], *, all_versions: bool) -> tuple[Field, ...]:
    """The columns of a report with these optional fields, in canonical order."""
    wanted = set(optional)
    kinds = {Kind.ALWAYS, Kind.VERSIONS} if all_versions else {Kind.ALWAYS}
    return tuple(field for field in FIELDS if field.kind in kinds or field.name in wanted)


def report_schema(fields: Iterable[Field]) -> pa.Schema:
    """The Arrow schema of a report's rows: bucket and key required, moments in UTC milliseconds, all else nullable."""
    return pa.schema([field.arrow for field in fields])
