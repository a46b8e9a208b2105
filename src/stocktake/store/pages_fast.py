"""The fast reader of LIST answers: one regular expression over all records of a page.

A store keeps to one layout of elements, so the layout is learnt from the first record, compiled, and run over the
bytes between the first record and the last. Where a record does not fit, the layout grows by what that record has
(objects with and without checksums, versions and delete markers), and what was learnt is kept for the next page.

It never guesses: the records found must tile those bytes without a gap, each character reference must be one of a known
few, and everything around the records goes through the exact parser. Whatever is unusual is left to `pages_exact`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.model.errors import ServerError
from stocktake.store.pages_columns import (
    RECORD,
    RECORD_NAMES,
    TEXT_PATHS,
    Page,
    Texts,
    listed_batch,
)
from stocktake.store.pages_exact import Listing, page_of, parse_listing

_GROWTHS_MAX = 16  # of a layout within one page
_PATTERNS_MAX = 256

_TAG = re.compile(rb"<(/?)([A-Za-z0-9._-]+)( ?/)?>([^<]*)")
_DECLARATION = re.compile(rb"<\?xml[^>?]*\?>")
_REFERENCES = {
    b"&amp;": b"&", b"&lt;": b"<", b"&gt;": b">", b"&quot;": b'"', b"&#34;": b'"', b"&apos;": b"'", b"&#39;": b"'",
    b"&#x9;": b"\t", b"&#xA;": b"\n", b"&#xD;": b"\r", b"&#9;": b"\t", b"&#10;": b"\n", b"&#13;": b"\r",
}  # fmt: skip
_REFERENCE = re.compile(b"|".join(_REFERENCES))
_QUOTES = (b"&quot;", b"&#34;", b'"')
_ANY_QUOTE = b"any"
_FORBIDDEN = bytes(code for code in range(0x20) if code not in b"\t\n")
_PARTING = b"\xff"  # a byte that no UTF-8 holds


class _UnusualError(Exception):
    """The page is for the exact reader."""


@dataclass(frozen=True, slots=True)
class Element:
    """An element of a record: its inner elements, none where it holds text, and whether each record has it.

    It may be written `<Name/>` where `empty` is set, and with both tags where `filled` is. `quote` stands on both sides
    of its text; `_ANY_QUOTE` where that differs between records.
    """

    name: bytes
    inner: tuple[Element, ...] = ()
    required: bool = True
    empty: bool = False
    filled: bool = True
    quote: bytes = b""


@dataclass(frozen=True, slots=True)
class Layout:
    """The elements of the records of a page, in their order; `spaced` when white space stands between them."""

    elements: tuple[Element, ...]
    spaced: bool


@dataclass(frozen=True, slots=True)
class _Area:
    """The bytes from the first record's start to the last one's end."""

    body: bytes
    start: int
    stop: int
    names: tuple[str, ...]  # of the records


def read_fast(body: bytes, *, versions: bool) -> Page | None:
    """The page in `body`, exactly as `read_exact` gives it, or None where only that one can tell.

    Raises:
        ServerError: a value cannot be read.
    """
    try:
        area = _record_area(body, RECORD_NAMES[versions])
        listing = _around(area, versions=versions)
        _check_characters(area)
        texts = _record_texts(area)
    except _UnusualError:
        return None
    batch = listed_batch(texts, versions=versions, url_encoded=listing.url_encoded)
    return page_of(listing, batch)


def _record_area(body: bytes, names: tuple[str, ...]) -> _Area:
    starts = [body.find(b"<%b>" % name.encode()) for name in names]
    start = min((at for at in starts if at >= 0), default=-1)
    stop = max(body.rfind(b"</%b>" % name.encode()) for name in names)
    if start < 0 or stop < start:
        raise _UnusualError
    return _Area(body, start, body.index(b">", stop) + 1, names)


def _around(area: _Area, *, versions: bool) -> Listing:
    """What stands around the records, parsed exactly, with one empty record in their place.

    Where that one is no child of the root, the records are none either: they stand in a comment or somewhere else.
    """
    head, tail = area.body[: area.start], area.body[area.stop :]
    declaration = _DECLARATION.match(head)
    told = declaration[0].lower() if declaration else b""
    if b"encoding" in told and b"utf-8" not in told:
        raise _UnusualError
    try:
        listing = parse_listing(
            b"%b<%b/>%b" % (head, area.names[0].encode(), tail), versions=versions
        )
    except ServerError as error:
        raise _UnusualError from error
    if sum(name in area.names for name, _ in listing.elements) != 1:
        raise _UnusualError
    return listing


def _check_characters(area: _Area) -> None:
    """Nothing stands there that a parser would refuse or change."""
    body, start, stop = area.body, area.start, area.stop
    codes = pa.Array.from_buffers(pa.uint8(), len(body), [None, pa.py_buffer(body)])
    if pc.min_max(codes.slice(start, stop - start))["min"].as_py() < ord(" "):
        records = body[start:stop]
        if len(records.translate(None, _FORBIDDEN)) < len(records):
            raise _UnusualError
    if b"]" in body and b"]]>" in body:
        raise _UnusualError
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise _UnusualError from error
        if b"\xef\xbf\xbe" in body or b"\xef\xbf\xbf" in body:
            raise _UnusualError


# Names of records -> the layout that fitted the page before.
_latest: dict[tuple[str, ...], Layout] = {}


def _record_texts(area: _Area) -> Texts:
    if (latest := _latest.get(area.names)) is not None:
        with suppress(_UnusualError):
            return _matched(area, latest)
    return _matched(area, _learnt(area, area.start))


def _matched(area: _Area, layout: Layout) -> Texts:
    for _ in range(_GROWTHS_MAX):
        pattern, paths = _compiled(layout, area.names)
        found = pattern.findall(area.body, area.start, area.stop)
        # findall gives bare texts, not tuples, for a pattern with one group.
        columns = [found] if len(paths) == 1 else list(zip(*found, strict=True))
        texts: Texts = dict(zip(paths, columns, strict=True))
        # A record that does not fit matches too, with all its groups empty; and every record has a key.
        if b"" not in texts["Key"]:
            _latest[area.names] = layout
            return texts if _only_quotes(area, layout, texts) else _dereferenced(texts)
        layout = _widened(layout, _learnt(area, _first_misfit(pattern, area)))
    raise _UnusualError


def _only_quotes(area: _Area, layout: Layout, texts: Texts) -> bool:
    """Whether all character references are the quotes that the expression itself has taken away."""
    e_tags = texts.get("ETag", ())
    escaped = any(each.name == b"ETag" and each.quote.startswith(b"&") for each in layout.elements)
    quotes = 2 * (len(e_tags) - e_tags.count(b"")) if escaped else 0
    return area.body.count(b"&", area.start, area.stop) == quotes


def _dereferenced(texts: Texts) -> Texts:
    plain: dict[str, Sequence[bytes]] = {}
    for path, column in texts.items():
        joined = _PARTING.join(column)
        if b"&" in joined:
            if len(_REFERENCE.findall(joined)) != joined.count(b"&"):
                raise _UnusualError
            joined = _REFERENCE.sub(lambda found: _REFERENCES[found[0]], joined)
            plain[path] = joined.split(_PARTING)
        else:
            plain[path] = column
    return plain


def _first_misfit(pattern: re.Pattern[bytes], area: _Area) -> int:
    at = area.start
    while (found := pattern.match(area.body, at, area.stop)) is not None and found["Key"]:
        at = found.end()
    return at


def _learnt(area: _Area, at: int) -> Layout:
    """The layout of the record that begins at `at`."""
    # The open elements: name, inner elements so far, text before those.
    stack: list[tuple[bytes, list[Element], bytes]] = []
    spaced = False
    for tag in _TAG.finditer(area.body, at, area.stop):
        closing, name, empty, behind = tag.groups()
        if tag.start() != at or not (stack or name.decode() in area.names):
            break
        at = tag.end()
        if not closing and not empty:
            stack.append((name, [], behind))
            continue
        element = Element(name, empty=True, filled=False) if empty else _closed(name, stack.pop())
        spaced = spaced or bool(behind)
        if not stack:
            return Layout(element.inner, spaced)
        if any(element.name == other.name for other in stack[-1][1]):
            break
        stack[-1][1].append(element)
        spaced = spaced or bool(stack[-1][2])
    raise _UnusualError


def _closed(name: bytes, opened: tuple[bytes, list[Element], bytes]) -> Element:
    opened_name, inner, text = opened
    if opened_name != name:
        raise _UnusualError
    quote = next(
        (q for q in _QUOTES if text.startswith(q) and text.endswith(q) and len(text) >= 2 * len(q)),
        b"",
    )
    return Element(name, tuple(inner), quote=quote if name == b"ETag" else b"")


def _widened(layout: Layout, other: Layout) -> Layout:
    """The layout that fits what either fits."""
    wide = Layout(_merged(layout.elements, other.elements), layout.spaced or other.spaced)
    if wide == layout:
        raise _UnusualError
    return wide


def _merged(elements: tuple[Element, ...], others: tuple[Element, ...]) -> tuple[Element, ...]:
    """Both sequences in one that keeps the order of each; what only one of them has becomes optional.

    Where neither tells which of two elements comes first, it guesses; a later record that knows better makes the page
    one for the exact reader.
    """
    merged: list[Element] = []
    names = {element.name for element in elements}
    rest = list(others)
    for element in elements:
        if all(element.name != other.name for other in rest):
            merged.append(replace(element, required=False))
            continue
        while (other := rest.pop(0)).name != element.name:
            if other.name in names:
                raise _UnusualError  # the two disagree about the order
            merged.append(replace(other, required=False))
        merged.append(_either(element, other))
    return (*merged, *(replace(other, required=False) for other in rest))


def _either(element: Element, other: Element) -> Element:
    return Element(
        element.name,
        _merged(element.inner, other.inner)
        if element.filled and other.filled
        else element.inner or other.inner,
        required=element.required and other.required,
        empty=element.empty or other.empty,
        filled=element.filled or other.filled,
        quote=element.quote if element.quote == other.quote else _ANY_QUOTE,
    )


@lru_cache(maxsize=_PATTERNS_MAX)
def _compiled(layout: Layout, names: tuple[str, ...]) -> tuple[re.Pattern[bytes], tuple[str, ...]]:
    """The expression for one record and the gap behind it, and the paths of what its groups hold.

    A match ends where the next record begins or the area ends, so as many matches as there are records tile the area.
    """
    gap = rb"[ \t\n]*" if layout.spaced else b""
    paths: list[str] = [RECORD] if len(names) > 1 else []
    any_name = "|".join(names).encode()
    inner = b"".join(_expression(element, "", gap, paths) for element in layout.elements)
    if "Key" not in paths:
        raise _UnusualError
    opening, closing = (b"(" + any_name + b")", rb"\1") if len(names) > 1 else (any_name, any_name)
    rest = rb"%b%b</%b>%b(?=<(?:%b)>|\Z)" % (gap, inner, closing, gap, any_name)
    return re.compile(b"<%b>(?:%b|)" % (opening, rest)), tuple(paths)


def _expression(element: Element, parent: str, gap: bytes, paths: list[str]) -> bytes:
    path, name = parent + element.name.decode(), re.escape(element.name)
    if path in TEXT_PATHS and element.inner:
        raise _UnusualError
    content = _UNUSED_TEXT
    if element.inner:
        content = gap + b"".join(
            _expression(each, f"{path}/", gap, paths) for each in element.inner
        )
    elif path in TEXT_PATHS and element.filled:
        paths.append(path)
        content = _quoted(element.quote) if path == "ETag" else _KEY if path == "Key" else _TEXT
    whole = b"<%b>%b</%b>" % (name, content, name)
    if element.empty:
        whole = b"(?:%b|<%b ?/>)" % (whole, name) if element.filled else b"<%b ?/>" % name
    return whole + gap if element.required else b"(?:%b%b)?" % (whole, gap)


_TEXT = b"([^<]*)"
_KEY = b"(?P<Key>[^<]*)"
# Text that no column takes must still be text that a parser accepts.
_UNUSED_TEXT = b"[^<&]*(?:(?:%b)[^<&]*)*" % _REFERENCE.pattern


def _quoted(quote: bytes) -> bytes:
    if quote == _ANY_QUOTE:
        quote = b"(?:%b)?" % b"|".join(_QUOTES)
    return b'%b([^<&"]*)%b' % (quote, quote)
