"""Keys, tokens, clock, region and certificate: who may ask the fault server."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.servers.fault import FaultServer, FixtureObject
from tests.servers.fault_raw import exchange, header
from tests.servers.fault_tls import tls

LIST = "/b?list-type=2"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        server.bucket("b", [FixtureObject("k/0")])
        yield server


def signed(
    token: str = "", key: str = "AK", region: str = "us-east-1", at: str = "20240101T000000Z"
) -> dict[str, str]:
    credential = f"AWS4-HMAC-SHA256 Credential={key}/20240101/{region}/s3/aws4_request, Signature=0"
    return {"Authorization": credential, "X_Amz_Security_Token": token, "X_Amz_Date": at}


def test_a_token_expires_after_its_requests_and_another_one_serves(server: FaultServer) -> None:
    server.require({"AK"}, {"t1", "t2"})
    server.expire_token("t1", after_requests=2)
    found = [exchange(server, "/b/k/0", "HEAD", **signed("t1")) for _ in range(3)]
    assert found == [(200, b""), (200, b""), (400, b"")]
    status, body = exchange(server, LIST, **signed("t1"))
    assert (status, b"<Code>ExpiredToken</Code>" in body) == (400, True)
    assert exchange(server, LIST, **signed("t2"))[0] == 200
    assert b"InvalidToken" in exchange(server, LIST, **signed("t3"))[1]


def test_a_token_expires_after_its_time(server: FaultServer) -> None:
    now = 100.0
    server.access.monotonic = lambda: now
    server.expire_token("t1", after_s=60)
    assert exchange(server, LIST, **signed("t1"))[0] == 200
    now = 160.0
    assert exchange(server, LIST, **signed("t1"))[0] == 400


def test_credentials_are_issued_as_a_container_endpoint_does(server: FaultServer) -> None:
    address = server.issue("AK", "SK", "t1")
    with urllib.request.urlopen(address, timeout=60) as answer:
        given = json.load(answer)
    assert (given["AccessKeyId"], given["Token"]) == ("AK", "t1")


@pytest.mark.parametrize(
    ("given", "code"), [({}, b"AccessDenied"), (signed(key="X"), b"InvalidAccessKeyId")]
)
def test_unknown_keys_are_refused(server: FaultServer, given: dict[str, str], code: bytes) -> None:
    server.require({"AK"})
    status, body = exchange(server, LIST, **given)
    assert (status, code in body) == (403, True)


def test_a_skewed_clock_refuses_and_names_its_own_time(server: FaultServer) -> None:
    server.skew_clock(3600)
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    later = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + 3600))
    status, body = exchange(server, LIST, **signed(at=now))
    assert (status, b"RequestTimeTooSkewed" in body) == (403, True)
    assert exchange(server, LIST, **signed(at=later))[0] == 200
    date = parsedate_to_datetime(header(server, "HEAD", "/b", "Date") or "")
    assert abs(date.timestamp() - time.time() - 3600) < 60


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [("malformed", 400, b"<Region>eu-1</Region>"), ("redirect", 301, b"PermanentRedirect")],
)
def test_another_region_is_sent_away(
    server: FaultServer, kind: str, status: int, code: bytes
) -> None:
    server.bucket("b", [FixtureObject("k/0")], region="eu-1", wrong_region=kind)
    found, body = exchange(server, LIST, **signed())
    assert (found, code in body) == (status, True)
    region = header(
        server, "HEAD", "/b", "x-amz-bucket-region", Authorization=signed()["Authorization"]
    )
    assert region == "eu-1"
    assert exchange(server, LIST, **signed(region="eu-1"))[0] == 200


def test_tls_is_refused_unless_its_certificate_is_trusted(tmp_path: Path) -> None:
    context, bundle = tls(tmp_path)
    with FaultServer(ssl_context=context) as server:
        server.bucket("b", [FixtureObject("k", body=b"bytes")])
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(f"{server.endpoint_url}/b/k", timeout=60)
        trusting = ssl.create_default_context(cafile=str(bundle))
        address = f"{server.endpoint_url}/b/k"
        with urllib.request.urlopen(address, timeout=60, context=trusting) as answer:
            assert answer.read() == b"bytes"
