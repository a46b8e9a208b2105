"""The markup of a record without its texts: what the records of a page have in common, byte for byte.

Whether it is well-formed, and which column each text belongs to, the exact reader says: it is given a record with this
markup whose texts are numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from stocktake.model.errors import ServerError
from stocktake.store.pages_columns import RECORD_NAMES
from stocktake.store.pages_exact import ROOT_NAMES, parse_listing

END = b"</"
_QUOTES = (b"&quot;", b"&#34;", b'"')
_HEAD = re.compile(rb"</([A-Za-z]+)>[ \t\n]*<([A-Za-z]+)>")
_PARSED_MAX = 256


class UnusualError(Exception):
    """The page is for the exact reader."""


@dataclass(frozen=True)
class Skeleton:
    """The markup of a record, from the end tag of the record before up to its own last text."""

    behind: str  # the name of the record before
    name: str
    pieces: tuple[bytes, ...]  # in front of each text; each holds a `</`
    columns: tuple[str, ...]  # of each text: its path, or a name that is no path
    # Columns whose texts are the same in all records, and these texts, which are parts of pieces.
    fixed: tuple[tuple[str, str], ...] = ()

    @cached_property
    def markup(self) -> bytes:
        """All pieces in a row."""
        return b"".join(self.pieces)

    @cached_property
    def end_tags(self) -> int:
        """How many there are."""
        return self.markup.count(END)

    @cached_property
    def bounds(self) -> tuple[tuple[int, int], ...]:
        """Where each piece begins and where it ends: from which `</`, and how far from it."""
        bounds = []
        end_tags = 0
        for piece in self.pieces:
            bounds.append((end_tags, -piece.index(END)))
            end_tags += piece.count(END)
            bounds.append((end_tags - 1, len(piece) - piece.rindex(END)))
        return tuple(bounds)

    def with_quotes(self, e_tag: bytes) -> Skeleton:
        """This one, with the quotes around an ETag such as `e_tag` as part of the markup."""
        quote = next((q for q in _QUOTES if e_tag.startswith(q) and e_tag.endswith(q)), b"")
        if not quote or len(e_tag) < 2 * len(quote) or "ETag" not in self.columns:
            return self
        at = self.columns.index("ETag")
        pieces = [*self.pieces]
        pieces[at] += quote
        pieces[at + 1] = quote + pieces[at + 1]
        return replace(self, pieces=tuple(pieces))

    def with_texts(self, texts: Mapping[str, bytes]) -> Skeleton:
        """This one, with these texts of columns, but never the last one, as part of the markup."""
        pieces, columns, piece = [], [], b""
        for each, column in zip(self.pieces, self.columns, strict=True):
            piece += each
            if column in texts:
                piece += texts[column]
            else:
                pieces.append(piece)
                columns.append(column)
                piece = b""
        fixed = tuple((column, text.decode()) for column, text in texts.items())
        return replace(self, pieces=tuple(pieces), columns=tuple(columns), fixed=fixed)


@lru_cache(maxsize=_PARSED_MAX)
def parse_skeleton(markup: bytes, *, versions: bool) -> Skeleton:
    """The skeleton of records with this markup.

    Raises:
        UnusualError: it is not well-formed, has no key, or holds more than tags.
    """
    head = _HEAD.match(markup)
    if head is None or b"<!" in markup or b"<?" in markup:
        raise UnusualError
    behind, name = (found.decode() for found in head.groups())
    pieces = tuple(END + piece for piece in markup.split(END)[1:])
    numbers = [f"#{number}" for number in range(len(pieces))]
    record = b"".join(p + number.encode() for p, number in zip(pieces, numbers, strict=True))
    texts = _record_texts(record, behind, name, versions=versions)
    paths = {text: path for path, text in texts.items() if text}
    if not paths.keys() <= {*numbers} or "Key" not in paths.values():
        raise UnusualError
    unused = iter(numbers)
    columns = tuple(paths.get(number) or next(unused) for number in numbers)
    return Skeleton(behind, name, pieces, columns)


def _record_texts(record: bytes, behind: str, name: str, *, versions: bool) -> dict[str, str]:
    root = ROOT_NAMES[versions]
    start, end = f"<{root}><{behind}>", f"</{name}></{root}>"
    try:
        listing = parse_listing(start.encode() + record + end.encode(), versions=versions)
        names = [found for found, _ in listing.elements]
        if names != [behind, name] or not {*names} <= {*RECORD_NAMES[versions]}:
            raise UnusualError
        return listing.record_texts(listing.elements[1][1])
    except ServerError as error:
        raise UnusualError from error
