"""A bucket as destination: encryption that is confirmed, and what happens when it is not applied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stocktake.model.configuration import SSEKMS, SSES3, Encryption
from stocktake.model.errors import (
    AccessDeniedError,
    EncryptionNotAppliedError,
    NoSuchBucketError,
    StoreError,
)
from stocktake.store.client import Client
from stocktake.store.destinations import BucketDestination, _same_kms_key
from stocktake.store.uploads import UploadLimits
from tests.servers.fault import FaultServer, access_denied, respond, with_headers
from tests.servers.server import Server

MIB = 2**20
SSE_S3 = Encryption(sse_s3=SSES3())
LIMITS = UploadLimits(multipart_bytes_min=6 * MIB, part_bytes=5 * MIB)


def kms(key_id: str) -> Encryption:
    return Encryption(sse_kms=SSEKMS(key_id=key_id))


def opened(
    server: Server | FaultServer, bucket: str, encryption: Encryption | None, **more: Any
) -> BucketDestination:
    client = Client(server.client(), Counter(), uploads=LIMITS)
    return BucketDestination(client, bucket, encryption, **more)


@pytest.fixture(params=["put", "upload in one", "upload in parts"])
def deliver(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[BucketDestination], None]:
    """Every way in which the first file may be written."""
    if request.param == "put":
        return lambda destination: destination.put("r/data/x", b"rows")
    spool = tmp_path / "spool"
    spool.write_bytes(b"x" * (7 * MIB if "parts" in request.param else 10))
    return lambda destination: destination.upload("r/data/x", spool)


Deliver = Callable[[BucketDestination], None]


@pytest.mark.server
def test_ceph_ignores_sse_s3_so_the_file_is_removed_and_the_run_fails(
    ceph_server: Server, buckets: Callable[..., str], deliver: Deliver
) -> None:
    bucket, s3 = buckets("destinations"), ceph_server.client()
    s3.create_bucket(Bucket=bucket)
    with (
        opened(ceph_server, bucket, SSE_S3) as destination,
        pytest.raises(EncryptionNotAppliedError) as caught,
    ):
        deliver(destination)
    assert caught.value.message == (
        f"the store accepted AES256 for s3://{bucket}/r/data/x and applied no encryption"
    )
    assert caught.value.hint
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


@pytest.mark.server
def test_in_a_versioned_bucket_no_version_stays_unencrypted(
    ceph_server: Server, buckets: Callable[..., str], deliver: Deliver
) -> None:
    bucket, s3 = buckets("destinations"), ceph_server.client()
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    with (
        opened(ceph_server, bucket, SSE_S3) as destination,
        pytest.raises(EncryptionNotAppliedError),
    ):
        deliver(destination)
    left = s3.list_object_versions(Bucket=bucket)
    assert not left.get("Versions")
    assert not left.get("DeleteMarkers")


@pytest.mark.server
def test_ceph_confirms_a_kms_key(
    ceph_server: Server, buckets: Callable[..., str], deliver: Deliver
) -> None:
    bucket, s3 = buckets("destinations"), ceph_server.client()
    s3.create_bucket(Bucket=bucket)
    with opened(ceph_server, bucket, kms("testkey-1")) as destination:
        destination.check_writable("r/data/probe")
        deliver(destination)
    head = s3.head_object(Bucket=bucket, Key="r/data/x")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "testkey-1")


def test_moto_applies_what_is_asked_for(
    moto_server: Server, buckets: Callable[..., str], deliver: Deliver
) -> None:
    bucket, s3 = buckets("destinations"), moto_server.client()
    s3.create_bucket(Bucket=bucket)
    with opened(moto_server, bucket, SSE_S3, owner_full_control=True) as destination:
        deliver(destination)
    assert s3.head_object(Bucket=bucket, Key="r/data/x")["ServerSideEncryption"] == "AES256"


def test_only_the_first_file_is_looked_at_and_none_where_nothing_was_asked_for(
    fault_server: FaultServer,
) -> None:
    fault_server.bucket("b", encryption="applied")
    with opened(fault_server, "b", SSE_S3) as destination:
        for number in range(3):
            destination.put(f"k{number}", b"")
    assert fault_server.counts["HeadObject"] == 1
    with opened(fault_server, "b", None) as destination:
        destination.put("plain", b"")
    assert fault_server.counts["HeadObject"] == 1


def test_another_key_than_the_one_asked_for_is_not_what_was_asked_for(
    fault_server: FaultServer,
) -> None:
    fault_server.bucket("b")
    found = {
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:eu-west-1:1:key/other",
    }
    fault_server.rule(with_headers(found), operation="HeadObject")
    with (
        opened(fault_server, "b", kms("mine")) as destination,
        pytest.raises(EncryptionNotAppliedError) as caught,
    ):
        destination.put("k", b"")
    assert "aws:kms with key mine" in caught.value.message
    assert "applied aws:kms with key arn:aws:kms:eu-west-1:1:key/other" in caught.value.message
    assert fault_server.bucket_named("b").keys() == []


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [
        ("id", "id", True),
        ("id", None, True),
        ("id", "arn:aws:kms:eu-west-1:1:key/id", True),
        ("arn:aws:kms:eu-west-1:1:key/id", "id", True),
        ("arn:aws:kms:eu-west-1:1:key/id", "arn:aws:kms:eu-west-1:1:key/id", True),
        ("alias/mine", "arn:aws:kms:eu-west-1:1:key/id", True),
        ("id", "my-id", False),
        ("id", "arn:aws:kms:eu-west-1:1:key/my-id", False),
        ("arn:aws:kms:eu-west-1:1:key/id", "arn:aws:kms:eu-west-2:1:key/id", False),
    ],
)
def test_key_ids_are_compared_as_given_or_as_arn(
    expected: str, found: str | None, same: bool
) -> None:
    assert _same_kms_key(expected, found) is same


def test_encryption_that_cannot_be_looked_at_is_not_confirmed(fault_server: FaultServer) -> None:
    fault_server.bucket("b", encryption="applied")
    fault_server.rule(access_denied(), operation="HeadObject")
    with opened(fault_server, "b", SSE_S3) as destination:
        for _ in range(2):
            with pytest.raises(AccessDeniedError) as caught:
                destination.put("k", b"")
            assert "s3:GetObject" in caught.value.hint
    assert fault_server.bucket_named("b").keys() == []


def test_a_file_that_cannot_be_removed_again_is_named(fault_server: FaultServer) -> None:
    fault_server.bucket("b", encryption="ignored")
    fault_server.rule(access_denied(), operation="DeleteObject")
    with (
        opened(fault_server, "b", SSE_S3) as destination,
        pytest.raises(EncryptionNotAppliedError) as caught,
    ):
        destination.put("k", b"")
    assert "remove s3://b/k" in caught.value.hint


# -- before the run ------------------------------------------------------------------------------


# Whether the bucket exists, whether the other user asks, for which encryption; the error, its hint.
Refused = tuple[bool, bool, Encryption | None, type[StoreError], str]


@pytest.mark.server
@pytest.mark.parametrize(
    "case",
    [
        (False, False, None, NoSuchBucketError, ""),
        (True, True, None, AccessDeniedError, "s3:PutObject"),
        (True, False, kms("no-such-key"), StoreError, "no-such-key"),
    ],
)
def test_what_would_fail_later_fails_before_the_run_and_leaves_nothing(
    ceph_server: Server, buckets: Callable[..., str], case: Refused
) -> None:
    bucket_exists, other, encryption, kind, said = case
    bucket, s3 = buckets("destinations"), ceph_server.client()
    if bucket_exists:
        s3.create_bucket(Bucket=bucket)
    client = Client(ceph_server.client(other=other), Counter())
    with (
        BucketDestination(client, bucket, encryption) as destination,
        pytest.raises(kind) as caught,
    ):
        destination.check_writable("p/source/daily/data/probe")
    assert f"s3://{bucket}/p/source/daily/data/" in caught.value.message
    assert said in caught.value.hint
    if bucket_exists:
        assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_where_multipart_uploads_are_missing_the_bucket_is_still_looked_for(
    fault_server: FaultServer,
) -> None:
    fault_server.bucket("b")
    fault_server.rule(respond(501, "NotImplemented"), operation="CreateMultipartUpload")
    with opened(fault_server, "b", None) as destination:
        destination.check_writable("r/data/probe")
    with opened(fault_server, "gone", None) as destination, pytest.raises(NoSuchBucketError):
        destination.check_writable("r/data/probe")


def test_who_may_write_but_not_list_is_not_stopped(fault_server: FaultServer) -> None:
    fault_server.bucket("b")
    fault_server.rule(
        access_denied(), operation=["HeadBucket", "ListObjectsV2", "HeadObject", "GetObject"]
    )
    with opened(fault_server, "b", None) as destination:
        destination.check_writable("r/data/probe")
        destination.put("r/x", b"")
    assert fault_server.bucket_named("b").keys() == ["r/x"]
