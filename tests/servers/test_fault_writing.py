"""The fault server as a destination: what is put is there, whole, or refused."""

from __future__ import annotations

import hashlib
import http.client
import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from tests.servers.fault import FaultServer, FixtureObject
from tests.servers.fault_tls import tls


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


def test_multipart_uploads_of_boto3_arrive_whole(server: FaultServer) -> None:
    server.bucket("dest")
    body = b"0123456789abcdef" * 2**16 * 11
    client = server.client()
    config = TransferConfig(multipart_threshold=2**20, multipart_chunksize=5 * 2**20)
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "key-1"}
    client.upload_fileobj(io.BytesIO(body), "dest", "k", ExtraArgs=encryption, Config=config)
    assert (
        hashlib.sha256(server.bucket_named("dest").read("k")).digest()
        == hashlib.sha256(body).digest()
    )
    head = client.head_object(Bucket="dest", Key="k")
    assert head["ETag"].endswith('-3"')
    assert encryption.items() <= head.items()
    assert server.counts["UploadPart"] == 3
    assert not client.list_multipart_uploads(Bucket="dest").get("Uploads")


def test_an_upload_can_be_seen_and_aborted(server: FaultServer) -> None:
    server.bucket("dest")
    client, name = server.client(), {"Bucket": "dest", "Key": "k"}
    upload = {"UploadId": client.create_multipart_upload(**name)["UploadId"]}
    client.upload_part(**name, **upload, PartNumber=1, Body=b"x")
    assert [entry["Key"] for entry in client.list_multipart_uploads(Bucket="dest")["Uploads"]] == [
        "k"
    ]
    assert client.list_parts(**name, **upload)["Parts"][0]["Size"] == 1
    parts = {"Parts": [{"PartNumber": 1, "ETag": '"' + "0" * 32 + '"'}]}
    with pytest.raises(ClientError, match="InvalidPart"):
        client.complete_multipart_upload(**name, **upload, MultipartUpload=parts)
    client.abort_multipart_upload(**name, **upload)
    assert not server.bucket_named("dest").uploads
    with pytest.raises(ClientError, match="NoSuchUpload"):
        client.upload_part(**name, **upload, PartNumber=2, Body=b"x")


@pytest.mark.parametrize(("encryption", "stored"), [("applied", "AES256"), ("ignored", None)])
def test_encryption_is_applied_or_silently_ignored(
    server: FaultServer, encryption: str, stored: str | None
) -> None:
    server.bucket("dest", encryption=encryption)
    client = server.client()
    client.put_object(Bucket="dest", Key="k", Body=b"", ServerSideEncryption="AES256")
    assert client.head_object(Bucket="dest", Key="k").get("ServerSideEncryption") == stored


@pytest.mark.parametrize(
    ("arguments", "settings", "expected"),
    [({"ContentMD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, {}, ("BadDigest", 400)),
     ({"ServerSideEncryption": "AES256"}, {"encryption": "refused"}, ("NotImplemented", 501)),
     ({"IfNoneMatch": "*"}, {}, ("PreconditionFailed", 412))],
)  # fmt: skip
def test_a_refused_put_stores_nothing(
    server: FaultServer,
    arguments: dict[str, Any],
    settings: dict[str, Any],
    expected: tuple[str, int],
) -> None:
    server.bucket("dest", [FixtureObject("k", body=b"old")], **settings)
    client = server.client(retries={"total_max_attempts": 1})
    with pytest.raises(ClientError) as failed:
        client.put_object(Bucket="dest", Key="k", Body=b"new", **arguments)
    answer = failed.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == expected
    assert server.bucket_named("dest").read("k") == b"old"


@pytest.mark.parametrize(
    ("trailers", "status", "stored"), [("accepted", 200, ["k"]), ("refused", 400, [])]
)
def test_uploads_with_trailers_are_understood_or_refused(
    server: FaultServer, trailers: str, status: int, stored: list[str]
) -> None:
    bucket = server.bucket("dest", trailers=trailers)
    headers = {
        "Content-Encoding": "aws-chunked",
        "X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "X-Amz-Trailer": "x-amz-checksum-crc32",
    }
    body = (
        b"5\r\nhello\r\n6;chunk-signature=1\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n"
    )
    with closing(
        http.client.HTTPConnection(urlsplit(server.endpoint_url).netloc, timeout=60)
    ) as connection:
        connection.request("PUT", "/dest/k", body, headers)
        answer = connection.getresponse()
        assert (answer.status, b"XAmzContentSHA256Mismatch" in answer.read()) == (
            status,
            status == 400,
        )
    assert bucket.keys() == stored
    assert [bucket.read(key) for key in stored] == [b"hello world"] * len(stored)


def test_boto3_uploads_with_trailers_over_tls(tmp_path: Path) -> None:
    context, bundle = tls(tmp_path)
    body = b"0123456789" * 30_000
    with FaultServer(ssl_context=context) as server:
        bucket = server.bucket("dest")
        client = boto3.client(
            "s3",
            endpoint_url=server.endpoint_url,
            verify=str(bundle),
            aws_access_key_id="a",
            aws_secret_access_key="s",
            region_name="us-east-1",
        )
        client.put_object(Bucket="dest", Key="k", Body=io.BytesIO(body), ChecksumAlgorithm="CRC32")
        assert bucket.read("k") == body
        # Such an upload is what a bucket with refused trailers refuses.
        bucket.trailers = "refused"
        with pytest.raises(ClientError, match="XAmzContentSHA256Mismatch"):
            client.put_object(Bucket="dest", Key="k", Body=b"x", ChecksumAlgorithm="CRC32")


def test_bodies_in_http_chunks_arrive_whole(server: FaultServer) -> None:
    bucket = server.bucket("dest")
    with closing(
        http.client.HTTPConnection(urlsplit(server.endpoint_url).netloc, timeout=60)
    ) as connection:
        connection.request("PUT", "/dest/k", iter([b"a" * 100_000, b"b"]), encode_chunked=True)
        assert connection.getresponse().status == 200
    assert bucket.read("k") == b"a" * 100_000 + b"b"


def test_writes_make_versions_and_deletes_make_markers(server: FaultServer) -> None:
    bucket = server.bucket("b", [FixtureObject("k", body=b"0")], versioning="Enabled")
    client, name = server.client(), {"Bucket": "b", "Key": "k"}
    first = client.put_object(**name, Body=b"1")["VersionId"]
    marker = client.delete_object(**name)
    assert [version.version_id for version in bucket.history("k")] == [
        marker["VersionId"],
        first,
        None,
    ]
    assert bucket.keys() == []
    client.delete_object(**name, VersionId=marker["VersionId"])
    client.delete_object(**name, VersionId=first)
    assert bucket.read("k") == b"0"


def test_a_test_overwrites_what_it_likes(server: FaultServer) -> None:
    bucket = server.bucket("b", [FixtureObject("k", body=b"old", storage_class="GLACIER")])
    bucket.overwrite("k", size=9)
    (listed,) = server.client().list_objects_v2(Bucket="b")["Contents"]
    assert (listed["Size"], listed["StorageClass"]) == (9, "GLACIER")
    bucket.versioning = "Enabled"
    bucket.remove("k")
    assert bucket.keys() == []
    bucket.overwrite("k", body=b"again")
    assert [version.delete_marker for version in bucket.history("k")] == [False, True, False]
    assert bucket.read("k") == b"again"


def test_a_bucket_in_a_folder_outlives_its_server(tmp_path: Path) -> None:
    for expected in ([], ["a/b"], ["a/b", "c"]):
        with FaultServer() as server:
            bucket = server.bucket("dest", folder=tmp_path)
            assert bucket.keys() == expected
            key = "c" if expected else "a/b"
            server.client().put_object(Bucket="dest", Key=key, Body=key.encode(), ContentType="x/y")
            assert bucket.read("a/b") == b"a/b"
            head = server.client().head_object(Bucket="dest", Key="a/b")
            assert (head["ContentType"], head["ContentLength"]) == ("x/y", 3)
