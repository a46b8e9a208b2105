"""What is told of runs, how it is signed, and where it must not go."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.model.errors import UsageError
from stocktake.model.notifications import (
    EventKind,
    Notice,
    encode_key,
    forbidden_address,
    parse_secret,
    render_notice,
    signed_headers,
)

WHEN = datetime(2026, 11, 22, 14, 43, 7, 89_000, tzinfo=UTC)
CHECKSUM = {"bucket": "audit", "key": "p q/é/manifest.checksum", "size": 33, "region": "r", "etag": "e"}  # fmt: skip


def notice(kind: EventKind, **document: object) -> Notice:
    said = {"run": "7k3m9q2x", "store": "ceph", "bucket": "photos", "id": "daily", **document}
    return Notice("f" * 32, "ops", kind, WHEN, said, 1)


def test_a_publication_is_s3s_event_and_the_summary_beside_it() -> None:
    said = json.loads(
        render_notice(notice(EventKind.PUBLISHED, checksum=CHECKSUM, rows=20, error=None))
    )
    [record] = said["Records"]
    assert (record["eventName"], record["eventSource"]) == ("ObjectCreated:Put", "aws:s3")
    assert (record["eventVersion"], record["awsRegion"]) == ("2.1", "r")
    assert record["eventTime"] == "2026-11-22T14:43:07.089Z"
    assert record["s3"]["configurationId"] == "daily"
    assert record["s3"]["bucket"]["arn"] == "arn:aws:s3:::audit"
    sequencer = record["s3"]["object"].pop("sequencer")
    assert int(sequencer, 16) == WHEN.timestamp() * 1_000_000
    assert record["s3"]["object"] == {
        "key": "p+q/%C3%A9/manifest.checksum",
        "size": 33,
        "eTag": "e",
    }
    assert said["stocktake"]["event"] == "published"
    assert said["stocktake"]["rows"] == 20
    assert "checksum" not in said["stocktake"]


def test_a_failure_made_no_object_and_says_why() -> None:
    said = json.loads(
        render_notice(notice(EventKind.FAILED, error="no such bucket", hint="make it"))
    )
    assert said["Records"] == []
    assert said["stocktake"]["event"] == "failed"
    assert said["stocktake"]["error"] == "no such bucket"


@given(st.text(st.characters(codec="utf-8")))
def test_a_key_is_encoded_so_that_every_consumer_of_s3_events_gets_it_back(key: str) -> None:
    encoded = encode_key(key)
    assert unquote_plus(encoded) == key
    assert encoded.isascii()
    assert not set(encoded) & set(" ~()!'\"<>?#&=")


def test_a_signature_is_that_of_the_standards_own_example() -> None:
    secret = parse_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", "here")
    headers = signed_headers(
        secret,
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        datetime.fromtimestamp(1614265330, UTC),
        b'{"test": 2432232314}',
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("text", ["", "hush", "whsec_", "whsec_aHVzaA==", "whsec_%%%", "MfKQ9r8G"])
def test_what_is_no_secret_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(UsageError, match="the secret in the file is none") as caught:
        parse_secret(text, "the file")
    assert "openssl rand" in caught.value.hint
    assert not text or text not in caught.value.message.replace("whsec_ and", "")


@pytest.mark.parametrize(
    ("address", "forbidden"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("0.0.0.0", True), ("0.1.2.3", True),
        ("169.254.169.254", True), ("224.0.0.1", True), ("255.255.255.255", True), ("::1", True),
        ("::", True), ("fe80::1", True), ("fe80::1%eth0", True), ("::ffff:127.0.0.1", True),
        ("::ffff:169.254.169.254", True), ("64:ff9b::7f00:1", True), ("2002:7f00:1::", True),
        ("fd00:ec2::254", True), ("ff02::1", True),
        ("10.0.0.1", False), ("192.168.1.1", False), ("93.184.216.34", False),
        ("2606:2800:220:1::1", False), ("fd12:3456::1", False), ("64:ff9b::5db8:d822", False),
    ],
)  # fmt: skip
def test_this_machine_and_its_link_are_forbidden_however_they_are_written(
    address: str, forbidden: bool
) -> None:
    assert bool(forbidden_address(address)) == forbidden
