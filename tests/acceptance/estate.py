"""A bucket with one of everything that a real Ceph RGW can hold, and the truth about it by boto3."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from stocktake.model.fields import BY_NAME, Field
from tests.servers.server import Server

CUSTOMER_KEY = b"k" * 32

HOSTILE_KEYS = [
    "a/./b", "a/../b", "./b", ".", "..", "../x", "a//b", "/a", "/", "b", "dir/", "p", "p/q",
    "space in key", " leading", "trailing ", "+", "a+b", "%", "%2F", "a%20b", "&<>\"'", "]]>",
    "tab\there", "line\nfeed", 'a,"b",\nc', "carriage\rreturn", "\x01", "\x1f", "\x7f", "\x85",
    "\ufffe", "\uffee", "\U0001f600", "é", "e\u0301", "?", "#", "\\", ":", "*", "|", ",", "=", ";",
    "~", "@", "!", "(x)", "$", "_x", "Case", "case", "k" * 1024, "\U0001f600" * 256,
]  # fmt: skip

# Neighbours under path normalisation, each with its own encryption: whoever rewrites a path mixes them up.
_ENCRYPTIONS: dict[str, dict[str, Any]] = {
    "b": {},
    "a/../b": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "testkey-1"},
    "./b": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "testkey-2"},
    ".": {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": CUSTOMER_KEY},
    "..": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "testkey-1"},
}


def fill_estate(server: Server, bucket: str) -> None:
    """Make `bucket`, with versions, delete markers, encryption, locks, classes, tags and a foreign object."""
    client = server.client()
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    for key in HOSTILE_KEYS:
        client.put_object(Bucket=bucket, Key=key, Body=key.encode(), **_ENCRYPTIONS.get(key, {}))
    for number in range(4):
        client.put_object(Bucket=bucket, Key="versions/many", Body=b"v" * number)
    client.delete_object(Bucket=bucket, Key="versions/many")
    client.put_object(Bucket=bucket, Key="versions/many", Body=b"again")
    client.put_object(Bucket=bucket, Key="versions/gone", Body=b"gone")
    client.delete_object(Bucket=bucket, Key="versions/gone")
    until = datetime.now(UTC) + timedelta(days=2)
    client.put_object(
        Bucket=bucket, Key="lock/governed", Body=b"x",
        ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until,
    )  # fmt: skip
    client.put_object(Bucket=bucket, Key="lock/held", Body=b"x", ObjectLockLegalHoldStatus="ON")
    for storage_class in ("STANDARD_IA", "GLACIER"):
        client.put_object(
            Bucket=bucket, Key=f"class/{storage_class}", Body=b"x", StorageClass=storage_class
        )
    client.put_object(Bucket=bucket, Key="tagged", Body=b"x", Tagging="team=a%20b&cost=1")
    client.put_object(
        Bucket=bucket, Key="described", Body=b"x",
        ContentType="text/csv", ContentEncoding="gzip", Metadata={"owner": "me", "note": 'a "b"'},
    )  # fmt: skip
    _multipart(client, bucket, "multipart")
    client.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    foreign = server.client(other=True)
    foreign.put_object(Bucket=bucket, Key="foreign/object", Body=b"theirs")
    client.put_object_acl(Bucket=bucket, Key="tagged", ACL="public-read")


def _multipart(client: Any, bucket: str, key: str) -> None:
    upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    parts = []
    for number, body in enumerate([b"x" * 5 * 2**20, b"tail"], start=1):
        answer = client.upload_part(
            Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=body
        )
        parts.append({"ETag": answer["ETag"], "PartNumber": number})
    client.complete_multipart_upload(
        Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
    )


def truth(
    client: Any, bucket: str, fields: list[str], *, all_versions: bool
) -> list[dict[str, Any]]:
    """The report's rows by boto3 alone: list, then HEAD and ACL of each object, sorted as AWS sorts.

    A row is AWS field name -> value: text, bool, int, datetime or None.
    """
    rows = list(_versions(client, bucket) if all_versions else _objects(client, bucket))
    for row in rows:
        row["Bucket"] = bucket
        if not row.get("IsDeleteMarker"):
            row.update(_head(client, bucket, row, all_versions=all_versions))
            row.update(_acl(client, bucket, row, all_versions=all_versions))
        else:
            row["BucketKeyStatus"] = "DISABLED"
    rows.sort(key=lambda row: (row["Key"].encode(), row.get("VersionId") or ""))
    return [{name: row.get(name) for name in fields} for row in rows]


def _objects(client: Any, bucket: str) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, FetchOwner=True):
        for entry in page.get("Contents", ()):
            yield _listed(entry)


def _versions(client: Any, bucket: str) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for entry in page.get("Versions", ()):
            yield {**_listed(entry), **_version(entry), "IsDeleteMarker": False}
        for entry in page.get("DeleteMarkers", ()):
            yield {
                "Key": entry["Key"], "LastModifiedDate": _milliseconds(entry["LastModified"]),
                "ObjectOwner": entry["Owner"]["ID"], **_version(entry), "IsDeleteMarker": True,
            }  # fmt: skip


def _version(entry: dict[str, Any]) -> dict[str, Any]:
    version = entry["VersionId"]
    return {"VersionId": None if version == "null" else version, "IsLatest": entry["IsLatest"]}


def _listed(entry: dict[str, Any]) -> dict[str, Any]:
    etag = entry["ETag"].strip('"')
    return {
        "Key": entry["Key"],
        "Size": entry["Size"],
        "LastModifiedDate": _milliseconds(entry["LastModified"]),
        "ETag": etag,
        "StorageClass": entry["StorageClass"],
        "IsMultipartUploaded": re.fullmatch(r"[0-9a-f]{32}-\d+", etag) is not None,
        "ChecksumAlgorithm": ",".join(entry.get("ChecksumAlgorithm", ())) or None,
        "ObjectOwner": entry["Owner"]["ID"],
    }


_ENCRYPTION = {
    "AES256": "SSE-S3",
    "aws:kms": "SSE-KMS",
    "aws:kms:dsse": "DSSE-KMS",
    None: "NOT-SSE",
}


def _head(client: Any, bucket: str, row: dict[str, Any], *, all_versions: bool) -> dict[str, Any]:
    version = {"VersionId": row["VersionId"] or "null"} if all_versions else {}
    try:
        head = client.head_object(Bucket=bucket, Key=row["Key"], **version)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status != 400:
            return {}
        # The customer's key hides what HEAD says, not the tags.
        tags = _tags(client, bucket, row["Key"], version)
        return {"EncryptionStatus": "SSE-C", "ObjectTags": tags}
    return {
        "EncryptionStatus": _ENCRYPTION[head.get("ServerSideEncryption")],
        "BucketKeyStatus": "ENABLED" if head.get("BucketKeyEnabled") else "DISABLED",
        "ObjectLockMode": head.get("ObjectLockMode"),
        "ObjectLockRetainUntilDate": _milliseconds(head.get("ObjectLockRetainUntilDate")),
        "ObjectLockLegalHoldStatus": head.get("ObjectLockLegalHoldStatus"),
        "KmsKeyArn": head.get("SSEKMSKeyId"),
        "ContentType": head["ContentType"],
        "ContentEncoding": head.get("ContentEncoding"),
        "UserMetadata": head["Metadata"],
        "ObjectTags": _tags(client, bucket, row["Key"], version),
        "PartsCount": int(row["ETag"].partition("-")[2]) if "-" in row["ETag"] else None,
    }


def _tags(client: Any, bucket: str, key: str, version: dict[str, str]) -> dict[str, str]:
    answer = client.get_object_tagging(Bucket=bucket, Key=key, **version)
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


def _acl(client: Any, bucket: str, row: dict[str, Any], *, all_versions: bool) -> dict[str, Any]:
    version = {"VersionId": row["VersionId"] or "null"} if all_versions else {}
    try:
        answer = client.get_object_acl(Bucket=bucket, Key=row["Key"], **version)
    except ClientError:
        return {"ObjectAccessControlList": {"status": "UNAVAILABLE"}}
    grants = [
        {
            name: value
            for name, value in (
                ("canonicalId", grant["Grantee"].get("ID")),
                ("uri", grant["Grantee"].get("URI")),
                ("type", grant["Grantee"]["Type"]),
                ("permission", grant["Permission"]),
            )
            if value is not None
        }
        for grant in answer["Grants"]
    ]
    return {"ObjectAccessControlList": {"status": "AVAILABLE", "grants": grants}}


def _milliseconds(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).replace(microsecond=moment.microsecond // 1000 * 1000)


def comparable(rows: list[dict[str, Any]], fields: list[Field]) -> list[dict[str, Any]]:
    """Report rows by column -> rows by AWS name, with JSON texts and ACLs parsed as the truth has them."""
    return [
        {field.name: _parsed(field.name, row[field.column]) for field in fields} for row in rows
    ]


def _parsed(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in ("ObjectTags", "UserMetadata"):
        return json.loads(value)
    if name == "ObjectAccessControlList":
        document = json.loads(base64.b64decode(value))
        assert document.pop("version") == "2022-11-10"
        return {"status": "UNAVAILABLE"} if document["status"] == "UNAVAILABLE" else document
    return value


def known_names(fields: list[Field]) -> list[str]:
    """The AWS names of `fields`, all of them in the table."""
    return [BY_NAME[field.name].name for field in fields]
