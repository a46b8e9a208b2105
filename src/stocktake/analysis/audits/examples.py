"""Fetching examples of what questions found: a few rows of each, at hardly any cost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, TypeAlias

import pyarrow as pa

from stocktake.analysis.audits.measuring import EXAMPLES_MAX, Measure, Measured, rows_of
from stocktake.analysis.audits.questions import Question
from stocktake.analysis.relation import VIEW, identifier, literal
from stocktake.analysis.session import Session
from stocktake.model.fields import BY_NAME

# Of what more than one row in so many is, the first ones are near.
SCANNED_UNDER_ONE_IN = 100
_SHOWN = ("Key", "VersionId", "Size", "LastModifiedDate", "StorageClass")
_ACL = "ObjectAccessControlList"
_DECODED = "TRY(decode(from_base64(object_access_control_list)))"
_Sought: TypeAlias = tuple[Question, Measure]


def find_examples(session: Session, questions: Sequence[Question], measured: Measured) -> None:
    """Put rows that each question finds into its measure, from below the first prefixes that hold any.

    What is found often is near where the files begin: rows are taken until there are enough, in the
    order of the files, which for most reports is that of keys. For all that is rare one scan fetches
    the rows with the least keys, and judges a row only below such a prefix.

    Raises:
        InventoryError: as `measure`.
    """
    frequent: list[_Sought] = []
    rare: list[_Sought] = []
    for question, each in zip(questions, measured.measures, strict=True):
        if each.rows:
            often = each.rows * SCANNED_UNDER_ONE_IN >= measured.rows
            (frequent if often else rare).append((question, each))
    names = {each.name for each in session.tables[0].fields}
    if frequent:
        _take_first(session, frequent, names)
    if rare:
        _take_least(session, rare, names)
    for _, each in (*frequent, *rare):
        # Rows may come in any order where several threads read them.
        each.examples = sorted(each.examples, key=_place)


def _place(row: dict[str, Any]) -> tuple[str, str]:
    return str(row["Key"]), str(row.get("VersionId") or "")


def _take_first(session: Session, sought: Sequence[_Sought], names: set[str]) -> None:
    at = [f"({_below(each.first)}) AND ({question.where})" for question, each in sought]
    needs = {need: None for question, _ in sought for need in question.audit.needs}
    columns = ", ".join(
        f"{_value(name)} AS {identifier(name)}" for name in _shown(tuple(needs), names)
    )
    found = " | ".join(
        f"CASE WHEN {condition} THEN {1 << number} ELSE 0 END"
        for number, condition in enumerate(at)
    )
    sql = f"SELECT * FROM (SELECT CAST({found} AS BIGINT) AS found, {columns} FROM {VIEW}) WHERE found <> 0"  # noqa: S608 - our own
    wanting = dict(enumerate(sought))
    with session.run(sql) as answer:
        for batch in answer.batches():
            judged = batch.column("found").to_pylist()
            for number, (question, each) in list(wanting.items()):
                places = (place for place, bits in enumerate(judged) if bits >> number & 1)
                chosen = batch.select(_shown(question.audit.needs, names))
                wanted = EXAMPLES_MAX - len(each.examples)
                each.examples += [_row(chosen, place) for place in islice(places, wanted)]
                if len(each.examples) == EXAMPLES_MAX:
                    del wanting[number]
            if not wanting:
                return


def _row(batch: pa.RecordBatch, place: int) -> dict[str, Any]:
    return batch.slice(place, 1).to_pylist()[0]  # type: ignore[no-any-return]


def _take_least(session: Session, sought: Sequence[_Sought], names: set[str]) -> None:
    order = "key || ' ' || coalesce(version_id, '')" if "VersionId" in names else "key"
    places = [_below(each.first) for _, each in sought]
    columns = []
    for number, (question, _) in enumerate(sought):
        members = (
            f"{literal(name)}: {_value(name)}" for name in _shown(question.audit.needs, names)
        )
        columns.append(
            f"arg_min({{{', '.join(members)}}}, {order}, {EXAMPLES_MAX})"
            f" FILTER (WHERE CASE WHEN {places[number]} THEN {question.where} END) AS examples_{number}"
        )
    sql = f"SELECT {', '.join(columns)} FROM {VIEW} WHERE {_among(sought)}"  # noqa: S608 - our own
    [answer] = rows_of(session, sql)
    for number, (_, each) in enumerate(sought):
        each.examples = answer[f"examples_{number}"]


def _shown(needs: Sequence[str], names: set[str]) -> list[str]:
    """What is told of an example: what everybody wants to know, and what the audit goes by."""
    shown = (*_SHOWN, *(name for name in needs if name not in _SHOWN))
    return [name for name in shown if name in names]


def _value(name: str) -> str:
    return _DECODED if name == _ACL else BY_NAME[name].column


def _among(sought: Sequence[_Sought]) -> str:
    """Whether a key can be among those that are sought; with a range of keys where there is one, so that files and row
    groups outside of it are not read.
    """
    prefixes = sorted({prefix for _, each in sought for prefix in each.first})
    if not all(prefix.endswith("/") for prefix in prefixes):
        return _below(prefixes)
    # Of `a/` and `a/b/` the first goes further: it is that of `a/c`, too.
    end = max(f"{prefix[:-1]}{chr(ord('/') + 1)}" for prefix in prefixes)
    return f"key >= {literal(prefixes[0])} AND key < {literal(end)} AND ({_below(prefixes)})"


def _below(prefixes: Sequence[str]) -> str:
    """Whether a key lies below one of these prefixes; the empty one is that of keys in no folder."""
    return " OR ".join(
        f"starts_with(key, {literal(prefix)})" if prefix else "NOT contains(key, '/')"
        for prefix in prefixes
    )
