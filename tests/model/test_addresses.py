from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from stocktake.model.addresses import (
    Address,
    LocalAddress,
    S3Address,
    parse_address,
    parse_s3_address,
)
from stocktake.model.errors import AddressError
from tests.model.documents import BUCKETS, TEXTS

FOLDER = Path("/srv/work")


@given(BUCKETS, TEXTS)
def test_an_s3_address_is_read_back_as_it_was(bucket: str, key: str) -> None:
    address = S3Address(bucket, key)
    assert parse_s3_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("s3://b", S3Address("b")),
        ("s3://b/", S3Address("b")),
        ("s3://b/a b/%20+", S3Address("b", "a b/%20+")),
        ("s3://b//x", S3Address("b", "/x")),
        ("s3://tenant:b/x", S3Address("tenant:b", "x")),
        ("file:///data/a%20b", LocalAddress(Path("/data/a b"))),
        ("file://localhost/data", LocalAddress(Path("/data"))),
        ("/data", LocalAddress(Path("/data"))),
        ("reports/x", LocalAddress(Path("/srv/work/reports/x"))),
        (".", LocalAddress(Path("/srv/work"))),
    ],
)
def test_addresses_are_read(text: str, address: Address) -> None:
    assert parse_address(text, folder=FOLDER) == address


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", ""),
        ("s3://", ""),
        ("s3:///key", ""),
        ("s3://a b/x", ""),
        ("s3://../x", ""),
        ("s3://arn:aws:s3:::b/x", "plain name"),
        ("arn:aws:s3:::b", "s3://NAME"),
        ("https://b.example", ""),
        ("file://otherhost/data", ""),
        ("file:", ""),
        ("file:data", ""),
    ],
)
def test_what_is_no_address_is_named(text: str, hint: str) -> None:
    with pytest.raises(AddressError, match="expected") as caught:
        parse_address(text, folder=FOLDER)
    assert hint in caught.value.hint
    assert f"`{text}`" in caught.value.message


@pytest.mark.parametrize("text", ["b", "/data", "file:///data", "S3://b", "arn:aws:s3:::b"])
def test_a_source_is_an_s3_address_and_nothing_else(text: str) -> None:
    with pytest.raises(AddressError, match=r"expected s3://bucket\[/prefix\]"):
        parse_s3_address(text)
