"""Columns of a report within a range of keys: how they are taken, and where two of them differ. Pure.

Texts that repeat stand in dictionaries. Other columns may be in several pieces, as they were read: to put them together
would be to copy them.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_TRUE = pa.scalar(True)  # noqa: FBT003 - the value itself


def column_of(rows: pa.Table, name: str) -> Any:
    """A column as it comes; one that stands in a dictionary as one array."""
    column = rows.column(name)
    return whole(column) if pa.types.is_dictionary(column.type) else column


def whole(column: Any) -> Any:
    """A column as one array."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def text_of(column: Any) -> Any:
    """A column with every text by itself."""
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def all_of(rows: int, *, value: bool) -> Any:
    """So many flags, all alike."""
    return pa.repeat(pa.scalar(value), rows)


def count_true(flags: Any) -> int:
    """How many flags are true."""
    return int(pc.sum(flags).as_py() or 0)


def differing(a: Any, b: Any) -> Any:
    """In which rows two columns differ; NULL equals NULL, and for text the empty one. Either both stand in dictionaries
    or none does.
    """
    if pa.types.is_dictionary(a.type):
        return _differing_by_code(a, b)
    if not a.null_count and not b.null_count:
        return pc.not_equal(a, b)
    if pa.types.is_string(a.type):
        return pc.not_equal(pc.fill_null(a, ""), pc.fill_null(b, ""))
    one_is_null = pc.xor(pc.is_null(a), pc.is_null(b))
    return pc.if_else(one_is_null, _TRUE, pc.fill_null(pc.not_equal(a, b), fill_value=False))


def _differing_by_code(a: Any, b: Any) -> Any:
    """In which rows two columns differ whose texts stand in dictionaries: those are looked at whose numbers do, for a
    text may have several.
    """
    one, other = pa.chunked_array([a, b]).unify_dictionaries().chunks
    apart = differing(one.indices, other.indices)
    if not count_true(apart):
        return apart
    texts = (text_of(one.filter(apart)), text_of(other.filter(apart)))
    return pc.replace_with_mask(apart, apart, differing(*texts))
