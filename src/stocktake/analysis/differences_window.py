"""What differs between two reports within one range of keys: whole columns at a time. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.analysis.differences_columns import all_of, count_true, differing, text_of, whole
from stocktake.analysis.differences_comparison import (
    CONTENT,
    LATEST,
    MARKER,
    Comparison,
)
from stocktake.analysis.differences_pairing import Kept, paired

# Their ETags are no MD5 of the content (API Reference, Object): they say nothing about a copy.
_ETAG_IS_NO_MD5 = pa.array(["SSE-KMS", "DSSE-KMS", "SSE-C"])
CONTENT_CHANGED = "content"  # among the names of columns that differ: decided by several of them
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
    pairs = paired(a, b, by_version=comparison.by_version)
    both_a, both_b = pairs.both_a, pairs.both_b
    changes, open_ = _changes(both_a, both_b, comparison)
    changed = _any_of([mask for _, mask in changes], len(both_a))
    undecided = pc.and_not(open_, changed)
    return WindowDifference(
        created=_written_out(pairs.created),
        deleted=_written_out(pairs.deleted),
        changed_a=_written_out(both_a.chosen(changed)),
        changed_b=_written_out(both_b.chosen(changed)),
        changed_columns=_names(changes, changed),
        undecided_a=_written_out(both_a.chosen(undecided)),
        undecided_b=_written_out(both_b.chosen(undecided)),
        same=len(both_a) - count_true(changed) - count_true(undecided),
        repeated_a=pairs.repeated_a,
        repeated_b=pairs.repeated_b,
    )


def _counted(rows: pa.Table, comparison: Comparison) -> pa.Table:
    """All versions, or the current objects."""
    if comparison.by_version or LATEST not in rows.column_names:
        return rows
    gone = pc.fill_null(rows.column(MARKER), fill_value=False)
    return rows.filter(pc.and_not(pc.fill_null(rows.column(LATEST), fill_value=True), gone))


def _changes(a: Kept, b: Kept, comparison: Comparison) -> tuple[list[tuple[str, Any]], Any]:
    """The columns in which some row differs, with the rows it does so in; and the rows of which nobody
    can tell, whatever the columns say.
    """
    masks = []
    for name in comparison.compared:
        columns = (a.column(name), b.column(name))
        if not columns[0].equals(columns[1]):
            masks.append((name, whole(differing(*columns))))
    if comparison.by_content:
        other_content, undecided = content_verdict(a, b)
        masks.append((CONTENT_CHANGED, other_content))
    else:
        undecided = _untold(a, comparison)
    return [(column, mask) for column, mask in masks if count_true(mask)], undecided


def _written_out(rows: pa.Table) -> pa.Table:
    """Rows with every text by itself."""
    for place, field in enumerate(rows.schema):
        if pa.types.is_dictionary(field.type):
            rows = rows.set_column(
                place, field.with_type(pa.string()), rows.column(place).cast(pa.string())
            )
    return rows


def _untold(a: Kept, comparison: Comparison) -> Any:
    if comparison.tells:
        return all_of(len(a), value=False)
    # A version is never written anew; the null version, and an object of a bucket without any, is.
    if comparison.by_version:
        return pc.equal(pc.fill_null(whole(a.column("version_id")), ""), "")
    return all_of(len(a), value=True)


def content_verdict(a: Kept, b: Kept) -> tuple[Any, Any]:
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


def _marked(rows: Kept) -> Any:
    if MARKER not in rows.column_names:
        return all_of(len(rows), value=False)
    return _sure(whole(rows.column(MARKER)))


def _content(rows: Kept, column: str) -> Any:
    if column in rows.column_names and column in CONTENT:
        return text_of(whole(rows.column(column)))
    return pa.nulls(len(rows), pa.string())


def _of_content_alone(a: Kept, b: Kept) -> Any:
    """In which rows another ETag is another content."""
    alike = all_of(len(a), value=False)
    for form in _OF_CONTENT:
        alike = pc.or_(alike, pc.and_(_has_form(a, form), _has_form(b, form)))
    return alike


def _has_form(rows: Kept, form: str) -> Any:
    own_key = pc.is_in(_content(rows, "encryption_status"), value_set=_ETAG_IS_NO_MD5)
    return pc.and_not(_sure(pc.match_substring_regex(_content(rows, "e_tag"), form)), own_key)


def _present(texts: Any) -> Any:
    return pc.not_equal(pc.fill_null(texts, ""), "")


def _has(texts: Any, part: str) -> Any:
    return _sure(pc.match_substring(texts, part))


def _sure(flags: Any) -> Any:
    return pc.fill_null(flags, fill_value=False)


def _any_of(masks: list[Any], rows: int) -> Any:
    found = all_of(rows, value=False)
    for mask in masks:
        found = pc.or_(found, mask)
    return found


def _names(changes: list[tuple[str, Any]], changed: Any) -> pa.ListArray:
    """The names of the columns that differ, for each row that is `changed`."""
    rows = count_true(changed)
    if not rows:
        return pa.array([], pa.list_(pa.string()))
    texts = [
        pc.if_else(mask.filter(changed), pa.scalar(column), pa.scalar(None, pa.string()))
        for column, mask in changes
    ]
    joined = pc.binary_join_element_wise(*texts, ",", null_handling="skip")
    return pc.split_pattern(joined, ",")
