"""Questions about buckets: which region, versions and locks, which keys; and why a store says no."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from stocktake.model.errors import (
    AccessDeniedError,
    ContradictionError,
    CredentialsError,
    ExpiredTokenError,
    InventoryError,
    NoSuchBucketError,
    ServerError,
    StoreError,
    ThrottledError,
    UnreachableError,
)
from stocktake.store.client import Client
from tests.servers.fault import (
    FaultServer,
    FixtureObject,
    access_denied,
    html,
    ignore_subresource,
    malformed_xml,
    respond,
    short_pages,
    slow_down,
    stuck_marker,
    synthetic,
    without_headers,
    wrong_root,
)
from tests.servers.ports import refusing_port
from tests.servers.server import Server

QUICK = {"retries": {"mode": "standard", "total_max_attempts": 2}}


def opened(server: Server | FaultServer, **config: Any) -> Client:
    return Client(server.client(**(QUICK | config)), Counter())


def described(error: InventoryError) -> str:
    return f"{error.message} {error.hint} {error!r} {error.__dict__}"


# -- the region ----------------------------------------------------------------------------------


def test_moto_names_the_region_of_a_bucket_and_ceph_names_none(
    server: Server, buckets: Callable[..., str], request: pytest.FixtureRequest
) -> None:
    bucket = buckets("destinations")
    server.client().create_bucket(Bucket=bucket)
    with opened(server) as client:
        expected = {"moto_server": "us-east-1"}.get(request.node.callspec.params["server"])
        assert client.bucket_region(bucket) == expected


def test_an_unknown_bucket_is_named_with_the_store_it_was_looked_for_at(
    server: Server, buckets: Callable[..., str]
) -> None:
    bucket = buckets("destinations")
    with opened(server) as client, pytest.raises(NoSuchBucketError) as caught:
        client.bucket_region(bucket)
    assert bucket in caught.value.message
    assert server.endpoint_url in caught.value.message
    assert caught.value.hint


@pytest.mark.server
@pytest.mark.parametrize("wrong", ["access_key", "secret_key"])
def test_wrong_credentials_are_told_apart_from_a_missing_permission(
    ceph_server: Server, buckets: Callable[..., str], wrong: str
) -> None:
    bucket = buckets("destinations")
    ceph_server.client().create_bucket(Bucket=bucket)
    intruder = replace(ceph_server, **{wrong: "no-such-credential"})
    with opened(intruder) as client, pytest.raises(CredentialsError) as caught:
        client.bucket_region(bucket)
    assert caught.value.hint
    assert bucket in caught.value.message
    assert intruder.secret_key not in described(caught.value)


@pytest.mark.server
def test_a_user_without_permission_learns_which_one_it_takes(
    ceph_server: Server, buckets: Callable[..., str]
) -> None:
    bucket = buckets("destinations")
    ceph_server.client().create_bucket(Bucket=bucket)
    with Client(ceph_server.client(other=True), Counter()) as client:
        with pytest.raises(AccessDeniedError) as caught:
            client.bucket_region(bucket, list_prefix="logs/")
        # Who only writes need not list.
        assert client.bucket_region(bucket, list_prefix=None) is None
    assert f"s3://{bucket}/logs/" in caught.value.message
    assert f"s3:ListBucket on {bucket}" in caught.value.hint


def test_an_endpoint_that_nobody_listens_on_is_unreachable_within_seconds() -> None:
    started = time.monotonic()
    with refusing_port() as port:
        url = f"http://127.0.0.1:{port}"
        with (
            opened(Server(url, "key", "topsecret", "", "")) as client,
            pytest.raises(UnreachableError) as caught,
        ):
            client.bucket_region("bucket")
    assert time.monotonic() - started < 10
    assert url in caught.value.message
    assert "topsecret" not in described(caught.value)


def test_a_host_that_does_not_exist_is_unreachable() -> None:
    with (
        opened(Server("http://nowhere.invalid", "key", "secret", "", "")) as client,
        pytest.raises(UnreachableError, match=r"s3://bucket"),
    ):
        client.bucket_region("bucket")


def test_a_denied_head_does_not_stop_who_may_list(fault_server: FaultServer) -> None:
    fault_server.bucket("b", [FixtureObject("logs/a")])
    fault_server.rule(access_denied(), operation="HeadBucket")
    fault_server.rule(without_headers("x-amz-bucket-region"))
    with opened(fault_server) as client:
        assert client.bucket_region("b", list_prefix="logs/") is None
    assert fault_server.counts["ListObjectsV2"] == 1
    assert "max-keys=1" in fault_server.log[-1].query
    assert "prefix=logs%2F" in fault_server.log[-1].query


def test_a_denied_head_may_still_name_the_region(fault_server: FaultServer) -> None:
    fault_server.bucket("b")
    fault_server.rule(
        respond(403, "AccessDenied", headers={"x-amz-bucket-region": "eu-west-3"}),
        operation="HeadBucket",
    )
    with opened(fault_server) as client:
        assert client.bucket_region("b") == "eu-west-3"


@pytest.mark.parametrize("kind", ["redirect", "malformed"])
def test_a_bucket_elsewhere_answers_with_its_region(fault_server: FaultServer, kind: str) -> None:
    fault_server.bucket("b", region="eu-central-1", wrong_region=kind)
    with opened(fault_server) as client:
        assert client.bucket_region("b") == "eu-central-1"


def test_a_redirect_that_never_ends_still_names_the_region(fault_server: FaultServer) -> None:
    fault_server.bucket("b")
    fault_server.rule(
        respond(301, "PermanentRedirect", headers={"x-amz-bucket-region": "eu-north-1"}),
    )
    with opened(fault_server) as client:
        assert client.bucket_region("b") == "eu-north-1"
    assert fault_server.counts["ListObjectsV2"] == 0


def test_an_expired_token_is_said_to_be_one(fault_server: FaultServer) -> None:
    fault_server.bucket("b")
    fault_server.rule(respond(400, "ExpiredToken", "The provided token has expired."))
    with opened(fault_server) as client, pytest.raises(ExpiredTokenError):
        client.bucket_region("b")


def test_a_throttled_bucket_is_not_taken_for_one_without_region(fault_server: FaultServer) -> None:
    fault_server.bucket("b")
    fault_server.rule(slow_down())
    with opened(fault_server) as client, pytest.raises(ThrottledError):
        client.bucket_region("b")


# -- versions and locks --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "versioned"), [("", False), ("Enabled", True), ("Suspended", True)]
)
def test_versioning_is_read_as_it_is(
    server: Server, buckets: Callable[..., str], status: str, versioned: bool
) -> None:
    bucket, s3 = buckets("destinations"), server.client()
    s3.create_bucket(Bucket=bucket)
    for step in dict.fromkeys(("Enabled", status) if status else ()):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": step})
    with opened(server) as client:
        assert client.bucket_versioned(bucket) is versioned


@pytest.mark.parametrize("locked", [True, False])
def test_object_lock_is_read_as_it_is(
    server: Server, buckets: Callable[..., str], locked: bool
) -> None:
    bucket = buckets("destinations")
    server.client().create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=locked)
    with opened(server) as client:
        assert client.has_object_lock(bucket) is locked


QUESTIONS = pytest.mark.parametrize("question", [Client.bucket_versioned, Client.has_object_lock])


@QUESTIONS
@pytest.mark.parametrize(
    "answer",
    [
        ignore_subresource(),
        access_denied(),
        html(),
        respond(200, body=b""),
        respond(404, "NoSuchConfiguration"),
        respond(405, "MethodNotAllowed"),
        respond(501, "NotImplemented"),
    ],
    ids=["a listing", "denied", "HTML", "nothing", "404", "405", "501"],
)
def test_an_answer_that_decides_nothing_is_neither_yes_nor_no(
    fault_server: FaultServer, question: Callable[[Client, str], bool | None], answer: Any
) -> None:
    fault_server.bucket("b", [FixtureObject("Enabled", storage_class="Enabled")])
    fault_server.rule(answer, operation=["GetBucketVersioning", "GetObjectLockConfiguration"])
    with opened(fault_server) as client:
        assert question(client, "b") is None


@QUESTIONS
def test_a_missing_bucket_has_no_versions_to_ask_about(
    server: Server, buckets: Callable[..., str], question: Callable[[Client, str], bool | None]
) -> None:
    with opened(server) as client, pytest.raises(NoSuchBucketError):
        question(client, buckets("destinations"))


# -- listings ------------------------------------------------------------------------------------

KEYS = ["a", "a b", "a+b", "a/1", "a/2", "a/ü", "b%2Fc", "b/", "b/x/y", "ﾮ", "😀"]


def paged(server: Server, rows: int) -> Client:
    """A client whose pages hold that many rows."""
    s3 = server.client()
    s3.meta.events.register(
        "before-parameter-build.s3.ListObjectsV2",
        lambda params, **_: params.update(MaxKeys=rows),
    )
    return Client(s3, Counter())


@pytest.mark.parametrize("rows", [2, 1000])
def test_keys_come_exactly_and_in_order_over_all_pages(
    server: Server, buckets: Callable[..., str], rows: int
) -> None:
    bucket, s3 = buckets("destinations"), server.client()
    s3.create_bucket(Bucket=bucket)
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    with paged(server, rows) as client:
        assert list(client.list_keys(bucket, "")) == sorted(KEYS)
        assert list(client.list_keys(bucket, "a/")) == ["a/1", "a/2", "a/ü"]
        assert list(client.list_keys(bucket, "nothing")) == []
        assert list(client.list_keys(bucket, "", "/")) == [
            "a", "a b", "a+b", "a/", "b%2Fc", "b/", "ﾮ", "😀",
        ]  # fmt: skip


def test_listing_a_missing_bucket_says_so(server: Server, buckets: Callable[..., str]) -> None:
    with opened(server) as client, pytest.raises(NoSuchBucketError):
        list(client.list_keys(buckets("destinations"), ""))


@pytest.mark.server
def test_a_denied_listing_names_the_place_and_the_permission(
    ceph_server: Server, buckets: Callable[..., str]
) -> None:
    bucket = buckets("destinations")
    ceph_server.client().create_bucket(Bucket=bucket)
    with (
        Client(ceph_server.client(other=True), Counter()) as client,
        pytest.raises(AccessDeniedError) as caught,
    ):
        list(client.list_keys(bucket, "p/"))
    assert f"s3://{bucket}/p/" in caught.value.message
    assert "s3:ListBucket" in caught.value.hint


@pytest.mark.parametrize(
    "fault",
    [
        [stuck_marker()],
        [
            respond(
                200, body=b"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"
            )
        ],
    ],
    ids=["the page again and again", "no token"],
)
def test_a_listing_that_does_not_advance_ends_as_a_contradiction(
    fault_server: FaultServer, fault: list[Any]
) -> None:
    fault_server.bucket("b", generated=synthetic(10))
    fault_server.rule(short_pages(3), operation="List")
    for action in fault:
        fault_server.rule(action, operation="List")
    with opened(fault_server) as client, pytest.raises(ContradictionError, match=r"s3://b/"):
        list(client.list_keys("b", ""))
    assert fault_server.counts["ListObjectsV2"] <= 3


def test_a_listing_that_hands_out_the_same_token_without_keys_ends(
    fault_server: FaultServer,
) -> None:
    page = (
        b"<ListBucketResult><IsTruncated>true</IsTruncated>"
        b"<NextContinuationToken>t</NextContinuationToken></ListBucketResult>"
    )
    fault_server.bucket("b")
    fault_server.rule(respond(200, body=page), operation="List")
    with opened(fault_server) as client, pytest.raises(ContradictionError, match="'t'"):
        list(client.list_keys("b", ""))
    assert fault_server.counts["ListObjectsV2"] == 2


def listing(contents: str) -> Any:
    return respond(200, body=f"<ListBucketResult>{contents}</ListBucketResult>".encode())


@pytest.mark.parametrize(
    "fault",
    [
        malformed_xml(),
        html(),
        wrong_root(),
        listing("<Contents><Key>a</Key><LastModified>soon</LastModified></Contents>"),
        listing("<Contents><Key>a</Key><Size>large</Size></Contents>"),
        listing("<Contents><Size>1</Size></Contents>"),
    ],
    ids=["cut XML", "HTML", "another document", "no date", "no number", "no key"],
)
def test_a_listing_that_cannot_be_read_is_an_error_and_no_empty_bucket(
    fault_server: FaultServer, fault: Any
) -> None:
    fault_server.bucket("b", [FixtureObject("a")])
    fault_server.rule(fault, operation="List")
    with opened(fault_server) as client, pytest.raises(ServerError, match=r"cannot list s3://b/"):
        list(client.list_keys("b", ""))


def test_the_requester_pays_only_where_that_was_asked_for(fault_server: FaultServer) -> None:
    seen: list[str | None] = []
    fault_server.bucket("b", [FixtureObject("a", body=b"x")])
    fault_server.rule(
        access_denied(),
        where=lambda request: bool(seen.append(request.headers.get("x-amz-request-payer"))),
    )
    for pays in (True, False):
        with Client(fault_server.client(), Counter(), request_payer=pays) as client:
            list(client.list_keys("b", ""))
            client.read("b", "a", 10)
    assert seen == ["requester", "requester", None, None]


def test_every_store_error_names_the_bucket(fault_server: FaultServer) -> None:
    with opened(fault_server) as client:
        for call in (
            lambda: client.bucket_region("no-such"),
            lambda: list(client.list_keys("no-such", "")),
            lambda: client.read("no-such", "k", 1),
            lambda: client.bucket_versioned("no-such"),
        ):
            with pytest.raises(StoreError, match="no-such"):
                call()
