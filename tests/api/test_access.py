"""Who is refused, and with what: nobody gets further than their key, their clock and their body allow."""

from __future__ import annotations

import base64
import hashlib
import logging
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from stocktake.api import bodies, server
from stocktake.model.access import AccessKey, Grant, Role
from stocktake.service.access_keys import add_keys, delete_key
from tests.api.conftest import site
from tests.api.serving import (
    ADMIN,
    READER,
    WRITER,
    Answer,
    Api,
    destination,
    document,
    presigned,
    running_api,
    signed,
)
from tests.servers.server import Server

DENIED = (403, "AccessDenied", "Access Denied")
NO_MATCH = "SignatureDoesNotMatch"
SKEWED = (
    403,
    "RequestTimeTooSkewed",
    "The difference between the request time and the current time is too large.",
)


@pytest.fixture
def target(bucket: str) -> str:
    return f"/{bucket}?inventory&id=report1"


def nothing_was_put(api: Api, target: str) -> None:
    assert api.ask("GET", target).error[1] == "NoSuchConfiguration"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST", "HEAD"])
def test_who_does_not_sign_is_denied(api: Api, target: str, method: str) -> None:
    answer = api.ask(method, target, document(), key=None)
    assert answer.status == 403
    assert method == "HEAD" or answer.error == DENIED
    nothing_was_put(api, target)


def test_an_unknown_key_is_told(api: Api, target: str) -> None:
    stranger = AccessKey("STRANGER", ADMIN.grant, "", ADMIN.secret_key)
    assert api.ask("GET", target, key=stranger).error == (
        403,
        "InvalidAccessKeyId",
        "The AWS Access Key Id you provided does not exist in our records.",
    )


def test_a_wrong_secret_does_not_match(api: Api, target: str) -> None:
    forged = AccessKey(ADMIN.access_key, ADMIN.grant, "", "guessed")
    assert api.ask("GET", target, key=forged).error[:2] == (403, NO_MATCH)
    url = presigned(f"{api.endpoint_url}{target}", "GET", forged)
    assert api.ask("GET", url, key=None).error[:2] == (403, NO_MATCH)


@pytest.mark.parametrize("minutes", [-16, 16, -60 * 24 * 365])
def test_a_request_of_another_time_is_too_skewed(api: Api, target: str, minutes: int) -> None:
    moment = datetime.now(UTC) + timedelta(minutes=minutes)
    assert api.ask("GET", target, moment=moment).error == SKEWED


@pytest.mark.parametrize("minutes", [-14, 14])
def test_a_clock_may_be_wrong_by_a_quarter_of_an_hour(api: Api, target: str, minutes: int) -> None:
    moment = datetime.now(UTC) + timedelta(minutes=minutes)
    assert api.ask("GET", target, moment=moment).status == 404


def test_a_presigned_url_ends(api: Api, target: str) -> None:
    def ask(seconds: int, expires: int) -> Answer:
        moment = datetime.now(UTC) + timedelta(seconds=seconds)
        url = f"{api.endpoint_url}{target}"
        return api.ask(
            "GET", presigned(url, "GET", ADMIN, moment=moment, expires=expires), key=None
        )

    assert ask(-10, 60).status == 404
    assert ask(-86400, 100_000).status == 404
    assert ask(-70, 60).error == (403, "AccessDenied", "Request has expired")
    assert ask(1000, 60).error == (403, "AccessDenied", "Request is not valid yet")
    for expires in (0, 604_801):
        assert ask(-10, expires).error[1] == "AuthorizationQueryParametersError"


def test_a_body_that_was_changed_is_refused(api: Api, target: str) -> None:
    forged = document(Destination=destination("arn:aws:s3:::evil"))
    answer = api.ask("PUT", target, document(), sent=forged)
    assert answer.error == (
        400,
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    )
    nothing_was_put(api, target)


def test_a_content_md5_must_be_right(api: Api, target: str) -> None:
    def ask(md5: bytes) -> Answer:
        said = {"Content-MD5": base64.b64encode(md5).decode()}
        return api.ask("PUT", target, document(), headers=said)

    assert ask(hashlib.md5(b"other").digest()).error[:2] == (400, "BadDigest")
    assert ask(b"short").error[:2] == (400, "InvalidDigest")
    assert ask(hashlib.md5(document()).digest()).status == 204


@pytest.mark.parametrize(
    "late",
    [
        {"x-amz-date": "20260101T000000Z"},
        {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"},
        {"Host": "s3.example.com"},
    ],
    ids=lambda late: next(iter(late)),
)
def test_nothing_that_was_signed_may_change(api: Api, target: str, late: dict[str, str]) -> None:
    said = signed("GET", target, b"", {"Host": urlsplit(api.endpoint_url).netloc}, ADMIN)
    replaced = {
        name: value
        for name, value in said.items()
        if name.lower() not in {each.lower() for each in late}
    }
    answer = api.send("GET", target, b"", replaced | late)
    assert answer.status in (400, 403)
    assert answer.error[1] in (NO_MATCH, "AuthorizationHeaderMalformed", "RequestTimeTooSkewed")


def test_method_path_and_query_are_signed(api: Api, bucket: str, target: str) -> None:
    said = signed("GET", target, b"", {"Host": urlsplit(api.endpoint_url).netloc}, ADMIN)
    for method, other in (
        ("DELETE", target),
        ("GET", f"/{bucket}2?inventory&id=report1"),
        ("GET", f"/{bucket}?inventory&id=report2"),
        ("GET", f"/{bucket}?inventory"),
        ("GET", f"/{bucket}/?inventory&id=report1"),
    ):
        assert api.send(method, other, b"", said).error[:2] == (403, NO_MATCH), other


def test_headers_that_mean_something_must_be_signed(api: Api, target: str) -> None:
    answer = api.ask("GET", target, late={"x-amz-expected-bucket-owner": "111122223333"})
    said = "There were headers present in the request which were not signed"
    assert answer.error == (403, "AccessDenied", said)


AUTHORIZATIONS = {
    "Basic YWRtaW46YWRtaW4=": (400, "InvalidRequest"),
    "AWS AKIA:c2ln": (400, "InvalidRequest"),
    "": (400, "InvalidRequest"),
    "AWS4-HMAC-SHA256": (400, "AuthorizationHeaderMalformed"),
    "AWS4-HMAC-SHA256 Credential=a/20261126/us-east-1/s3/aws4_request": (400, "AuthorizationHeaderMalformed"),
    "AWS4-HMAC-SHA256 Credential=a/20261126/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature="
    + "0" * 64: (400, "AuthorizationHeaderMalformed"),
    "AWS4-HMAC-SHA256 Credential=a/20261126/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=é": (
        400, "AuthorizationHeaderMalformed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", AUTHORIZATIONS)
def test_what_is_no_signature_is_malformed(api: Api, target: str, text: str) -> None:
    said = {
        "Host": "x",
        "Authorization": text.encode().decode("latin-1"),
        "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
        "x-amz-date": "20261126T000000Z",
    }
    assert api.send("GET", target, b"", said).error[:2] == AUTHORIZATIONS[text]


def test_a_request_signed_twice_or_for_a_session_is_refused(api: Api, target: str) -> None:
    url = presigned(f"{api.endpoint_url}{target}", "GET", ADMIN)
    assert api.ask("GET", url).error[:2] == (400, "InvalidArgument")
    session = {"x-amz-security-token": "FwoG"}
    assert api.ask("GET", target, headers=session).error[:2] == (400, "InvalidToken")


# -- what a key covers -----------------------------------------------------------------------------


def test_readers_change_nothing(api: Api, target: str) -> None:
    assert api.ask("PUT", target, document(), key=READER).error == DENIED
    nothing_was_put(api, target)
    assert api.ask("PUT", target, document()).status == 204
    assert api.ask("DELETE", target, key=READER).error == DENIED
    assert api.ask("GET", target, key=READER).status == 200


@pytest.fixture
def other(moto_server: Server, buckets: Callable[..., str]) -> str:
    """A bucket of the store that the writer does not cover."""
    name = buckets("other")
    moto_server.client().create_bucket(Bucket=name)
    return name


def test_a_bucket_outside_the_patterns_is_denied_be_it_there_or_not(api: Api, other: str) -> None:
    for bucket in (other, "no-such-bucket"):
        for method, query in (("GET", ""), ("GET", "&id=a"), ("DELETE", "&id=a")):
            answer = api.ask(method, f"/{bucket}?inventory{query}", key=WRITER)
            assert answer.error == DENIED
        answer = api.ask("PUT", f"/{bucket}?inventory&id=report1", document(), key=WRITER)
        assert answer.error == DENIED


def test_no_writer_makes_us_write_elsewhere(api: Api, target: str) -> None:
    for arn in ("arn:aws:s3:::dest", "arn:aws:s3:::xteam-a", "arn:aws:s3:::TEAM-a"):
        body = document(Destination=destination(arn))
        assert api.ask("PUT", target, body, key=WRITER).error == DENIED, arn
    nothing_was_put(api, target)
    body = document(Destination=destination("arn:aws:s3:::team-a"))
    assert api.ask("PUT", target, body, key=WRITER).status == 204


def test_fields_that_a_key_may_not_ask_for_are_denied(api: Api, target: str) -> None:
    def put(*names: str) -> Answer:
        fields = "".join(f"<Field>{name}</Field>" for name in names)
        body = document(
            Destination=destination("arn:aws:s3:::team-a"),
            OptionalFields=f"<OptionalFields>{fields}</OptionalFields>",
        )
        return api.ask("PUT", target, body, key=WRITER)

    assert put("Size", "ObjectOwner").error == DENIED
    nothing_was_put(api, target)
    assert put("Size", "ETag").status == 204
    assert put().status == 204


def test_fields_that_stand_beside_are_sent_nowhere_by_who_may_not_ask_for_them(
    api: Api, bucket: str, target: str
) -> None:
    body = document(Destination=destination("arn:aws:s3:::team-mine"))
    assert api.ask("PUT", target, body).status == 204
    options = f"/api/v1/configurations/default/{bucket}/report1/options"
    assert api.ask("PUT", options, b'{"extension_fields": ["ObjectTags"]}').status == 200
    assert api.ask("PUT", target, body, key=WRITER).error == DENIED
    assert api.ask("PATCH", options, b'{"extension_fields": null}', key=WRITER).status == 200
    assert api.ask("PUT", target, body, key=WRITER).status == 204


@pytest.mark.parametrize("name", ["..%2F..%2Fetc", "%2e%2e", "a%2Fb", "%00", "a%0d%0aX:%20y"])
def test_an_id_that_is_a_path_is_refused(api: Api, bucket: str, name: str) -> None:
    answer = api.ask("PUT", f"/{bucket}?inventory&id={name}", document())
    assert answer.error[:2] == (400, "IdMismatch")
    assert api.ask("GET", f"/{bucket}?inventory&id={name}").error[0] == 404


# -- the file of keys ------------------------------------------------------------------------------


def test_a_new_key_works_at_once_and_a_deleted_one_no_more(api: Api, target: str) -> None:
    new = AccessKey("NEWKEY", Grant(Role.READER, ("*",)), "", "new-secret")
    assert api.ask("GET", target, key=new).error[1] == "InvalidAccessKeyId"
    add_keys(api.keys_file, [new])
    assert api.ask("GET", target, key=new).status == 404
    delete_key(api.keys_file, "NEWKEY")
    assert api.ask("GET", target, key=new).error[1] == "InvalidAccessKeyId"


def test_a_file_of_keys_that_others_may_read_is_not_used(
    moto_server: Server, tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in moto_server.environment().items():
        monkeypatch.setenv(name, value)
    with running_api(tmp_path, (site(moto_server),)) as api:
        assert api.ask("GET", target).status == 404
        assert stat.S_IMODE(api.keys_file.stat().st_mode) == 0o600
        api.keys_file.chmod(0o640)
        assert api.ask("GET", target).status == 503
        assert api.ask("GET", "/readyz", key=None).status == 503
        api.keys_file.chmod(0o600)
        assert api.ask("GET", target).status == 404


def test_no_secret_and_no_signature_is_logged(
    api: Api, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="stocktake")
    url = presigned(f"{api.endpoint_url}{target}", "GET", ADMIN)
    api.ask("GET", url, key=None)
    api.ask("PUT", target, document())
    api.ask("PUT", target, b"<malformed")
    assert "GET" in caplog.text
    assert ADMIN.access_key in caplog.text
    for secret in (ADMIN.secret_key, "Signature", "report1"):
        assert secret not in caplog.text
    assert ADMIN.secret_key not in repr(ADMIN)


# -- too much, too slow ----------------------------------------------------------------------------

TOO_BIG = (400, "MaxMessageLengthExceeded", "Your request was too big.")


def test_a_body_of_more_than_a_megabyte_is_refused(api: Api, target: str) -> None:
    fits = document() + b" " * (bodies.BODY_BYTES_MAX - len(document()))
    assert api.ask("PUT", target, fits).status == 204
    assert api.ask("PUT", target, fits + b" ").error == TOO_BIG


def test_a_body_without_a_length_is_bounded_too(api: Api, target: str) -> None:
    def chunked(size: int) -> Answer:
        body = document() + b" " * (size - len(document()))
        framed = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        late = {"Transfer-Encoding": "chunked"}
        return api.ask("PUT", target, body, late=late, sent=framed)

    assert chunked(10_000).status == 204
    assert chunked(bodies.BODY_BYTES_MAX + 1).error == TOO_BIG


def test_who_is_not_known_need_not_send_the_body(api: Api, target: str) -> None:
    said = {"Host": "x", "Content-Length": "1000000"}
    assert api.send("PUT", target, b"", said).error == DENIED


@pytest.fixture
def impatient(
    moto_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Api]:
    """A service that waits a second for a request, and less for a body."""
    for name, value in moto_server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(server, "HEAD_S_MAX", 1.0)
    monkeypatch.setattr(server, "REQUEST_S_MAX", 1.5)
    monkeypatch.setattr(bodies, "BODY_S_MAX", 0.5)
    with running_api(tmp_path, (site(moto_server),)) as api:
        yield api


def test_who_sends_a_header_slowly_is_left(impatient: Api) -> None:
    with socket.create_connection(impatient.address, timeout=60) as line:
        line.sendall(b"GET /b?inventory HTTP/1.1\r\nx")
        until = time.monotonic() + 60
        with suppress(OSError):  # reset, or broken, as it comes
            while time.monotonic() < until:
                line.sendall(b"x")
                time.sleep(0.05)
        assert time.monotonic() < until


def test_who_sends_nothing_is_left(impatient: Api) -> None:
    with (
        socket.create_connection(impatient.address, timeout=60) as line,
        suppress(ConnectionResetError),
    ):
        assert line.recv(1) == b""


def test_who_sends_a_body_slowly_is_told(
    impatient: Api, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "REQUEST_S_MAX", 60.0)  # which would leave without a word
    body = document()
    headers = {"Host": urlsplit(impatient.endpoint_url).netloc}
    said = signed("PUT", target, body, headers, ADMIN) | {"Content-Length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in said.items())
    with socket.create_connection(impatient.address, timeout=60) as line:
        line.sendall(f"PUT {target} HTTP/1.1\r\n{lines}\r\n".encode() + body[:10])
        assert b"<Code>RequestTimeout</Code>" in line.makefile("rb").read()
    nothing_was_put(impatient, target)


@pytest.mark.parametrize("before", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_a_head_without_an_end_is_bounded(api: Api, before: bytes) -> None:
    with socket.create_connection(api.address, timeout=60) as line:
        line.sendall(before + b"GET /b?inventory HTTP/1.1\r\nHost: x\r\nx: ")
        with suppress(OSError):
            for _ in range(100):
                line.sendall(b"x" * 10_000)
                time.sleep(0.001)
        with suppress(ConnectionResetError):
            said = line.makefile("rb").read()
            assert b"HTTP/1.1 431 " in said
    assert api.ask("GET", "/healthz", key=None).status == 200


def test_a_large_head_is_read(api: Api) -> None:
    assert api.ask("GET", "/healthz", key=None, headers={"x": "y" * 30_000}).status == 200
