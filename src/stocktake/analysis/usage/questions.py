"""Making the SQL that counts the usage of a report. Pure.

One SELECT reads the report once. It makes cells, rows that are alike counted together: one for each folder, storage
class and state, and one for each folder near the root and every value. Only cells are looked at from then on: folders
and values that are too many are folded, by an order that does not depend on that of rows, and each dimension is summed
up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from stocktake.analysis.folders import first_folders
from stocktake.analysis.relation import VIEW, literal
from stocktake.model.fields import BY_NAME, TEXT
from stocktake.model.usage import (
    AGES,
    DEPTH_MAX,
    PREFIXES_MAX,
    SIZES,
    VALUE_DEPTH,
    VALUE_PREFIXES_MAX,
    VALUES_MAX,
    Bucket,
    Dimension,
    VersionState,
)

# The letters behind the last dot of a name, but not of one that begins with it; longer ones are no extension.
_EXTENSION = r"[^/]\.([A-Za-z0-9]{1,10})$"
_MEASURES = (
    "CAST(sum(objects) AS BIGINT) AS objects, CAST(sum(unsized) AS BIGINT) AS unsized,"
    " coalesce(sum(bytes), 0)::HUGEINT AS bytes, min(oldest) AS oldest, max(newest) AS newest"
)
_KEYS = "storage_class, version_state"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of the usage is kept apart: levels of folders, folders, and values of one dimension."""

    prefix_depth: int = DEPTH_MAX
    value_depth: int = VALUE_DEPTH
    prefixes_max: int = PREFIXES_MAX
    value_prefixes_max: int = VALUE_PREFIXES_MAX
    values_max: int = VALUES_MAX


def usage_sql(
    known: Sequence[str], dimensions: Sequence[Dimension], moment: datetime, bounds: Bounds
) -> str:
    """The SELECT of a usage cube's rows, of a report that can tell the fields `known`, with ages before `moment`."""
    values = _values(known, moment)
    told: dict[Dimension, str] = {
        each: values[each] for each in dimensions if each is not Dimension.PREFIX
    }
    names = _names(told)
    parts = {
        "facts": _facts(known, told, bounds),
        "cells": _cells(names),
        "folders": _folders(),
        "levels": _levels(bounds.prefix_depth),
        "kept": _kept(bounds.prefixes_max),
        "places": _places(bounds),
    }
    if told:
        parts["kept_near"] = (
            f"SELECT prefix FROM kept WHERE depth <= {bounds.value_depth}"  # noqa: S608 - our own
            f" ORDER BY place LIMIT {bounds.value_prefixes_max}"
        )
        parts["near_cells"] = _near_cells(names, bounds)
    parts |= {f"kept_{name}": _kept_values(name, bounds) for name in names}
    rows = [_prefix_rows(), *map(_value_rows, told, names)]
    return (
        f"WITH {', '.join(f'{name} AS {_how(name)} ({part})' for name, part in parts.items())}"
        f" FROM ({' UNION ALL '.join(rows)}) ORDER BY dimension, prefix, value, {_KEYS}, folded"
    )


def _how(part: str) -> str:
    """What is asked for several times is kept, and spills; the rest is many rows, each looked at once."""
    return "NOT MATERIALIZED" if part in {"facts", "levels"} else "MATERIALIZED"


def _names(told: Iterable[Dimension]) -> list[str]:
    return [each.replace("-", "_") + "_value" for each in told]


def _values(known: Sequence[str], moment: datetime) -> dict[Dimension, str]:
    """What each dimension says of a row."""
    days = [
        f"TIMESTAMPTZ '{(moment - timedelta(days=each.end)).astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00'"
        for each in AGES
        if each.end is not None
    ]
    sizes = [str(each.end) for each in SIZES if each.end is not None]
    return {
        Dimension.CLASS: _column("StorageClass", known),
        Dimension.AGE: _bucket(_column("LastModifiedDate", known), ">", days, AGES),
        Dimension.SIZE: _bucket(_column("Size", known), "<", sizes, SIZES),
        Dimension.EXTENSION: f"lower(regexp_extract(key, {literal(_EXTENSION)}, 1))",
        Dimension.OWNER: _column("ObjectOwner", known),
        Dimension.ENCRYPTION: _column("EncryptionStatus", known),
        Dimension.VERSION_STATE: _state(known),
    }


def _column(name: str, known: Sequence[str]) -> str:
    """A column's value; an empty text, which others than AWS write into ORC and Parquet, is none, as in CSV."""
    field = BY_NAME[name]
    if name not in known:
        return "NULL"
    return f"nullif({field.column}, '')" if field.type == TEXT else field.column


def _bucket(column: str, before: str, ends: Sequence[str], buckets: Sequence[Bucket]) -> str:
    if column == "NULL":
        return "NULL"
    cases = " ".join(
        f"WHEN {column} {before} {end} THEN {literal(each.name)}"
        for end, each in zip(ends, buckets, strict=False)
    )
    return f"CASE {cases} WHEN {column} IS NOT NULL THEN {literal(buckets[-1].name)} END"


def _state(known: Sequence[str]) -> str:
    cases = []
    if "IsDeleteMarker" in known:
        cases.append(f"WHEN is_delete_marker THEN '{VersionState.DELETE_MARKER}'")
    if "IsLatest" in known:
        cases.append(f"WHEN is_latest THEN '{VersionState.CURRENT}'")
        cases.append(f"WHEN NOT is_latest THEN '{VersionState.NONCURRENT}'")
    return f"CASE {' '.join(cases)} END" if cases else "NULL"


def folder_of_key(depth: int) -> str:
    """The first folders of `key`, at most `depth` of them, for depths at which most keys have no more: what stands
    before the last slash of such a key is found without a pattern. Of keys that begin with a slash DuckDB says
    otherwise.
    """
    deeper = "%/" * (depth + 1) + "%"
    return (
        f"CASE WHEN key LIKE '/%' OR key LIKE '{deeper}' THEN {first_folders('key', depth)}"
        " WHEN contains(key, '/') THEN parse_dirpath(key, 'forward_slash') || '/' ELSE '' END"
    )


def _facts(known: Sequence[str], told: Mapping[Dimension, str], bounds: Bounds) -> str:
    columns = [
        f"{folder_of_key(bounds.prefix_depth)} AS prefix",
        f"CAST({_column('StorageClass', known)} AS VARCHAR) AS storage_class",
        f"CAST({_state(known)} AS VARCHAR) AS version_state",
        f"CAST({_column('Size', known)} AS BIGINT) AS bytes",
        f"CAST({_column('LastModifiedDate', known)} AS TIMESTAMPTZ) AS modified",
    ]
    if told:
        columns.append(f"{first_folders('key', bounds.value_depth)} AS near")
    columns += [
        f"CAST({value} AS VARCHAR) AS {name}"
        for name, value in zip(_names(told), told.values(), strict=True)
    ]
    return f"SELECT {', '.join(columns)} FROM {VIEW}"  # noqa: S608 - our own


def _cells(names: Sequence[str]) -> str:
    sets = [f"(prefix, {_KEYS})"]
    columns = ["prefix", _KEYS]
    if names:
        sets.append(f"(near, {_KEYS}, {', '.join(names)})")
        columns += ["near", *names]
    return (
        f"SELECT {', '.join(columns)}, GROUPING(prefix) = 1 AS broad, count(*) AS objects,"  # noqa: S608 - our own
        " count(*) - count(bytes) AS unsized, sum(bytes) AS bytes, min(modified) AS oldest,"
        f" max(modified) AS newest FROM facts GROUP BY GROUPING SETS ({', '.join(sets)})"
    )


def _folders() -> str:
    """What lies in each folder itself, and how deep it is."""
    depth = "length(prefix) - length(replace(prefix, '/', ''))"
    return (
        f"SELECT prefix, {depth} AS depth, sum(objects) AS objects, sum(bytes) AS bytes"  # noqa: S608 - our own
        " FROM cells WHERE NOT broad GROUP BY prefix"
    )


def _above(level: int, folder: str) -> str:
    """The folder at that level at or above `folder`, a row of a table with its depth; NULL where that is less deep."""
    prefix = f"{folder}.prefix"
    return (
        f"CASE WHEN {folder}.depth > {level} THEN {first_folders(prefix, level)}"
        f" WHEN {folder}.depth = {level} THEN {prefix} END"
    )


def _levels(depth_max: int) -> str:
    """Each folder with itself and every folder above it."""
    return " UNION ALL ".join(
        f"SELECT objects, bytes, {level} AS depth, {_above(level, 'folders')} AS above"  # noqa: S608 - our own
        f" FROM folders WHERE folders.depth >= {level}"
        for level in range(depth_max + 1)
    )


def _kept(prefixes_max: int) -> str:
    """The folders that are kept apart, by their share of objects or of bytes, whichever is greater: none is before one
    above it.
    """
    share = (
        "greatest(sum(objects) / (SELECT sum(objects) FROM folders),"
        " coalesce(sum(bytes) / (SELECT nullif(sum(bytes), 0) FROM folders), 0))"
    )
    order = "share DESC, bytes DESC, depth, prefix"
    return (
        f"SELECT prefix, depth, row_number() OVER (ORDER BY {order}) AS place FROM"  # noqa: S608 - our own
        f" (SELECT above AS prefix, any_value(depth) AS depth, {share} AS share,"
        f" coalesce(sum(bytes), 0) AS bytes FROM levels GROUP BY above"
        f" ORDER BY {order} LIMIT {prefixes_max})"
    )


def _nearest(above: Mapping[int, str], kept: str) -> tuple[str, str]:
    """The expression for the deepest folder in `kept` of those `above`, by their levels, the root at last; and the
    joins that it wants.
    """
    levels = sorted(above, reverse=True)
    joins = " ".join(
        f"LEFT JOIN {kept} AS at_{level} ON at_{level}.prefix = {above[level]}" for level in levels
    )
    return f"coalesce({''.join(f'at_{level}.prefix, ' for level in levels)}'')", joins


def _places(bounds: Bounds) -> str:
    """For each folder, the nearest one that is kept."""
    levels = range(1, bounds.prefix_depth + 1)
    place, joins = _nearest({each: _above(each, "folders") for each in levels}, "kept")
    return f"SELECT folders.prefix, {place} AS place FROM folders {joins}"  # noqa: S608 - our own


def _prefix_rows() -> str:
    return (
        f"SELECT place AS prefix, '{Dimension.PREFIX}' AS dimension, CAST(NULL AS VARCHAR) AS value,"  # noqa: S608 - our own
        f" {_KEYS}, {_MEASURES}, any_value(folded) AS folded"
        " FROM cells JOIN places USING (prefix)"
        " JOIN (SELECT place, count(*) FILTER (WHERE prefix <> place) AS folded FROM places GROUP BY place)"
        " USING (place) WHERE NOT broad GROUP BY place, storage_class, version_state"
    )


def _near_cells(names: Sequence[str], bounds: Bounds) -> str:
    """The cells of values, each with the nearest folder whose values are kept apart."""
    levels = range(1, bounds.value_depth + 1)
    place, joins = _nearest({each: first_folders("near", each) for each in levels}, "kept_near")
    measures = "objects, unsized, bytes, oldest, newest"
    return f"SELECT {place} AS place, {_KEYS}, {', '.join(names)}, {measures} FROM cells {joins} WHERE broad"  # noqa: S608


def _kept_values(column: str, bounds: Bounds) -> str:
    """The values of a dimension that are kept apart: those with the most bytes, then objects."""
    return (
        f"SELECT {column} AS kept FROM near_cells WHERE {column} IS NOT NULL GROUP BY kept"  # noqa: S608 - our own
        f" ORDER BY sum(bytes) DESC NULLS LAST, sum(objects) DESC, kept LIMIT {bounds.values_max}"
    )


def _value_rows(dimension: Dimension, column: str) -> str:
    folded = f"{column} IS NOT NULL AND kept IS NULL"
    return (
        f"SELECT place AS prefix, '{dimension}' AS dimension, kept AS value, {_KEYS}, {_MEASURES},"  # noqa: S608 - our own
        f" count(DISTINCT {column}) FILTER (WHERE {folded}) AS folded"
        f" FROM near_cells LEFT JOIN kept_{column} ON kept = {column}"
        f" GROUP BY place, kept, {folded}, {_KEYS}"
    )
