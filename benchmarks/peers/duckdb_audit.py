"""Plain DuckDB: what audits find, counted over Parquet files by the conditions that `stocktake audit --json` told.

python duckdb_audit.py CONDITIONS.json FILE...
"""

import json
import sys
from pathlib import Path

import duckdb

conditions = json.loads(Path(sys.argv[1]).read_text())
connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")
connection.read_parquet(sys.argv[2:]).create_view("inventory_report")
columns = ", ".join(
    f"count(*) FILTER (WHERE {where}), sum(size) FILTER (WHERE {where})"
    for where in conditions.values()
)
[counts] = connection.sql(f"SELECT {columns} FROM inventory_report").fetchall()
print(json.dumps(dict(zip(conditions, counts[::2], strict=True))))
