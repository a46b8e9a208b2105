"""What differs between two reports within one range of keys: whole columns at a time. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.analysis.differences_comparison import (
    CONTENT,
    LATEST,
    MARKER,
    Comparison,
)

# Their ETags are no MD5 of the content (API Reference, Object): they say nothing about a copy.
_ETAG_IS_NO_MD5 = pa.array(["SSE-KMS", "DSSE-KMS", "SSE-C"])
CONTENT_CHANGED = "content"  # among the names of columns that differ: decided by several of them
_TRUE = pa.scalar(True)  # noqa: FBT003 - the value itself
# ETags that the content alone decides, compared with those of the same form: its MD5, and the hash of its only
# part. That of several parts depends on their sizes, which no report tells.
_OF_CONTENT = ("^[0-9a-f]{32}$", "^[0-9a-f]{32}-1$")


@dataclass(frozen=True, slots=True)
class WindowDifference:
    """Rows of `a` and of `b` that differ. `changed_a` and `changed_b` are the same objects, row by row,
    and `changed_columns` names what differs (an array of lists of text); so are the two of `undecided`.
    """

    created: pa.Table
    deleted: pa.Table
    changed_a: pa.Table
    changed_b: pa.Table
    changed_columns: pa.ListArray
    undecided_a: pa.Table
    undecided_b: pa.Table
    same: int
    repeated_a: int
    repeated_b: int


def compare_window(a: pa.Table, b: pa.Table, comparison: Comparison) -> WindowDifference:
    """What `comparison` finds between `a` and `b`, which hold the same keys' rows.

    An object that a report has twice counts once, by its first row; how often is in `repeated_*`.
    """
    a, b = _counted(a, comparison), _counted(b, comparison)
    pairs = _paired(a, b, comparison)
    both_a, both_b = pairs.both_a, pairs.both_b
    changes, open_ = _changes(both_a, both_b, comparison)
    changed = _any_of([mask for _, mask in changes], len(both_a))
    undecided = pc.and_not(open_, changed)
    return WindowDifference(
        created=_written_out(pairs.created),
        deleted=_written_out(pairs.deleted),
        changed_a=_written_out(both_a.filter(changed)),
        changed_b=_written_out(both_b.filter(changed)),
        changed_columns=_names(changes, changed),
        undecided_a=_written_out(both_a.filter(undecided)),
        undecided_b=_written_out(both_b.filter(undecided)),
        same=len(both_a) - _sum(changed) - _sum(undecided),
        repeated_a=pairs.repeated_a,
        repeated_b=pairs.repeated_b,
    )


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The rows of both tables by who is the same object: `both_a` and `both_b` are, row by row."""

    both_a: pa.Table
    both_b: pa.Table
    created: pa.Table
    deleted: pa.Table
    repeated_a: int = 0
    repeated_b: int = 0


def _paired(a: pa.Table, b: pa.Table, comparison: Comparison) -> _Pairs:
    if _neighbours_alike(a) or _neighbours_alike(b):
        return _paired_by_identity(a, b, comparison)
    return _paired_by_key(a, b, comparison)


def _paired_by_key(a: pa.Table, b: pa.Table, comparison: Comparison) -> _Pairs:
    """The pairs of tables with one row a key, as most are: to compare the version ids of the same keys costs less than
    to look up both together.
    """
    keys_a, keys_b = _column(a, "key"), _column(b, "key")
    if keys_a.equals(keys_b):
        there_a, there_b = _all(len(a), value=True), _all(len(b), value=True)
    else:
        places = pc.index_in(keys_b, value_set=keys_a)
        there_a, there_b = _among(places.drop_null(), len(a)), pc.is_valid(places)
    if comparison.by_version:
        versions = (
            _column(a, "version_id").filter(there_a),
            _column(b, "version_id").filter(there_b),
        )
        same = pc.invert(differing(*versions))
        there_a = pc.replace_with_mask(there_a, there_a, same)
        there_b = pc.replace_with_mask(there_b, there_b, same)
    (both_a, deleted), (both_b, created) = _parted(a, there_a), _parted(b, there_b)
    return _Pairs(both_a, both_b, created, deleted)


def _parted(rows: pa.Table, there: Any) -> tuple[pa.Table, pa.Table]:
    """The rows that the other table has, and those that it has not."""
    if _sum(there) == len(rows):
        return rows, rows.slice(0, 0)
    return rows.filter(there), rows.filter(pc.invert(there))


def _among(places: Any, rows: int) -> Any:
    """Which of so many rows are at one of `places`."""
    return pc.is_in(pa.arange(0, rows).cast(pa.int32()), value_set=places)


def _paired_by_identity(a: pa.Table, b: pa.Table, comparison: Comparison) -> _Pairs:
    """The pairs of tables in which a key may have several rows, in either one in another order."""
    ids_a, ids_b = _identities(a, comparison), _identities(b, comparison)
    (a, ids_a, repeated_a), (b, ids_b, repeated_b) = _unique(a, ids_a), _unique(b, ids_b)
    places = pc.index_in(ids_b, value_set=ids_a)
    found = places.drop_null()
    there = _among(found, len(a))
    # To leave rows out costs less than to fetch them; versions of a key may come in another order.
    alike = pc.all(pc.less(found[:-1], found[1:])).as_py()
    both_b, created = _parted(b, pc.is_valid(places))
    return _Pairs(
        both_a=_parted(a, there)[0] if alike else a.take(found),
        both_b=both_b,
        created=created,
        deleted=a.filter(pc.invert(there)),
        repeated_a=repeated_a,
        repeated_b=repeated_b,
    )


def _neighbours_alike(rows: pa.Table) -> bool:
    """Whether a key has several rows."""
    keys = _column(rows, "key")
    return _sum(pc.equal(keys[1:], keys[:-1])) > 0


def _counted(rows: pa.Table, comparison: Comparison) -> pa.Table:
    """All versions, or the current objects."""
    rows = rows.combine_chunks()
    if comparison.by_version or LATEST not in rows.column_names:
        return rows
    gone = pc.fill_null(_column(rows, MARKER), fill_value=False)
    return rows.filter(pc.and_not(pc.fill_null(_column(rows, LATEST), fill_value=True), gone))


def _column(rows: pa.Table, name: str) -> Any:
    """A column as one array."""
    chunks = rows.column(name).chunks
    return chunks[0] if len(chunks) == 1 else rows.column(name).combine_chunks()


def _identities(rows: pa.Table, comparison: Comparison) -> Any:
    """One text for each row, the same for the same object; the null version's id is empty or NULL.

    The length ahead of a version id says where the key begins, so no two objects share a text.
    """
    keys = _column(rows, "key")
    if not comparison.by_version:
        return keys
    versions = pc.fill_null(_column(rows, "version_id"), "")
    lengths = pc.binary_length(versions).cast(pa.string())
    return pc.binary_join_element_wise(lengths, ":", versions, keys, "")


def _unique(rows: pa.Table, ids: Any) -> tuple[pa.Table, Any, int]:
    """Rows without those whose object came before. Only neighbours can share a key."""
    if not _neighbours_alike(rows):
        return rows, ids, 0
    firsts = pc.index_in(ids, value_set=ids)
    kept = pc.equal(firsts, pa.arange(0, len(ids)).cast(pa.int32()))
    return rows.filter(kept), ids.filter(kept), len(ids) - _sum(kept)


def _changes(a: pa.Table, b: pa.Table, comparison: Comparison) -> tuple[list[tuple[str, Any]], Any]:
    """The columns in which some row differs, with the rows it does so in; and the rows of which nobody
    can tell, whatever the columns say.
    """
    masks = [
        (column, differing(_column(a, column), _column(b, column)))
        for column in comparison.compared
        if not _column(a, column).equals(_column(b, column))
    ]
    if comparison.by_content:
        other_content, undecided = content_verdict(a, b)
        masks.append((CONTENT_CHANGED, other_content))
    else:
        undecided = _untold(a, comparison)
    return [(column, mask) for column, mask in masks if _sum(mask)], undecided


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
    if not _sum(apart):
        return apart
    texts = (_text(one.filter(apart)), _text(other.filter(apart)))
    return pc.replace_with_mask(apart, apart, differing(*texts))


def _text(column: Any) -> Any:
    """A column with every text by itself."""
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def _written_out(rows: pa.Table) -> pa.Table:
    """Rows with every text by itself."""
    for place, field in enumerate(rows.schema):
        if pa.types.is_dictionary(field.type):
            rows = rows.set_column(
                place, field.with_type(pa.string()), rows.column(place).cast(pa.string())
            )
    return rows


def _untold(a: pa.Table, comparison: Comparison) -> Any:
    if comparison.tells:
        return _all(len(a), value=False)
    # A version is never written anew; the null version, and an object of a bucket without any, is.
    if comparison.by_version:
        return pc.equal(pc.fill_null(_column(a, "version_id"), ""), "")
    return _all(len(a), value=True)


def content_verdict(a: pa.Table, b: pa.Table) -> tuple[Any, Any]:
    """In which rows the content of copies differs, and in which nobody can tell.

    Checksums of one algorithm decide; a checksum of parts only where it is the same. Else the same
    ETag says the same, another one says another content only where both follow from it alone: neither
    uploaded in several parts, whose size then counts, nor encrypted with a key of one's own.
    """
    tags_a, tags_b = _content(a, "e_tag"), _content(b, "e_tag")
    sums_a, sums_b = _content(a, "checksum_value"), _content(b, "checksum_value")
    algorithms = pc.equal(_content(a, "checksum_algorithm"), _content(b, "checksum_algorithm"))
    summed = _sure(pc.and_(algorithms, pc.and_(_present(sums_a), _present(sums_b))))
    same_sum = pc.and_(summed, _sure(pc.equal(sums_a, sums_b)))
    of_parts = pc.or_(_has(sums_a, "-"), _has(sums_b, "-"))
    other_sum = pc.and_not(pc.and_not(summed, same_sum), of_parts)
    same_tag = pc.and_(_present(tags_a), _sure(pc.equal(tags_a, tags_b)))
    other_tag = pc.and_not(_of_content_alone(a, b), same_tag)
    decided_by_sum = pc.or_(same_sum, other_sum)
    differs = pc.or_(other_sum, pc.and_not(other_tag, decided_by_sum))
    same = pc.or_(same_sum, pc.and_not(same_tag, decided_by_sum))
    same = pc.or_(same, pc.or_(_marked(a), _marked(b)))  # a delete marker has no content
    return pc.and_not(differs, same), pc.invert(pc.or_(differs, same))


def _marked(rows: pa.Table) -> Any:
    if MARKER not in rows.column_names:
        return _all(len(rows), value=False)
    return _sure(_column(rows, MARKER))


def _content(rows: pa.Table, column: str) -> Any:
    if column in rows.column_names and column in CONTENT:
        return _text(_column(rows, column))
    return pa.nulls(len(rows), pa.string())


def _of_content_alone(a: pa.Table, b: pa.Table) -> Any:
    """In which rows another ETag is another content."""
    alike = _all(len(a), value=False)
    for form in _OF_CONTENT:
        alike = pc.or_(alike, pc.and_(_has_form(a, form), _has_form(b, form)))
    return alike


def _has_form(rows: pa.Table, form: str) -> Any:
    own_key = pc.is_in(_content(rows, "encryption_status"), value_set=_ETAG_IS_NO_MD5)
    return pc.and_not(_sure(pc.match_substring_regex(_content(rows, "e_tag"), form)), own_key)


def _present(texts: Any) -> Any:
    return pc.not_equal(pc.fill_null(texts, ""), "")


def _has(texts: Any, part: str) -> Any:
    return _sure(pc.match_substring(texts, part))


def _sure(flags: Any) -> Any:
    return pc.fill_null(flags, fill_value=False)


def _any_of(masks: list[Any], rows: int) -> Any:
    found = _all(rows, value=False)
    for mask in masks:
        found = pc.or_(found, mask)
    return found


def _all(rows: int, *, value: bool) -> Any:
    return pa.repeat(pa.scalar(value), rows)


def _sum(flags: Any) -> int:
    return int(pc.sum(flags).as_py() or 0)


def _names(changes: list[tuple[str, Any]], changed: Any) -> pa.ListArray:
    """The names of the columns that differ, for each row that is `changed`."""
    rows = _sum(changed)
    if not rows:
        return pa.array([], pa.list_(pa.string()))
    texts = [
        pc.if_else(mask.filter(changed), pa.scalar(column), pa.scalar(None, pa.string()))
        for column, mask in changes
    ]
    joined = pc.binary_join_element_wise(*texts, ",", null_handling="skip")
    return pc.split_pattern(joined, ",")
