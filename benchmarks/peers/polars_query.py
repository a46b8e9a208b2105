"""Plain polars: which current objects are stored in STANDARD without encryption, by expressions written by hand.

python polars_query.py SQL FILE...
"""

import json
import sys

import polars as pl

_, *files = sys.argv[1:]
c = pl.col
answer = (
    pl.scan_parquet(files)
    .filter(
        c.is_latest
        & ~c.is_delete_marker
        & (c.encryption_status == "NOT-SSE")
        & (c.storage_class == "STANDARD")
    )
    .select(
        pl.len().alias("objects"),
        c.size.sum().alias("bytes"),
        c.last_modified_date.min().dt.strftime("%Y-%m-%d %H:%M:%S+00").alias("oldest"),
    )
    .collect(engine="streaming")
)
print(json.dumps(answer.to_dicts()[0]))
