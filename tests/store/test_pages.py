from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus, unquote_to_bytes

import pytest

from stocktake.model.errors import ServerError
from stocktake.model.runs import Call
from stocktake.store.pages import LISTED_SCHEMA, Page, page_request, read_page
from stocktake.store.pages_exact import read_exact
from stocktake.store.pages_fast import read_fast
from tests.servers.server import Server
from tests.store.pages_written import NAMESPACE, Row, Style, written

GOLDEN = Path(__file__).parent.parent / "golden" / "pages"

AWS_STYLE = Style(declaration='<?xml version="1.0" encoding="UTF-8"?>\n')


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def agreed(body: bytes, *, versions: bool) -> Page:
    """The page that both readers give; the test fails where the fast one leaves it to the exact one."""
    fast = read_fast(body, versions=versions)
    assert fast is not None
    exact = read_exact(body, versions=versions)
    assert fast == exact
    return exact


def object_row(key: str, *more: tuple[str, str | None]) -> Row:
    return Row("Contents", (("Key", key), ("LastModified", "2024-05-06T22:37:48.000Z"), *more))


def keys(page: Page) -> list[str]:
    return page.batch.column("key").to_pylist()


def column(page: Page, name: str) -> list[object]:
    return page.batch.column(name).to_pylist()


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


# --- values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-05-06T22:37:48Z", datetime(2024, 5, 6, 22, 37, 48, 0, UTC)),
        ("2024-05-06T22:37:48.000Z", datetime(2024, 5, 6, 22, 37, 48, 0, UTC)),
        ("2024-05-06T22:37:48.9Z", datetime(2024, 5, 6, 22, 37, 48, 900000, UTC)),
        ("2024-05-06T22:37:48.123999Z", datetime(2024, 5, 6, 22, 37, 48, 123000, UTC)),
        ("2024-05-06T22:37:48.999999999Z", datetime(2024, 5, 6, 22, 37, 48, 999000, UTC)),
        ("1969-12-31T23:59:59.999999Z", datetime(1969, 12, 31, 23, 59, 59, 999000, UTC)),
        ("2024-05-06T22:37:48.5", datetime(2024, 5, 6, 22, 37, 48, 500000, UTC)),
        ("2024-05-06T22:37:48+02:00", datetime(2024, 5, 6, 20, 37, 48, 0, UTC)),
    ],
)
def test_dates_are_cut_to_milliseconds_whatever_their_digits(text: str, moment: datetime) -> None:
    rows = [
        Row("Contents", (("Key", "a"), ("LastModified", text))),
        object_row("b"),
    ]
    page = agreed(written(rows, AWS_STYLE, versions=False), versions=False)
    assert column(page, "last_modified_date") == [moment, datetime(2024, 5, 6, 22, 37, 48, 0, UTC)]


@pytest.mark.parametrize("quote", ["&quot;", "&#34;", '"', ""])
def test_an_etag_loses_its_quotes_however_they_are_written(quote: str) -> None:
    rows = [object_row("a", ("ETag", "d41d8")), object_row("b", ("ETag", "e52e9-2"))]
    page = agreed(written(rows, Style(quote=quote), versions=False), versions=False)
    assert column(page, "e_tag") == ["d41d8", "e52e9-2"]


def test_etags_of_one_page_may_be_quoted_differently() -> None:
    rows = [object_row(key, ("ETag", "d41d8")) for key in "abcd"]
    body = written(rows, Style(quote="&quot;"), versions=False)
    for quote in (b'"', b"&#34;", b""):
        body = body.replace(b"&quot;d41d8&quot;", quote + b"d41d8" + quote, 1)
    assert column(agreed(body, versions=False), "e_tag") == ["d41d8"] * 4


def test_an_object_without_a_storage_class_is_standard_and_a_delete_marker_has_none() -> None:
    more = (("VersionId", "v"), ("IsLatest", "true"))
    rows = [
        Row("Version", (("Key", "a"), *more, ("Size", "1"))),
        Row("DeleteMarker", (("Key", "b"), *more, ("Size", "0"), ("StorageClass", "STANDARD"))),
        Row("Version", (("Key", "c"), *more, ("Size", "1"), ("StorageClass", None))),
    ]
    page = agreed(written(rows, AWS_STYLE, versions=True), versions=True)
    assert column(page, "storage_class") == ["STANDARD", None, "STANDARD"]
    assert column(page, "size") == [1, None, 1]


@pytest.mark.parametrize("version", ["null", "", None])
def test_the_null_version_has_no_version_id(version: str | None) -> None:
    rows = [Row("Version", (("Key", "a"), ("VersionId", version), ("IsLatest", "true")))]
    assert column(agreed(written(rows, AWS_STYLE, versions=True), versions=True), "version_id") == [
        None
    ]


def test_a_continuation_token_is_never_percent_decoded() -> None:
    style = Style(head=(("IsTruncated", "true"),), tail=(("NextContinuationToken", "a%2Bb+c%41"),))
    page = agreed(written([object_row("a+b c")], style, versions=False), versions=False)
    assert page.next_token == "a%2Bb+c%41"
    assert keys(page) == ["a+b c"]


def test_keys_are_decoded_only_where_the_answer_says_that_they_are_encoded() -> None:
    body = written([object_row("a%2Bb+c")], Style(url_encoded=False), versions=False)
    assert keys(agreed(body, versions=False)) == ["a%2Bb+c"]
    body = body.replace(b"<IsTruncated>", b"<EncodingType>url</EncodingType><IsTruncated>")
    assert keys(agreed(body, versions=False)) == ["a+b c"]


@pytest.mark.parametrize(
    "text", ["100%", "%zz", "%%41", "%2", "a%2%46", "%2%35", "%F0%9F%98%80%", "x%25%32%35"]
)
def test_percent_signs_that_begin_no_escape_stand_for_themselves(text: str) -> None:
    body = written([object_row("KEY"), object_row("z")], AWS_STYLE, versions=False)
    page = agreed(body.replace(b"KEY", text.encode()), versions=False)
    assert keys(page) == [unquote_plus(text), "z"]


def test_a_key_whose_escapes_are_all_different_is_decoded_at_once() -> None:
    key = "".join(chr(code) for code in range(1, 256)) + "%41"
    page = agreed(
        written([object_row(key), object_row("z%")], AWS_STYLE, versions=False), versions=False
    )
    assert keys(page) == [key, "z%"]


@pytest.mark.parametrize("encoded", ["%FF", "a%C3", "%ED%A0%80", "%C0%80", "%F4%90%80%80"])
def test_a_key_that_decodes_to_no_utf_8_is_an_error_that_names_it(encoded: str) -> None:
    body = written([object_row("fine"), object_row("KEY")], AWS_STYLE, versions=False)
    with pytest.raises(ServerError, match="no UTF-8") as caught:
        read_page(body.replace(b"KEY", encoded.encode()), versions=False)
    assert repr(unquote_to_bytes(encoded)) in caught.value.message


@pytest.mark.parametrize("key", ["cr\rx", "\r", "\r\n"])
def test_a_raw_carriage_return_in_a_key_is_kept(key: str) -> None:
    body = written([object_row("KEY")], Style(url_encoded=False), versions=False)
    assert keys(read_page(body.replace(b"KEY", key.encode()), versions=False)) == [key]


def test_a_page_with_carriage_returns_between_its_lines_is_read() -> None:
    body = written([object_row("a"), object_row("b")], Style(indent="\r\n  "), versions=False)
    assert keys(read_page(body, versions=False)) == ["a", "b"]


def test_private_characters_stay_what_they_are_beside_forbidden_ones() -> None:
    key = "\U0010f001"
    body = written([object_row(key)], Style(url_encoded=False), versions=False)
    assert keys(agreed(body, versions=False)) == [key]


@pytest.mark.parametrize(
    ("says", "token", "truncated"),
    [("true", "", True), ("false", "t", False), (None, "t", True), (None, "", False)],
)
def test_a_page_says_whether_more_follows(says: str | None, token: str, truncated: bool) -> None:
    head = (("IsTruncated", says),) if says else ()
    style = Style(head=head, tail=(("NextContinuationToken", token),))
    page = agreed(written([object_row("a")], style, versions=False), versions=False)
    assert (page.truncated, page.next_token) == (truncated, token or None)


# --- what is no page ---------------------------------------------------------------------------------------------


HTML = b"<html><head><title>Sign in</title></head><body><p>Welcome</p></body></html>"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (HTML, "<html>"),
        (b"<!DOCTYPE html>" + HTML, "document type"),
        (golden("ceph-acl.xml"), "<AccessControlPolicy>"),
        (golden("ceph-versions-url.xml"), "<ListVersionsResult>"),
        (golden("ceph-no-such-key.xml"), "<Error>"),
        (b"", "damaged XML"),
        (b"not found", "damaged XML"),
        (b"\x00\x01\x02", "damaged XML"),
    ],
)
def test_another_document_is_refused_and_named(body: bytes, found: str) -> None:
    with pytest.raises(ServerError, match=r"expected .*<ListBucketResult>") as caught:
        read_page(body, versions=False)
    assert found in caught.value.message


def test_a_listing_of_objects_is_no_listing_of_versions() -> None:
    with pytest.raises(ServerError, match="<ListBucketResult>; expected <ListVersionsResult>"):
        read_page(golden("ceph-inventory-answered-with-a-listing.xml"), versions=True)


@pytest.mark.parametrize("name", ["ceph-list-url.xml", "moto-list-url.xml"])
def test_a_page_cut_anywhere_is_an_error_and_never_a_shorter_page(name: str) -> None:
    body = golden(name).rstrip()
    for length in [
        *range(0, len(body), 97),
        len(body) - 1,
        body.rindex(b"</Contents>") + len(b"</Contents>"),
    ]:
        with pytest.raises(ServerError):
            read_page(body[:length], versions=False)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b"<Size>1<", b"<Size>one<", "Size"),
        (b"<Size>1<", b"<Size>99999999999999999999<", "Size"),
        (b"<LastModified>2024-05-06T22:37:48.000Z<", b"<LastModified>yesterday<", "yesterday"),
        (b"<Key>a</Key>", b"", "without a key"),
        (b"<Key>a</Key>", b"<Key></Key>", "without a key"),
        (b"<Key>a</Key>", b"<Key/>", "without a key"),
        (b"<Key>a</Key>", b"<Key>a</Key><Key>b</Key>", "<Key> twice"),
        (b"<Key>a</Key>", b"<Key>a<b>c</b></Key>", "expected text"),
        (b"<Size>1<", b"<Size><b>1</b><", "expected text"),
        (b"<Key>a</Key>", b"<Key>a</Key><Type>a & b</Type>", "damaged XML"),
        (b"<Key>a</Key>", b"<Key>a</Key><Type>&unknown;</Type>", "damaged XML"),
        (b"<Key>a</Key>", b"<Key>\xff</Key>", "damaged XML"),
        (b"<Key>a</Key>", b"<Key>&unknown;</Key>", "damaged XML"),
        (b"<Key>a</Key>", b"<Key>&#xD800;</Key>", "damaged XML"),
        (b"<Key>a</Key>", b"<Key>a]]>b</Key>", "damaged XML"),
        (b"<Key>a</Key>", b"<Key>a & b</Key>", "damaged XML"),
        (b"false</IsTruncated>", b"maybe</IsTruncated>", "maybe"),
    ],
)
def test_a_value_that_cannot_be_read_is_an_error_that_names_it(
    old: bytes, new: bytes, what: str
) -> None:
    rows = [object_row("first", ("Size", "5")), object_row("a", ("Size", "1"))]
    body = written(rows, AWS_STYLE, versions=False)
    assert old in body
    before, _, after = body.rpartition(old)
    with pytest.raises(ServerError) as caught:
        read_page(before + new + after, versions=False)
    assert what in caught.value.message


# --- the fast reader knows when to leave a page ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<Key>a</Key>", b"<Key><![CDATA[a]]></Key>"),
        (b"<Key>a</Key>", b"<Key>a</Key><!-- a comment -->"),
        (b"<Key>a</Key>", b"<Key>a<!-- a comment --></Key>"),
        (b"<Key>a</Key>", b"<?target data?><Key>a</Key>"),
        (b"<Key>a</Key>", b"<Key>&#97;</Key>"),
        (b"<Key>a</Key>", b'<Key xml:space="preserve">a</Key>'),
        (b"<Key>a</Key>", b"<Key >a</Key >"),
        (
            b"<Key>a</Key>",
            b"<ChecksumAlgorithm>A</ChecksumAlgorithm><ChecksumAlgorithm>B</ChecksumAlgorithm><Key>a</Key>",
        ),
        (b"<Contents><Key>a<", b'<Contents id="1"><Key>a<'),
        (b"<Contents><Key>a<", b"stray text<Contents><Key>a<"),
        (
            b"<Contents><Key>a<",
            b"<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes><Contents><Key>a<",
        ),
        (b'encoding="UTF-8"', b'encoding="US-ASCII"'),
        (b"<IsTruncated>", b"<!-- <Contents><Key>no</Key></Contents> --><IsTruncated>"),
    ],
)
def test_an_unusual_page_is_left_to_the_exact_reader(old: bytes, new: bytes) -> None:
    body = written(
        [object_row("first"), object_row("a"), object_row("z")], AWS_STYLE, versions=False
    )
    assert body.count(old) == 1
    body = body.replace(old, new)
    assert read_fast(body, versions=False) is None
    assert keys(read_page(body, versions=False)) == ["first", "a", "z"]


@pytest.mark.parametrize("forbidden", [b"\x00", b"\x1f", b"\r", b"\xef\xbf\xbe", b"\xef\xbf\xbf"])
def test_what_a_parser_refuses_or_changes_is_left_to_the_exact_reader(forbidden: bytes) -> None:
    rows = [object_row("a", ("Owner/ID", "ID")), object_row("b", ("Owner/ID", "me"))]
    body = written(rows, AWS_STYLE, versions=False).replace(b">ID<", b">x" + forbidden + b"y<")
    assert read_fast(body, versions=False) is None
    read = {b"\r": "\n"}.get(forbidden, forbidden.decode())
    assert column(read_page(body, versions=False), "object_owner") == [f"x{read}y", "me"]


def test_references_in_texts_that_no_column_takes_do_not_slow_a_page_down() -> None:
    rows = [
        object_row(key, ("Owner/ID", "me"), ("Owner/DisplayName", "R&D <x> 'y'")) for key in "ab"
    ]
    body = written(rows, Style(url_encoded=False), versions=False).replace(b"'", b"&#39;")
    assert column(agreed(body, versions=False), "object_owner") == ["me", "me"]


def test_records_hidden_in_a_comment_or_another_element_are_none() -> None:
    page = written([object_row("a")], AWS_STYLE, versions=False)
    record = page[page.index(b"<Contents>") : page.index(b"</ListBucketResult>")]
    for hidden in (b"<!--" + record + b"-->", b"<Other>" + record + b"</Other>"):
        assert keys(read_page(page.replace(record, hidden), versions=False)) == []
        assert keys(read_page(page.replace(record, hidden + record), versions=False)) == ["a"]


def test_records_under_a_namespace_prefix_are_read() -> None:
    style = Style(prefix="s3:", namespace="http://doc.s3.amazonaws.com/2006-03-01/")
    rows = [object_row("a b", ("Owner/ID", "me")), object_row("c")]
    page = read_page(written(rows, style, versions=False), versions=False)
    assert keys(page) == ["a b", "c"]
    assert column(page, "object_owner") == ["me", None]


@pytest.mark.parametrize("namespace", [None, NAMESPACE, "http://doc.s3.amazonaws.com/2006-03-01/"])
def test_any_default_namespace_or_none_is_read_fast(namespace: str | None) -> None:
    body = written([object_row("a")], Style(namespace=namespace), versions=False)
    assert keys(agreed(body, versions=False)) == ["a"]


def test_a_layout_learnt_from_one_store_does_not_spoil_the_next() -> None:
    orders = [
        ("Size", "ETag", "StorageClass"),
        ("StorageClass", "ETag", "Size"),
        ("ETag",),
        ("Size", "StorageClass", "ETag"),
    ]
    values = {"Size": "1", "ETag": "e", "StorageClass": "GLACIER"}
    for order in orders * 3:
        rows = [object_row(key, *((path, values[path]) for path in order)) for key in "ab"]
        page = agreed(written(rows, AWS_STYLE, versions=False), versions=False)
        assert column(page, "e_tag") == ["e", "e"]
        assert column(page, "size") == ([1, 1] if "Size" in order else [None, None])


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
