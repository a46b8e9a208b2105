from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations
from urllib.parse import unquote_plus, unquote_to_bytes

import pytest

from stocktake.model.errors import ContradictionError, ServerError
from stocktake.store.pages import check_bucket, read_page
from stocktake.store.pages_exact import read_exact
from tests.store.pages_read import agreed, column, golden, keys, read_fast
from tests.store.pages_written import AWS_STYLE, Row, Style, object_row, written

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
        Row("Contents", (("Key", "a"), ("LastModified", text), ("Size", "1"))),
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


@pytest.mark.parametrize("quotes", [*permutations(["&quot;", "&#34;", '"', ""], 2)])
def test_an_etag_that_is_quoted_unlike_those_before_loses_its_quotes_too(
    quotes: tuple[str, str],
) -> None:
    rows = [object_row(key, ("ETag", "d41d8")) for key in "abc"]
    usual = written(rows, Style(quote=quotes[0]), versions=False)
    other = "{0}d41d8{0}".format(quotes[1]).encode()
    body = usual.replace("{0}d41d8{0}".format(quotes[0]).encode(), other, 1)
    assert column(agreed(usual, versions=False), "e_tag") == ["d41d8"] * 3
    assert column(agreed(body, versions=False), "e_tag") == ["d41d8"] * 3


@pytest.mark.parametrize(
    ("written_as", "e_tag"),
    [
        ("", None),
        ("&quot;", None),
        ("&quot;&quot;", None),
        ("&quot;a", "a"),
        ("a&quot;", "a"),
        ("&quot;&quot;a&quot;&quot;", "a"),
        ("&quot;a&quot;b&quot;", 'a"b'),
        ("&quot;a&amp;quot;&quot;", "a&quot;"),
    ],
)
def test_odd_quotes_around_an_etag_are_read_alike_by_both_readers(
    written_as: str, e_tag: str | None
) -> None:
    rows = [object_row(key, ("ETag", "d41d8")) for key in "abc"]
    usual = written(rows, AWS_STYLE, versions=False)
    body = usual.replace(b"&quot;d41d8&quot;", written_as.encode(), 1)
    for page in (usual, body):
        assert column(agreed(page, versions=False), "e_tag")[1:] == ["d41d8"] * 2
    assert column(agreed(body, versions=False), "e_tag")[0] == e_tag


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


def test_an_object_without_a_size_is_damage_and_a_delete_marker_without_one_is_not() -> None:
    more = (("VersionId", "v"), ("IsLatest", "true"))
    rows = [
        Row("Version", (("Key", "a"), *more, ("Size", "1"))),
        Row("DeleteMarker", (("Key", "b"), *more)),
        Row("Version", (("Key", "c"), *more, ("Size", "2"))),
    ]
    body = written(rows, AWS_STYLE, versions=True)
    assert column(agreed(body, versions=True), "size") == [1, None, 2]
    for size in (b"<Size>2</Size>", b"<Size>1</Size>"):
        for read in (read_page, read_exact):
            with pytest.raises(ServerError, match=r"no Size of `[ac]`"):
                read(body.replace(size, b""), versions=True)


@pytest.mark.parametrize("found", ["photos", " photos ", None, ""])
def test_a_page_says_which_bucket_it_is_of_if_it_says_so_at_all(found: str | None) -> None:
    head = (("IsTruncated", "false"), *((("Name", found),) if found is not None else ()))
    page = agreed(written([object_row("a")], Style(head=head), versions=False), versions=False)
    assert page.bucket == ((found or "").strip() or None)
    check_bucket(page, "photos")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("tenant:photos", "photos"),
        ("photos", "tenant/photos"),
        ("photos", "tenant:photos"),
        ("point-ab12-s3alias", "photos"),
        ("mfzwi23gnjvgw.mrap", "photos"),
        ("point-ab12--ol-s3", "photos"),
    ],
)
def test_a_bucket_of_a_tenant_or_behind_an_access_point_may_have_another_name(
    asked: str, found: str
) -> None:
    style = Style(head=(("IsTruncated", "false"), ("Name", found)))
    check_bucket(
        read_page(written([object_row("a")], style, versions=False), versions=False), asked
    )


@pytest.mark.parametrize("found", ["music", "Photos", "photos-2", "tenant:music"])
def test_a_page_of_another_bucket_is_a_contradiction_to_both_readers(found: str) -> None:
    style = Style(head=(("IsTruncated", "false"), ("Name", found)))
    page = agreed(written([object_row("a")], style, versions=False), versions=False)
    for asked in ("photos", "tenant:photos"):
        with pytest.raises(ContradictionError, match=f"'{asked}', .* one of '{found}'"):
            check_bucket(page, asked)


@pytest.mark.parametrize("version", ["null", "", None])
def test_the_null_version_has_no_version_id(version: str | None) -> None:
    more = (("VersionId", version), ("IsLatest", "true"), ("Size", "1"))
    rows = [Row("Version", (("Key", "a"), *more))]
    page = agreed(written(rows, AWS_STYLE, versions=True), versions=True)
    assert column(page, "version_id") == [None]


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


@pytest.mark.parametrize("count", ["", "<KeyCount>2</KeyCount>", "<KeyCount> 2 </KeyCount>"])
def test_a_page_may_say_how_many_objects_it_has(count: str) -> None:
    body = written([object_row("a"), object_row("b")], AWS_STYLE, versions=False)
    body = body.replace(b"<IsTruncated>", count.encode() + b"<IsTruncated>")
    assert keys(agreed(body, versions=False)) == ["a", "b"]


def test_common_prefixes_are_counted_by_some_stores_and_not_by_others() -> None:
    for count in (1, 3):
        style = Style(
            head=(("Delimiter", "/"), ("IsTruncated", "false"), ("KeyCount", str(count))),
            common_prefixes=("p/", "q/"),
        )
        page = agreed(written([object_row("a")], style, versions=False), versions=False)
        assert page.common_prefixes == ("p/", "q/")


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


@pytest.mark.parametrize("counted", ["1", "3", "0", "many"])
def test_a_page_that_holds_another_number_of_objects_than_it_says_is_damaged(counted: str) -> None:
    style = Style(head=(("IsTruncated", "false"), ("KeyCount", counted)))
    body = written([object_row("a"), object_row("b")], style, versions=False)
    for read in (read_page, read_exact, read_fast):
        with pytest.raises(ServerError, match=f"KeyCount `{counted}`, but 2 objects"):
            read(body, versions=False)


def test_an_empty_page_that_says_it_holds_objects_is_damaged() -> None:
    style = Style(head=(("IsTruncated", "true"), ("KeyCount", "1000")))
    with pytest.raises(ServerError, match="KeyCount `1000`, but 0 objects"):
        read_page(written([], style, versions=False), versions=False)


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
        (b"<Size>1<", b"<Size>-1<", "`-1`"),
        (b"<Size>1<", b"<Size>0x5<", "`0x5`; expected a number of bytes"),
        (b"<Size>1<", b"<Size>1.0<", "`1.0`"),
        (b"<Size>1<", b"<Size> 1<", "` 1`"),
        (b"<Size>1<", "<Size>\u0665<".encode(), "`\u0665`"),
        (b"<Size>1<", b"<Size>99999999999999999999<", "`99999999999999999999`"),
        (b"<Size>1<", b"<Size>9223372036854775808<", "`9223372036854775808`"),
        (b"<Size>1</Size>", b"", "no Size of `a`"),
        (b"<Size>1<", b"<Size><", "no Size of `a`"),
        (b"<Size>1</Size>", b"<Size/>", "no Size of `a`"),
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
        (b"<Key>a</Key>", b"<Key>a</Key><Type>&am</Type>", "damaged XML"),
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
    agreed(body, versions=False)  # so that the fast reader knows the page but for this
    damaged = before + new + after
    with pytest.raises(ServerError) as caught:
        read_page(damaged, versions=False)
    assert what in caught.value.message
    with pytest.raises(ServerError) as exactly:
        read_exact(damaged, versions=False)
    assert exactly.value.message == caught.value.message


def test_a_value_that_holds_elements_in_every_record_is_an_error() -> None:
    rows = [object_row(key, ("Size/Bytes", "1")) for key in "ab"]
    with pytest.raises(ServerError, match="expected text"):
        read_page(written(rows, AWS_STYLE, versions=False), versions=False)


def test_records_with_one_element_more_than_those_before_are_read_fast_too() -> None:
    record = (
        b"<Contents><Key>k</Key><LastModified>2000-01-01T00:00:00Z</LastModified><Size>1</Size>"
        b"%b</Contents>"
    )
    more_of_them = (b"", b"<ChecksumType/>", b"", b"<StorageClass>A</StorageClass>", b"<ETag/>")
    for more in more_of_them:
        records = (record % more) * 40
        body = b"<ListBucketResult><IsTruncated>false</IsTruncated>%b</ListBucketResult>" % records
        assert keys(agreed(body, versions=False)) == ["k"] * 40
