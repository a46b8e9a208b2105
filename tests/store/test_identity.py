"""In the middle of a run credentials expire, clocks turn out wrong, buckets turn out to be elsewhere."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from stocktake.model.errors import CredentialsError, UnreachableError
from stocktake.model.runs import Counters, Limits
from stocktake.model.store import Store
from stocktake.store.connection import Connection
from stocktake.store.requests import Answer
from stocktake.store.transport import Transport
from tests.servers.fault import FaultServer, FixtureObject, Request, do_after, hold, respond
from tests.store.doors import QUICK, get, head, listing, sign_as


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, fault_server: FaultServer) -> FaultServer:
    """The fault server with a bucket `b` of 100 objects; the environment signs with a permanent key."""
    sign_as(monkeypatch, "fault", "faultsecret")
    fault_server.bucket("b", [FixtureObject(f"key-{n:03}", body=b"x") for n in range(100)])
    return fault_server


def _transport(
    store: FaultServer, counters: Counters, limits: Limits = QUICK, **clocks: Callable[[], float]
) -> Transport:
    return Transport(Connection.open(Store(store.endpoint_url)), limits, counters, **clocks)


def _heads(transport: Transport) -> list[int]:
    return [a.status for a in transport.exchange([head("b", f"key-{n:03}") for n in range(100)])]


def _gets(transport: Transport) -> list[Answer]:
    return transport.exchange([get("b", f"key-{n:03}") for n in range(100)])


def _bears(token: str, request: Request) -> bool:
    return request.headers["x-amz-security-token"] == token


def _signed_for(region: str, request: Request) -> bool:
    return f"/{region}/" in request.headers["authorization"]


# -- credentials -----------------------------------------------------------------------------------


def test_a_token_that_expires_is_renewed_from_the_containers_endpoint(
    monkeypatch: pytest.MonkeyPatch, store: FaultServer
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", store.issue("C", "s", "token-1"))
    counters = Counters()
    with _transport(store, counters) as transport:
        store.expire_token("token-1", after_requests=30)
        store.issue("C", "s", "token-2")
        answers = _gets(transport)
        assert {(answer.status, answer.error) for answer in answers} == {(200, None)}
        assert _heads(transport) == [200] * 100
    # Those in flight when it happened were refused with it, and none was sent with the old token after.
    refused = [entry for entry in store.log if entry.status == 400]
    assert 1 <= len(refused) <= QUICK.concurrency
    assert counters == {
        "requests.proof": 100 + len(refused),
        "requests.head": 100,
        "refusals.proof.400": len(refused),
        "retries": len(refused),
        "renewals": 1,
    }


def test_a_token_that_expires_is_renewed_by_the_credential_process(
    monkeypatch: pytest.MonkeyPatch, store: FaultServer, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    answer, config, runs = tmp_path / "answer", tmp_path / "config", tmp_path / "runs"
    config.write_text(f"[default]\ncredential_process = sh -c 'echo run >> {runs}; cat {answer}'\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))

    def issue(token: str) -> None:
        answer.write_text(
            json.dumps(
                {"Version": 1, "AccessKeyId": "P", "SecretAccessKey": "s", "SessionToken": token}
            )
        )

    issue("token-1")
    counters = Counters()
    with _transport(store, counters) as transport:
        store.expire_token("token-1", after_requests=10)
        issue("token-2")
        assert {answer.status for answer in _gets(transport)} == {200}
    assert counters["renewals"] == 1
    assert runs.read_text() == "run\n" * 2


def test_heads_under_way_when_the_token_was_renewed_are_asked_again(
    monkeypatch: pytest.MonkeyPatch, store: FaultServer
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", store.issue("C", "s", "token-1"))
    counters = Counters()
    with _transport(store, counters) as transport:
        store.expire_token("token-1", after_requests=0)
        store.issue("C", "s", "token-2")
        [before] = transport.exchange([head("b", "key-000")])
        # A HEAD has no body, so it does not say why; what asks with a body finds out.
        assert (before.status, before.error) == (400, None)
        renewed = threading.Event()
        store.rule(hold(renewed), method="HEAD")  # so that they are still under way then
        store.rule(do_after(renewed.set), operation="GetObject", where=partial(_bears, "token-2"))
        answers = transport.exchange([get("b", "key-000"), *(head("b", "key-001"),) * 7])
    assert [answer.status for answer in answers] == [200] * 8
    assert counters["renewals"] == 1


def test_a_token_that_cannot_be_renewed_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, store: FaultServer
) -> None:
    sign_as(monkeypatch, "fault", "hidden-secret", "hidden-token")
    store.expire_token("hidden-token", after_requests=5)
    counters = Counters()
    with _transport(store, counters) as transport:
        answers = _gets(transport)
    failed = [answer for answer in answers if answer.error is not None]
    assert len(failed) == 95
    for answer in failed:
        assert type(answer.error) is CredentialsError
        assert "ExpiredToken" in str(answer.error)
        assert "hidden" not in str(answer.error)
    assert counters["renewals"] == 0
    assert counters["requests.proof"] <= 5 + 95 * QUICK.tries_max


def test_credentials_the_store_does_not_accept_are_an_answer_and_asked_for_once(
    store: FaultServer,
) -> None:
    store.require({"another"})
    counters = Counters()
    with _transport(store, counters) as transport:
        [answer] = transport.exchange([listing("b")])
    assert (answer.status, answer.error) == (403, None)
    assert b"InvalidAccessKeyId" in answer.body
    assert counters == {"requests.list": 1, "refusals.list.403": 1}


def test_keys_that_were_exchanged_in_the_users_file_are_taken_over(
    monkeypatch: pytest.MonkeyPatch, store: FaultServer, tmp_path: Path
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    path = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    pair = "[default]\naws_access_key_id = {}\naws_secret_access_key = s\n"
    path.write_text(pair.format("OLD"))
    counters = Counters()
    with _transport(store, counters) as transport:
        store.require({"NEW"})
        path.write_text(pair.format("NEW"))
        [answer] = transport.exchange([listing("b")])
    assert answer.status == 200
    assert counters == {
        "requests.list": 2,
        "refusals.list.403": 1,
        "retries": 1,
        "renewals": 1,
    }


def test_what_botocore_refreshes_by_itself_is_used_without_a_refusal(
    monkeypatch: pytest.MonkeyPatch, store: FaultServer
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", store.issue("C", "s", "token-1"))
    seconds = [0.0]
    counters = Counters()
    connection = Connection.open(Store(store.endpoint_url))
    with Transport(connection, QUICK, counters, monotonic=lambda: seconds[0]) as transport:
        store.issue("C", "s", "token-2")
        connection.renew_credentials()  # from now on the connection has others, as after a refresh
        store.require({"C"}, {"token-2"})
        seconds[0] = 2.0
        assert _heads(transport) == [200] * 100
    assert counters == {"requests.head": 100, "renewals": 1}


# -- the clock -------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset_s", [-5000.0, 5000.0, 40_000_000.0])
def test_a_clock_that_differs_from_the_stores_is_corrected_once(
    store: FaultServer, offset_s: float
) -> None:
    store.skew_clock(offset_s)
    counters = Counters()
    with _transport(store, counters, replace(QUICK, concurrency=1)) as transport:
        assert {answer.status for answer in _gets(transport)} == {200}
        assert _heads(transport) == [200] * 100
    assert counters == {
        "requests.proof": 101,
        "requests.head": 100,
        "refusals.proof.403": 1,
        "retries": 1,
    }


def test_a_store_that_calls_every_clock_wrong_is_not_asked_for_ever(store: FaultServer) -> None:
    store.rule(respond(403, "RequestTimeTooSkewed"))
    counters = Counters()
    with _transport(store, counters) as transport:
        [answer] = transport.exchange([listing("b")])
    assert (answer.status, answer.error) == (403, None)
    assert counters["requests.list"] <= 2


# -- the region ------------------------------------------------------------------------------------


@pytest.mark.parametrize("refusal", ["redirect", "malformed"])
def test_the_region_the_store_names_is_adopted(store: FaultServer, refusal: str) -> None:
    store.bucket("far", [FixtureObject("k")], region="garage", wrong_region=refusal)
    counters = Counters()
    limits = replace(QUICK, tries_max=1)  # what teaches something is no try
    with _transport(store, counters, limits) as transport:
        requests = [head("far", "k"), get("far", "k"), listing("far"), head("b", "key-000")]
        assert [answer.status for answer in transport.exchange(requests)] == [200] * 4
        assert [answer.status for answer in transport.exchange(requests)] == [200] * 4
    assert counters["retries"] == 3  # the three that were in flight together


def test_a_region_named_in_the_body_alone_is_adopted(store: FaultServer) -> None:
    seen: list[str] = []

    def signed_for_us_east_1(request: Request) -> bool:
        seen.append(request.headers["authorization"].split("/")[2])
        return seen[-1] == "us-east-1"

    body = b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>garage</Region></Error>"
    store.rule(respond(400, body=body), where=signed_for_us_east_1)
    with _transport(store, Counters()) as transport:
        [answer] = transport.exchange([listing("b")])
    assert answer.status == 200
    assert seen == ["us-east-1", "garage"]


def test_a_store_that_sends_from_region_to_region_is_not_followed_for_ever(
    store: FaultServer,
) -> None:
    for region, other in (("us-east-1", "x-1"), ("x-1", "us-east-1")):
        store.rule(
            respond(301, "PermanentRedirect", headers={"x-amz-bucket-region": other}),
            where=partial(_signed_for, region),
        )
    counters = Counters()
    with _transport(store, counters) as transport:
        [answer] = transport.exchange([listing("b")])
    assert (answer.status, answer.error) == (301, None)
    assert counters["requests.list"] == 5


def test_a_redirect_without_a_region_is_an_answer(store: FaultServer) -> None:
    store.rule(respond(307, headers={"Location": "http://127.0.0.1:1/elsewhere"}))
    counters = Counters()
    with _transport(store, counters) as transport:
        [answer] = transport.exchange([listing("b")])
    assert (answer.status, answer.error) == (307, None)
    assert counters == {"requests.list": 1, "refusals.list.307": 1}


def test_renewing_while_the_credentials_endpoint_is_down_leaves_the_old_ones(
    monkeypatch: pytest.MonkeyPatch, store: FaultServer
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", store.issue("C", "s", "token-1"))
    with _transport(store, Counters(), replace(QUICK, tries_max=2)) as transport:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/none")
        store.rule(respond(400, "ExpiredToken"), times=1)
        [answer] = transport.exchange([listing("b")])
    assert answer.status == 200
    assert not isinstance(answer.error, UnreachableError)
