"""Probing on the way to the store, of its versions and objects; and of moto and Ceph."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from stocktake.model.capabilities import Ability, Capabilities, Found, Verdict, Walk
from stocktake.model.errors import AccessDeniedError, NoSuchBucketError, UnreachableError
from stocktake.store.probe import probe_store
from tests.servers.fault import (
    Action,
    Exchange,
    FaultServer,
    FixtureObject,
    access_denied,
    html,
    ignore_start_after,
    ignore_subresource,
    internal_error,
    respond,
    stuck_marker,
    throttle,
    with_headers,
    without_headers,
    wrong_root,
)
from tests.servers.server import Server
from tests.store.doors import open_transport, sign_as
from tests.store.probing import REQUESTS_MAX, Lying, evidence, lacking, probed, untold


@pytest.fixture
def lying(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> Lying:
    return Lying(fault_server, monkeypatch)


# -- versions and objects --------------------------------------------------------------------------


def test_a_store_without_versions_can_still_be_inventoried(
    lying: Lying,
) -> None:
    found = lying(ignore_subresource(), operation="ListObjectVersions")
    assert lacking(found) == {Ability.VERSIONS, Ability.KEY_MARKER, Ability.VERSION_MARKER}
    assert found.verdict() is Verdict.FINE
    assert found.verdict(all_versions=True) is Verdict.BROKEN


def test_a_missing_permission_says_nothing_of_the_store(lying: Lying) -> None:
    found = lying(access_denied(), operation="ListObjectVersions")
    assert lacking(found) == set()
    assert found.found(Ability.VERSIONS) is Found.UNKNOWN
    assert "AccessDenied" in evidence(found, Ability.VERSIONS)


def test_the_versions_of_one_key_are_gone_through(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = [FixtureObject("k", version_id=f"v{n}") for n in range(3)]
    fault_server.bucket("b", [*versions, FixtureObject("l", version_id="v")])
    found = probed(fault_server.as_server(), "b", monkeypatch)
    assert (
        evidence(found, Ability.VERSION_MARKER) == "behind `k` version `v0` came `k` version `v1`"
    )
    fault_server.rule(stuck_marker(), operation="ListObjectVersions")
    ignored = fault_server.rule(
        ignore_start_after(), operation="ListObjectVersions", where=lambda r: "version-id-marker" in r.query
    )  # fmt: skip
    found = probed(fault_server.as_server(), "b", monkeypatch)
    assert ignored.applied == 1
    assert lacking(found) == {Ability.VERSION_MARKER}


def test_an_object_that_cannot_be_read_is_no_store_without_head(
    lying: Lying,
) -> None:
    found = lying(access_denied(), operation="HeadObject")
    assert found.found(Ability.HEAD) is Found.UNKNOWN
    assert evidence(found, Ability.HEAD) == "403 for `data/000499`"


def test_head_names_the_headers_that_tell_something(lying: Lying) -> None:
    headers = {
        "x-amz-server-side-encryption": "AES256",
        "Via": "1.1 proxy",
        "x-amz-request-id": "1",
    }
    told = evidence(lying(with_headers(headers), operation="HeadObject"), Ability.HEAD)
    assert "x-amz-server-side-encryption" in told
    assert not {"via", "x-amz-request-id", "content-length"} & set(re.split("[, ]+", told))


# -- the way there ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (access_denied(), AccessDeniedError),
        (respond(404, "NoSuchBucket"), NoSuchBucketError),
    ],
    ids=lambda each: each.name if isinstance(each, Action) else "",
)
def test_who_may_not_list_gets_an_error_and_no_table(
    lying: Lying, answer: Action, error: type[Exception]
) -> None:
    with pytest.raises(error):
        lying(answer)


def test_no_store_at_all_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    sign_as(monkeypatch, "a", "b")
    with open_transport("http://127.0.0.1:1") as transport, pytest.raises(UnreachableError):
        probe_store(transport, "b", endpoint="http://127.0.0.1:1")


@pytest.mark.parametrize(
    "answer",
    [html(), wrong_root(), internal_error(), respond(501, "NotImplemented")],
    ids=["a page for people", "another document", "a failure", "a refusal"],
)
def test_what_answers_with_no_listing_cannot_be_inventoried(lying: Lying, answer: Action) -> None:
    found = lying(answer)
    assert lacking(found) == {Ability.LIST}
    assert evidence(found, Ability.LIST)
    assert evidence(found, Ability.ORDER) == "not asked"
    assert (found.verdict(), found.walk()) == (Verdict.BROKEN, Walk.NONE)


def test_a_page_that_counts_its_keys_wrongly_is_no_listing(lying: Lying) -> None:
    def add_one(exchange: Exchange) -> None:
        body = bytes(exchange.answer.body[:])
        exchange.answer.body = re.sub(rb"<KeyCount>(\d+)<", rb"<KeyCount>1\1<", body)

    found = lying(Action("miscounts", after=add_one))
    assert lacking(found) == {Ability.LIST}
    assert "KeyCount `11000`" in evidence(found, Ability.LIST)


def test_a_throttled_answer_is_asked_for_again_and_its_time_does_not_count(
    lying: Lying,
) -> None:
    found = lying(throttle(50))
    assert lacking(found) == set()
    assert found.requests > REQUESTS_MAX


def test_the_clock_and_the_name_of_the_server_are_told(
    lying: Lying, fault_server: FaultServer
) -> None:
    fault_server.skew_clock(120)
    found = lying(with_headers({"Server": "exemplary/1.0"}))
    assert found.server == "exemplary/1.0"
    assert lacking(found) == {Ability.CLOCK}
    assert found.clock_skew_s == pytest.approx(120, abs=2)
    assert "ahead" in evidence(found, Ability.CLOCK)
    assert lying(without_headers("Date")).clock_skew_s is None


def test_payer_is_sent_only_when_asked_for(
    lying: Lying, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lying().found(Ability.PAYER) is Found.YES
    refused = fault_server.rule(
        access_denied(), where=lambda request: "x-amz-request-payer" not in request.headers
    )
    found = probed(fault_server.as_server(), "b", monkeypatch, request_payer=True)
    assert found.found(Ability.PAYER) is Found.UNKNOWN
    assert refused.applied == 0


# -- real stores -----------------------------------------------------------------------------------


def fill(server: Server, bucket: str) -> None:
    client = server.client()
    client.create_bucket(Bucket=bucket)
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in ("a b/ü+%.txt", "a", "b", "b", "b", "中/x", "\U0001f600", "d/~*"):
        client.put_object(Bucket=bucket, Key=key, Body=b"x")
    client.delete_object(Bucket=bucket, Key="a")


def check_real(found: Capabilities) -> None:
    assert lacking(found) == set(), found.to_json()
    assert untold(found) == {Ability.RESTORE}
    assert found.verdict(all_versions=True) is Verdict.FINE
    assert found.requests <= REQUESTS_MAX


def test_moto_can_do_all_that_a_run_needs(
    moto_server: Server, buckets: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = buckets("probe")
    fill(moto_server, bucket)
    check_real(probed(moto_server, bucket, monkeypatch))


@pytest.mark.server
def test_ceph_can_do_all_that_a_run_needs(
    ceph_server: Server, buckets: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = buckets("probe")
    fill(ceph_server, bucket)
    found = probed(ceph_server, bucket, monkeypatch)
    check_real(found)
    spelling = evidence(found, Ability.ENCODING)
    assert "a slash is `%2F`" in spelling
    assert "StartAfter is echoed as it was sent" in spelling
