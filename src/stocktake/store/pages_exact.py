"""The exact reader of LIST answers, and the judge of the fast one: a whole XML parser, any namespace, any order.

What XML 1.0 forbids but stores send all the same (control characters in keys and continuation tokens, raw or as
references such as `&#x01;`) is read as what it says, because the key or token is exactly that character.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
from lxml import etree

from stocktake.model.errors import ServerError
from stocktake.model.fields import TEXT
from stocktake.model.xml import XmlError, parse_xml
from stocktake.store.failures import HINT_ENDPOINT
from stocktake.store.pages_columns import (
    RECORD,
    RECORD_NAMES,
    TEXT_PATHS,
    Page,
    decode_key,
    listed_batch,
)

ROOT_NAMES = {False: "ListBucketResult", True: "ListVersionsResult"}
_PATHS = frozenset(TEXT_PATHS)
_GROUPS = {path.partition("/")[0] for path in TEXT_PATHS if "/" in path}

# Forbidden characters pass the parser as private ones; where a page holds such private ones itself, none are passed.
_PRIVATE = 0x10F000
_PRIVATE_BYTES = re.compile(rb"\xf4\x8f[\x80-\x83]|&#(?:x0*10[fF]0[0-9a-fA-F]{2}|0*1110[0-9]{3});")
_FORBIDDEN = ({*range(0x20)} - {0x09, 0x0A, 0x0D}) | {0xFFFE, 0xFFFF}
_FORBIDDEN_BYTES = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")
_REFERENCE = re.compile(rb"&#(?:x([0-9a-fA-F]{1,8})|([0-9]{1,8}));")
_FROM_PRIVATE = {_PRIVATE + (code & 0xFF): code for code in _FORBIDDEN}

# For people: from a proxy that wants them to sign in, or from what is no store at all.
_WEB_PAGE = re.compile(rb"\s*<(!doctype\s+)?html\b", re.IGNORECASE)

# A parser turns a raw carriage return into a line feed; but a writer that left one in a key meant it.
_TEXT_WITH_RETURN = re.compile(rb"(?:Key|Prefix|Token|Marker)>[^<]*\r[^<]*")


@dataclass(frozen=True, slots=True)
class Listing:
    """A parsed answer to LIST: its name, and the root's children with theirs, in document order, without namespaces."""

    name: str
    elements: tuple[tuple[str, etree._Element], ...]
    private: bool  # forbidden characters stand in it as private ones

    @property
    def url_encoded(self) -> bool:
        """Whether keys are percent-encoded: only where the answer says so; some stores ignore the request for it."""
        return self.member("EncodingType") == "url"

    def member(self, name: str) -> str:
        """The text of the first child of this name; empty where there is none."""
        return next(map(self.text, self.named(name)), "")

    def named(self, name: str) -> Iterator[etree._Element]:
        """The children of this name."""
        return (child for found, child in self.elements if found == name)

    def text(self, element: etree._Element) -> str:
        """All the text of an element that holds nothing else but comments.

        Raises:
            ServerError: another element stands in it.
        """
        text = element.text or ""
        for child in element:
            if name := _name(child):
                raise ServerError(f"the listing's <{_name(element)}> holds <{name}>; expected text")
            text += child.tail or ""
        return text.translate(_FROM_PRIVATE) if self.private else text

    def record_texts(self, record: etree._Element) -> dict[str, str]:
        """The texts of one record by path.

        Raises:
            ServerError: an element stands there twice that can stand there once.
        """
        found: dict[str, str] = {}
        for path, leaf in _leaves(record):
            if path not in _PATHS:
                continue
            if path in found and path != "ChecksumAlgorithm":
                raise ServerError(f"a record of the listing holds <{path}> twice")
            text = self.text(leaf).strip('"') if path == "ETag" else self.text(leaf)
            found[path] = ",".join(filter(None, (found.get(path), text)))
        return found


def read_exact(body: bytes, *, versions: bool) -> Page:
    """The page in `body`.

    Raises:
        ServerError: no well-formed XML, another document than the listing asked for, or a value that cannot be read.
    """
    listing = parse_listing(body, versions=versions)
    records = [(name, child) for name, child in listing.elements if name in RECORD_NAMES[versions]]
    rows = [listing.record_texts(record) for _, record in records]
    texts = {path: pa.array([row.get(path) or None for row in rows], TEXT) for path in TEXT_PATHS}
    texts[RECORD] = pa.array([name for name, _ in records], TEXT)
    batch = listed_batch(texts, versions=versions, url_encoded=listing.url_encoded)
    return page_of(listing, batch)


def parse_listing(body: bytes, *, versions: bool) -> Listing:
    """The listing in `body`, whatever its namespace.

    Raises:
        ServerError: no well-formed XML, or the root is not the listing's.
    """
    expected = ROOT_NAMES[versions]
    listing = _parsed(body, expected)
    if listing.name != expected:
        hint = "the store may not list versions: inventory current objects only" if versions else ""
        raise ServerError(
            f"the store answered LIST with <{listing.name}>; expected <{expected}>",
            hint=HINT_ENDPOINT if _WEB_PAGE.match(body) else hint,
        )
    return listing


def page_of(listing: Listing, batch: pa.RecordBatch) -> Page:
    """`batch` with what the listing says beside its records.

    Raises:
        ServerError: IsTruncated is neither true nor false, KeyCount is not the number of records, or a common prefix is
            no UTF-8.
    """
    token = listing.member("NextContinuationToken") or None
    key = listing.member("NextKeyMarker") or None
    truncated = listing.member("IsTruncated").strip().lower()
    if truncated not in ("true", "false", ""):
        raise ServerError(f"the listing says IsTruncated `{truncated}`; expected true or false")
    _check_count(listing, batch.num_rows)
    return Page(
        batch=batch,
        bucket=listing.member("Name").strip() or None,
        truncated=truncated == "true" if truncated else bool(token or key),
        next_token=token,
        next_key=key,
        next_version=listing.member("NextVersionIdMarker") or None,
        common_prefixes=tuple(_common_prefixes(listing)),
    )


def _check_count(listing: Listing, records: int) -> None:
    """KeyCount is checked only where nothing is rolled up: many stores do not count common prefixes, as AWS does."""
    counted = listing.member("KeyCount").strip()
    rolled_up = listing.member("Delimiter") or any(True for _ in listing.named("CommonPrefixes"))
    if counted and not rolled_up and counted != str(records):
        raise ServerError(
            f"the listing says KeyCount `{counted}`, but {records} objects stand in it"
        )


def _common_prefixes(listing: Listing) -> Iterator[str]:
    for element in listing.named("CommonPrefixes"):
        for inner, child in _children(element):
            if inner == "Prefix":
                yield decode_key(listing.text(child), url_encoded=listing.url_encoded)


def _parsed(body: bytes, expected: str) -> Listing:
    if b"\r" in body:
        body = _TEXT_WITH_RETURN.sub(lambda found: found[0].replace(b"\r", b"&#13;"), body)
    try:
        return _listing(parse_xml(body), private=False)
    except XmlError as strict:
        error = strict
    try:
        return _listing(parse_xml(_made_private(body)), private=True)
    except XmlError:
        web_page = _WEB_PAGE.match(body)
        found = "a web page" if web_page else "damaged XML"
        raise ServerError(
            f"the store answered LIST with {found}: {error}; expected a whole <{expected}>",
            hint=HINT_ENDPOINT if web_page else "",
        ) from error


def _listing(root: etree._Element, *, private: bool) -> Listing:
    return Listing(_name(root), tuple(_children(root)), private)


def _made_private(body: bytes) -> bytes:
    def private(code: int) -> bytes:
        return chr(_PRIVATE + (code & 0xFF)).encode()

    def reference(found: re.Match[bytes]) -> bytes:
        code = int(found[1], 16) if found[1] else int(found[2])
        return private(code) if code in _FORBIDDEN else found[0]

    if _PRIVATE_BYTES.search(body) is not None:
        return body
    raw = _FORBIDDEN_BYTES.sub(lambda found: private(ord(found[0].decode())), body)
    return _REFERENCE.sub(reference, raw)


def _leaves(record: etree._Element) -> Iterator[tuple[str, etree._Element]]:
    for name, child in _children(record):
        if name in _GROUPS:
            yield from ((f"{name}/{inner}", leaf) for inner, leaf in _children(child))
        else:
            yield name, child


def _children(element: etree._Element) -> Iterator[tuple[str, etree._Element]]:
    for child in element:
        if name := _name(child):
            yield name, child


def _name(element: etree._Element) -> str:
    # As model.xml.local_name, but a page has ten thousand elements.
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
