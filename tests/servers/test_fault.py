"""The fault server answers reads as S3 does, as long as no rule says otherwise."""

from __future__ import annotations

import http.client
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from tests.servers.fault import FaultServer, FixtureObject, SeparateServer, synthetic

HOSTILE = [
    " lead",
    "+",
    "%2F",
    "&<>\"'",
    "\x01",
    "\n",
    "\r",
    "~*()",
    "./b",
    "a/../b",
    "..",
    "é/ü",
    "😀",
    "a//b",
]


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server


@pytest.fixture(scope="module")
def lasting() -> Iterator[tuple[FaultServer, Any]]:
    """A server and a client of it for many examples."""
    with FaultServer() as server:
        yield server, server.client()


def fill(server: FaultServer) -> None:
    """Separately started servers are filled by this."""
    server.bucket("b", [FixtureObject("k", body=b"bytes")])


def code_of(failed: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    answer = failed.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def paged(client: Any, call: str, *members: str, **arguments: Any) -> list[Any]:
    pages = client.get_paginator(call).paginate(**arguments)
    return [entry for page in pages for member in members for entry in page.get(member, [])]


@pytest.mark.parametrize("call", ["list_objects", "list_objects_v2"])
def test_hostile_keys_are_listed_in_utf8_order_over_many_pages(
    server: FaultServer, call: str
) -> None:
    server.bucket("b", [FixtureObject(key) for key in HOSTILE])
    page_size = {"PageSize": 3}
    listed = paged(server.client(), call, "Contents", Bucket="b", PaginationConfig=page_size)
    assert [entry["Key"] for entry in listed] == sorted(HOSTILE, key=str.encode)


@pytest.mark.parametrize("key", HOSTILE)
def test_hostile_keys_are_put_and_read(server: FaultServer, key: str) -> None:
    server.bucket("b")
    client = server.client()
    client.put_object(Bucket="b", Key=key, Body=key.encode())
    assert server.bucket_named("b").keys() == [key]
    assert client.get_object(Bucket="b", Key=key)["Body"].read() == key.encode()


@given(
    keys=st.lists(st.text("ab/", min_size=1, max_size=5), unique=True, max_size=25),
    prefix=st.text("ab/", max_size=2),
    delimiter=st.sampled_from(["", "/", "b"]),
    start=st.text("ab", max_size=3),
    rows=st.integers(1, 4),
)
def test_pages_of_any_size_hold_what_one_page_holds(
    lasting: tuple[FaultServer, Any],
    keys: list[str],
    *,
    prefix: str,
    delimiter: str,
    start: str,
    rows: int,
) -> None:
    server, client = lasting
    server.bucket("b", [FixtureObject(key) for key in keys])
    listed = paged(
        client, "list_objects_v2", "Contents", "CommonPrefixes", Bucket="b", Prefix=prefix,
        Delimiter=delimiter, StartAfter=start, PaginationConfig={"PageSize": rows},
    )  # fmt: skip
    found = [entry.get("Key", entry.get("Prefix")) for entry in listed]
    behind = [key for key in keys if key.startswith(prefix) and key > start]
    rolled = {key: key.find(delimiter, len(prefix)) if delimiter else -1 for key in behind}
    expected = {key if end < 0 else key[: end + 1] for key, end in rolled.items()}
    assert sorted(found) == sorted(expected)


def test_versions_and_delete_markers_interleave_newest_first_over_pages(
    server: FaultServer,
) -> None:
    history = [
        FixtureObject("a", version_id=None, size=1),
        FixtureObject("b", version_id="3", delete_marker=True),
        FixtureObject("b", version_id="2", size=2),
        FixtureObject("b", version_id=None, size=3),
        FixtureObject("c", version_id="1", size=4, is_latest=False),
    ]
    server.bucket("b", history, versioning="Enabled")
    client, seen = server.client(), []
    markers: dict[str, str] = {}
    while True:
        page = client.list_object_versions(Bucket="b", MaxKeys=1, **markers)
        seen += [(e["Key"], e["VersionId"], e["IsLatest"], e.get("Size"))
                 for e in page.get("Versions", []) + page.get("DeleteMarkers", [])]  # fmt: skip
        if not page["IsTruncated"]:
            break
        markers = {
            "KeyMarker": page["NextKeyMarker"],
            "VersionIdMarker": page["NextVersionIdMarker"],
        }
    assert seen == [
        ("a", "null", True, 1),
        ("b", "3", True, None),
        ("b", "2", False, 2),
        ("b", "null", False, 3),
        ("c", "1", False, 4),
    ]
    assert server.bucket_named("b").keys() == ["a", "c"]


def test_listing_tells_owner_checksum_and_restore_only_as_s3_does(server: FaultServer) -> None:
    restore = 'ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"'
    server.bucket("b", [FixtureObject("k", owner="o", checksum_algorithm="CRC64NVME",
                                      checksum_type="FULL_OBJECT", restore=restore)])  # fmt: skip
    client = server.client()
    (plain,) = client.list_objects_v2(Bucket="b")["Contents"]
    (full,) = client.list_objects_v2(
        Bucket="b", FetchOwner=True, OptionalObjectAttributes=["RestoreStatus"]
    )["Contents"]
    assert plain["ChecksumAlgorithm"] == ["CRC64NVME"]
    assert plain["ChecksumType"] == "FULL_OBJECT"
    assert full.keys() - plain.keys() == {"Owner", "RestoreStatus"}
    assert full["Owner"] == {"ID": "o"}
    assert full["RestoreStatus"]["IsRestoreInProgress"] is False
    assert full["RestoreStatus"]["RestoreExpiryDate"] == datetime(2012, 12, 21, tzinfo=UTC)


def test_head_answers_the_version_asked_for_with_its_headers(server: FaultServer) -> None:
    headers = {
        "x-amz-replication-status": "REPLICA",
        "x-amz-server-side-encryption": "aws:kms:dsse",
    }
    server.bucket("b", [
        FixtureObject("k", version_id="2", size=5, storage_class="GLACIER", tags={"a": "1", "b": "2"}),
        FixtureObject("k", version_id="1", size=3, head_headers=headers, etag="e-2"),
    ], versioning="Enabled")  # fmt: skip
    client = server.client()
    newest = client.head_object(Bucket="b", Key="k")
    oldest = client.head_object(Bucket="b", Key="k", VersionId="1", PartNumber=1)
    assert (newest["VersionId"], newest["ContentLength"], newest["StorageClass"]) == (
        "2",
        5,
        "GLACIER",
    )
    assert newest["ResponseMetadata"]["HTTPHeaders"]["x-amz-tagging-count"] == "2"
    assert (oldest["VersionId"], oldest["ContentLength"], oldest["ETag"]) == ("1", 3, '"e-2"')
    assert (oldest["ReplicationStatus"], oldest["ServerSideEncryption"]) == (
        "REPLICA",
        "aws:kms:dsse",
    )


def test_checksums_are_told_only_when_asked_for(server: FaultServer) -> None:
    server.bucket("b", [FixtureObject("k", checksum_algorithm="SHA256", checksum_value="abc=")])
    client = server.client()
    assert "ChecksumSHA256" not in client.head_object(Bucket="b", Key="k")
    assert (
        client.head_object(Bucket="b", Key="k", ChecksumMode="ENABLED")["ChecksumSHA256"] == "abc="
    )


@pytest.mark.parametrize(
    ("key", "version", "expected"),
    [("none", None, 404), ("gone", None, 404), ("gone", "2", 405), ("gone", "9", 404), ("foreign", None, 403),
     ("odd", None, 418), ("secret", None, 400)],
)  # fmt: skip
def test_head_refuses_without_a_body(
    server: FaultServer, key: str, version: str | None, expected: int
) -> None:
    server.bucket("b", [
        FixtureObject("gone", version_id="2", delete_marker=True),
        FixtureObject("gone", version_id="1"),
        FixtureObject("foreign", denied=True),
        FixtureObject("odd", head_status=418),
        FixtureObject("secret", sse_c=True),
    ], versioning="Enabled")  # fmt: skip
    arguments = {"VersionId": version} if version else {}
    with pytest.raises(ClientError) as failed:
        server.client().head_object(Bucket="b", Key=key, **arguments)
    assert code_of(failed) == (str(expected), expected)
    marker = failed.value.response["ResponseMetadata"]["HTTPHeaders"].get("x-amz-delete-marker")
    assert marker == ("true" if key == "gone" and version != "9" else None)


def test_only_get_tells_that_an_object_is_encrypted_with_a_customers_key(
    server: FaultServer,
) -> None:
    server.bucket("b", [FixtureObject("k", body=b"x", sse_c=True)])
    client = server.client()
    with pytest.raises(ClientError, match="The correct parameters must be provided") as failed:
        client.get_object(Bucket="b", Key="k", Range="bytes=0-0")
    assert code_of(failed) == ("InvalidRequest", 400)
    key = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "0" * 32}
    assert client.head_object(Bucket="b", Key="k", **key)["SSECustomerAlgorithm"] == "AES256"


@pytest.mark.parametrize(
    ("asked", "expected"), [("bytes=1-2", b"BC"), ("bytes=2-", b"CD"), ("bytes=-1", b"D")]
)
def test_get_answers_ranges(server: FaultServer, asked: str, expected: bytes) -> None:
    server.bucket("b", [FixtureObject("k", body=b"ABCD")])
    answer = server.client().get_object(Bucket="b", Key="k", Range=asked)
    assert (answer["Body"].read(), answer["ContentRange"][-2:]) == (expected, "/4")


def test_a_range_of_a_huge_object_costs_nothing(server: FaultServer) -> None:
    server.bucket("b", [FixtureObject("k", size=5 * 2**40)])
    answer = server.client().get_object(Bucket="b", Key="k", Range=f"bytes={2**40}-{2**40 + 9}")
    assert len(answer["Body"].read()) == 10


def test_sub_resources_of_an_object(server: FaultServer) -> None:
    lock = {
        "x-amz-object-lock-mode": "GOVERNANCE",
        "x-amz-object-lock-retain-until-date": "2030-01-01T00:00:00Z",
        "x-amz-object-lock-legal-hold": "ON",
    }
    bucket = server.bucket("b", [FixtureObject("k", owner="o", tags={"a": "1"}, head_headers=lock)])
    client, name = server.client(), {"Bucket": "b", "Key": "k"}
    assert client.get_object_acl(**name)["Owner"] == {"ID": "o"}
    assert client.get_object_tagging(**name)["TagSet"] == [{"Key": "a", "Value": "1"}]
    assert client.get_object_retention(**name)["Retention"]["Mode"] == "GOVERNANCE"
    assert client.get_object_legal_hold(**name)["LegalHold"] == {"Status": "ON"}
    bucket.withheld |= {"retention", "legal-hold", "tagging"}
    for call in (
        client.get_object_retention,
        client.get_object_legal_hold,
        client.get_object_tagging,
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            call(**name)
    head = client.head_object(**name)["ResponseMetadata"]["HTTPHeaders"]
    assert not [header for header in head if "lock" in header or "tagging" in header]


def test_sub_resources_of_a_bucket(server: FaultServer) -> None:
    server.bucket(
        "b", versioning="Suspended", region="eu-central-1", documents={"lifecycle": b"<L/>"}
    )
    client = server.client()
    assert client.get_bucket_versioning(Bucket="b")["Status"] == "Suspended"
    assert client.get_bucket_location(Bucket="b")["LocationConstraint"] == "eu-central-1"
    assert client.head_bucket(Bucket="b")["BucketRegion"] == "eu-central-1"
    with pytest.raises(ClientError, match="ObjectLockConfigurationNotFoundError"):
        client.get_object_lock_configuration(Bucket="b")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        client.list_objects_v2(Bucket="other")


def test_generated_objects_can_be_overwritten_and_deleted(server: FaultServer) -> None:
    bucket = server.bucket(
        "b", generated=synthetic(1_000_000, "{:07d}".format, size_of=lambda i: i)
    )
    client = server.client()
    bucket.remove("0000003")
    bucket.overwrite("0000004", body=b"new")
    bucket.put(FixtureObject("0000004x", size=77))
    page = client.list_objects_v2(Bucket="b", MaxKeys=5)["Contents"]
    assert [(entry["Key"], entry["Size"]) for entry in page] == [
        ("0000000", 0), ("0000001", 1), ("0000002", 2), ("0000004", 3), ("0000004x", 77),
    ]  # fmt: skip
    tail = client.list_objects_v2(Bucket="b", StartAfter="0999997")["Contents"]
    assert [entry["Key"] for entry in tail] == ["0999998", "0999999"]
    assert client.head_object(Bucket="b", Key="0000099")["ContentLength"] == 99
    with pytest.raises(ClientError, match="404"):
        client.head_object(Bucket="b", Key="0000003")


@pytest.mark.parametrize(
    ("target", "host"),
    [("/k%20%2F?versionId=null", "b.localhost"), ("http://b.localhost/k%20%2F", "proxy")],
)
def test_the_bucket_may_stand_in_the_host_name(server: FaultServer, target: str, host: str) -> None:
    server.bucket("b", [FixtureObject("k /", size=7)])
    with closing(
        http.client.HTTPConnection(urlsplit(server.endpoint_url).netloc, timeout=60)
    ) as connection:
        connection.request("HEAD", target, headers={"Host": f"{host}:80"})
        assert connection.getresponse().getheader("Content-Length") == "7"


def test_a_server_of_its_own_is_filled_counted_and_ended() -> None:
    with SeparateServer("tests.servers.test_fault:fill", buckets={"dest": None}) as server:
        client = server.as_server().client()
        assert client.get_object(Bucket="b", Key="k")["Body"].read() == b"bytes"
        client.put_object(Bucket="dest", Key="k", Body=b"x")
        assert server.counts() == {"GetObject": 1, "PutObject": 1}
        assert [entry[0] for entry in server.log()] == ["GetObject", "PutObject"]
        process = server.pid
    assert not Path(f"/proc/{process}").exists()


def test_the_command_line_prints_its_address() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.servers.fault", "--bucket", "b"],
        cwd=Path(__file__).parents[2], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ended.stdout.startswith("http://127.0.0.1:")
