from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.model.errors import UnreachableError
from stocktake.model.fields import BY_COLUMN
from stocktake.model.runs import Call
from stocktake.store.heads import (
    HEADS_SCHEMA,
    UNREADABLE,
    Subject,
    head_request,
    head_requests,
    proof_request,
    read_heads,
)
from stocktake.store.requests import Answer
from tests.servers.server import Server

# A genuine answer of Ceph 16.2.15.
CEPH = (
    b"Content-Length: 0\r\nAccept-Ranges: bytes\r\nLast-Modified: Sun, 22 Nov 2026 14:52:33 GMT\r\n"
    b"x-amz-version-id: fbVUMrSWO-gNQGTOsftGZ1uerJn8HrW\r\nx-rgw-object-type: Normal\r\n"
    b'ETag: "d41d8cd98f00b204e9800998ecf8427e"\r\nx-amz-meta-color: blue\r\nx-amz-meta-x: 1\r\n'
    b"x-amz-tagging-count: 2\r\nContent-Encoding: gzip\r\n"
    b"x-amz-request-id: tx000003caf020c98a4004d-006b0301b1-103e-default\r\nContent-Type: text/plain\r\n"
    b"Date: Sun, 22 Nov 2026 14:52:33 GMT\r\nConnection: Keep-Alive\r\n\r\n"
)

# Absence itself is an answer to these.
SILENT = {
    "status": 200,
    "storage_class": "STANDARD",
    "encryption_status": "NOT-SSE",
    "bucket_key_status": "DISABLED",
    "user_metadata": "{}",
}


def row(*lines: str | bytes, status: int = 200) -> dict[str, Any]:
    raw = b"".join((line.encode() if isinstance(line, str) else line) + b"\r\n" for line in lines)
    return read_heads([Answer(status, raw, b"")]).to_pylist()[0]


def said(*lines: str | bytes) -> dict[str, Any]:
    """What the headers add to an answer without any."""
    return {
        name: value
        for name, value in row(*lines).items()
        if value is not None and SILENT.get(name) != value
    }


def test_a_genuine_answer_of_ceph_is_read_whole() -> None:
    batch = read_heads([Answer(200, CEPH, b"")])
    assert batch.schema == HEADS_SCHEMA
    found = {name: value for name, value in batch.to_pylist()[0].items() if value is not None}
    assert found == SILENT | {
        "size": 0,
        "last_modified_date": datetime(2026, 11, 22, 14, 52, 33, tzinfo=UTC),
        "e_tag": "d41d8cd98f00b204e9800998ecf8427e",
        "version_id": "fbVUMrSWO-gNQGTOsftGZ1uerJn8HrW",
        "content_type": "text/plain",
        "content_encoding": "gzip",
        "user_metadata": '{"color":"blue","x":"1"}',
        "tagging_count": 2,
    }


def test_an_answer_without_headers_is_null_but_where_absence_is_the_answer() -> None:
    assert {name: value for name, value in row().items() if value is not None} == SILENT


def test_columns_that_a_report_has_too_are_of_the_report_s_type() -> None:
    shared = [field for field in HEADS_SCHEMA if field.name in BY_COLUMN]
    assert len(shared) == 24
    assert [field.type for field in shared] == [BY_COLUMN[field.name].type for field in shared]


@pytest.mark.parametrize("status", [0, 206, 301, 304, 400, 403, 404, 405, 503])
def test_only_an_answer_of_200_says_anything(status: int) -> None:
    error = UnreachableError("no answer") if status == 0 else None
    batch = read_heads(
        [Answer(200, CEPH, b""), Answer(status, CEPH, b"", error=error), Answer(200, CEPH, b"")]
    )
    rows = batch.to_pylist()
    assert rows[0] == rows[2] == row(CEPH.removesuffix(b"\r\n\r\n"))
    assert [name for name, value in rows[1].items() if value is not None] == ["status"]
    assert rows[1]["status"] == status


def test_no_answers_make_an_empty_batch() -> None:
    assert read_heads([]).num_rows == 0
    assert read_heads([]).schema == HEADS_SCHEMA


VALUES = [
    ("Content-Length: 5368709121", {"size": 5368709121}),
    ("Last-Modified: Wed, 01 Jan 2020 23:59:59 GMT", {"last_modified_date": datetime(2020, 1, 1, 23, 59, 59, 0, UTC)}),
    ('ETag: "abc-2"', {"e_tag": "abc-2"}),
    ("ETag: abc", {"e_tag": "abc"}),
    ('ETag: W/"abc"', {"e_tag": "abc"}),
    ("x-amz-storage-class: GLACIER", {"storage_class": "GLACIER"}),
    ("x-amz-version-id: null", {}),
    ("x-amz-version-id: v.1", {"version_id": "v.1"}),
    ("x-amz-replication-status: COMPLETE", {"replication_status": "COMPLETED"}),
    ("x-amz-replication-status: COMPLETED", {"replication_status": "COMPLETED"}),
    ("x-amz-replication-status: REPLICA", {"replication_status": "REPLICA"}),
    ("x-amz-replication-status: pending", {"replication_status": "PENDING"}),
    ("x-amz-server-side-encryption: AES256", {"encryption_status": "SSE-S3"}),
    ("x-amz-server-side-encryption: aws:kms", {"encryption_status": "SSE-KMS"}),
    ("x-amz-server-side-encryption: aws:kms:dsse", {"encryption_status": "DSSE-KMS"}),
    ("x-amz-server-side-encryption: aws:fsx", {"encryption_status": "aws:fsx"}),
    ("x-amz-server-side-encryption-customer-algorithm: AES256", {"encryption_status": "SSE-C"}),
    ("x-amz-server-side-encryption-aws-kms-key-id: arn:aws:kms:x:1:key/a", {"kms_key_arn": "arn:aws:kms:x:1:key/a"}),
    ("x-amz-server-side-encryption-bucket-key-enabled: true", {"bucket_key_status": "ENABLED"}),
    ("x-amz-server-side-encryption-bucket-key-enabled: false", {}),
    ("x-amz-object-lock-mode: COMPLIANCE", {"object_lock_mode": "COMPLIANCE"}),
    ("x-amz-object-lock-legal-hold: On", {"object_lock_legal_hold_status": "ON"}),
    ("x-amz-object-lock-legal-hold: OFF", {"object_lock_legal_hold_status": "OFF"}),
    ("x-amz-object-lock-event-hold: ON", {"object_lock_event_hold_status": "ON"}),
    ("x-amz-object-lock-event-hold-duration-days: 30", {"object_lock_event_hold_duration": "30 days"}),
    ("x-amz-object-lock-event-hold-duration-years: 2", {"object_lock_event_hold_duration": "2 years"}),
    ("x-amz-archive-status: ARCHIVE_ACCESS", {"intelligent_tiering_access_tier": "ARCHIVE"}),
    ("x-amz-archive-status: DEEP_ARCHIVE_ACCESS", {"intelligent_tiering_access_tier": "DEEP_ARCHIVE"}),
    ('x-amz-restore: ongoing-request="true"', {"restore_status": '{"IsRestoreInProgress":true}'}),
    (
        'x-amz-restore: ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"',
        {"restore_status": '{"IsRestoreInProgress":false,"RestoreExpiryDate":"2012-12-21T00:00:00.000Z"}'},
    ),
    (
        'x-amz-expiration: expiry-date="Fri, 23 Dec 2012 00:00:00 GMT", rule-id="a%20b"',
        {"lifecycle_expiration_date": datetime(2012, 12, 23, tzinfo=UTC)},
    ),
    ("x-amz-checksum-type: FULL_OBJECT", {"checksum_type": "FULL_OBJECT"}),
    ("x-amz-checksum-sha256: 47DEQ=", {"checksum_algorithm": "SHA256", "checksum_value": "SHA256:47DEQ="}),
    ("x-amz-checksum-crc64nvme: AAA=", {"checksum_algorithm": "CRC64NVME", "checksum_value": "CRC64NVME:AAA="}),
    ("x-amz-checksum-sha1: a==-3", {"checksum_algorithm": "SHA1", "checksum_value": "SHA1:a==-3"}),
    ("Content-Type: text/plain; charset=utf-8", {"content_type": "text/plain; charset=utf-8"}),
    ("Content-Encoding: gzip", {"content_encoding": "gzip"}),
    ("x-amz-tagging-count: 3", {"tagging_count": 3}),
    ("x-amz-mp-parts-count: 17", {"parts_count": 17}),
]  # fmt: skip


@pytest.mark.parametrize(("line", "expected"), VALUES)
def test_a_header_is_read_in_the_words_of_reports(line: str, expected: dict[str, object]) -> None:
    assert said(line) == expected


@pytest.mark.parametrize(("line", "expected"), VALUES)
def test_names_of_headers_are_read_in_any_letter_case(
    line: str, expected: dict[str, object]
) -> None:
    name, _, value = line.partition(":")
    assert said(f"{name.upper()}:{value}") == said(f"{name.title()}: {value}\t ") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-01-01T00:00:00Z", datetime(2030, 1, 1, tzinfo=UTC)),
        ("2030-01-01T00:00:00.123Z", datetime(2030, 1, 1, 0, 0, 0, 123000, UTC)),
        ("2030-01-01T00:00:00.000000000Z", datetime(2030, 1, 1, tzinfo=UTC)),
        ("2030-01-01T00:00:00.999999999Z", datetime(2030, 1, 1, 0, 0, 0, 999000, UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("Tue, 01 Jan 2030 00:00:00 GMT", datetime(2030, 1, 1, tzinfo=UTC)),
    ],
)
def test_lock_dates_are_read_whatever_their_digits(text: str, expected: datetime) -> None:
    assert said(f"x-amz-object-lock-retain-until-date: {text}") == {
        "object_lock_retain_until_date": expected
    }


@pytest.mark.parametrize(
    "line",
    [
        "Content-Length: many", "Content-Length: -1", "Content-Length: 99999999999999999999", "Content-Length:",
        "Last-Modified: yesterday", "Last-Modified: Wed, 31 Feb 2020 00:00:00 GMT",
        "Last-Modified: Wed, 01 Jan 2020 24:00:00 GMT",
        "Last-Modified: Wed, 01 Jan 99999 00:00:00 GMT", "Last-Modified:", "x-amz-object-lock-retain-until-date: 0",
        "x-amz-object-lock-retain-until-date: 2030-13-01T00:00:00Z", 'ETag: ""', "ETag:", "x-amz-tagging-count: x",
        "x-amz-expiration: NotImplemented", 'x-amz-expiration: expiry-date="soon", rule-id="x"', "x-amz-restore: maybe",
        "x-amz-mp-parts-count: ²", "x-amz-checksum-unknown: x", "Content-Type:", "x-amz-object-lock-mode: ",
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_understood_is_a_null_and_no_error(line: str) -> None:
    assert said(line) == {}


def test_a_date_is_read_right_on_both_sides_of_one_that_is_none() -> None:
    days = [
        "Wed, 01 Jan 2020 10:00:00 GMT",
        "Wed, 01 Jan 2020 99:00:00 GMT",
        "Wed, 01 Jan 2020 11:00:00 GMT",
    ]
    found = [row(f"Last-Modified: {day}")["last_modified_date"] for day in days]
    assert found == [
        datetime(2020, 1, 1, 10, tzinfo=UTC),
        None,
        datetime(2020, 1, 1, 11, tzinfo=UTC),
    ]


def test_lifecycle_withholds_its_action_while_replication_failed() -> None:
    expiration = 'x-amz-expiration: expiry-date="Fri, 23 Dec 2012 00:00:00 GMT", rule-id="x"'
    assert row(expiration, "x-amz-replication-status: FAILED")["lifecycle_expiration_date"] is None
    assert (
        row(expiration, "x-amz-replication-status: COMPLETED")["lifecycle_expiration_date"]
        is not None
    )


def test_several_checksums_are_joined_in_one_order() -> None:
    found = row(
        "x-amz-checksum-sha256: b=", "x-amz-checksum-crc32: a=", "x-amz-checksum-type: COMPOSITE"
    )
    assert found["checksum_algorithm"] == "CRC32,SHA256"
    assert found["checksum_value"] == "CRC32:a=,SHA256:b="


@pytest.mark.parametrize("payer", [False, True])
def test_many_objects_are_asked_about_as_each_alone_is(payer: bool) -> None:
    subjects = [Subject("a/ b", None, True), Subject("c", "null", False), Subject("d", "v.1", True)]
    assert head_requests("bucket", subjects, request_payer=payer) == [
        head_request("bucket", key, version, checksum=checksum, request_payer=payer)
        for key, version, checksum in subjects
    ]
    assert head_requests("bucket", []) == []


# --- user metadata -----------------------------------------------------------------------------------------------


def metadata(*lines: str | bytes) -> dict[str, str]:
    text = row(*lines)["user_metadata"]
    found = json.loads(text)
    assert text == json.dumps(found, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return found


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        (b"plain", "plain"),
        (b"", ""),
        ("größe".encode(), "größe"),
        ("größe".encode("latin-1"), "größe"),
        (b"=?UTF-8?B?Z3LDtsOfZQ==?=", "größe"),
        (b"=?utf-8?q?gr=C3=B6=C3=9Fe_x?=", "größe x"),
        (b"=?UTF-8?B?Z3LD?= =?UTF-8?B?tsOfZQ==?=", "größe"),
        (b"=?ISO-8859-1?Q?gr=F6?=", "=?ISO-8859-1?Q?gr=F6?="),
        (b"=?UTF-8?B?Z3LDtsOfZQ==?= and more", "=?UTF-8?B?Z3LDtsOfZQ==?= and more"),
        (b"=?UTF-8?B?/w==?=", "=?UTF-8?B?/w==?="),
        (b"=?UTF-8?B?!?=", "=?UTF-8?B?!?="),
        (b'a "quoted" \\ text', 'a "quoted" \\ text'),
        (b"a: b, c", "a: b, c"),
    ],
)
def test_user_metadata_is_read_as_it_was_meant(sent: bytes, meant: str) -> None:
    assert metadata(b"X-Amz-Meta-Note: " + sent, b"x-amz-metadata-directive: COPY") == {
        "note": meant
    }


@given(
    st.dictionaries(
        st.from_regex(r"[a-z0-9_.-]{1,12}", fullmatch=True),
        st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=20),
    )
)
def test_any_metadata_survives(wanted: dict[str, str]) -> None:
    lines = [f"x-amz-meta-{name}: {value}" for name, value in wanted.items()]
    kept = {name: value.strip(" \t") for name, value in wanted.items()}
    assert metadata(*lines) == {
        name: metadata(f"x-amz-meta-x: {value}")["x"] if value.startswith("=?") else value
        for name, value in kept.items()
    }


@pytest.mark.parametrize("line", ["no header", "ETag: a\rb", "ETag: a\0b", ": nameless"])
def test_an_answer_with_a_line_that_is_no_header_says_nothing(line: str) -> None:
    found = row("Content-Length: 5", line)
    assert {name: value for name, value in found.items() if value is not None} == {
        "status": UNREADABLE
    }


@given(st.binary(max_size=200))
def test_no_bytes_at_all_are_an_error(raw: bytes) -> None:
    assert read_heads([Answer(200, raw, b"")]).num_rows == 1


# --- real servers ------------------------------------------------------------------------------------------------


def answered(client: Any, **named: Any) -> Answer:
    """A HEAD answer as it came over the wire."""
    url = urlsplit(client.generate_presigned_url("head_object", Params=named))
    connection = http.client.HTTPConnection(url.hostname or "", url.port)
    connection.request("HEAD", f"{url.path}?{url.query}")
    response = connection.getresponse()
    raw = b"".join(
        f"{name}: {value}\r\n".encode("latin-1") for name, value in response.getheaders()
    )
    connection.close()
    return Answer(response.status, raw, b"")


@pytest.mark.server
def test_ceph_says_what_was_put(ceph_server: Server, buckets: Callable[..., str]) -> None:
    client, bucket = ceph_server.client(), buckets("pages-heads")
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    client.put_object(
        Bucket=bucket, Key="a/../ b", Body=b"x", StorageClass="STANDARD_IA", ContentType="text/x",
        Metadata={"Size": "1"}, ServerSideEncryption="aws:kms", SSEKMSKeyId="testkey-1", Tagging="a=b",
        ObjectLockLegalHoldStatus="ON",
    )  # fmt: skip
    client.put_object_retention(
        Bucket=bucket,
        Key="a/../ b",
        Retention={"Mode": "GOVERNANCE", "RetainUntilDate": datetime(2090, 1, 1, tzinfo=UTC)},
    )
    answers = [answered(client, Bucket=bucket, Key=key) for key in ("a/../ b", "none")]
    assert b"000000000Z" in answers[0].headers  # nine digits
    found, none = read_heads(answers).to_pylist()
    assert none["status"] == 404
    expected = {
        "size": 1,
        "storage_class": "STANDARD_IA",
        "content_type": "text/x",
        "user_metadata": '{"size":"1"}',
        "tagging_count": 1,
        "encryption_status": "SSE-KMS",
        "kms_key_arn": "testkey-1",
        "object_lock_mode": "GOVERNANCE",
        "object_lock_legal_hold_status": "ON",
        "object_lock_retain_until_date": datetime(2090, 1, 1, tzinfo=UTC),
    }
    assert {name: found[name] for name in expected} == expected
    assert found["version_id"]


def test_moto_says_what_was_put(moto_server: Server, buckets: Callable[..., str]) -> None:
    client, bucket = moto_server.client(), buckets("heads")
    client.create_bucket(Bucket=bucket)
    client.put_object(
        Bucket=bucket, Key="a", Body=b"xy", ServerSideEncryption="AES256", ContentEncoding="gzip"
    )
    [found] = read_heads([answered(client, Bucket=bucket, Key="a")]).to_pylist()
    assert (found["size"], found["encryption_status"], found["content_encoding"]) == (
        2,
        "SSE-S3",
        "gzip",
    )


# --- requests ----------------------------------------------------------------------------------------------------


def test_a_head_names_the_version_and_asks_for_checksums_only_when_told() -> None:
    plain = head_request("b", "a/../b", None)
    assert (plain.call, plain.method, plain.key, plain.query, plain.headers) == (
        Call.HEAD,
        "HEAD",
        "a/../b",
        (),
        (),
    )
    full = head_request("b", "k", "null", checksum=True, request_payer=True)
    assert full.query == (("versionId", "null"),)
    assert full.headers == (
        ("x-amz-checksum-mode", "ENABLED"),
        ("x-amz-request-payer", "requester"),
    )


def test_a_proof_reads_one_byte_and_no_more_than_an_error_document() -> None:
    request = proof_request("b", "k", "v", request_payer=True)
    assert (request.call, request.method, request.query) == (
        Call.PROOF,
        "GET",
        (("versionId", "v"),),
    )
    assert request.headers == (("Range", "bytes=0-0"), ("x-amz-request-payer", "requester"))
    assert request.body_bytes_max <= 2**16
    assert pa.types.is_int16(HEADS_SCHEMA.field("status").type)
