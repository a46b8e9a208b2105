"""Many rows of hostile values: what quotes, line ends, blanks, NULLs, versions and Unicode can do to a format."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TypeAlias

import pyarrow as pa

from stocktake.model.configuration import Format
from stocktake.model.fields import report_fields, report_schema
from tests.analysis.reports import OUR_MOMENT, our_report

FIELDS = (
    "Size", "LastModifiedDate", "ETag", "StorageClass", "IsMultipartUploaded", "ReplicationStatus",
    "EncryptionStatus", "ObjectLockRetainUntilDate", "ObjectLockMode", "ObjectLockLegalHoldStatus",
    "BucketKeyStatus", "ChecksumAlgorithm", "ObjectAccessControlList", "ObjectOwner",
    "LifecycleExpirationDate", "ObjectTags", "UserMetadata", "ContentType", "KmsKeyArn", "PartsCount",
)  # fmt: skip
# Whatever a reader might take for something else. An empty text is none in reports, whatever their format.
TEXTS: tuple[str | None, ...] = (
    None, "", "plain", '"', '""', '"quoted"', 'ends in "', "a,b", ",", "line\nfeed", "carriage\r\nreturn", "\n", "\r",
    "\t", " leading", "trailing ", " ", "\\", '\\"', "\\N", "\\n", "NULL", "null", "None", "NaN", "true", "false", "0",
    "1e5", "'", "''", "ü", "e\u0301", "\U0001f389", "\u202e", "\u2028", "\x85", "\ufeff", "\x01", "\x7f", "%41+", "+",
    "{}", "[1]", "#", ";", "|", "-", "--", "2024-05-06T22:37:48.000Z", "x" * 3000,
)  # fmt: skip
STEMS = (
    "plain/", "a b/", "a+b/", "a%20b/", "%/", '"/', '""', ",/", "'/", "line\nfeed/", "cr\r\nlf/", "\t", "//", "/",
    "e\u0301/", "ü/", "\U0001f389/", "\u202e/", "\ufeff", "\x01", "\x7f/", "null/", "\\N/", "../", "dt=2026/",
    "k" * 300,
)  # fmt: skip
_GRANTS = (
    {"canonicalId": "me", "type": "CanonicalUser", "permission": "FULL_CONTROL"},
    {
        "uri": "http://acs.amazonaws.com/groups/global/AllUsers",
        "permission": "READ",
        "type": "Group",
    },
)
_ACLS = (
    *(
        base64.b64encode(
            json.dumps({"version": "2022-11-10", "status": status, "grants": grants}).encode()
        ).decode()
        for status, grants in (
            ("AVAILABLE", _GRANTS[:1]),
            ("AVAILABLE", _GRANTS),
            ("UNAVAILABLE", ()),
        )
    ),
    None,
    "no base64!",
)
_KNOWN: dict[str, tuple[object, ...]] = {
    "storage_class": ("STANDARD", "GLACIER", "STANDARD_IA", None, *TEXTS[3:12]),
    "encryption_status": ("SSE-S3", "NOT-SSE", "SSE-KMS", "SSE-C", None),
    "replication_status": ("COMPLETED", "FAILED", "PENDING", None),
    "object_lock_mode": ("COMPLIANCE", "GOVERNANCE", None),
    "object_lock_legal_hold_status": ("ON", "OFF", None),
    "bucket_key_status": ("ENABLED", "DISABLED", None),
    "checksum_algorithm": ("SHA256", "CRC32", "CRC32,SHA256", None),
    "object_access_control_list": _ACLS,
    "is_multipart_uploaded": (True, False, None),
    "size": (0, 1, 2**40, 2**45, None, *range(100, 100_000, 997)),
    "parts_count": (None, 1, 10_000),
    "object_lock_retain_until_date": (None, OUR_MOMENT + timedelta(days=9)),
    "lifecycle_expiration_date": (None, OUR_MOMENT + timedelta(days=3), OUR_MOMENT + timedelta(days=999)),
    "last_modified_date": (None, *(OUR_MOMENT - timedelta(milliseconds=each) for each in range(0, 10**11, 10**9 + 7))),
}  # fmt: skip
_ABSENT_IN_MARKERS = (
    "size",
    "e_tag",
    "storage_class",
    "encryption_status",
    "object_access_control_list",
)
_COLUMNS = report_fields(FIELDS, all_versions=True)

Rows: TypeAlias = list[dict[str, object]]


def hostile_rows(keys: int) -> Rows:
    """Rows of so many keys, in their order; half of the keys have two versions, the latest of some a delete marker."""
    drawn = Random(7)
    names = sorted((f"{STEMS[each % len(STEMS)]}{each:06}" for each in range(keys)), key=str.encode)
    rows: Rows = []
    for number, key in enumerate(names):
        ids = [None, f"{number:08}.v"][: 1 + number % 2]
        for version in ids:
            rows.append(_row(drawn, key, version, latest=version is ids[-1]))
    return rows


def changed_rows(rows: Rows) -> Rows:
    """The same a day later: some are gone, some were written anew, of some a class or a tag has changed."""
    drawn = Random(11)
    later: Rows = []
    for number, row in enumerate(rows):
        changes: dict[str, object] = {}
        if number % 97 == 5:
            changes = {"e_tag": f"{number:032x}", "size": number}
        elif number % 89 == 7:
            changes = {"storage_class": drawn.choice(_KNOWN["storage_class"])}
        elif number % 83 == 9:
            changes = {"object_tags": drawn.choice(TEXTS[2:])}
        if number % 101 != 3:
            later.append({**row, **changes})
    later += [_row(drawn, f"\U0010ffff/{number:04}", None, latest=True) for number in range(500)]
    return later


def _row(drawn: Random, key: str, version: str | None, *, latest: bool) -> dict[str, object]:
    values = ((field.column, drawn.choice(_KNOWN.get(field.column, TEXTS))) for field in _COLUMNS)
    row: dict[str, object] = {name: None if value == "" else value for name, value in values}
    marker = version is not None and latest and drawn.random() < 0.1
    row |= {
        "bucket": "source",
        "key": key,
        "version_id": version,
        "is_latest": latest,
        "is_delete_marker": marker,
    }
    return row | (dict.fromkeys(_ABSENT_IN_MARKERS) if marker else {})


def as_table(rows: Rows) -> pa.Table:
    """The rows with the columns and types of a report."""
    return pa.Table.from_pylist(rows, schema=report_schema(_COLUMNS))


def hostile_report(root: Path, report_format: Format, table: pa.Table, *, files: int = 4) -> Path:
    """A report of these rows in so many data files, all rows of a key in one; its manifest.json."""
    keys = table.column("key").to_pylist()
    bounds = [0]
    for number in range(1, files):
        place = number * len(keys) // files
        while keys[place] == keys[place - 1]:
            place += 1
        bounds.append(place)
    pieces = [table.slice(start, end - start) for start, end in pairwise([*bounds, len(keys)])]
    return our_report(root, report_format, pieces, fields=FIELDS, all_versions=True).manifest_path
