"""ClickHouse inside of Python, in one session: reads statements and questions from the file that its first argument
names, and writes rows to the second. Runs in the engines' environment, without the project's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from chdb.session import Session


def main() -> None:
    """Answer everything."""
    questions, answers = map(Path, sys.argv[1:])
    with Session(str(Path.cwd() / "clickhouse")) as session:
        session.query("SET output_format_json_quote_64bit_integers = 0")
        found = []
        for asked in json.loads(questions.read_text()):
            for statement in asked["statements"]:
                session.query(statement)
            lines = session.query(asked["question"], "JSONEachRow").bytes().decode().splitlines()
            found.append([json.loads(line) for line in lines])
    answers.write_text(json.dumps(found))


main()
