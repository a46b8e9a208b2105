"""The fast reader of LIST answers: no code runs for a single record; `pages_cutting` takes the texts of all at once,
those of several pages if they are there, for every step costs much the same for a few thousand texts as for one.

It never trusts a guess: the markup between the texts must be, byte for byte, such as the exact reader has parsed
(`pages_skeletons`), no text may hold more of it, each character reference must be one of a known few, and everything
around the records goes through the exact parser. Whatever is unusual is left to `pages_exact`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.model.errors import ServerError
from stocktake.model.fields import TEXT
from stocktake.store.pages_columns import (
    RECORD,
    RECORD_NAMES,
    TEXT_PATHS,
    Page,
    Texts,
    listed_batch,
    repeated_text,
    text_buffer,
)
from stocktake.store.pages_cutting import Cut, cut_records
from stocktake.store.pages_exact import Listing, page_of, parse_listing
from stocktake.store.pages_skeletons import UnusualError

_DECLARATION = re.compile(rb"<\?xml[^>?]*\?>")
_REFERENCES = {
    "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#34;": '"', "&apos;": "'", "&#39;": "'",
    "&#x9;": "\t", "&#xA;": "\n", "&#xD;": "\r", "&#9;": "\t", "&#10;": "\n", "&#13;": "\r",
    "&amp;": "&",  # the last one, for it leaves what only looks like another
}  # fmt: skip
_FORBIDDEN = bytes(code for code in range(0x20) if code not in b"\t\n")


@dataclass(frozen=True, slots=True)
class _Area:
    """The bytes from the first record's start to the last one's end."""

    body: bytes
    start: int
    stop: int
    first: bytes  # the name of the first record

    @property
    def size(self) -> int:
        """How many they are."""
        return self.stop - self.start


def read_together(bodies: Sequence[bytes], *, versions: bool) -> list[Page] | None:
    """The pages in `bodies`, exactly as `read_exact` gives each, or None where only that one can tell.

    Raises:
        ServerError: a value cannot be read.
    """
    try:
        areas = [_record_area(body, RECORD_NAMES[versions]) for body in bodies]
        listings = [_around(area, versions=versions) for area in areas]
        if len({listing.url_encoded for listing in listings}) > 1:
            return None
        cut = cut_records(_records(areas), versions=versions)
        texts = _texts(cut)
    except UnusualError:
        return None
    batch = listed_batch(texts, versions=versions, url_encoded=listings[0].url_encoded)
    parts = _parts(batch, cut, areas)
    return [page_of(listing, part) for listing, part in zip(listings, parts, strict=True)]


def _records(areas: Sequence[_Area]) -> bytes:
    """The records of all, behind another end tag of the first one's name."""
    parts = [memoryview(area.body)[area.start : area.stop] for area in areas]
    return b"".join((b"</", areas[0].first, b">", *parts))


def _parts(batch: pa.RecordBatch, cut: Cut, areas: Sequence[_Area]) -> Iterator[pa.RecordBatch]:
    """The rows of each area, of those of all."""
    place = len(b"</>") + len(areas[0].first)
    row = 0
    for area in areas:
        place += area.size
        rows = cut.count_before(place) if area is not areas[-1] else batch.num_rows
        yield batch.slice(row, rows - row)
        row = rows


def _record_area(body: bytes, record_names: tuple[str, ...]) -> _Area:
    names = [name.encode() for name in record_names]
    starts = [(at, name) for name in names if (at := body.find(b"<%b>" % name)) >= 0]
    stop = max(body.rfind(b"</%b>" % name) for name in names)
    if not starts or stop < min(starts)[0]:
        raise UnusualError
    start, first = min(starts)
    return _Area(body, start, body.index(b">", stop) + 1, first)


def _around(area: _Area, *, versions: bool) -> Listing:
    """What stands around the records, parsed exactly, with one empty record in their place.

    Where that one is no child of the root, the records are none either: they stand in a comment or somewhere else.
    """
    names = RECORD_NAMES[versions]
    head, tail = area.body[: area.start], area.body[area.stop :]
    declaration = _DECLARATION.match(head)
    told = declaration[0].lower() if declaration else b""
    if b"encoding" in told and b"utf-8" not in told:
        raise UnusualError
    try:
        listing = parse_listing(b"%b<%b/>%b" % (head, names[0].encode(), tail), versions=versions)
    except ServerError as error:
        raise UnusualError from error
    if sum(name in names for name, _ in listing.elements) != 1:
        raise UnusualError
    return listing


def _texts(cut: Cut) -> Texts:
    """The texts by path, decoded of XML."""
    data = cut.data
    referring, quoted = b"&" in data, b'"' in data
    checked = _checked(cut.texts, data)
    empty = _empty(checked)
    rows = len(cut.names)
    texts = {RECORD: cut.names}
    for number, name in enumerate(cut.columns):
        column, gaps = (each.slice(number * rows, rows) for each in (checked, empty))
        column = _dereferenced(column) if referring else column
        if name == "ETag" and (quoted or referring):
            column = pc.ascii_trim(column, '"')
            gaps = _empty(column)
        if name in TEXT_PATHS:
            texts[name] = pc.if_else(gaps, None, column) if gaps.true_count else column
    fixed = {
        name: repeated_text(text, rows) for name, text in cut.fixed if text and name in TEXT_PATHS
    }
    return texts | fixed


def _empty(texts: pa.StringArray) -> pa.BooleanArray:
    return pc.equal(pc.binary_length(texts), pa.scalar(0, pa.int32()))


def _checked(texts: pa.BinaryArray, data: bytes) -> pa.StringArray:
    """The texts, `data` in a row, once nothing stands there that a parser would refuse or change."""
    if b"]" in data and b"]]>" in data:
        raise UnusualError
    codes = pa.Array.from_buffers(pa.uint8(), len(data), [None, pa.py_buffer(data)])
    if pc.min(codes).as_py() < ord(" ") and len(data.translate(None, _FORBIDDEN)) < len(data):
        raise UnusualError
    if data.isascii():
        return texts.view(TEXT)
    if b"\xef\xbf\xbe" in data or b"\xef\xbf\xbf" in data:
        raise UnusualError
    try:
        return texts.cast(TEXT)
    except pa.ArrowInvalid as error:
        raise UnusualError from error


def _dereferenced(texts: pa.StringArray) -> pa.StringArray:
    data = text_buffer(texts).to_pybytes()
    if b"&" not in data:
        return texts
    present = {each: character for each, character in _REFERENCES.items() if each.encode() in data}
    # Counted in each text by itself: what the end of one and the start of the next make up is no reference.
    if sum(pc.sum(pc.count_substring(texts, each)).as_py() for each in present) != data.count(b"&"):
        raise UnusualError
    for reference, character in present.items():
        texts = pc.replace_substring(texts, reference, character)
    return texts
