"""Plain DuckDB: what differs between the Parquet files of two folders, by a full join on key and version id.

python duckdb_diff.py COLUMN,... FOLDER FOLDER
"""

import json
import sys

import duckdb

columns, *folders = sys.argv[1:]
connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")
for name, folder in zip("ab", folders, strict=True):
    connection.read_parquet(f"{folder}/*.parquet").create_view(name)
changed = " OR ".join(f"a.{column} IS DISTINCT FROM b.{column}" for column in columns.split(","))
counts = connection.sql(
    "SELECT count(*) FILTER (WHERE a.key IS NULL) AS created, count(*) FILTER (WHERE b.key IS NULL) AS deleted,"
    f" count(*) FILTER (WHERE a.key IS NOT NULL AND b.key IS NOT NULL AND ({changed})) AS changed,"
    f" count(*) FILTER (WHERE a.key IS NOT NULL AND b.key IS NOT NULL AND NOT ({changed})) AS same"
    " FROM a FULL JOIN b ON a.key = b.key AND a.version_id = b.version_id"
)
print(json.dumps(dict(zip(counts.columns, counts.fetchall()[0], strict=True))))
