"""Asking a report all questions at once, by DuckDB.

One scan says how much each question finds and where: each row is judged once, and rows that are
judged alike below one prefix are counted together, so that what is held is a row for each such
prefix and not for each object. What does not fit the memory limit of the query spills to a temporary
folder. Examples are fetched afterwards, by `examples.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from stocktake.analysis.audits.questions import DECODED_ACL, Question
from stocktake.analysis.query import QueryLimits, run_query
from stocktake.analysis.relation import VIEW, literal
from stocktake.analysis.report import Report
from stocktake.model.fields import BY_NAME

QUESTIONS_MAX = 62  # a bit for each in a BIGINT
PREFIXES_MAX = 10
EXAMPLES_MAX = 10
# A prefix is at most its first two folders: `logs/2026/`.
_FOLDERS = "^(?:[^/]*/){0,2}"
_FIRST_FOLDER = "^[^/]*/"
_DECODED_ACL = "decoded_acl"


@dataclass(frozen=True, slots=True)
class Share:
    """The rows below a prefix, and their bytes where the report has sizes."""

    prefix: str
    rows: int
    bytes: int | None


@dataclass(slots=True)
class Measure:
    """What one question came to. `money` is a month's; `prefixes` are the worst ones, `first` those
    that come first; `examples` are rows by AWS's names of fields.
    """

    rows: int = 0
    bytes: int = 0
    unknown: int = 0
    excused: int = 0
    money: float = 0.0
    prefixes: list[Share] = field(default_factory=list)
    first: list[str] = field(default_factory=list)
    examples: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Measured:
    """All rows of the report and their bytes (None without sizes), and each question's measure."""

    rows: int
    bytes: int | None
    measures: tuple[Measure, ...]


def measure(report: Report, questions: Sequence[Question], limits: QueryLimits) -> Measured:
    """What each of the questions, all of them asked, finds in the report.

    Raises:
        DataFileError: a data file is missing, short or damaged.
        QueryError: it takes more memory than `limits` allow.
        StoreError: the store was asked for a data file and did not give it.
    """
    assert len(questions) <= QUESTIONS_MAX
    sized = BY_NAME["Size"] in report.fields
    measures = tuple(Measure() for _ in questions)
    prefixes: dict[tuple[int, int], list[Share]] = defaultdict(list)
    rows = total = 0
    for answer in rows_of(report, _counting(questions, sized=sized), limits):
        if answer["folders"] == 0:
            rows, total = rows + answer["n"], total + answer["bytes"]
            _count(questions, measures, answer)
        else:
            share = Share(answer["prefix"], answer["n"], answer["bytes"] if sized else None)
            prefixes[answer["found"], answer["folders"]].append(share)
    for number, each in enumerate(measures):
        # By their first folder, unless that is one and the same for all.
        first, deeper = prefixes[number, 1], prefixes[number, 2]
        told = first if len(first) > 1 else deeper
        each.prefixes = sorted(told, key=lambda share: (-share.rows, share.prefix))
        each.first = [share.prefix for share in prefixes[number, 3]]
    return Measured(rows, total if sized else None, measures)


def _count(
    questions: Sequence[Question], measures: Sequence[Measure], answer: dict[str, Any]
) -> None:
    """Add rows that are judged alike to the questions whose bits are set."""
    for number, (question, each) in enumerate(zip(questions, measures, strict=True)):
        bit = 1 << number
        if answer["found"] & bit:
            each.rows += answer["n"]
            each.bytes += answer["bytes"]
        if answer["unknown"] & bit:
            each.unknown += answer["n"]
        if answer["excused"] & bit:
            each.excused += answer["n"]
        if question.money:
            each.money += answer[f"money_{number}"]


def _counting(questions: Sequence[Question], *, sized: bool) -> str:
    """The SELECT that counts: rows of `folders` 0 are all rows by how they are judged, with a bit for
    each question; the others are the worst prefixes of one or two folders, `found` being the number
    of the question, and `folders` 3 the first prefixes that hold enough examples.
    """
    priced = [number for number, question in enumerate(questions) if question.money]
    size = "CAST(coalesce(sum(bytes), 0) AS BIGINT) AS bytes"
    money = "".join(f", coalesce(sum(money_{number}), 0) AS money_{number}" for number in priced)
    return (
        f"WITH judged AS ({_judging(questions, sized=sized)}), cube AS MATERIALIZED ({_cube(questions)}),"  # noqa: S608 - our own
        f" prefixes AS ({_prefixes(len(questions), size)})"
        f" SELECT found, unknown, excused, 0 AS folders, NULL AS prefix, CAST(sum(n) AS BIGINT) AS n,"
        f" {size}{money} FROM cube GROUP BY ALL UNION ALL BY NAME (FROM prefixes QUALIFY row_number()"
        f" OVER (PARTITION BY found, folders ORDER BY n DESC, prefix) <= {PREFIXES_MAX})"
        " UNION ALL BY NAME (SELECT * REPLACE (3 AS folders) FROM prefixes WHERE folders = 2"
        f" QUALIFY sum(n) OVER (PARTITION BY found ORDER BY prefix) - n < {EXAMPLES_MAX})"
    )


def _prefixes(questions: int, size: str) -> str:
    """What each question finds below each first folder, and below each first two of them."""
    first = f"regexp_extract(prefix, {literal(_FIRST_FOLDER)})"
    return (
        f"SELECT number AS found, folders, CASE folders WHEN 1 THEN {first} ELSE prefix END AS prefix,"  # noqa: S608 - our own
        f" CAST(sum(n) AS BIGINT) AS n, {size}"
        f" FROM cube, range({questions}) AS bits(number), (VALUES (1), (2)) AS depths(folders)"
        " WHERE cube.found & (1::BIGINT << number) <> 0 GROUP BY 1, 2, 3"
    )


def _judging(questions: Sequence[Question], *, sized: bool) -> str:
    columns = ["key", f"{'size' if sized else 'NULL'} AS bytes"]
    for number, question in enumerate(questions):
        columns.append(f"({_decoded_once(question.condition)}) AS found_{number}")
        columns.append(f"({question.excuse or 'false'}) AS excused_{number}")
        if question.money:
            columns.append(f"({question.money}) AS money_{number}")
    return f"SELECT {', '.join(columns)} FROM {_source(questions)}"  # noqa: S608 - our own


def _source(questions: Sequence[Question]) -> str:
    """The rows, with what several conditions have in common reckoned once."""
    if not any(DECODED_ACL in question.condition for question in questions):
        return VIEW
    return f"(SELECT *, {DECODED_ACL} AS {_DECODED_ACL} FROM {VIEW})"  # noqa: S608 - our own


def _decoded_once(condition: str) -> str:
    return condition.replace(DECODED_ACL, _DECODED_ACL)


def _cube(questions: Sequence[Question]) -> str:
    numbers = range(len(questions))
    found = _bits(numbers, "found_{0} AND NOT excused_{0}")
    unknown = _bits(numbers, "found_{0} IS NULL AND NOT excused_{0}")
    excused = _bits(numbers, "found_{0} AND excused_{0}")
    money = "".join(
        f", sum(money_{number}) FILTER (WHERE found_{number} AND NOT excused_{number})"
        f" AS money_{number}"
        for number in numbers
        if questions[number].money
    )
    return (
        f"SELECT {found} AS found, {unknown} AS unknown, {excused} AS excused,"  # noqa: S608 - our own
        f" CASE WHEN {found} <> 0 THEN regexp_extract(key, {literal(_FOLDERS)}) END AS prefix,"
        f" count(*) AS n, sum(bytes) AS bytes{money} FROM judged GROUP BY 1, 2, 3, 4"
    )


def _bits(numbers: range, condition: str) -> str:
    """A number with a bit for each condition that is true."""
    bits = [
        f"CASE WHEN {condition.format(number)} THEN {1 << number} ELSE 0 END" for number in numbers
    ]
    return f"CAST({' | '.join(bits) or '0'} AS BIGINT)"


def rows_of(report: Report, sql: str, limits: QueryLimits) -> Iterator[dict[str, Any]]:
    """The rows of an answer by the names of its columns; for answers that are small.

    Raises:
        InventoryError: as `measure`.
    """
    with run_query(report, sql, limits=limits) as answer:
        for batch in answer.batches():
            yield from batch.to_pylist()
