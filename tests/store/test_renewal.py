"""Clients opened from a Connection: its settings, and credentials that expire while it is used."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from stocktake.model.errors import CredentialsError, ExpiredTokenError, UnreachableError
from stocktake.model.store import Addressing, Store
from stocktake.store.client import Client
from stocktake.store.connection import Connection
from stocktake.store.uploads import UploadLimits
from tests.servers.fault import FaultServer, FixtureObject
from tests.servers.server import Server

MIB = 2**20
PLAIN: dict[str, Any] = {"encryption": None, "owner_full_control": False}
SMALL_PARTS = UploadLimits(multipart_bytes_min=6 * MIB, part_bytes=5 * MIB)


@pytest.fixture
def client(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client of a bucket `b`, whose credentials come from where new ones can be had."""
    fault_server.bucket("b", [FixtureObject("k", body=b"body")])
    url = fault_server.issue("key", "secret", "token-1")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
    store = Store(endpoint_url=fault_server.endpoint_url, addressing=Addressing.PATH)
    return Client.open(Connection.open(store), Counter(), uploads=SMALL_PARTS)


def test_a_token_that_expires_is_renewed_and_the_request_sent_again(
    fault_server: FaultServer, client: Client
) -> None:
    with client:
        assert client.read("b", "k", 10) == b"body"
        fault_server.expire_token("token-1", after_requests=0)
        fault_server.issue("key", "secret", "token-2")
        assert client.size("b", "k") == 4  # HEAD: the answer has no body that says why
        client.put("b", "new", b"x", **PLAIN)
        assert list(client.list_keys("b", "")) == ["k", "new"]
        fault_server.expire_token("token-2", after_requests=0)
        fault_server.issue("key", "secret", "token-3")
        client.delete("b", "new")
    assert fault_server.bucket_named("b").keys() == ["k"]
    asked = [(entry.operation, entry.status) for entry in fault_server.log]
    asked.remove(("HeadBucket", 200))  # boto3 takes a 400 to a HEAD for a wrong region
    assert asked == [
        ("GetObject", 200),
        ("HeadObject", 400), ("HeadObject", 200),
        ("PutObject", 200),
        ("ListObjectsV2", 200),
        ("DeleteObject", 400), ("DeleteObject", 204),
    ]  # fmt: skip


def test_a_token_that_expires_among_the_parts_of_an_upload_does_not_end_it(
    fault_server: FaultServer, client: Client, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    spool.write_bytes(bytes(range(256)) * (31 * MIB // 256))
    fault_server.expire_token("token-1", after_requests=3)
    fault_server.issue("key", "secret", "token-2")
    with client:
        client.upload("b", "large", spool, **PLAIN)
        assert client.read("b", "large", 40 * MIB) == spool.read_bytes()
    assert not fault_server.bucket_named("b").uploads


def test_when_the_new_token_is_no_better_the_error_says_so(
    fault_server: FaultServer, client: Client
) -> None:
    fault_server.expire_token("token-1", after_requests=0)
    with client, pytest.raises(ExpiredTokenError, match="s3://b/k"):
        client.read("b", "k", 10)
    assert fault_server.counts["GetObject"] == 2


@pytest.mark.usefixtures("moto_server")
def test_a_connection_brings_credentials_and_endpoint_from_the_environment(
    moto_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in moto_server.environment().items():
        monkeypatch.setenv(name, value)
    moto_server.client().create_bucket(Bucket="destinations-from-environment")
    counters: Counter[str] = Counter()
    with Client.open(Connection.open(Store()), counters) as client:
        client.put("destinations-from-environment", "k", b"x", **PLAIN)
        assert client.read("destinations-from-environment", "k", 1) == b"x"
    assert counters == {"requests.control": 2}


@pytest.mark.server
def test_wrong_credentials_of_a_connection_are_told_apart(
    ceph_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ceph_server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wr0ng-s3cret")
    with Client.open(Connection.open(Store()), Counter()) as client:
        with pytest.raises(CredentialsError) as caught:
            client.bucket_region("destinations-any")
        assert "wr0ng" not in f"{caught.value.__dict__} {caught.value!r} {client!r}"


def test_a_connection_to_nowhere_gives_up_within_the_time_of_a_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    store = Store(endpoint_url="http://127.0.0.1:1", addressing=Addressing.PATH)
    with Client.open(Connection.open(store), Counter()) as client, pytest.raises(UnreachableError):
        client.bucket_region("b")
