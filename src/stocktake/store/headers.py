"""The raw header lines of an answer -> names and values, as HTTP means them and as stores abuse them."""

from __future__ import annotations

import re
from email.errors import HeaderParseError
from email.header import decode_header
from typing import TypeAlias

# Lower-case name -> value as sent. What was sent more than once is joined by `, `, as HTTP has it.
Headers: TypeAlias = dict[bytes, bytes]

# As fast as an expression can be where every line is a header; where one is not, the count of lines tells.
_PLAIN_LINE = re.compile(rb"(?:\A|\n)([^: \t][^:]*):[ \t]*([^\r]*)")
_LINE = re.compile(rb"^([^:\s]+):[ \t]*([^\r\n]*)", re.MULTILINE)
_FOLD = re.compile(rb"[ \t]*\r?\n[ \t]+")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_ENCODED_WORDS = re.compile(
    r"(?:=\?utf-8\?(?:b\?[a-z0-9+/]*={0,2}|q\?[!->@-~]*)\?=\s*)+", re.IGNORECASE | re.ASCII
)


def read_headers(raw: bytes) -> Headers:
    """The headers of the last block in `raw`: before it may stand `100 Continue` or a redirect."""
    told = raw.startswith(b"HTTP/")  # the status line
    headers = {
        name.lower(): value
        for name, value in _PLAIN_LINE.findall(raw, raw.find(b"\n") if told else 0)
    }
    if len(headers) + told + raw.endswith(b"\r\n\r\n") == raw.count(b"\r\n"):
        return headers
    blocks = [block for block in _BLANK_LINE.split(raw) if block.strip()]
    return _joined(_LINE.findall(_FOLD.sub(b" ", blocks[-1]))) if blocks else {}


def _joined(lines: list[tuple[bytes, bytes]]) -> Headers:
    headers: Headers = {}
    for name, value in lines:
        known = headers.setdefault(name.lower(), value)
        if value != known:
            headers[name.lower()] = known + b", " + value
    return headers


def header_text(value: bytes) -> str:
    """A header's value as text: UTF-8, or Latin-1 where it is none, which fits any bytes."""
    try:
        return value.decode().rstrip(" \t")
    except UnicodeDecodeError:
        return value.decode("latin-1").rstrip(" \t")


def metadata_text(value: bytes) -> str:
    """A value of user metadata as it was meant: AWS sends what is no ASCII as RFC 2047 words in UTF-8."""
    text = header_text(value)
    if not text.startswith("=?") or _ENCODED_WORDS.fullmatch(text) is None:
        return text
    try:
        words = decode_header(text)
        return b"".join(
            word if isinstance(word, bytes) else word.encode() for word, _ in words
        ).decode()
    except (HeaderParseError, UnicodeDecodeError, ValueError):
        return text
