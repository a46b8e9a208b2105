"""Rows in no doubt are judged by an audit's bare condition: there it says what the whole one says, and never hedges."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from stocktake.analysis.audits.pack import PACK
from stocktake.analysis.audits.questions import Question, Subject, make_questions
from stocktake.analysis.relation import SQL_TYPES, literal
from stocktake.model.fields import BY_COLUMN, BY_NAME, FLAG, MOMENT, NUMBER, TEXT
from stocktake.model.prices import AWS
from tests.analysis.audits.planted import NOW, POLICY, planted_report

CERTAIN = [audit.name for audit in PACK if audit.certain is not None]
# What tells rows apart, whatever the column; NULL beside.
_VALUES = {
    TEXT: ("", "a/b", "odd"), FLAG: ("true", "false"), NUMBER: ("0", "1", "200000", "1000000000000"),
    MOMENT: ("2001-01-01 00:00:00+00", "2026-11-21 00:00:00+00", "2026-12-01 00:00:00+00", "2099-01-01 00:00:00+00"),
}  # fmt: skip
_OWN = {
    "encryption_status": ("NOT-SSE", "SSE-C", "SSE-KMS", "SSE-S3"),
    "bucket_key_status": ("ENABLED", "DISABLED"),
    "replication_status": ("FAILED", "PENDING", "COMPLETED"),
    "object_lock_mode": ("GOVERNANCE", "compliance"),
    "object_lock_legal_hold_status": ("ON", "off"),
    "checksum_algorithm": ("CRC32", "SHA256", "CRC32,SHA1", "CRC32,SHA256"),
    "storage_class": ("STANDARD", "GLACIER", "STANDARD_IA"),
    "key": ("/a", "a//b", "folder/", "x" * 1000, "e\u0301", "a\x01"),
}


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Question]:
    folder: Path = tmp_path_factory.mktemp("planted")
    report = planted_report(folder)
    subject = Subject(report.manifest, report.fields, report.sidecar)
    return {each.audit.name: each for each in make_questions(subject, POLICY, AWS, NOW)}


def rows(columns: list[str]) -> str:
    """The SELECT of every row that values of these columns make."""
    chosen = []
    for column in columns:
        kind = BY_COLUMN[column].type
        values = [literal(text) for text in (*_VALUES[kind], *_OWN.get(column, ()))]
        values += ["NULL"] * (column != "key")
        cast = f"CAST(value AS {SQL_TYPES[kind]}) AS {column}"
        chosen.append(f"(SELECT {cast} FROM (VALUES ({'), ('.join(values)})) AS given(value))")
    return f"SELECT * FROM {' CROSS JOIN '.join(chosen)}"


@pytest.mark.parametrize("name", CERTAIN)
def test_where_nothing_is_in_doubt_the_bare_condition_says_all(
    questions: dict[str, Question], name: str
) -> None:
    question = questions[name]
    assert question.sure is not None
    needed = [BY_NAME[need].column for need in question.audit.needs]
    columns = list(dict.fromkeys(("key", "encryption_status", "is_delete_marker", *needed)))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"CREATE TABLE inventory_report AS {rows(columns)}")
        in_no_doubt = " AND ".join(question.sure) or "true"
        counted = connection.sql(
            f"SELECT count(*), count(*) FILTER (condition), count(*) FILTER (NOT condition),"
            " count(*) FILTER (condition IS DISTINCT FROM bare) FROM"
            f" (SELECT ({question.condition}) AS condition, coalesce({question.bare}, false) AS bare"
            f" FROM inventory_report WHERE {in_no_doubt})"
        )
        [[every, found, others, differing]] = counted.fetchall()
    assert (every, differing) == (found + others, 0)
    assert found
    assert others
