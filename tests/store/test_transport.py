"""The transport against the fault server and rude sockets: order, bounds, headers, bodies."""

from __future__ import annotations

import socket
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.model.runs import Counters
from stocktake.store.connection import USER_AGENT
from tests.acceptance.killing import wait_for
from tests.servers.fault import (
    FaultServer,
    FixtureObject,
    access_denied,
    latency,
    respond,
)
from tests.store.doors import (
    QUICK,
    get,
    head,
    headers,
    listener,
    listing,
    open_transport,
    read_head,
    scripted,
    sign_as,
)

BODY = b"0123456789" * 1000


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, fault_server: FaultServer) -> FaultServer:
    """The fault server with one bucket `b` that holds key-0 to key-199 and `large`."""
    sign_as(monkeypatch, "fault", "faultsecret")
    objects = [FixtureObject(f"key-{n}", body=b"x" * n) for n in range(200)]
    fault_server.bucket("b", [*objects, FixtureObject("large", body=BODY)])
    return fault_server


# -- order and bounds ------------------------------------------------------------------------------


def test_answers_come_in_the_order_of_the_requests_whatever_order_they_arrive_in(
    store: FaultServer,
) -> None:
    store.rule(latency(0.0, 0.02, seed=1))
    counters = Counters()
    with open_transport(store.endpoint_url, counters) as transport:
        answers = transport.exchange([head("b", f"key-{n}") for n in range(200)])
    assert [int(headers(answer)["content-length"]) for answer in answers] == list(range(200))
    assert {answer.status for answer in answers} == {200}
    assert counters == {"requests.head": 200}


def test_no_more_requests_are_in_flight_than_allowed_and_connections_are_used_again(
    store: FaultServer,
) -> None:
    store.rule(latency(0.005))
    with open_transport(store.endpoint_url, limits=replace(QUICK, concurrency=5)) as transport:
        for _ in range(3):
            transport.exchange([head("b", f"key-{n}") for n in range(50)])
            transport.exchange([listing("b")])
            # What is listed goes another way than HEAD. One that was slow may have been left for another.
            assert wait_for(lambda: store.connections == 5 + 1, 180)
    assert store.in_flight_max == 5


def test_head_and_get_alternate_on_the_same_connections(store: FaultServer) -> None:
    requests = [get("b", f"key-{n}") if n % 2 else head("b", f"key-{n}") for n in range(40)]
    with open_transport(store.endpoint_url, limits=replace(QUICK, concurrency=2)) as transport:
        answers = transport.exchange(requests)
    assert [answer.body for answer in answers] == [b"x" * n if n % 2 else b"" for n in range(40)]
    assert all(answer.error is None and not answer.cut for answer in answers)


def test_nothing_asked_is_nothing_answered() -> None:
    with open_transport("http://127.0.0.1:1") as transport:
        assert transport.exchange([]) == []


def test_refusals_are_answers_and_no_errors(store: FaultServer) -> None:
    store.rule(access_denied(), key="key-1")
    store.rule(respond(400, "InvalidArgument"), key="key-2")
    with open_transport(store.endpoint_url) as transport:
        answers = transport.exchange([head("b", "nope"), *(head("b", f"key-{n}") for n in (1, 2))])
        [body] = transport.exchange([get("b", "key-1")])
    assert [(answer.status, answer.error) for answer in answers] == [
        (404, None),
        (403, None),
        (400, None),
    ]
    assert b"AccessDenied" in body.body


def test_requests_are_signed_only_when_asked_to(store: FaultServer) -> None:
    store.require({"fault"})
    with (
        open_transport(store.endpoint_url, signed=True) as signing,
        open_transport(store.endpoint_url) as unsigned,
    ):
        assert signing.exchange([head("b", "key-1")])[0].status == HTTPStatus.OK
        assert unsigned.exchange([head("b", "key-1")])[0].status == HTTPStatus.FORBIDDEN


def test_what_is_sent_names_us_and_nothing_unasked() -> None:
    received: list[bytes] = []

    def serve(link: socket.socket) -> None:
        received.append(read_head(link))
        link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with listener(serve) as port, open_transport(f"http://127.0.0.1:{port}") as transport:
        transport.exchange([get("b", "k")._replace(headers=(("Range", "bytes=0-0"),))])
    lines = received[0].decode().split("\r\n")
    assert lines[0] == "GET /b/k HTTP/1.1"
    assert set(lines[1:]) == {
        f"Host: 127.0.0.1:{port}",
        f"User-Agent: {USER_AGENT}",
        "Accept: */*",
        "Range: bytes=0-0",
        "",
    }


def test_every_key_arrives_as_it_is(fault_server: FaultServer) -> None:
    keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
    with open_transport(fault_server.endpoint_url) as transport:

        @given(st.lists(keys, max_size=20))
        def check(keys: list[str]) -> None:
            fault_server.reset_counts()
            transport.exchange([head("b", key) for key in keys])
            arrived = [unquote(entry.path, errors="strict") for entry in fault_server.log]
            assert sorted(arrived) == sorted(f"/b/{key}" for key in keys)

        check()


# -- bodies and headers ----------------------------------------------------------------------------


@pytest.mark.parametrize("bytes_max", [0, 1, 9_999])
def test_a_body_longer_than_wanted_is_cut(store: FaultServer, bytes_max: int) -> None:
    with open_transport(store.endpoint_url) as transport:
        [answer] = transport.exchange([get("b", "large", bytes_max)])
        assert (answer.status, answer.cut, answer.error) == (200, True, None)
        assert answer.body == BODY[:bytes_max]
        [whole] = transport.exchange([get("b", "large", len(BODY))])
    assert (whole.cut, whole.body) == (False, BODY)


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 1000000000\r\n\r\n", b"Connection: close\r\n\r\n"]
)
def test_of_an_endless_body_little_is_read_and_the_connection_dropped(framing: bytes) -> None:
    sent: list[int] = []

    def serve(link: socket.socket) -> None:
        read_head(link)
        link.sendall(b"HTTP/1.1 200 OK\r\n" + framing)
        try:
            while sum(sent) < 10**9:
                sent.append(link.send(b"x" * 65536))
        except OSError:
            return

    with listener(serve) as port, open_transport(f"http://127.0.0.1:{port}") as transport:
        [answer] = transport.exchange([get("b", "k", 1000)])
    assert (answer.status, answer.cut, answer.error) == (200, True, None)
    assert len(answer.body) <= 1000
    assert sum(sent) < 20_000_000


def test_the_size_of_an_object_is_no_body_to_a_head() -> None:
    huge = b"HTTP/1.1 200 OK\r\nContent-Length: 5000000000000\r\n\r\n"
    with scripted(huge) as port, open_transport(f"http://127.0.0.1:{port}") as transport:
        answers = transport.exchange([head("b", f"{n}") for n in range(20)])
    assert [(answer.status, answer.cut) for answer in answers] == [(200, False)] * 20


def test_an_error_document_is_read_whole_where_a_tiny_body_was_wanted(store: FaultServer) -> None:
    with open_transport(store.endpoint_url) as transport:
        [answer] = transport.exchange([get("b", "nope", 1)])
    assert answer.status == HTTPStatus.NOT_FOUND
    assert answer.body.endswith(b"</Error>")


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 100 Continue\r\nx-early: 1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
        b"ETag: e\r\n\r\nhi",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
        b"ETag: e\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: e\r\n\r\n2\r\nhi\r\n0\r\n"
        b"x-trailer: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 2\nETag: e\n\nhi",
        b"HTTP/1.0 200 OK\r\nETag: e\r\n\r\nhi<close>",
    ],
)
def test_headers_are_those_of_the_final_answer(wire: bytes) -> None:
    with scripted(wire) as port, open_transport(f"http://127.0.0.1:{port}") as transport:
        [answer] = transport.exchange([get("b", "k")])
    assert (answer.status, answer.body) == (200, b"hi")
    found = headers(answer)
    assert found["etag"] == "e"
    assert not {"x-early", "link", "x-trailer"} & set(found)
