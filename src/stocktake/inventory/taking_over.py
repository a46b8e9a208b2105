"""Rows of what listing says and an earlier report knows, before anything is asked; and what is counted of them."""

from __future__ import annotations

import sys

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.inventory.calls import call_plan
from stocktake.inventory.heading import HIDDEN, SSE_C, hides_more
from stocktake.inventory.recollection import Recalled
from stocktake.model.fields import FLAG, TEXT, report_schema
from stocktake.model.remembering import (
    AGES_SCHEMA,
    ASKED,
    DUE,
    ENRICHED_AT,
    LISTED_OR_ACL,
    LISTED_OR_HEAD,
    POSTPONED,
    TRIED_BEFORE,
    TRIED_LAST,
    WITHHELD,
    due_name,
    remembered_fields,
)
from stocktake.model.runs import Counters, InventoryRun
from stocktake.store.pages import LISTED_SCHEMA

# What listing said of a row that waits to be asked about stands beside it under these names, and by which name it is
# among those that are due; null once it was asked about.
LISTED = "listed."
WAITS_AS = "waits_as"


def spool_schema(run: InventoryRun) -> pa.Schema:
    """The rows that wait to be written: the report's columns and, where objects are asked about, how old their answers
    are; and where that may be put off, all that listing said of them, so that they can be asked about later.
    """
    columns = list(report_schema(run.fields))
    if call_plan(run.fields).asks:
        columns += AGES_SCHEMA
        if run.remembering.bounded:
            columns += [pa.field(f"{LISTED}{each.name}", each.type) for each in LISTED_SCHEMA]
            columns.append(pa.field(WAITS_AS, TEXT))
    return pa.schema(columns)


def rows_of_file(run: InventoryRun) -> int:
    """How many rows are a data file's worth, to be written at once. Those asked about later are in none before."""
    later = call_plan(run.fields).asks and run.remembering.bounded
    return sys.maxsize if later else run.limits.file_rows_max


def total(numbers: pa.Array) -> int:
    """The sum of all that are there."""
    return int(pc.sum(numbers, min_count=0).as_py())


class TakingOver:
    """How one run takes answers over."""

    def __init__(self, run: InventoryRun) -> None:
        self._run = run
        self._fields = remembered_fields(run.fields)
        self._bounded = run.remembering.bounded
        by_name = {field.name: field for field in self._fields}
        self._withheld = {
            by_name[name]: (pa.scalar(first, pa.date32()), pa.scalar(last, pa.date32()))
            for name, first, last in run.remembering.withheld
        }
        self._hides = hides_more(run) and any(
            field.column == "encryption_status" for field in self._fields
        )

    def columns(
        self, listed: pa.RecordBatch, recalled: Recalled, wanted: pa.BooleanArray
    ) -> dict[str, pa.Array]:
        """The columns of `listed` and of what is recalled of it. Rows that are `wanted` wait to be asked about."""
        columns = {name: listed.column(name) for name in listed.schema.names}
        either = (*LISTED_OR_HEAD, *LISTED_OR_ACL)
        for name, column in recalled.columns.items():
            if name in either:
                columns[name] = pc.coalesce(columns[name], column)
            elif name not in columns:
                columns[name] = column
        columns[POSTPONED] = wanted
        if self._bounded:
            tried = pc.and_(wanted, pc.is_valid(recalled.tried))
            columns[POSTPONED] = pc.if_else(tried, pa.scalar(None, FLAG), wanted)
            columns[WAITS_AS] = _waiting(recalled, wanted)
            columns |= {
                f"{LISTED}{each.name}": pc.if_else(
                    wanted, listed.column(each.name), pa.scalar(None, each.type)
                )
                for each in LISTED_SCHEMA
            }
        return columns

    @staticmethod
    def count_new(rows: int, counters: Counters) -> None:
        """Count so many rows that are asked about at once, of none of which anything is known."""
        for what in (DUE, ASKED):
            counters[f"{what}.{due_name(None)}"] += rows

    def count(
        self,
        rows: pa.RecordBatch,
        objects: pa.BooleanArray,
        wanted: pa.BooleanArray,
        counters: Counters,
    ) -> None:
        """Count what is taken over, and what is to be asked about by the day of the answer it has: `due.<day>`."""
        counters["remembered.reused"] += objects.true_count - wanted.true_count
        self._count_waiting(rows.filter(wanted), DUE, counters)
        self._count_hidden(rows, counters)

    def count_asked(
        self,
        before: pa.RecordBatch,
        after: pa.RecordBatch,
        changed: pa.BooleanArray,
        counters: Counters,
    ) -> None:
        """Count rows that were asked about: `asked.<day>` of the answer before, and `revised.<field>` where the answer
        is another one although nothing was written.
        """
        self._count_waiting(before, ASKED, counters)
        uncounted = Counters()
        self._count_hidden(before, uncounted)
        counters.subtract(uncounted)
        had, has = (pc.is_valid(rows.column(ENRICHED_AT)) for rows in (before, after))
        comparable = pc.and_not(pc.and_(had, has), changed)
        if not comparable.true_count:
            return
        for field in self._fields:
            old, new = before.column(field.column), after.column(field.column)
            same = pc.or_(
                pc.fill_null(pc.equal(old, new), False),  # noqa: FBT003
                pc.and_(pc.is_null(old), pc.is_null(new)),
            )
            if revised := pc.and_not(comparable, same).true_count:
                counters[f"revised.{field.name}"] += revised

    def _count_waiting(self, rows: pa.RecordBatch, what: str, counters: Counters) -> None:
        named = self._bounded
        names = rows.column(WAITS_AS) if named else rows.column(ENRICHED_AT).cast(pa.int32())
        for each in pc.value_counts(names).to_pylist():
            counters[f"{what}.{due_name(each['values'])}"] += each["counts"]

    def _count_hidden(self, rows: pa.RecordBatch, counters: Counters) -> None:
        """Count what is not known of rows although they have an answer."""
        if self._hides:
            status = rows.column("encryption_status")
            counters[HIDDEN] += pc.fill_null(pc.equal(status, SSE_C), False).true_count  # noqa: FBT003
        days = rows.column(ENRICHED_AT)
        for field, (first, last) in self._withheld.items():
            then = pc.and_(pc.greater_equal(days, first), pc.less_equal(days, last))
            silent = pc.and_(pc.fill_null(then, False), pc.is_null(rows.column(field.column)))  # noqa: FBT003
            counters[f"{WITHHELD}.{field.name}"] += silent.true_count


def _waiting(recalled: Recalled, wanted: pa.BooleanArray) -> pa.StringArray:
    """By which name each of the rows that are `wanted` is among those that are due."""
    new, none = pa.scalar(due_name(None), TEXT), pa.scalar(None, TEXT)
    names = pa.repeat(new, len(wanted))
    if (enriched := recalled.columns.get(ENRICHED_AT)) is not None:
        names = pc.coalesce(pc.cast(pc.cast(enriched, pa.int32()), TEXT), new)
    tried = pc.if_else(recalled.tried, TRIED_LAST, TRIED_BEFORE)
    return pc.if_else(wanted, pc.coalesce(tried, names), none)
