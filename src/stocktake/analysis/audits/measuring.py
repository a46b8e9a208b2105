"""Asking a report all questions at once, by DuckDB.

One scan says how much each question finds and where: each row is judged once, and rows that are
judged alike below one prefix are counted together, so that what is held is a row for each such
prefix and not for each object. What each judgement says of money follows from these rows, by the
storage class. What does not fit the memory limit of the query spills to a temporary folder. Examples
are fetched afterwards, by `examples.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from stocktake.analysis.audits.questions import DECODED_ACL, Question
from stocktake.analysis.folders import first_folders
from stocktake.analysis.relation import VIEW
from stocktake.analysis.session import Session
from stocktake.model.fields import BY_NAME

QUESTIONS_MAX = 31  # two bits for each in a BIGINT
# What they say of a row; 0: the question does not find it.
_FOUND, _UNKNOWN, _EXCUSED = 1, 2, 3
PREFIXES_MAX = 10
EXAMPLES_MAX = 10
_PREFIX = first_folders("key", 2)  # such as `logs/2026/`
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


def measure(session: Session, questions: Sequence[Question]) -> Measured:
    """What each of the questions, all of them asked, finds in the one report of `session`.

    Raises:
        DataFileError: a data file is missing, short or damaged.
        QueryError: it takes more memory than the session may use.
        StoreError: the store was asked for a data file and did not give it.
    """
    assert len(questions) <= QUESTIONS_MAX
    sized = BY_NAME["Size"] in session.tables[0].fields
    measures = tuple(Measure() for _ in questions)
    prefixes: dict[tuple[int, int], list[Share]] = defaultdict(list)
    rows = total = 0
    for answer in rows_of(session, _counting(questions, sized=sized)):
        answer["bytes"] = int(answer["bytes"])  # which Arrow has no integer for
        if answer["folders"] == 0:
            rows, total = rows + answer["n"], total + answer["bytes"]
            _count(questions, measures, answer)
        else:
            share = Share(answer["prefix"], answer["n"], answer["bytes"] if sized else None)
            prefixes[answer["judgement"], answer["folders"]].append(share)
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
    """Add rows that are judged alike to the questions that say something of them."""
    for number, (question, each) in enumerate(zip(questions, measures, strict=True)):
        verdict = answer["judgement"] >> 2 * number & 3
        if verdict == _UNKNOWN:
            each.unknown += answer["n"]
        elif verdict == _EXCUSED:
            each.excused += answer["n"]
        elif verdict == _FOUND:
            each.rows += answer["n"]
            each.bytes += answer["bytes"]
            if question.money:
                each.money += answer[f"money_{number}"]


def _counting(questions: Sequence[Question], *, sized: bool) -> str:
    """The SELECT that counts: rows of `folders` 0 are all rows by how they are judged; the others are
    the worst prefixes of one or two folders, `judgement` being the number of the question, and
    `folders` 3 the first prefixes that hold enough examples.
    """
    size = "coalesce(sum(bytes), 0)::HUGEINT AS bytes"  # of more than 64 bits, it may be
    money = "".join(
        f", coalesce(sum({question.money}), 0) AS money_{number}"
        for number, question in enumerate(questions)
        if question.money
    )
    return (
        f"WITH judged AS ({_judging(questions, sized=sized)}), cube AS MATERIALIZED ({_cube(questions)}),"  # noqa: S608 - our own
        f" prefixes AS ({_prefixes(len(questions), size)})"
        " SELECT judgement, 0 AS folders, NULL AS prefix, CAST(sum(objects) AS BIGINT) AS n,"
        f" {size}{money} FROM cube GROUP BY ALL UNION ALL BY NAME (FROM prefixes QUALIFY row_number()"
        f" OVER (PARTITION BY judgement, folders ORDER BY n DESC, prefix) <= {PREFIXES_MAX})"
        " UNION ALL BY NAME (SELECT * REPLACE (3 AS folders) FROM prefixes WHERE folders = 2"
        f" QUALIFY sum(n) OVER (PARTITION BY judgement ORDER BY prefix) - n < {EXAMPLES_MAX})"
    )


def _prefixes(questions: int, size: str) -> str:
    """What each question finds below each first folder, and below each first two of them."""
    first = first_folders("prefix", 1)
    return (
        f"SELECT number AS judgement, folders, CASE folders WHEN 1 THEN {first} ELSE prefix END AS prefix,"  # noqa: S608 - our own
        f" CAST(sum(objects) AS BIGINT) AS n, {size}"
        f" FROM cube, range({questions}) AS bits(number), (VALUES (1), (2)) AS depths(folders)"
        f" WHERE cube.judgement >> CAST(2 * number AS INTEGER) & 3 = {_FOUND} GROUP BY 1, 2, 3"
    )


def _judging(questions: Sequence[Question], *, sized: bool) -> str:
    """The rows with what the questions say that are not judged together."""
    priced = any(question.money for question in questions)
    columns = ["*", f"{'size' if sized else 'NULL'} AS bytes"]
    columns.append(f"{'storage_class' if priced else 'NULL'} AS class")
    for number, question in enumerate(questions):
        if not _is_plain(question):
            columns.append(f"({_decoded_once(question.condition)}) AS found_{number}")
        if question.excuse:
            columns.append(f"({question.excuse}) AS excused_{number}")
    return f"SELECT {', '.join(columns)} FROM {_source(questions)}"  # noqa: S608 - our own


def _source(questions: Sequence[Question]) -> str:
    """The rows, with what several conditions have in common reckoned once."""
    if not any(DECODED_ACL in question.condition for question in questions):
        return VIEW
    return f"(SELECT *, {DECODED_ACL} AS {_DECODED_ACL} FROM {VIEW})"  # noqa: S608 - our own


def _decoded_once(condition: str) -> str:
    return condition.replace(DECODED_ACL, _DECODED_ACL)


def _is_plain(question: Question) -> bool:
    """Whether it can be told from a few columns in which rows its bare condition will do."""
    return question.sure is not None and not question.excuse


def _cube(questions: Sequence[Question]) -> str:
    """Rows that are judged alike, of one storage class, and, where something is found, below one prefix.

    To find a row's prefix costs as much as all conditions together: where nothing is found, it is NULL.
    """
    found = sum(_FOUND << 2 * number for number in range(len(questions)))
    return (
        "SELECT judgement, class AS storage_class,"  # noqa: S608 - our own
        f" CASE WHEN judgement & {found} <> 0 THEN {_PREFIX} END AS prefix,"
        " count(*) AS objects, sum(bytes) AS bytes FROM"
        f" (SELECT {_judgement(questions)} AS judgement, key, class, bytes FROM judged)"
        " GROUP BY ALL"
    )


def _judgement(questions: Sequence[Question]) -> str:
    """What all questions say of a row. Most rows are in no doubt, and there it is enough to ask what is found."""
    plain = [each for each in enumerate(questions) if _is_plain(each[1])]
    others = [_verdict(*each) for each in enumerate(questions) if not _is_plain(each[1])]
    if plain:
        sure = dict.fromkeys(condition for _, each in plain for condition in each.sure or ())
        whole = _together(_told(number, f"({question.condition})") for number, question in plain)
        bare = _together(
            f"CASE WHEN {question.bare} THEN {_bits(number, _FOUND)} ELSE {_bits(number, 0)} END"
            for number, question in plain
        )
        in_no_doubt = " AND ".join(sure) or "true"
        others.insert(0, f"CASE WHEN {in_no_doubt} THEN {bare} ELSE {whole} END")
    return _together(others)


def _together(verdicts: Iterable[str]) -> str:
    return " | ".join(verdicts) or _bits(0, 0)


def _verdict(number: int, question: Question) -> str:
    """What a question says of a row, in its two bits of the judgement."""
    verdict = _told(number, f"found_{number}")
    if not question.excuse:
        return verdict
    return (
        f"CASE WHEN excused_{number} THEN CASE WHEN found_{number} THEN {_bits(number, _EXCUSED)}"
        f" ELSE {_bits(number, 0)} END ELSE {verdict} END"
    )


def _told(number: int, condition: str) -> str:
    # Most rows are not found: asked first, they are not asked again.
    return (
        f"CASE WHEN NOT {condition} THEN {_bits(number, 0)} WHEN {condition} THEN {_bits(number, _FOUND)}"
        f" ELSE {_bits(number, _UNKNOWN)} END"
    )


def _bits(number: int, verdict: int) -> str:
    return f"CAST({verdict << 2 * number} AS BIGINT)"


def rows_of(session: Session, sql: str) -> Iterator[dict[str, Any]]:
    """The rows of an answer by the names of its columns; for answers that are small.

    Raises:
        InventoryError: as `measure`.
    """
    with session.run(sql) as answer:
        for batch in answer.batches():
            yield from batch.to_pylist()
