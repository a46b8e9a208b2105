"""Spark, in one session: reads statements and questions from the file that its first argument names, and writes rows
to the second. Runs in the engines' environment, without the project's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.codegen.wholeStage": "false",  # compiling costs more than these few rows
    "spark.sql.warehouse.dir": str(Path.cwd() / "warehouse"),
    "spark.sql.catalogImplementation": "hive",
    "spark.hadoop.javax.jdo.option.ConnectionURL": "jdbc:derby:memory:metastore;create=true",
    # The two that docs/engines.md names, and a session in another zone.
    "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
    "spark.hadoopRDD.ignoreEmptySplits": "false",
    "spark.sql.session.timeZone": "America/New_York",
}


def main() -> None:
    """Answer everything, and stop."""
    questions, answers = map(Path, sys.argv[1:])
    builder = SparkSession.builder.master("local[1]")
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    found = []
    for asked in json.loads(questions.read_text()):
        for statement in asked["statements"]:
            spark.sql(statement)
        found.append([row.asDict() for row in spark.sql(asked["question"]).collect()])
    answers.write_text(json.dumps(found))
    spark.stop()


main()
