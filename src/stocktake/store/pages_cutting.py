"""The records of some pages -> their texts, a column after the other, without a look at any single record.

The bytes are cut at every `</`, so that each piece is some markup and the text behind it: `</Key><Size>` and `17`. What
markup each record has, its skeleton, is guessed from the pages before, or else searched for. Then the markup of them
all is compared with what it should be, and where both are the same, the texts between it are taken.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.store.cutting import INT, binaries, integer, integers, offsets, ramp, split
from stocktake.store.pages_columns import RECORD_NAMES, text_buffer
from stocktake.store.pages_skeletons import END, Skeleton, UnusualError, parse_skeleton

_SKELETONS_MAX = 16  # at once
_KNOWN_MAX = 256
_PLANS_MAX = 8

# Texts that rarely are the same in all records.
_VARIED = ("Key", "VersionId", "LastModified", "ETag", "Size")
_PLAIN = re.compile(rb"[A-Za-z0-9 ._/=:-]*")


@dataclass(frozen=True, slots=True)
class Cut:
    """The texts of records."""

    starts: pa.Int32Array  # the `</` behind which each record begins
    ends: pa.Int32Array  # where each `</` stands
    names: pa.StringArray  # of the records
    columns: tuple[str, ...]
    # Those of the first column, then those of the second, and so on; null where a record has none.
    texts: pa.BinaryArray
    data: bytes  # all of these in a row; no `<` is among them
    fixed: tuple[tuple[str, str], ...]  # further columns, and the text that every record has there

    def count_before(self, place: int) -> int:
        """How many records there are before the one that begins at `place` of the bytes."""
        return bisect_left(self.starts, place, key=lambda at: self.ends[at.as_py()].as_py()) - 1


@dataclass(frozen=True, slots=True)
class _Pieces:
    """The pieces of records."""

    records: pa.Buffer
    texts: pa.BinaryArray  # without the `</`
    ends: pa.Int32Array  # where each `</` stands, that of the last record's end tag too
    rest: bytes  # of this tag

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How records are cut if they have certain skeletons."""

    starts: pa.Int32Array  # the pieces they start with
    skeleton: Skeleton | None  # of all records
    behind: pa.StringArray  # the names in the end tags of the records before
    names: pa.StringArray
    ends: pa.Int32Array  # which `</` the bounds of markup count from
    steps: pa.Int32Array  # and how far they are from it
    markup: pa.Buffer  # all of it in a row
    columns: tuple[str, ...]
    order: pa.Int32Array  # where the texts of the columns are, as markup and texts take turns


# By whether versions are listed: the latest skeleton that all records of some pages had, and those of records of all
# kinds by their signs.
_alike: dict[bool, Skeleton] = {}
_known: dict[bool, dict[int, Skeleton]] = {False: {}, True: {}}


def cut_records(records: bytes, *, versions: bool) -> Cut:
    """The texts of `records`: an end tag, and then records with nothing but white space in between. That tag is one of
    the first record's name, so that each begins behind the end of another one. Where pages meet makes no difference.

    Raises:
        UnusualError: they may not be well-formed, are too different, or too long.
    """
    pieces = _pieces(records)
    for plan in _plans(pieces, versions=versions):
        cut = _cut(pieces, plan)
        if cut is not None and pieces.rest == b"%b>" % cut.names[-1].as_py().encode():
            if plan.skeleton is not None and plan.skeleton != _alike.get(versions):
                _alike[versions] = plan.skeleton.with_texts(_same_texts(cut))
            return cut
    raise UnusualError


def _pieces(records: bytes) -> _Pieces:
    try:
        values = split(records, END.decode())
    except pa.ArrowInvalid as error:
        raise UnusualError from error
    # Nothing stands in front of the first `</`.
    ends = pc.add(offsets(values)[1:-1], ramp(len(values) - 1, len(END)))
    return _Pieces(pa.py_buffer(records), values[1:-1], ends, values[-1].as_py())


def _cut(pieces: _Pieces, plan: _Plan) -> Cut | None:
    """The texts, if the records are as planned: where a text holds markup, they have elements that the plan has not."""
    if not plan.behind[1:].equals(plan.names[:-1]):
        return None
    try:
        bounds = pc.add(pieces.ends.take(plan.ends), plan.steps)
        parts = binaries(bounds, pieces.records)
    except pa.ArrowInvalid:
        return None
    markup = parts.take(ramp(len(parts) // 2, 2))
    if not text_buffer(markup).equals(plan.markup):
        return None
    texts = parts.take(plan.order)
    data = text_buffer(texts).to_pybytes()
    if b"<" in data:
        return None
    fixed = plan.skeleton.fixed if plan.skeleton is not None else ()
    return Cut(plan.starts, pieces.ends, plan.names, plan.columns, texts, data, fixed)


def _same_texts(cut: Cut) -> dict[str, bytes]:
    """The columns, if they are often so, whose texts are all the same and simple; the last column is none of them."""
    rows = len(cut.names)
    same: dict[str, bytes] = {}
    for number, column in enumerate(cut.columns[:-1]):
        texts = cut.texts.slice(number * rows, rows)
        text = texts[0].as_py()
        if (
            column not in _VARIED
            and _PLAIN.fullmatch(text)
            and pc.all(pc.equal(texts, text)).as_py()
        ):
            same[column] = text
    return same


# --- plans -------------------------------------------------------------------------------------------------------


def _plans(pieces: _Pieces, *, versions: bool) -> Iterator[_Plan]:
    """Plans for the records, the cheap ones first."""
    if (alike := _alike.get(versions)) is not None and len(pieces) % alike.end_tags == 0:
        yield _alike_plan(alike, len(pieces) // alike.end_tags)
    starts = _starts(pieces, versions=versions)
    signs = _signs(starts, len(pieces))
    if known := _known[versions]:
        kinds = pc.index_in(signs, value_set=pa.array(known, INT))
        if not kinds.null_count:
            yield _plan([*known.values()], kinds, starts, len(pieces))
    found, kinds, e_tags = _searched(pieces, starts, versions=versions)
    quoted = [each.with_quotes(e_tag) for each, e_tag in zip(found, e_tags, strict=True)]
    for skeletons in (quoted, found):
        _remember(signs, (skeletons[kind] for kind in kinds.to_pylist()), versions=versions)
        yield _plan(skeletons, kinds, starts, len(pieces))


def _plan(
    skeletons: Sequence[Skeleton], kinds: pa.Int32Array, starts: pa.Int32Array, pieces: int
) -> _Plan:
    """The plan for records that have the skeletons of these kinds and start with these pieces."""
    if len(present := kinds.unique()) == 1:
        return _alike_plan(skeletons[present[0].as_py()], len(kinds))
    columns = tuple(dict.fromkeys(column for each in skeletons for column in each.columns))
    steps = pa.array([[step for _, step in each.bounds] for each in skeletons], pa.list_(INT))
    return _Plan(
        starts=starts,
        skeleton=None,
        behind=_spread([each.behind for each in skeletons], kinds),
        names=_spread([each.name for each in skeletons], kinds),
        ends=pc.shift_right(ramp(2 * pieces + 1), integer(1)),
        steps=pa.concat_arrays([steps.take(kinds).values, integers([0])]),
        markup=text_buffer(pa.array([each.markup for each in skeletons]).take(kinds)),
        columns=columns,
        order=_order(columns, skeletons, kinds, starts),
    )


def _spread(texts: list[str], kinds: pa.Int32Array) -> pa.StringArray:
    return pa.array(texts).take(kinds) if len({*texts}) > 1 else pa.repeat(texts[0], len(kinds))


def _order(
    columns: Sequence[str],
    skeletons: Sequence[Skeleton],
    kinds: pa.Int32Array,
    starts: pa.Int32Array,
) -> pa.Int32Array:
    """Where the texts of the columns are; null where a record's skeleton does not have the column."""
    places = [
        2 * each.columns.index(column) + 1 if column in each.columns else None
        for column in columns
        for each in skeletons
    ]
    cells = pc.add(
        _firsts(len(columns), len(kinds), len(skeletons)), _repeated(kinds, len(columns))
    )
    firsts = pc.shift_left(starts, integer(1))
    return pc.add(_repeated(firsts, len(columns)), pa.array(places, INT).take(cells))


def _repeated(numbers: pa.Int32Array, times: int) -> pa.Int32Array:
    return pa.concat_arrays([numbers] * times)


@lru_cache(maxsize=_PLANS_MAX)
def _firsts(columns: int, rows: int, kinds: int) -> pa.Int32Array:
    """For each row of each column, where the places of this column begin, which has one for each kind."""
    return pa.concat_arrays([pa.repeat(integer(column * kinds), rows) for column in range(columns)])


@lru_cache(maxsize=_PLANS_MAX)
def _alike_plan(skeleton: Skeleton, rows: int) -> _Plan:
    """The plan for records that all have this skeleton."""
    width = 2 * len(skeleton.pieces)
    row = pc.divide(ramp(rows * width), integer(width))
    in_row = integers([end for end, _ in skeleton.bounds] * rows)
    ends = pc.add(pc.multiply(row, integer(skeleton.end_tags)), in_row)
    firsts = ramp(rows, width, 1)
    return _Plan(
        starts=ramp(rows, skeleton.end_tags),
        skeleton=skeleton,
        behind=pa.repeat(skeleton.behind, rows),
        names=pa.repeat(skeleton.name, rows),
        ends=pa.concat_arrays([ends, integers([rows * skeleton.end_tags])]),
        steps=integers([step for _, step in skeleton.bounds] * rows + [0]),
        markup=pa.py_buffer(skeleton.markup * rows),
        columns=skeleton.columns,
        order=pa.concat_arrays([pc.add(firsts, integer(place)) for place in range(0, width, 2)]),
    )


# --- what records are --------------------------------------------------------------------------------------------


def _starts(pieces: _Pieces, *, versions: bool) -> pa.Int32Array:
    """Which pieces records start with: those that end the record before."""
    begin = [pc.starts_with(pieces.texts, f"{name}>") for name in RECORD_NAMES[versions]]
    return pc.indices_nonzero(begin[0] if len(begin) == 1 else pc.or_(*begin)).cast(INT)


def _signs(starts: pa.Int32Array, pieces: int) -> pa.Int32Array:
    """What tells most records apart: how many pieces they have, and how many the record before has."""
    counts = pc.subtract(pa.concat_arrays([starts[1:], integers([pieces])]), starts)
    before = pa.concat_arrays([counts[:1], counts[:-1]])
    return pc.add(pc.shift_left(before, integer(16)), counts)


def _remember(signs: pa.Int32Array, skeletons: Iterable[Skeleton], *, versions: bool) -> None:
    known = _known[versions]
    known |= zip(signs.to_pylist(), skeletons, strict=True)
    if len(known) > _KNOWN_MAX:
        known.clear()


def _searched(
    pieces: _Pieces, starts: pa.Int32Array, *, versions: bool
) -> tuple[list[Skeleton], pa.Int32Array, list[bytes]]:
    """The different skeletons, which of them each record has, and an ETag of each.

    A piece's markup is taken to go up to its last `>`; where a text holds one, no skeleton comes of it.
    """
    halves = pc.split_pattern(pieces.texts, ">", max_splits=1, reverse=True).values
    if len(halves) != 2 * len(pieces):
        raise UnusualError
    # The `</` and the `>` of each piece are in `records`, but not in `halves`.
    absent = pc.shift_right(ramp(len(halves) + 1, 1, 1), integer(1))
    bounds = pc.add(offsets(halves), pc.multiply(absent, integer(len(END) + 1)))
    parts = binaries(bounds, pieces.records)
    markup = parts.take(ramp(len(pieces), 2))
    edges = offsets(markup).take(pa.concat_arrays([starts, integers([len(pieces)])]))
    coded = binaries(edges, text_buffer(markup)).dictionary_encode()
    if len(coded.dictionary) > _SKELETONS_MAX:
        raise UnusualError
    found = [parse_skeleton(each, versions=versions) for each in coded.dictionary.to_pylist()]
    e_tags = []
    for kind, skeleton in enumerate(found):
        start = starts[pc.index(coded.indices, integer(kind)).as_py()].as_py()
        at = [start + n for n, column in enumerate(skeleton.columns) if column == "ETag"]
        e_tags.append(parts[2 * at[0] + 1].as_py() if at else b"")
    return found, coded.indices, e_tags
