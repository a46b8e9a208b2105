"""Plain polars: what differs between the Parquet files of two folders, by a streamed full join on key and version id.

python polars_diff.py COLUMN,... FOLDER FOLDER
"""

import json
import sys

import polars as pl

columns, *folders = sys.argv[1:]
names = columns.split(",")
identity = ["key", "version_id"]
a, b = (
    pl.scan_parquet(f"{folder}/*.parquet").select(*identity, *names, there=pl.lit(1))
    for folder in folders
)
there_a, there_b = pl.col("there").is_not_null(), pl.col("there_right").is_not_null()
changed = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_right")) for name in names)
counted = (
    a.join(b, on=identity, how="full")
    .select(
        (~there_a).sum().alias("created"),
        (~there_b).sum().alias("deleted"),
        (there_a & there_b & changed).sum().alias("changed"),
        (there_a & there_b & ~changed).sum().alias("same"),
    )
    .collect(engine="streaming")
)
print(json.dumps(counted.to_dicts()[0]))
