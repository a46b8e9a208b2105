"""When the fast reader reads a page, and when it leaves it to the exact one."""

from __future__ import annotations

import pytest

from stocktake.model.errors import ServerError
from stocktake.store.pages import read_page
from tests.store.pages_read import agreed, column, keys, read_fast
from tests.store.pages_written import AWS_STYLE, NAMESPACE, Row, Style, object_row, written


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<Key>a</Key>", b"<Key><![CDATA[a]]></Key>"),
        (b"<Key>a</Key>", b"<Key>a</Key><!-- a comment -->"),
        (b"<Key>a</Key>", b"<Key>a<!-- a comment --></Key>"),
        (b"<Key>a</Key>", b"<?target data?><Key>a</Key>"),
        (b"<Key>a</Key>", b"<Key>&#97;</Key>"),
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


@pytest.mark.parametrize("key", ['<Key xml:space="preserve">a</Key>', "<Key >a</Key >"])
def test_tags_may_be_written_with_spaces_and_attributes(key: str) -> None:
    rows = [object_row("first"), object_row("a"), object_row("z")]
    body = written(rows, AWS_STYLE, versions=False).replace(b"<Key>a</Key>", key.encode())
    assert keys(agreed(body, versions=False)) == ["first", "a", "z"]


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


def test_references_that_only_two_texts_together_make_up_are_none() -> None:
    rows = [object_row(key, ("Owner/ID", "me")) for key in "abc"]
    body = written(rows, AWS_STYLE, versions=False)
    body = body.replace(b">me<", b">&am<", 1).replace(b">me<", b">p;<", 1)
    assert read_fast(body, versions=False) is None
    with pytest.raises(ServerError, match="damaged XML"):
        read_page(body, versions=False)


def test_characters_that_only_two_texts_together_make_up_are_none() -> None:
    rows = [object_row(key, ("Owner/ID", "me")) for key in "abc"]
    body = written(rows, AWS_STYLE, versions=False)
    body = body.replace(b">me<", b">\xc3<", 1).replace(b">me<", b">\xa9<", 1)
    assert read_fast(body, versions=False) is None
    with pytest.raises(ServerError, match="damaged XML"):
        read_page(body, versions=False)


def test_a_bare_greater_than_sign_is_a_character_of_the_text_it_stands_in() -> None:
    body = written([object_row("KEY"), object_row("z")], AWS_STYLE, versions=False)
    assert keys(agreed(body, versions=False)) == ["KEY", "z"]
    assert keys(read_page(body.replace(b"KEY", b"a>b"), versions=False)) == ["a>b", "z"]


def test_what_all_objects_of_a_page_have_alike_may_differ_on_the_next_one() -> None:
    classes = [
        ["STANDARD"] * 3,
        ["STANDARD", "GLACIER", ""],
        ["GLACIER"] * 3,
        [""] * 3,
        ["R&D"] * 3,
    ]
    for page_classes in classes * 3:
        rows = [
            object_row(key, ("StorageClass", name), ("Owner/ID", "me"))
            for key, name in zip("abc", page_classes, strict=True)
        ]
        page = agreed(written(rows, AWS_STYLE, versions=False), versions=False)
        assert column(page, "storage_class") == [name or "STANDARD" for name in page_classes]
        assert column(page, "object_owner") == ["me"] * 3


def test_a_page_whose_end_tags_name_other_records_is_damaged() -> None:
    more = (("VersionId", "v"), ("IsLatest", "true"), ("Size", "1"))
    names = ("Version", "DeleteMarker", "Version", "Version")
    rows = [Row(name, (("Key", key), *more)) for key, name in zip("abcd", names, strict=True)]
    body = written(rows, AWS_STYLE, versions=True)
    assert column(agreed(body, versions=True), "is_delete_marker") == [False, True, False, False]
    tags = [b"</Version>", b"</DeleteMarker>"]
    for old, new in (tags, tags[::-1]):
        with pytest.raises(ServerError, match="damaged XML"):
            read_page(body.replace(old, new, 1), versions=True)
    before, _, behind = body.rpartition(tags[0])
    with pytest.raises(ServerError, match="damaged XML"):
        read_page(before + tags[1] + behind, versions=True)


def test_a_layout_learnt_from_one_store_does_not_spoil_the_next() -> None:
    orders = [
        ("Size", "ETag", "StorageClass"),
        ("StorageClass", "ETag", "Size"),
        ("ETag", "Size"),
        ("Size", "StorageClass", "ETag"),
    ]
    values = {"Size": "1", "ETag": "e", "StorageClass": "GLACIER"}
    for order in orders * 3:
        rows = [object_row(key, *((path, values[path]) for path in order)) for key in "ab"]
        page = agreed(written(rows, AWS_STYLE, versions=False), versions=False)
        assert column(page, "e_tag") == ["e", "e"]
        assert column(page, "size") == [1, 1]
