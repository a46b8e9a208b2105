"""Plain DuckDB: a question in SQL to Parquet files, which one row answers.

python duckdb_query.py SQL FILE...
"""

import json
import sys

import duckdb

sql, *files = sys.argv[1:]
connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")
connection.read_parquet(files).create_view("inventory_report")
answer = connection.sql(sql)
print(json.dumps(dict(zip(answer.columns, answer.fetchall()[0], strict=True))))
