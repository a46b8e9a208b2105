from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from stocktake.model.runs import Call
from stocktake.store.pages import LISTED_SCHEMA, page_request, read_page
from tests.servers.server import Server
from tests.store.pages_read import agreed, column, golden, keys

# --- what stores really answered ---------------------------------------------------------------------------------


HOSTILE = [
    "\x01ctl", "\x1fctl", " lead", '"q"', "#h", "%", "%41", "*|,=;~()'", ".", "..", "../x", "/a", "<x>", "?q=1",
    "Case", "\\b", "]]>", "_u", "a b", "a%2Fb", "a&b", "a+b", 'a,"b",\nc', "a/../b", "a/./b", "a//b", "c:d", "case",
    "cr\rx", "dir/", "e\u0301", "it's", "nl\nx", "p", "p/q", "sp ace/%2F+plus", "tab\t", "trail ", "x" * 1024, "\x7f",
    "\x85", "é", "日本語/キー.txt", "\uffee", "\ufffe", "\U0001f600",
]  # fmt: skip


def test_every_hostile_key_of_ceph_is_read_exactly() -> None:
    page = agreed(golden("ceph-list-url.xml"), versions=False)
    assert keys(page) == sorted(HOSTILE)
    assert set(column(page, "object_owner")) == {"inventory"}


def test_every_hostile_key_of_moto_is_read_exactly() -> None:
    page = agreed(golden("moto-list-url.xml"), versions=False)
    # moto cannot store keys with a line feed.
    assert keys(page) == sorted(key for key in HOSTILE if "\n" not in key)


def test_keys_of_plain_listings_are_not_percent_decoded() -> None:
    ceph = agreed(golden("ceph-list-plain.xml"), versions=False)
    assert keys(ceph) == [
        "a b", "a%2Fb", "a&b", "a+b", 'a,"b",\nc', "a/../b", "a/./b", "a//b"
    ]  # fmt: skip
    moto = agreed(golden("moto-list-plain.xml"), versions=False)
    assert keys(moto) == ["a b", "a%2Fb", "a&b", "a+b", "a/../b", "a/./b", "a//b"]


def test_versions_and_delete_markers_of_ceph_keep_their_order() -> None:
    page = agreed(golden("ceph-versions-url.xml"), versions=True)
    rows = page.batch.select(["key", "is_latest", "is_delete_marker", "size", "storage_class"])
    assert [tuple(row.values()) for row in rows.to_pylist()] == [
        ("\x01ctl", True, False, 0, "STANDARD"),
        ("a/b c", True, True, None, None),
        ("a/b c", False, False, 2, "STANDARD"),
        ("a/b c", False, False, 1, "STANDARD"),
        ("a/b c", False, False, 0, "STANDARD"),
        ("null/one", True, False, 1, "STANDARD_IA"),
        ("null/one", False, False, 1, "STANDARD_IA"),
        ("null/one", False, False, 1, "STANDARD_IA"),
        ("null/one", False, False, 1, "STANDARD"),
        ("only marker", True, True, None, None),
        ("zé", True, False, 0, "STANDARD"),
    ]
    assert column(page, "version_id")[8] is None  # the store says `null`
    assert column(page, "version_id")[1] == "iSDYn-Rd7IFhEwaUmv2g2r8KA2p85mF"
    assert column(page, "e_tag")[:2] == ["d41d8cd98f00b204e9800998ecf8427e", None]
    assert column(page, "last_modified_date")[1] == datetime(2026, 11, 22, 14, 52, 33, 567000, UTC)


def test_versions_of_moto_with_a_raw_control_character_are_read_exactly() -> None:
    body = golden("moto-versions-url.xml")
    assert b"<Key>\x01ctl</Key>" in body  # moto ignores encoding-type here
    page = read_page(body, versions=True)
    assert keys(page)[0] == "\x01ctl"
    # moto lists delete markers last, and makes none for a key that never was.
    assert keys(page)[-2:] == ["zé", "a/b c"]
    assert column(page, "is_delete_marker") == [False] * (page.batch.num_rows - 1) + [True]


def test_a_continuation_token_with_an_illegal_reference_does_not_spoil_the_page() -> None:
    page = agreed(golden("ceph-list-control-token.xml"), versions=False)
    assert keys(page) == ["\x01ctl"]
    assert (page.truncated, page.next_token) == (True, "\x01ctl")
    page = agreed(golden("ceph-versions-control-marker.xml"), versions=True)
    assert keys(page) == ["\x01ctl"]
    assert (page.next_key, page.next_version) == ("\x01ctl", "EC87yPzZMInYaVnZZ84QEi8G21deSe6")


def test_an_illegal_reference_in_a_plain_key_is_the_character_it_names() -> None:
    page = read_page(golden("ceph-versions-root.xml"), versions=True)
    assert keys(page) == ["\x01ctl"]


def test_common_prefixes_are_decoded_and_keys_beside_them_kept() -> None:
    page = agreed(golden("ceph-list-delimiter.xml"), versions=False)
    assert page.common_prefixes == ("../", "/", "a/", "dir/", "p/", "sp ace/", "日本語/")
    assert "a//b" not in keys(page)
    assert "\ufffe" in keys(page)
    assert agreed(golden("moto-list-delimiter.xml"), versions=False).common_prefixes


def test_an_empty_page_has_no_rows_and_is_the_last() -> None:
    page = read_page(golden("ceph-list-empty.xml"), versions=False)
    assert (page.truncated, page.next_token, page.common_prefixes) == (False, None, ())
    assert page.batch.num_rows == 0
    assert page.batch.schema == LISTED_SCHEMA


@pytest.mark.server
def test_pages_that_ceph_answers_now_are_read_alike_by_both_readers(
    ceph_server: Server, buckets: Callable[..., str]
) -> None:
    client, bucket = ceph_server.client(), buckets("pages")
    client.create_bucket(Bucket=bucket)
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in HOSTILE:
        client.put_object(Bucket=bucket, Key=key, Body=b"x")
    client.delete_object(Bucket=bucket, Key="p")
    bodies = recorded_bodies(client)
    client.list_objects_v2(Bucket=bucket, FetchOwner=True, EncodingType="url")
    client.list_object_versions(Bucket=bucket, EncodingType="url")
    listed = agreed(bodies["ListObjectsV2"], versions=False)
    versions = agreed(bodies["ListObjectVersions"], versions=True)
    assert keys(listed) == sorted(set(HOSTILE) - {"p"})
    assert keys(versions) == sorted([*HOSTILE, "p"])
    assert column(versions, "is_delete_marker").count(True) == 1


def test_pages_that_moto_answers_now_are_read_alike_by_both_readers(
    moto_server: Server, buckets: Callable[..., str]
) -> None:
    client, bucket = moto_server.client(), buckets("pages")
    client.create_bucket(Bucket=bucket)
    storable = [key for key in HOSTILE if "\n" not in key]
    for key in storable:
        client.put_object(Bucket=bucket, Key=key, Body=b"x", ChecksumAlgorithm="SHA256")
    client.put_object(Bucket=bucket, Key="class", Body=b"x", StorageClass="STANDARD_IA")
    bodies = recorded_bodies(client)
    client.list_objects_v2(Bucket=bucket, FetchOwner=True, EncodingType="url")
    listed = agreed(bodies["ListObjectsV2"], versions=False)
    assert keys(listed) == sorted([*storable, "class"])
    assert column(listed, "checksum_algorithm").count("SHA256") == len(storable)
    assert column(listed, "storage_class")[keys(listed).index("class")] == "STANDARD_IA"


def recorded_bodies(client: Any) -> dict[str, bytes]:
    """The latest answer to each operation as it came over the wire."""
    bodies: dict[str, bytes] = {}

    def record(model: Any, response_dict: dict[str, Any], **_: object) -> None:
        bodies[model.name] = response_dict["body"]

    client.meta.events.register(
        "before-parse.s3.*", lambda **event: record(event.pop("operation_model"), **event)
    )
    return bodies


# --- what AWS answers --------------------------------------------------------------------------------------------


AWS_PAGE = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix></Prefix>\
<NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM=</NextContinuationToken><KeyCount>4</KeyCount>\
<MaxKeys>4</MaxKeys><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\
<Contents><Key>a+b/%7Eold</Key><LastModified>2009-10-12T17:50:30.000Z</LastModified>\
<ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag><Size>434234</Size>\
<Owner><ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caac54ba06a</ID></Owner>\
<StorageClass>STANDARD</StorageClass></Contents>\
<Contents><Key>checked</Key><LastModified>2025-01-21T18:40:04.000Z</LastModified>\
<ETag>&quot;900150983cd24fb0d6963f7d28e17f72-3&quot;</ETag><ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>\
<ChecksumType>FULL_OBJECT</ChecksumType><Size>3</Size>\
<Owner><ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caac54ba06a</ID></Owner>\
<StorageClass>INTELLIGENT_TIERING</StorageClass></Contents>\
<Contents><Key>cold</Key><LastModified>2025-01-21T18:40:05.000Z</LastModified>\
<ETag>&quot;900150983cd24fb0d6963f7d28e17f72&quot;</ETag><ChecksumAlgorithm>CRC32</ChecksumAlgorithm>\
<ChecksumType>COMPOSITE</ChecksumType><Size>3</Size>\
<Owner><ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caac54ba06a</ID></Owner>\
<RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress>\
<RestoreExpiryDate>2012-12-21T00:00:00.000Z</RestoreExpiryDate></RestoreStatus>\
<StorageClass>GLACIER</StorageClass></Contents>\
<Contents><Key>thawing</Key><LastModified>2025-01-21T18:40:05.000Z</LastModified>\
<ETag>&quot;900150983cd24fb0d6963f7d28e17f72&quot;</ETag><Size>3</Size>\
<Owner><ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caac54ba06a</ID></Owner>\
<RestoreStatus><IsRestoreInProgress>true</IsRestoreInProgress></RestoreStatus>\
<StorageClass>DEEP_ARCHIVE</StorageClass></Contents></ListBucketResult>"""


def test_a_page_of_aws_whose_objects_differ_in_their_elements_is_read_fast_and_exactly() -> None:
    page = agreed(AWS_PAGE, versions=False)
    assert keys(page) == ["a b/~old", "checked", "cold", "thawing"]
    assert page.next_token == "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4vbOwM="
    assert column(page, "e_tag")[1] == "900150983cd24fb0d6963f7d28e17f72-3"
    assert column(page, "checksum_algorithm") == [None, "CRC64NVME", "CRC32", None]
    assert column(page, "checksum_type") == [None, "FULL_OBJECT", "COMPOSITE", None]
    assert column(page, "storage_class") == [
        "STANDARD",
        "INTELLIGENT_TIERING",
        "GLACIER",
        "DEEP_ARCHIVE",
    ]
    assert column(page, "restore_status") == [
        None,
        None,
        '{"IsRestoreInProgress":false,"RestoreExpiryDate":"2012-12-21T00:00:00.000Z"}',
        '{"IsRestoreInProgress":true}',
    ]
    assert column(page, "is_latest") == [True] * 4
    assert column(page, "is_delete_marker") == [False] * 4
    assert column(page, "version_id") == [None] * 4


def test_several_checksum_algorithms_of_one_object_are_joined() -> None:
    body = AWS_PAGE.replace(
        b"<ChecksumAlgorithm>CRC32<",
        b"<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumAlgorithm>SHA256<",
    )
    assert column(read_page(body, versions=False), "checksum_algorithm")[2] == "CRC32,SHA256"


# --- requests ----------------------------------------------------------------------------------------------------


def test_the_request_for_a_page_of_objects_names_what_it_wants() -> None:
    request = page_request(
        "b", "p/", after="k+ \x01", owner=True, restore=True, request_payer=True, rows_max=7
    )
    assert (request.call, request.method, request.bucket, request.key) == (
        Call.LIST,
        "GET",
        "b",
        "",
    )
    assert request.query == (
        ("encoding-type", "url"),
        ("fetch-owner", "true"),
        ("list-type", "2"),
        ("max-keys", "7"),
        ("prefix", "p/"),
        ("start-after", "k+ \x01"),
    )
    assert request.headers == (
        ("x-amz-optional-object-attributes", "RestoreStatus"),
        ("x-amz-request-payer", "requester"),
    )
    assert request.body_bytes_max > 2**20


def test_a_token_takes_the_place_of_the_key_to_start_after() -> None:
    query = dict(page_request("b", "", after="k", token="t", delimiter="/").query)
    assert query == {
        "encoding-type": "url", "list-type": "2", "max-keys": "1000", "continuation-token": "t", "delimiter": "/",
    }  # fmt: skip


def test_the_request_for_a_page_of_versions_goes_on_within_a_key() -> None:
    query = page_request("b", "", after="k", after_version="v", versions=True, owner=True).query
    assert query == (
        ("encoding-type", "url"), ("key-marker", "k"), ("max-keys", "1000"), ("version-id-marker", "v"),
        ("versions", ""),
    )  # fmt: skip
    assert "version-id-marker" not in dict(
        page_request("b", "", after_version="v", versions=True).query
    )
