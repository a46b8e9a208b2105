"""The statements that let reports be written: the destination's bucket policy, and one for a KMS key's policy. Pure.

Two writers are known. stocktake writes with credentials of its own, so the policy names whose they are. AWS's own
inventory writes as a service, bounded by the bucket and the account that it writes for:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/configure-inventory.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from stocktake.model.addresses import S3Address
from stocktake.model.errors import UsageError
from stocktake.model.paths import source_root

Document: TypeAlias = dict[str, Any]

POLICY_VERSION = "2012-10-17"
OWNER_FULL_CONTROL = "bucket-owner-full-control"

# What stocktake does below its own folder in the destination, and what for.
OBJECT_ACTIONS: Mapping[str, str] = {
    "s3:PutObject": "deliver reports",
    "s3:GetObject": "see that what was written is there, encrypted as it was to be",
    "s3:AbortMultipartUpload": "give up uploads that failed, whose parts would stay and cost",
    "s3:DeleteObject": "remove what failed runs left, and reports that expire",
    "s3:DeleteObjectVersion": "the same in a bucket with versions",
}
# And what it asks about the bucket itself.
BUCKET_ACTIONS: Mapping[str, str] = {
    "s3:ListBucket": "find earlier reports, and tell an object that is missing from one that is hidden",
    "s3:ListBucketVersions": "find all versions of what it removes",
    "s3:ListBucketMultipartUploads": "find uploads that failed",
    "s3:GetBucketVersioning": "learn how objects are removed for good",
    "s3:GetBucketObjectLockConfiguration": "write nothing on trial that could not be removed",
}
# Where reports are written with the ACL that gives the bucket's owner full control.
ACL_ACTIONS: Mapping[str, str] = {"s3:PutObjectAcl": "write with an ACL"}
# Multipart uploads take Decrypt, too: https://repost.aws/knowledge-center/s3-multipart-kms-decrypt
KEY_ACTIONS: Mapping[str, str] = {
    "kms:GenerateDataKey": "encrypt reports",
    "kms:Decrypt": "upload in parts, and read reports back",
}

_PRINCIPAL = re.compile(r"arn:(aws[a-z-]*):(?:iam|sts)::[^:*]*:[^*]+")
_ACCOUNT = re.compile(r"\d{12}")


@dataclass(frozen=True, slots=True)
class Principals:
    """Who writes: users or roles, by their ARNs."""

    arns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AwsService:
    """Who writes: AWS's inventory, for a source bucket that belongs to `source_account`."""

    source_account: str


Writer: TypeAlias = Principals | AwsService


def read_principals(words: Sequence[str]) -> Principals:
    """The users and roles that `words` name: ARNs, or accounts of 12 digits.

    Raises:
        UsageError: one of them is neither, or everybody; or there is none.
    """
    if not words:
        raise UsageError(
            "who writes the reports is not said",
            hint="name the user or role whose credentials stocktake has with --principal ARN (`aws sts"
            " get-caller-identity` prints it; on Ceph it is arn:aws:iam:::user/UID), or give --aws",
        )
    return Principals(tuple(_principal(word.strip()) for word in words))


def _principal(word: str) -> str:
    if _ACCOUNT.fullmatch(word):
        return f"arn:aws:iam::{word}:root"
    if _PRINCIPAL.fullmatch(word) is None:
        raise UsageError(
            f"`{word}` is no principal; expected the ARN of a user or role, or an account of 12 digits",
            hint="such as arn:aws:iam::111122223333:role/inventory; everybody (`*`) is never let in",
        )
    return word


def read_service(source_account: str | None) -> AwsService:
    """AWS's inventory for buckets of that account.

    Raises:
        UsageError: it is none, or not said.
    """
    if source_account is None or _ACCOUNT.fullmatch(source_account) is None:
        raise UsageError(
            f"--aws needs the source bucket's account; found {source_account or 'none'}, expected 12 digits",
            hint="give --source-account 111122223333",
        )
    return AwsService(source_account)


def bucket_policy(
    source: S3Address, destination: S3Address, writer: Writer, *, owner_full_control: bool = False
) -> Document:
    """The destination bucket's policy, as PutBucketPolicy takes it. Ours allows no more than is done below the folder
    that all reports about the source share; `owner_full_control` says that they are written with that ACL.
    """
    if isinstance(writer, AwsService):
        return _policy([_aws_statement(source, destination, writer)])
    partition = _partition(writer)
    bucket = f"arn:{partition}:s3:::{destination.bucket}"
    actions = {**OBJECT_ACTIONS, **(ACL_ACTIONS if owner_full_control else {})}
    folder = _literally(source_root(destination.key, source.bucket))
    return _policy(
        [
            _allow("StocktakeWritesReports", writer, actions, f"{bucket}/{folder}/*"),
            _allow("StocktakeFindsReports", writer, BUCKET_ACTIONS, bucket),
        ]
    )


def key_statement(source: S3Address, writer: Writer) -> Document:
    """The statement to add to a KMS key's policy. Its resource is the key whose policy it stands in."""
    if isinstance(writer, AwsService):
        return {
            "Sid": "AllowInventoryToUseTheKey",
            "Effect": "Allow",
            "Principal": {"Service": "s3.amazonaws.com"},
            "Action": ["kms:GenerateDataKey"],
            "Resource": "*",
            "Condition": {
                "StringEquals": {"aws:SourceAccount": writer.source_account},
                "ArnLike": {"aws:SourceARN": f"arn:aws:s3:::{source.bucket}"},
            },
        }
    return _allow("StocktakeEncryptsReports", writer, KEY_ACTIONS, "*")


def _policy(statements: list[Document]) -> Document:
    return {"Version": POLICY_VERSION, "Statement": statements}


def _allow(
    identity: str, writer: Principals, actions: Mapping[str, str], resource: str
) -> Document:
    return {
        "Sid": identity,
        "Effect": "Allow",
        "Principal": {"AWS": list(writer.arns)},
        "Action": list(actions),
        "Resource": resource,
    }


def _aws_statement(source: S3Address, destination: S3Address, writer: AwsService) -> Document:
    """AWS always writes with the ACL, so its policy may demand it."""
    return {
        "Sid": "InventoryMayWriteReports",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": [f"arn:aws:s3:::{destination.bucket}/*"],
        "Condition": {
            "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{source.bucket}"},
            "StringEquals": {
                "aws:SourceAccount": writer.source_account,
                "s3:x-amz-acl": OWNER_FULL_CONTROL,
            },
        },
    }


def _literally(key: str) -> str:
    """A key as a resource has it: what would stand for many keys stands for one character. AWS could say it exactly, as
    `${*}`; Ceph takes that for other letters.
    """
    return key.replace("*", "?").replace("${", "?{")


def _partition(writer: Principals) -> str:
    """AWS's partition, such as aws-cn: that of whoever writes, as nobody reaches into another one."""
    matched = _PRINCIPAL.fullmatch(writer.arns[0])
    assert matched is not None
    return matched[1]
