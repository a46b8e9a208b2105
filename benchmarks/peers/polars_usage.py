"""Plain polars: the usage of Parquet files, by a lazy GROUP BY for each dimension, all of them streamed at once.

    python polars_usage.py cube|prefix MOMENT FILE...

It prints objects and bytes of each value, and of each of the first folders.
"""

import json
import sys
from datetime import datetime, timedelta

import polars as pl

asked, moment, *files = sys.argv[1:]
taken = datetime.fromisoformat(moment)
c = pl.col
DAYS = (1, 7, 30, 90, 180, 365, 730, 1095, 1826, 2557, 3652)
BYTES = (1, 2**10, 2**14, 2**17, 2**20, 2**24, 2**27, 2**30, 5 * 2**30, 100 * 2**30)


def bucket(conditions: list[pl.Expr]) -> pl.Expr:
    found: pl.Expr = pl.lit(len(conditions))
    for place in range(len(conditions) - 1, -1, -1):
        found = pl.when(conditions[place]).then(place).otherwise(found)
    return found


DIMENSIONS = {
    "class": c.storage_class,
    "age": bucket([c.last_modified_date > taken - timedelta(days=days) for days in DAYS]),
    "size": bucket([c.size < end for end in BYTES]),
    "extension": c.key.str.extract(r"[^/]\.([A-Za-z0-9]{1,10})$").str.to_lowercase(),
    "owner": c.object_owner,
    "encryption": c.encryption_status,
    "version-state": pl.when(c.is_delete_marker)
    .then(pl.lit("delete marker"))
    .when(c.is_latest)
    .then(pl.lit("current"))
    .otherwise(pl.lit("noncurrent")),
}
if asked == "prefix":
    DIMENSIONS = {}
rows = pl.scan_parquet(files).select(
    c.key.str.extract(r"^((?:[^/]*/){0,8})").alias("folder"),
    c.key.str.extract(r"^((?:[^/]*/){0,2})").alias("near"),
    "storage_class",
    "is_latest",
    "size",
    "last_modified_date",
    *(value.alias(f"{name} value") for name, value in DIMENSIONS.items()),
)
MEASURES = (
    pl.len().alias("objects"), c.size.sum().alias("bytes"),
    c.last_modified_date.min().alias("oldest"), c.last_modified_date.max().alias("newest"),
)  # fmt: skip
KEYS = ("storage_class", "is_latest")
queries = [
    rows.group_by("folder", *KEYS).agg(*MEASURES),
    *(rows.group_by("near", f"{name} value", *KEYS).agg(*MEASURES) for name in DIMENSIONS),
]
found = pl.collect_all(queries, engine="streaming")
told: dict[str, dict[str, list[int]]] = {}
for name, table in zip(("prefix", *DIMENSIONS), found, strict=True):
    key = "folder" if name == "prefix" else f"{name} value"
    for row in table.to_dicts():
        value = row[key].partition("/")[0] if name == "prefix" else str(row[key])
        counts = told.setdefault(name, {}).setdefault(value, [0, 0])
        counts[0] += row["objects"]
        counts[1] += row["bytes"]
print(json.dumps(told))
