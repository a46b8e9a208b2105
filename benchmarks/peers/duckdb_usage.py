"""Plain DuckDB: the usage of Parquet files, in one GROUP BY with a grouping set for each dimension.

    python duckdb_usage.py cube|prefix MOMENT FILE...

It prints objects and bytes of each value, and of each of the first folders.
"""

import json
import sys

import duckdb

asked, moment, *files = sys.argv[1:]
DAYS = (1, 7, 30, 90, 180, 365, 730, 1095, 1826, 2557, 3652)
BYTES = (1, 2**10, 2**14, 2**17, 2**20, 2**24, 2**27, 2**30, 5 * 2**30, 100 * 2**30)
ages = " ".join(
    f"WHEN last_modified_date > TIMESTAMPTZ '{moment}' - INTERVAL {days} DAY THEN {place}"
    for place, days in enumerate(DAYS)
)
sizes = " ".join(f"WHEN size < {end} THEN {place}" for place, end in enumerate(BYTES))
DIMENSIONS = {
    "class": "storage_class",
    "age": f"CASE {ages} ELSE {len(DAYS)} END",
    "size": f"CASE {sizes} ELSE {len(BYTES)} END",
    "extension": r"lower(regexp_extract(key, '[^/]\.([A-Za-z0-9]{1,10})$', 1))",
    "owner": "object_owner",
    "encryption": "encryption_status",
    "version-state": "CASE WHEN is_delete_marker THEN 'delete marker' WHEN is_latest THEN 'current'"
    " ELSE 'noncurrent' END",
}
if asked == "prefix":
    DIMENSIONS = {}
names = [f'"{name} value"' for name in DIMENSIONS]
columns = ", ".join(
    [
        r"regexp_extract(key, '^(?:[^/]*/){0,8}') AS folder",
        r"regexp_extract(key, '^(?:[^/]*/){0,2}') AS near",
        "storage_class, is_latest, size, last_modified_date",
        *(f"{value} AS {name}" for name, value in zip(names, DIMENSIONS.values(), strict=True)),
    ]
)
sets = ", ".join(
    [
        "(folder, storage_class, is_latest)",
        *(f"(near, {name}, storage_class, is_latest)" for name in names),
    ]
)
connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")
view = connection.read_parquet(files).project(columns)
keys = ["folder", *(["near", *names] if names else []), "storage_class", "is_latest"]
cells = connection.sql(
    f"SELECT {', '.join(keys)}, GROUPING(folder) AS broad,"
    " count(*) AS objects, sum(size) AS bytes, min(last_modified_date), max(last_modified_date)"
    f" FROM view GROUP BY GROUPING SETS ({sets})"
).to_arrow_table()
told: dict[str, dict[str, list[int]]] = {}
for row in cells.to_pylist():
    dimension = next((name for name in DIMENSIONS if row[f"{name} value"] is not None), "prefix")
    value = row["folder"].partition("/")[0] if not row["broad"] else str(row[f"{dimension} value"])
    counts = told.setdefault(dimension, {}).setdefault(value, [0, 0])
    counts[0] += row["objects"]
    counts[1] += int(row["bytes"])
print(json.dumps(told))
