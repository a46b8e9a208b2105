"""A report of every field in which each audit has something to find, and rows that none finds."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stocktake.analysis.audits.policy import Expectation, Policy
from stocktake.analysis.report import Report
from stocktake.model.configuration import Format
from stocktake.model.fields import EXTENSION_FIELDS, OPTIONAL_FIELDS
from stocktake.model.sidecar import render_sidecar
from tests.analysis.questions import opened
from tests.analysis.reports import OUR_MOMENT, Row, our_report, write

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
KIB = 1024
RIGHT_KEY, OTHER_KEY = (
    "arn:aws:kms:eu-central-1:1:key/right",
    "arn:aws:kms:eu-central-1:1:key/other",
)
ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED_USERS = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
LOG_DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"
ALL_FIELDS = (*OPTIONAL_FIELDS, *EXTENSION_FIELDS)

POLICY = Policy(
    expectations=(
        Expectation.model_validate(
            {
                "prefix": "",
                "encryption": ["SSE-KMS"],
                "kms_keys": [RIGHT_KEY],
                "replication": True,
                "object_lock": ["COMPLIANCE"],
                "owners": ["me"],
                "grantees": ["friend"],
            }
        ),
        Expectation.model_validate({"prefix": "public/", "encryption": ["SSE-S3", "NOT-SSE"]}),
    )
)


def acl(*grants: Mapping[str, str], status: str = "AVAILABLE") -> str:
    """An access control list as reports hold it."""
    document = {"version": "2022-11-10", "status": status, "grants": list(grants)}
    return base64.b64encode(json.dumps(document, separators=(",", ":")).encode()).decode()


def user(name: str) -> dict[str, str]:
    return {"canonicalId": name, "type": "CanonicalUser", "permission": "FULL_CONTROL"}


def everybody(uri: str) -> dict[str, str]:
    return {"uri": uri, "permission": "READ", "type": "Group"}


@dataclass(frozen=True)
class Planted:
    """A row that these audits find, and no other: a clean one but for `changes`."""

    key: str
    found_by: tuple[str, ...]
    changes: Mapping[str, object] = field(default_factory=dict)


MARKER = dict.fromkeys(
    (
        "size", "e_tag", "storage_class", "is_multipart_uploaded", "replication_status",
        "encryption_status", "object_lock_retain_until_date", "object_lock_mode",
        "object_lock_legal_hold_status", "checksum_algorithm", "object_access_control_list",
        "object_owner", "kms_key_arn",
    )
) | {"is_delete_marker": True, "bucket_key_status": "DISABLED"}  # fmt: skip
OLD = OUR_MOMENT - timedelta(days=400)
WAITING = {"replication_status": "PENDING"}

PLANTED = (
    *(Planted(f"clean/{number:03}", ()) for number in range(40)),
    Planted("clean/folder/", (), {"size": 0, "e_tag": "d41d8cd98f00b204e9800998ecf8427e"}),
    Planted("clean/hold-off", (), {"object_lock_legal_hold_status": "OFF"}),
    Planted("clean/log-delivery", (), {"object_access_control_list": acl(user("me"), everybody(LOG_DELIVERY))}),
    Planted("clean/friend", (), {"object_access_control_list": acl(user("me"), user("friend"))}),
    Planted("clean/old-but-archived", (), {"last_modified_date": OLD, "storage_class": "DEEP_ARCHIVE"}),
    Planted("clean/old-but-small", (), {"last_modified_date": OLD, "size": 128 * KIB - 1}),
    Planted("clean/small-but-standard", (), {"size": 1}),
    Planted("clean/at-minimum", (), {"size": 128 * KIB, "storage_class": "GLACIER_IR"}),
    Planted("clean/expires-late", (), {"lifecycle_expiration_date": NOW + timedelta(days=8)}),
    Planted("clean/grün-é-🎉", ()),
    Planted("clean/" + "k" * 894, ()),
    Planted("clean/pending", (), WAITING | {"last_modified_date": OUR_MOMENT - timedelta(hours=23)}),
    Planted("clean/replica", (), {"replication_status": "REPLICA"}),
    Planted("clean/while-it-ran", (), {"last_modified_date": OUR_MOMENT + timedelta(minutes=15)}),
    Planted("public/s3", (), {"encryption_status": "SSE-S3", "bucket_key_status": "DISABLED", "kms_key_arn": None}),
    Planted("public/none", ("not-encrypted",), {"encryption_status": "NOT-SSE", "kms_key_arn": None}),
    Planted("x/not-sse", ("not-encrypted", "wrong-encryption"), {"encryption_status": "NOT-SSE", "kms_key_arn": None}),
    Planted("x/sse-c", ("customer-key", "wrong-encryption"), {"encryption_status": "SSE-C", "kms_key_arn": None}),
    Planted("x/sse-s3", ("wrong-encryption",), {"encryption_status": "SSE-S3", "kms_key_arn": None}),
    Planted("x/dsse", ("wrong-encryption",), {"encryption_status": "DSSE-KMS", "bucket_key_status": "DISABLED"}),
    Planted("x/key", ("wrong-kms-key",), {"kms_key_arn": OTHER_KEY}),
    Planted("x/bucket-key", ("bucket-key-off",), {"bucket_key_status": "DISABLED"}),
    Planted("x/failed", ("replication-failed",), {"replication_status": "FAILED"}),
    Planted("x/pending", ("replication-pending",), WAITING | {"last_modified_date": OUR_MOMENT - timedelta(hours=25)}),
    Planted("x/not-replicated", ("not-replicated",), {"replication_status": None}),
    Planted("x/no-lock", ("not-locked",), {"object_lock_mode": None, "object_lock_retain_until_date": None}),
    Planted("x/governance", ("not-locked",), {"object_lock_mode": "GOVERNANCE"}),
    Planted("x/lock-over", ("not-locked",), {"object_lock_retain_until_date": NOW - timedelta(seconds=1)}),
    Planted("x/lock-ends", ("retention-ending",), {"object_lock_retain_until_date": NOW + timedelta(days=30)}),
    Planted("x/hold", ("legal-hold",), {"object_lock_legal_hold_status": "ON"}),
    Planted("x/hold-in-words", ("legal-hold",), {"object_lock_legal_hold_status": "On"}),
    Planted("x/public", ("public-grant",), {"object_access_control_list": acl(user("me"), everybody(ALL_USERS))}),
    Planted("x/all-of-aws", ("public-grant",), {"object_access_control_list": acl(everybody(AUTHENTICATED_USERS))}),
    Planted("x/stranger", ("foreign-grant",), {"object_access_control_list": acl(user("me"), user("stranger"))}),
    Planted("x/owner", ("foreign-owner",), {"object_owner": "you", "object_access_control_list": acl(user("you"))}),
    Planted("x/no-checksum", ("no-checksum",), {"checksum_algorithm": None}),
    Planted("x/crc32-and-md5", ("weak-checksum",), {"checksum_algorithm": "CRC32,MD5"}),
    Planted("clean/crc32-and-sha256", (), {"checksum_algorithm": "CRC32,SHA256"}),
    Planted("x/crc32", ("weak-checksum",), {"checksum_algorithm": "CRC32"}),
    Planted("x/old", ("archive-candidate",), {"last_modified_date": OLD, "size": 2**30}),
    Planted("x/small-ia", ("below-minimum-size",), {"size": KIB, "storage_class": "STANDARD_IA"}),
    Planted("x/versions", (), {"version_id": "2"}),
    Planted("x/versions", ("noncurrent-version",), {"version_id": "1", "is_latest": False}),
    Planted("x/removed", ("delete-marker",), MARKER),
    Planted("x/twin-1", ("duplicate",), {"e_tag": "a" * 32, "size": 5000}),
    Planted("x/twin-2", ("duplicate",), {"e_tag": "a" * 32, "size": 5000}),
    Planted("x/twin-but-longer", (), {"e_tag": "a" * 32, "size": 5001}),
    Planted("x/empty", ("empty-object",), {"size": 0, "e_tag": "d41d8cd98f00b204e9800998ecf8427e"}),
    Planted("x/\x01", ("control-character",)),
    Planted("x/\x85", ("control-character",)),
    Planted("x//y", ("double-slash",)),
    Planted("/x", ("double-slash",)),
    Planted("x/u\u0308", ("not-nfc",)),
    Planted("x/" + "é" * 450, ("long-key",)),
    Planted("x/expires", ("expiring",), {"lifecycle_expiration_date": NOW + timedelta(days=7)}),
    Planted("x/future", ("future-date",), {"last_modified_date": OUR_MOMENT + timedelta(days=2)}),
)  # fmt: skip


def clean(key: str, number: int) -> dict[str, object]:
    """A row that no audit finds, with a value in every field that matters."""
    return {
        "bucket": "source",
        "key": key,
        "version_id": f"{number:032}",
        "is_latest": True,
        "is_delete_marker": False,
        "size": 10_000_000 + number,
        "last_modified_date": OUR_MOMENT - timedelta(days=3),
        "e_tag": f"{number:032x}",
        "storage_class": "STANDARD",
        "is_multipart_uploaded": False,
        "replication_status": "COMPLETED",
        "encryption_status": "SSE-KMS",
        "object_lock_retain_until_date": NOW + timedelta(days=900),
        "object_lock_mode": "COMPLIANCE",
        "object_lock_legal_hold_status": None,
        "bucket_key_status": "ENABLED",
        "checksum_algorithm": "SHA256",
        "object_access_control_list": acl(user("me")),
        "object_owner": "me",
        "kms_key_arn": RIGHT_KEY,
    }


def rows(planted: Sequence[Planted] = PLANTED) -> list[dict[str, object]]:
    """The rows, in the order of keys and versions."""
    made = [{**clean(each.key, number), **each.changes} for number, each in enumerate(planted)]
    return sorted(made, key=lambda row: (str(row["key"]).encode(), str(row["version_id"])))


def planted_report(
    root: Path,
    report_format: Format = Format.PARQUET,
    *,
    fields: Sequence[str] = ALL_FIELDS,
    planted: Sequence[Planted] = PLANTED,
    all_versions: bool = True,
    **sidecar: object,
) -> Report:
    """A report of them in two files; its stocktake.json counts no problems but what `sidecar` says."""
    made = rows(planted)
    half = len(made) // 2
    return made_report(
        root,
        report_format,
        [made[:half], made[half:]],
        fields,
        all_versions=all_versions,
        **sidecar,
    )


def made_report(
    root: Path,
    report_format: Format,
    pieces: Sequence[Sequence[Row]],
    fields: Sequence[str],
    *,
    all_versions: bool = False,
    **sidecar: object,
) -> Report:
    """A report of these rows, whose stocktake.json counts no problems but what `sidecar` says."""
    ours = our_report(root, report_format, pieces, fields=fields, all_versions=all_versions)
    told = ours.sidecar.model_copy(update={"problems": {}, **sidecar})
    write(root, ours.paths.sidecar, render_sidecar(told))
    return opened(ours.manifest_path)
