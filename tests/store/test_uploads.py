"""Uploads to moto, Ceph and the fault server: whole, in parts, tried out, and never half."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from s3transfer.futures import TransferCoordinator

from stocktake.model.configuration import SSEKMS, SSES3, Encryption
from stocktake.model.errors import (
    AccessDeniedError,
    LedgerError,
    NoSuchBucketError,
    RequestRefusedError,
    SpoolError,
    StoppedError,
    StoreError,
)
from stocktake.store.client import Client
from tests.servers.fault import (
    FaultServer,
    Request,
    access_denied,
    respond,
)
from tests.servers.server import Server
from tests.store.clients import MIB, PLAIN, QUICK, SMALL_PARTS, opened, sparse

SSE_S3 = Encryption(sse_s3=SSES3())


def open_uploads(server: Server, bucket: str) -> list[Any]:
    found: list[Any] = server.client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    return found


def kms(key_id: str) -> Encryption:
    return Encryption(sse_kms=SSEKMS(key_id=key_id))


# -- writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "content_type"),
    [
        ("r/2026-11-22T00-00Z/manifest.json", "application/json"),
        ("r/2026-11-22T00-00Z/manifest.checksum", "text/plain"),
        ("r/hive/dt=2026-11-22-00-00/symlink.txt", "text/plain"),
        ("r/data/x.csv.gz", "binary/octet-stream"),
        ("r/data/x.parquet", "binary/octet-stream"),
    ],
)
def test_files_have_the_content_type_of_their_ending_and_no_encoding(
    server: Server, bucket: str, tmp_path: Path, key: str, content_type: str
) -> None:
    (tmp_path / "spool").write_bytes(b"spooled")
    with opened(server) as client:
        client.put(bucket, f"put/{key}", b"x", **PLAIN)
        client.upload(bucket, f"upload/{key}", tmp_path / "spool", **PLAIN)
    for way in ("put", "upload"):
        head = server.client().head_object(Bucket=bucket, Key=f"{way}/{key}")
        assert head["ContentType"] == content_type
        assert not head.get("ContentEncoding")


def test_a_large_file_goes_up_in_parts_and_arrives_whole(
    server: Server, bucket: str, tmp_path: Path
) -> None:
    path = sparse(tmp_path, 12 * MIB + 7)
    with opened(server, uploads=SMALL_PARTS) as client:
        client.upload(bucket, "large", path, **PLAIN)
        assert client.size(bucket, "large") == 12 * MIB + 7
        assert client.read(bucket, "large", 13 * MIB) == path.read_bytes()
    assert server.client().head_object(Bucket=bucket, Key="large")["ETag"].endswith('-3"')
    assert open_uploads(server, bucket) == []


@pytest.mark.server
def test_beyond_64_mib_parts_are_used_without_being_asked_for(
    ceph_server: Server, buckets: Callable[..., str], tmp_path: Path
) -> None:
    bucket, s3 = buckets("destinations"), ceph_server.client()
    s3.create_bucket(Bucket=bucket)
    with opened(ceph_server) as client:
        client.upload(bucket, "k", sparse(tmp_path, 65 * MIB), **PLAIN)
        assert client.read_range(bucket, "k", 64 * MIB, 64 * MIB + 8) == b"67108864"
    assert s3.head_object(Bucket=bucket, Key="k")["ETag"].endswith('-5"')
    s3.delete_object(Bucket=bucket, Key="k")


def test_uploads_carry_an_md5_and_no_trailer(fault_server: FaultServer, tmp_path: Path) -> None:
    seen: list[Request] = []
    fault_server.bucket("b", trailers="refused")
    fault_server.rule(
        access_denied(),
        operation=["PutObject", "UploadPart"],
        where=lambda request: bool(seen.append(request)),
    )
    with opened(fault_server, uploads=SMALL_PARTS) as client:
        client.put("b", "put", b"x", **PLAIN)
        client.upload("b", "small", sparse(tmp_path, MIB), **PLAIN)
        client.upload("b", "large", sparse(tmp_path, 9 * MIB), **PLAIN)
    assert len(seen) == 4
    for request in seen:
        assert request.headers["content-md5"]
        assert not [name for name in request.headers if "trailer" in name or "checksum" in name]
        assert "aws-chunked" not in request.headers.get("content-encoding", "")


def corrupt_part_2(s3: Any) -> None:
    """Let the MD5 of every second part be that of something else, so that the store refuses it."""

    def corrupt(params: dict[str, Any], **_: object) -> None:
        if params["query_string"]["partNumber"] == 2:
            params["headers"]["Content-MD5"] = "rL0Y20zC+Fzt72VPzMSk2A=="

    s3.meta.events.register_last("before-call.s3.UploadPart", corrupt)


@pytest.mark.server
def test_a_failed_upload_leaves_neither_object_nor_parts(
    ceph_server: Server, buckets: Callable[..., str], tmp_path: Path
) -> None:
    s3, bucket = ceph_server.client(**QUICK), buckets("destinations")
    s3.create_bucket(Bucket=bucket)
    with Client(s3, Counter(), uploads=SMALL_PARTS) as client:
        corrupt_part_2(s3)
        with pytest.raises(RequestRefusedError, match=f"s3://{bucket}/large") as caught:
            client.upload(bucket, "large", sparse(tmp_path, 21 * MIB), **PLAIN)
        assert caught.value.code == "BadDigest"
        assert not client.exists(bucket, "large")
    assert open_uploads(ceph_server, bucket) == []


@pytest.fixture
def cancelled(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Is set once an upload was told to go no further."""
    told, cancel = threading.Event(), TransferCoordinator.cancel

    def cancel_and_tell(self: Any, *how: Any) -> None:
        cancel(self, *how)
        told.set()

    monkeypatch.setattr(TransferCoordinator, "cancel", cancel_and_tell)
    return told


def test_a_stopped_upload_leaves_neither_object_nor_parts(
    server: Server, bucket: str, tmp_path: Path, cancelled: threading.Event
) -> None:
    s3, stopping = server.client(**QUICK), threading.Event()

    def stop(params: dict[str, Any], **_: object) -> None:
        if params["query_string"]["partNumber"] == 2:
            stopping.set()
            assert cancelled.wait(60)  # without this part there is no end of it

    with Client(s3, Counter(), uploads=SMALL_PARTS) as client:
        s3.meta.events.register_last("before-call.s3.UploadPart", stop)
        with pytest.raises(StoppedError):
            client.upload(bucket, "large", sparse(tmp_path, 42 * MIB), stopping=stopping, **PLAIN)
        assert not client.exists(bucket, "large")
    assert open_uploads(server, bucket) == []


def test_an_upload_is_told_before_its_first_part_and_a_small_file_is_none(
    fault_server: FaultServer, tmp_path: Path
) -> None:
    bucket = fault_server.bucket("b")
    told: list[tuple[str, str]] = []

    def begun(key: str, upload_id: str) -> None:
        assert "UploadPart" not in fault_server.counts
        assert upload_id in bucket.uploads
        told.append((key, upload_id))

    with opened(fault_server, uploads=SMALL_PARTS, begun=begun) as client:
        client.upload("b", "small", sparse(tmp_path, MIB), **PLAIN)
        client.upload("b", "large", sparse(tmp_path, 9 * MIB), **PLAIN)
    assert [key for key, _ in told] == ["large"]
    assert fault_server.counts["UploadPart"] == 2


def test_an_upload_that_cannot_be_noted_is_aborted(
    fault_server: FaultServer, tmp_path: Path
) -> None:
    bucket = fault_server.bucket("b")

    def begun(key: str, upload_id: str) -> None:
        raise LedgerError(f"no room to note {key} {upload_id}")

    with (
        opened(fault_server, uploads=SMALL_PARTS, begun=begun) as client,
        pytest.raises(LedgerError, match="no room to note large"),
    ):
        client.upload("b", "large", sparse(tmp_path, 9 * MIB), **PLAIN)
    assert bucket.uploads == {}
    assert "UploadPart" not in fault_server.counts


def test_a_file_that_cannot_be_read_is_the_spools_fault(
    server: Server, bucket: str, tmp_path: Path
) -> None:
    with opened(server) as client, pytest.raises(SpoolError, match="gone"):
        client.upload(bucket, "k", tmp_path / "gone", **PLAIN)


def test_writing_to_a_missing_bucket_says_so(server: Server, bucket: str, tmp_path: Path) -> None:
    with opened(server, uploads=SMALL_PARTS) as client:
        for size in (MIB, 9 * MIB):
            with pytest.raises(NoSuchBucketError, match=f"s3://{bucket}-gone/k"):
                client.upload(f"{bucket}-gone", "k", sparse(tmp_path, size), **PLAIN)
        with pytest.raises(NoSuchBucketError):
            client.put(f"{bucket}-gone", "k", b"", **PLAIN)


def test_nothing_is_sent_that_was_not_asked_for(fault_server: FaultServer) -> None:
    sent: list[dict[str, str]] = []
    fault_server.bucket("b")
    fault_server.rule(
        access_denied(),
        operation="PutObject",
        where=lambda request: bool(
            sent.append({name: value for name, value in request.headers.items() if name in ASKED})
        ),
    )
    with opened(fault_server, request_payer=True) as client:
        client.put("b", "k", b"", **PLAIN)
        client.put("b", "k", b"", encryption=SSE_S3, owner_full_control=True)
        client.put("b", "k", b"", encryption=kms("key"), owner_full_control=False)
    assert sent == [
        {},
        {"x-amz-acl": "bucket-owner-full-control", "x-amz-server-side-encryption": "AES256"},
        {
            "x-amz-server-side-encryption": "aws:kms",
            "x-amz-server-side-encryption-aws-kms-key-id": "key",
        },
    ]


ASKED = {
    "x-amz-acl",
    "x-amz-request-payer",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
}


# -- trying to write -----------------------------------------------------------------------------


def test_trying_to_write_leaves_nothing(server: Server, bucket: str) -> None:
    with opened(server) as client:
        assert client.try_write(bucket, "p/probe", **PLAIN)
        assert list(client.list_keys(bucket, "")) == []
    assert open_uploads(server, bucket) == []


def test_trying_to_write_to_a_missing_bucket_fails(server: Server, bucket: str) -> None:
    with opened(server) as client, pytest.raises(NoSuchBucketError):
        client.try_write(f"{bucket}-gone", "p/probe", **PLAIN)


@pytest.mark.server
def test_trying_to_write_without_permission_fails(
    ceph_server: Server, buckets: Callable[..., str]
) -> None:
    bucket = buckets("destinations")
    ceph_server.client().create_bucket(Bucket=bucket)
    with (
        Client(ceph_server.client(other=True), Counter()) as client,
        pytest.raises(AccessDeniedError, match=f"s3://{bucket}/p/probe") as caught,
    ):
        client.try_write(bucket, "p/probe", **PLAIN)
    assert f"s3:PutObject on {bucket}" in caught.value.hint


@pytest.mark.server
def test_a_kms_key_that_the_store_does_not_know_is_found_out_by_trying(
    ceph_server: Server, buckets: Callable[..., str]
) -> None:
    bucket = buckets("destinations")
    ceph_server.client().create_bucket(Bucket=bucket)
    with opened(ceph_server) as client:
        assert client.try_write(bucket, "p", encryption=kms("testkey-1"), owner_full_control=True)
        with pytest.raises(StoreError) as caught:
            client.try_write(bucket, "p", encryption=kms("no-such-key"), owner_full_control=False)
    assert "no-such-key" in caught.value.hint


@pytest.mark.parametrize("status", [405, 501])
def test_a_store_without_multipart_uploads_proves_nothing(
    fault_server: FaultServer, status: int
) -> None:
    fault_server.bucket("b")
    fault_server.rule(respond(status, "NotImplemented"), operation="CreateMultipartUpload")
    with opened(fault_server) as client:
        assert not client.try_write("b", "p", **PLAIN)
        assert not client.try_write("b", "p", encryption=SSE_S3, owner_full_control=True)
    assert fault_server.counts["AbortMultipartUpload"] == 0


def test_a_store_that_implements_uploads_but_not_this_encryption_is_found_out(
    fault_server: FaultServer,
) -> None:
    bucket = fault_server.bucket("b", encryption="refused")
    with opened(fault_server) as client:
        assert client.try_write("b", "p", **PLAIN)
        with pytest.raises(StoreError) as caught:
            client.try_write("b", "p", encryption=SSE_S3, owner_full_control=False)
    assert caught.value.status == 501
    assert not bucket.uploads


def test_an_abort_that_is_denied_names_the_upload_it_leaves(fault_server: FaultServer) -> None:
    bucket = fault_server.bucket("b")
    fault_server.rule(access_denied(), operation="AbortMultipartUpload")
    with opened(fault_server) as client, pytest.raises(AccessDeniedError) as caught:
        client.try_write("b", "p", **PLAIN)
    (left,) = bucket.uploads
    assert left in caught.value.message
    assert "s3:AbortMultipartUpload" in caught.value.hint
