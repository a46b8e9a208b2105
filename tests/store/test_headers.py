from __future__ import annotations

import pytest

from stocktake.store.headers import read_headers


def test_only_the_last_block_of_headers_counts() -> None:
    raw = (
        b"HTTP/1.1 100 Continue\r\nETag: first\r\n\r\n"
        b"HTTP/1.1 307 Temporary Redirect\r\nx-amz-storage-class: GLACIER\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nETag: last\r\nContent-Length: 3\r\n\r\n"
    )
    assert read_headers(raw) == {b"etag": b"last", b"content-length": b"3"}
    assert (
        read_headers(raw.rstrip()) == read_headers(raw.replace(b"\r\n", b"\n")) == read_headers(raw)
    )


@pytest.mark.parametrize(
    "start", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/2 200 \r\n", b"HTTP/1.1 200 all: fine\r\n"]
)
@pytest.mark.parametrize("stop", [b"", b"\r\n", b"\r\n\r\n"])
def test_a_block_is_read_with_or_without_its_status_line_and_blank_line(
    start: bytes, stop: bytes
) -> None:
    raw = start + b"A:1\r\nb: two words \r\nC:\r\nd:\tx:y" + stop
    assert read_headers(raw) == {b"a": b"1", b"b": b"two words ", b"c": b"", b"d": b"x:y"}


def test_folded_lines_are_one_header() -> None:
    assert read_headers(b"A: one\r\n two: three\r\n\tfour\r\nB: five\r\n") == {
        b"a": b"one two: three four",
        b"b": b"five",
    }


def test_a_header_sent_twice_is_joined_unless_it_says_the_same() -> None:
    raw = b"A: 1\r\na: 2\r\nETag: x\r\netag: x\r\n"
    assert read_headers(raw) == {b"a": b"1, 2", b"etag": b"x"}


def test_lines_that_are_no_headers_are_left_out() -> None:
    assert read_headers(b"A: 1\r\nnonsense\r\nB: 2\r\n") == {b"a": b"1", b"b": b"2"}
    assert read_headers(b"") == read_headers(b"\r\n\r\n") == {}
