"""The client against moto, Ceph and the fault server: objects read, written and deleted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stocktake.model.errors import (
    AccessDeniedError,
    CredentialsError,
    NoSuchBucketError,
    NoSuchKeyError,
    ReportError,
    ServerError,
    UnreachableError,
    UsageError,
)
from stocktake.store.client import Client
from tests.servers.fault import (
    FaultServer,
    FixtureObject,
    access_denied,
    reset,
    respond,
    slow_down,
    truncate,
)
from tests.servers.ports import refusing_port
from tests.servers.server import Server
from tests.store.clients import MIB, PLAIN, QUICK, SMALL_PARTS, opened, sparse

# -- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["plain", "a/../b", "ä b+c%2F", "./x", "😀"])
def test_what_was_put_is_read_back(server: Server, bucket: str, key: str) -> None:
    with opened(server) as client:
        client.put(bucket, key, b"0123456789", **PLAIN)
        assert client.exists(bucket, key)
        assert client.size(bucket, key) == 10
        assert client.read(bucket, key, 10) == b"0123456789"
        assert client.read_range(bucket, key, 2, 5) == b"234"
        assert client.read_range(bucket, key, 8, 50) == b"89"
        assert client.read_range(bucket, key, 10, 50) == b""
        assert client.read_range(bucket, key, 5, 5) == b""


def test_an_empty_object_is_read_back(server: Server, bucket: str) -> None:
    with opened(server) as client:
        client.put(bucket, "empty", b"", **PLAIN)
        assert client.size(bucket, "empty") == 0
        assert client.read(bucket, "empty", 10) == b""
        assert client.read_range(bucket, "empty", 0, 10) == b""


def test_an_object_longer_than_expected_is_not_read_into_memory(
    server: Server, bucket: str
) -> None:
    with opened(server) as client:
        client.put(bucket, "long", b"x" * 11, **PLAIN)
        with pytest.raises(ReportError, match=rf"s3://{bucket}/long .* 10 bytes"):
            client.read(bucket, "long", 10)


def test_a_missing_key_and_a_missing_bucket_are_told_apart(server: Server, bucket: str) -> None:
    with opened(server) as client:
        assert not client.exists(bucket, "no-such-key")
        for ask in (
            lambda: client.read(bucket, "no-such-key", 1),
            lambda: client.read_range(bucket, "no-such-key", 0, 1),
            lambda: client.size(bucket, "no-such-key"),
        ):
            with pytest.raises(NoSuchKeyError, match=f"s3://{bucket}/no-such-key"):
                ask()
        with pytest.raises(NoSuchBucketError):
            client.read(f"{bucket}-gone", "k", 1)


@pytest.mark.parametrize("fault", [truncate(3), reset("in body", after_bytes=3)])
def test_an_answer_that_breaks_off_is_asked_for_again(
    fault_server: FaultServer, fault: Any
) -> None:
    fault_server.bucket("b", [FixtureObject("k", body=b"0123456789")])
    fault_server.rule(fault, operation="GetObject", times=2)
    with opened(fault_server) as client:
        assert client.read("b", "k", 10) == b"0123456789"
        assert client.read_range("b", "k", 1, 9) == b"12345678"


def test_an_answer_that_always_breaks_off_is_an_error_and_never_half_a_file(
    fault_server: FaultServer,
) -> None:
    fault_server.bucket("b", [FixtureObject("k", body=b"0123456789")])
    fault_server.rule(truncate(3), operation="GetObject")
    with opened(fault_server) as client, pytest.raises((ServerError, UnreachableError)) as caught:
        client.read("b", "k", 10)
    assert "s3://b/k" in caught.value.message
    assert fault_server.counts["GetObject"] == 3


def test_a_store_that_ignores_ranges_is_found_out(fault_server: FaultServer) -> None:
    fault_server.bucket("b")
    fault_server.rule(respond(200, body=b"0123456789"), operation="GetObject")
    with opened(fault_server) as client:
        assert client.read_range("b", "k", 0, 4) == b"0123"
        with pytest.raises(ServerError, match="ignores ranges"):
            client.read_range("b", "k", 2, 4)


def test_where_head_is_denied_a_listing_tells_whether_an_object_exists(
    fault_server: FaultServer,
) -> None:
    fault_server.bucket("b", [FixtureObject("key"), FixtureObject("key2")])
    fault_server.rule(access_denied(), operation="HeadObject")
    with opened(fault_server) as client:
        assert client.exists("b", "key")
        assert not client.exists("b", "ke")
        fault_server.rule(access_denied(), operation="ListObjectsV2")
        with pytest.raises(AccessDeniedError, match="s3://b/key") as caught:
            client.exists("b", "key")
    assert "s3:GetObject" in caught.value.hint


# -- counting ------------------------------------------------------------------------------------


def test_every_request_is_counted_and_every_retry(fault_server: FaultServer) -> None:
    fault_server.bucket("b")
    fault_server.rule(slow_down(), operation="PutObject", nth=1)
    counters: Counter[str] = Counter()
    with Client(fault_server.client(**QUICK), counters) as client:
        client.put("b", "k", b"x", **PLAIN)
        client.exists("b", "k")
    assert counters == {"requests.control": 3}
    assert sum(fault_server.counts.values()) == 3


def test_requests_of_a_parallel_upload_are_all_counted(
    fault_server: FaultServer, tmp_path: Path
) -> None:
    fault_server.bucket("b")
    counters: Counter[str] = Counter()
    with Client(fault_server.client(**QUICK), counters, uploads=SMALL_PARTS) as client:
        client.upload("b", "k", sparse(tmp_path, 42 * MIB), **PLAIN)
    assert counters == {"requests.control": 11}
    assert fault_server.counts["UploadPart"] == 9


# -- deleting ------------------------------------------------------------------------------------


def test_one_object_is_deleted_and_no_other(server: Server, bucket: str) -> None:
    with opened(server) as client:
        for key in ("a", "ab", "a/b"):
            client.put(bucket, key, b"", **PLAIN)
        client.delete(bucket, "a")
        client.delete(bucket, "a")
        assert list(client.list_keys(bucket, "")) == ["a/b", "ab"]


@pytest.mark.parametrize("key", ["", ".", "..", "a/..", "../a", "a/./b"])
def test_a_key_that_could_become_a_request_about_the_bucket_is_not_deleted(
    fault_server: FaultServer, key: str
) -> None:
    fault_server.bucket("b")
    with opened(fault_server) as client, pytest.raises(UsageError):
        client.delete("b", key)
    assert not fault_server.counts
    assert "b" in fault_server.buckets


def test_a_delete_is_of_an_object_and_never_of_a_sub_resource(fault_server: FaultServer) -> None:
    fault_server.bucket("b", [FixtureObject("k?acl"), FixtureObject("k", version_id="v1")])
    with opened(fault_server) as client:
        client.delete("b", "k?acl")
        client.delete("b", "k", version_id="v1")
    assert [(entry.path, entry.query) for entry in fault_server.log] == [
        ("/b/k%3Facl", ""),
        ("/b/k", "versionId=v1"),
    ]


# -- errors --------------------------------------------------------------------------------------


@pytest.mark.server
def test_no_error_ever_holds_a_secret(ceph_server: Server) -> None:
    intruder = Server(ceph_server.endpoint_url, "inventory", "s3cr3t-t0ken", "", "")
    with opened(intruder) as client:
        for call in (
            lambda: client.put("destinations-x", "k", b"", **PLAIN),
            lambda: client.read("destinations-x", "k", 1),
            lambda: client.delete("destinations-x", "k"),
        ):
            with pytest.raises(CredentialsError) as caught:
                call()
            assert "s3cr3t" not in f"{caught.value.__dict__} {caught.value!r}"


def test_an_unreachable_store_is_said_to_be_unreachable_by_every_call(tmp_path: Path) -> None:
    with refusing_port() as port:
        url = f"http://127.0.0.1:{port}"
        (tmp_path / "spool").write_bytes(b"x")
        with opened(Server(url, "key", "secret", "", "")) as client:
            for call in (
                lambda: client.put("b", "k", b"", **PLAIN),
                lambda: client.upload("b", "k", tmp_path / "spool", **PLAIN),
                lambda: client.read("b", "k", 1),
                lambda: client.exists("b", "k"),
                lambda: client.delete("b", "k"),
                lambda: client.try_write("b", "k", **PLAIN),
            ):
                with pytest.raises(UnreachableError):
                    call()
