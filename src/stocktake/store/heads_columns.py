"""The values of headers, cut out of many answers -> the columns of HEADS_SCHEMA.

Most headers say the same of many objects. So each column is read by the exact reader's own functions, once for every
different value. What differs from object to object, ETags, dates, sizes, versions, checksums, is read all at once where
it is as plain as it nearly always is. Each such reader gives up on what it is not sure to read as the exact one does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.model.fields import MOMENT, NUMBER, TEXT
from stocktake.store.heads_cutting import Cut, Layout
from stocktake.store.heads_exact import (
    CHECKSUMS,
    COLUMNS,
    DIGITS_MAX,
    EXPIRATION,
    METADATA,
    REPLICATION,
    Column,
    expiry,
)
from stocktake.store.moments import plain_http_moments, plain_iso_moments

_BLANKS = " \t"
_NOT_PLAIN = r'["\\\x00-\x1f]|^=\?'

# The values of the headers a column is read from, by their names in lower case.
_Values: TypeAlias = Mapping[bytes, pa.BinaryArray]
_Texts: TypeAlias = Mapping[bytes, pa.StringArray]


def read_columns(cut: Cut, layout: Layout) -> list[pa.Array]:
    """The columns of HEADS_SCHEMA but the status, for the answers of `cut`, which have this layout."""
    values = {name: cut.value(number) for number, name in enumerate(layout.headers)}
    return [
        _read(column, {name: values[name] for name in names}, len(cut.rows))
        for column, names in zip(COLUMNS, _sources(layout), strict=True)
    ]


@lru_cache(maxsize=64)
def _sources(layout: Layout) -> tuple[tuple[bytes, ...], ...]:
    """The headers of the layout that each column is read from."""
    return tuple(
        tuple(
            name
            for name in layout.headers
            if name in column.headers or (METADATA in column.headers and name.startswith(METADATA))
        )
        for column in COLUMNS
    )


def _read(column: Column, values: _Values, rows: int) -> pa.Array:
    if not values:
        return _constant(column, rows)
    if (read := _WHOLE.get(column.name)) is not None:
        texts = _texts(values)
        if texts is not None and (whole := read(texts)) is not None:
            return whole
    return _by_value(column, values)


@lru_cache(maxsize=256)
def _constant(column: Column, rows: int) -> pa.Array:
    """The column where no answer has a header of it."""
    return pa.array([column.read({})] * rows, column.kind)


def _by_value(column: Column, values: _Values) -> pa.Array:
    """The column by one look at each different combination of values."""
    codes, kinds = _distinct(values)
    read = [column.read(headers) for headers in kinds]
    return pa.array(read, column.kind).take(codes)


def _distinct(values: _Values) -> tuple[pa.Array, list[dict[bytes, bytes]]]:
    """The different combinations of values, and which of them each answer has."""
    codes: pa.Array | None = None
    kinds: list[dict[bytes, bytes]] = [{}]
    for name, column in values.items():
        coded = column.dictionary_encode()
        texts = [text.lstrip(b" \t") for text in coded.dictionary.to_pylist()]
        if codes is None:
            codes, pairs = coded.indices, [(0, own) for own in range(len(texts))]
        else:
            both = pc.add(pc.multiply(codes.cast(NUMBER), len(texts)), coded.indices.cast(NUMBER))
            joined = both.dictionary_encode()
            codes = joined.indices
            pairs = [divmod(pair, len(texts)) for pair in joined.dictionary.to_pylist()]
        kinds = [{**kinds[before], name: texts[own]} for before, own in pairs]
    return codes, kinds


def _texts(values: _Values) -> _Texts | None:
    """The values without the blanks around them; None where they are not UTF-8."""
    try:
        return {name: pc.ascii_trim(each.cast(TEXT), _BLANKS) for name, each in values.items()}
    except pa.ArrowInvalid:
        return None


# --- all at once -------------------------------------------------------------------------------------------------


def _only(texts: _Texts) -> pa.StringArray:
    [each] = texts.values()
    return each


def _numbers(texts: _Texts) -> pa.Array | None:
    digits = _only(texts)
    longest = pc.max(pc.binary_length(digits)).as_py()
    if longest > DIGITS_MAX or not pc.all(pc.ascii_is_decimal(digits)).as_py():
        return None
    return digits.cast(NUMBER)


def _e_tags(texts: _Texts) -> pa.Array | None:
    quoted = _only(texts)
    if pc.any(pc.starts_with(quoted, "W/")).as_py():
        return None
    e_tags = pc.ascii_trim(quoted, '"')
    return e_tags if pc.min(pc.binary_length(e_tags)).as_py() else None


def _lifecycle_dates(texts: _Texts) -> pa.Array | None:
    """The dates where replication failed of no object: each different value is looked up by itself."""
    replications = texts[REPLICATION].unique().to_pylist() if REPLICATION in texts else []
    if EXPIRATION not in texts or any(each.strip().upper() == "FAILED" for each in replications):
        return None
    coded = texts[EXPIRATION].dictionary_encode()
    dates = [expiry(each.encode()) for each in coded.dictionary.to_pylist()]
    return pa.array(dates, MOMENT).take(coded.indices)


def _version_ids(texts: _Texts) -> pa.Array | None:
    ids = _only(texts)
    unnamed = pc.or_(pc.equal(ids, ""), pc.equal(ids, "null"))
    return None if unnamed.true_count else ids


def _checksum_algorithms(texts: _Texts) -> pa.Array:
    names = ",".join(name for header, name in CHECKSUMS.items() if header in texts)
    return pa.repeat(pa.scalar(names, TEXT), len(next(iter(texts.values()))))


def _checksum_values(texts: _Texts) -> pa.Array:
    named = [
        pc.binary_join_element_wise(pa.scalar(name), texts[header], ":")
        for header, name in CHECKSUMS.items()
        if header in texts
    ]
    return named[0] if len(named) == 1 else pc.binary_join_element_wise(*named, ",")


def _metadata(texts: _Texts) -> pa.Array | None:
    """The JSON where nothing in it is to be escaped or decoded."""
    if any(pc.any(pc.match_substring_regex(each, _NOT_PLAIN)).as_py() for each in texts.values()):
        return None
    pieces: list[pa.Scalar | pa.StringArray] = []
    start = "{"
    for name in sorted(texts):
        pieces += [pa.scalar(f'{start}"{name[len(METADATA) :].decode()}":"'), texts[name]]
        start = '",'
    return pc.binary_join_element_wise(*pieces, pa.scalar('"}'), "")


_WHOLE: dict[str, Callable[[_Texts], pa.Array | None]] = {
    "size": _numbers,
    "last_modified_date": lambda texts: plain_http_moments(_only(texts)),
    "e_tag": _e_tags,
    "version_id": _version_ids,
    "object_lock_retain_until_date": lambda texts: plain_iso_moments(_only(texts)),
    "lifecycle_expiration_date": _lifecycle_dates,
    "checksum_algorithm": _checksum_algorithms,
    "checksum_value": _checksum_values,
    "user_metadata": _metadata,
}
