"""The way to the store: TLS, proxies, and hostile keys that must arrive untouched, on a real Ceph too."""

from __future__ import annotations

import re
import socket
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.parse import unquote_plus

import pytest

from stocktake.model.errors import CertificateError, UnreachableError
from stocktake.model.runs import Counters, Limits
from stocktake.model.store import Addressing, Store
from stocktake.store.connection import Connection
from stocktake.store.requests import Answer
from stocktake.store.signing import encode_path
from stocktake.store.transport import Transport
from tests.servers.fault import FaultServer, FixtureObject
from tests.servers.fault_tls import tls
from tests.servers.server import Server
from tests.store.doors import (
    QUICK,
    Proxy,
    connect,
    get,
    head,
    headers,
    listener,
    listing,
    proxy,
    sign_as,
)

HOSTILE_KEYS = [
    "a/./b", "a/../b", "a//b", "./b", ".", "..", "../x", "../../x", "/", "/a", "//", "a/", "b",
    "%2F", "%", "%25", "%zz", "+", "a+b", "a b", " ", " lead", "trail ", "\x01", "\x1f", "\t", "\n",
    "a\r\nb", "\x7f", "\u0085", "\ufffe", "\uffff", "\U0001f600", "\ud7ff", "e\u0301", "\u00e9", "?",
    "a?b=c&d", "#", "a#b", "\\", "a\\..\\b", "a:b", "a*b|(c)'", '"', "<&>", "]]>", "a;b,c=d", "~",
    "http://other/x", "@", "[x]", "{y}", "^`", "$!", "\u00df" * 512, "x" * 1024, "\U0001f600" * 256,
]  # fmt: skip


@pytest.fixture(autouse=True)
def _signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    sign_as(monkeypatch, "fault", "faultsecret")


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[FaultServer, Path]]:
    """The fault server behind TLS, and the bundle that makes it trusted."""
    context, bundle = tls(tmp_path)
    with FaultServer(ssl_context=context) as server:
        server.bucket("b", [FixtureObject("k", body=b"body")])
        yield server, bundle


def _exchange(store: Store, *keys: str, counters: Counters | None = None) -> list[Answer]:
    counters = Counters() if counters is None else counters
    with Transport(Connection.open(store), QUICK, counters) as transport:
        return transport.exchange([get("b", key) for key in keys])


# -- TLS -------------------------------------------------------------------------------------------


def test_a_certificate_of_a_named_authority_is_trusted(
    monkeypatch: pytest.MonkeyPatch, secured: tuple[FaultServer, Path]
) -> None:
    server, bundle = secured
    [answer] = _exchange(Store(server.endpoint_url, ca_bundle=str(bundle)), "k")
    assert (answer.status, answer.body) == (200, b"body")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    [answer] = _exchange(Store(server.endpoint_url), "k")
    assert (answer.status, answer.body) == (200, b"body")


def test_an_unknown_certificate_is_refused_at_once_and_the_error_says_the_ways_out(
    secured: tuple[FaultServer, Path],
) -> None:
    server, _ = secured
    counters = Counters()
    [answer] = _exchange(Store(server.endpoint_url), "k", counters=counters)
    assert type(answer.error) is CertificateError
    assert "certificate" in str(answer.error)
    assert "--ca-bundle" in answer.error.hint
    assert counters == {"requests.proof": 1, "refusals.proof.broken": 1}
    assert not server.counts


def test_any_certificate_is_trusted_when_asked_to(secured: tuple[FaultServer, Path]) -> None:
    server, _ = secured
    [answer] = _exchange(Store(server.endpoint_url, verify_tls=False), "k")
    assert (answer.status, answer.body) == (200, b"body")


def test_a_certificate_for_another_name_is_refused(secured: tuple[FaultServer, Path]) -> None:
    server, bundle = secured
    # Every name below .localhost is this machine.
    elsewhere = server.endpoint_url.replace("127.0.0.1", "elsewhere.localhost")
    named = server.endpoint_url.replace("127.0.0.1", "localhost")
    [answer] = _exchange(Store(elsewhere, ca_bundle=str(bundle)), "k")
    assert type(answer.error) is CertificateError
    assert _exchange(Store(named, ca_bundle=str(bundle)), "k")[0].status == 200


def test_a_file_that_holds_no_certificates_is_named(
    secured: tuple[FaultServer, Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    [answer] = _exchange(Store(secured[0].endpoint_url, ca_bundle=str(broken)), "k")
    assert type(answer.error) is CertificateError


def test_speaking_tls_to_a_plain_port_says_which_scheme_to_try() -> None:
    def serve(link: socket.socket) -> None:
        link.recv(65536)
        link.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with listener(serve) as port:
        [answer] = _exchange(Store(f"https://127.0.0.1:{port}"), "k")
    assert answer.error is not None
    assert "http:// or https://" in answer.error.hint


# -- proxies ---------------------------------------------------------------------------------------


@pytest.fixture
def carrying() -> Iterator[Proxy]:
    with proxy() as running:
        yield running


def test_a_plain_request_goes_through_the_proxy_with_its_path_as_it_is(
    monkeypatch: pytest.MonkeyPatch, fault_server: FaultServer, carrying: Proxy
) -> None:
    fault_server.bucket("b", [FixtureObject(key, body=b"x") for key in ("a/../b", ".", "..")])
    monkeypatch.setenv("http_proxy", carrying.url)
    port = fault_server.endpoint_url.rpartition(":")[2]
    answers = _exchange(Store(f"http://localhost:{port}"), "a/../b", ".", "..")
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"x")] * 3
    assert {line.split(" ")[1] for line in carrying.requests} == {
        f"http://localhost:{port}/b/{key}" for key in ("a/../b", ".", "..")
    }


def test_tls_goes_through_the_proxys_tunnel_and_its_headers_are_not_the_answers(
    monkeypatch: pytest.MonkeyPatch, secured: tuple[FaultServer, Path], carrying: Proxy
) -> None:
    server, bundle = secured
    monkeypatch.setenv("HTTPS_PROXY", carrying.url)
    [answer] = _exchange(Store(server.endpoint_url, ca_bundle=str(bundle)), "k")
    assert (answer.status, answer.body) == (200, b"body")
    assert "x-proxy" not in headers(answer)
    assert headers(answer)["content-length"] == "4"
    assert carrying.requests == [f"CONNECT {server.endpoint_url[8:]} HTTP/1.1"]


def test_no_proxy_is_respected(
    monkeypatch: pytest.MonkeyPatch, fault_server: FaultServer, carrying: Proxy
) -> None:
    fault_server.bucket("b", [FixtureObject("k")])
    monkeypatch.setenv("http_proxy", carrying.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert _exchange(Store(fault_server.endpoint_url), "k")[0].status == 200
    assert carrying.requests == []


def test_a_proxy_that_is_down_is_an_error_without_its_password(
    monkeypatch: pytest.MonkeyPatch, fault_server: FaultServer
) -> None:
    monkeypatch.setenv("http_proxy", "http://user:hidden@127.0.0.1:1")
    [answer] = _exchange(Store(fault_server.endpoint_url), "k")
    assert type(answer.error) is UnreachableError
    assert "hidden" not in f"{answer.error} {answer.error.hint}"
    assert not fault_server.counts


# -- hostile keys ----------------------------------------------------------------------------------


def test_hostile_keys_arrive_untouched_with_the_bucket_in_the_host_name(
    fault_server: FaultServer,
) -> None:
    fault_server.bucket("bucket")
    port = fault_server.endpoint_url.rpartition(":")[2]
    store = Store(f"http://localhost:{port}", addressing=Addressing.VIRTUAL)
    connection = Connection.open(store)
    assert connection.endpoint_url("bucket") == f"http://bucket.localhost:{port}"
    with Transport(connection, replace(QUICK, concurrency=1), Counters()) as transport:
        transport.exchange([head("bucket", key) for key in HOSTILE_KEYS])
    assert [entry.path for entry in fault_server.log] == [
        f"/{encode_path(key)}" for key in HOSTILE_KEYS
    ]


@pytest.fixture(scope="module")
def hostile(ceph_server: Server) -> Iterator[str]:
    """A bucket on Ceph that holds every hostile key, its body the number of the key."""
    # Of this process alone: others may have tests of this module, and are done with it at another time.
    s3, bucket = ceph_server.client(), f"transport-hostile-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=bucket)
    with pytest.MonkeyPatch.context() as monkeypatch:
        connection = connect(monkeypatch, ceph_server)
        url = connection.bucket_url(bucket)
    for number, key in enumerate(HOSTILE_KEYS):
        # boto3 leaves keys such as `..` alone in path style; the URL is checked all the same.
        sent: list[str] = []
        note: Callable[..., None] = lambda request, sent=sent, **_: sent.append(request.url)  # noqa: E731
        s3.meta.events.register_first("before-send.s3.PutObject", note, unique_id="note")
        s3.put_object(Bucket=bucket, Key=key, Body=b"x" * number)
        s3.meta.events.unregister("before-send.s3.PutObject", unique_id="note")
        assert sent[0] == f"{url.origin}{url.path}/{encode_path(key)}"
    yield bucket
    for key in HOSTILE_KEYS:
        s3.delete_object(Bucket=bucket, Key=key)
    s3.delete_bucket(Bucket=bucket)


@pytest.mark.server
def test_ceph_answers_head_of_every_hostile_key_with_that_very_object(
    monkeypatch: pytest.MonkeyPatch, ceph_server: Server, hostile: str
) -> None:
    with Transport(connect(monkeypatch, ceph_server), QUICK, Counters()) as transport:
        answers = transport.exchange([head(hostile, key) for key in HOSTILE_KEYS])
        missing = transport.exchange([head(hostile, f"{key}-not") for key in ("..", "a/../b")])
    assert [(answer.status, int(headers(answer)["content-length"])) for answer in answers] == [
        (200, number) for number in range(len(HOSTILE_KEYS))
    ]
    assert [answer.status for answer in missing] == [404, 404]


@pytest.mark.server
def test_ceph_lists_by_hostile_prefixes_and_behind_hostile_keys(
    monkeypatch: pytest.MonkeyPatch, ceph_server: Server, hostile: str
) -> None:
    with Transport(connect(monkeypatch, ceph_server), QUICK, Counters()) as transport:
        by_prefix = transport.exchange([listing(hostile, prefix=key) for key in HOSTILE_KEYS])
        behind = transport.exchange([listing(hostile, start_after=key) for key in HOSTILE_KEYS])
    in_order = sorted(HOSTILE_KEYS)
    for key, answer in zip(HOSTILE_KEYS, by_prefix, strict=True):
        assert _keys(answer) == [each for each in in_order if each.startswith(key)]
    for key, answer in zip(HOSTILE_KEYS, behind, strict=True):
        assert _keys(answer) == [each for each in in_order if each > key]


def _keys(answer: Answer) -> list[str]:
    assert (answer.status, answer.error) == (200, None)
    return [
        unquote_plus(unescape(key.decode()))
        for key in re.findall(rb"<Key>(.*?)</Key>", answer.body)
    ]


@pytest.mark.server
def test_ceph_tells_who_asks(
    monkeypatch: pytest.MonkeyPatch, ceph_server: Server, hostile: str
) -> None:
    def first_status(access_key: str, secret_key: str, *, signed: bool = True) -> tuple[int, bytes]:
        sign_as(monkeypatch, access_key, secret_key)
        store = Store(ceph_server.endpoint_url, sign_requests=signed)
        limits = Limits(tries_max=1)
        with Transport(Connection.open(store), limits, Counters()) as transport:
            [answer] = transport.exchange([listing(hostile)])
        code = re.search(rb"<Code>(.*?)</Code>", answer.body)
        return answer.status, code[1] if code else b""

    key, secret = ceph_server.access_key, ceph_server.secret_key
    assert first_status(key, secret) == (200, b"")
    assert first_status(key, "wrong") == (403, b"SignatureDoesNotMatch")
    assert first_status("NOBODY", secret) == (403, b"InvalidAccessKeyId")
    other = ceph_server.other_access_key, ceph_server.other_secret_key
    assert first_status(*other) == (403, b"AccessDenied")
    assert first_status(key, secret, signed=False) == (403, b"AccessDenied")
