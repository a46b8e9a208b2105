"""Listed rows beside an earlier report's rows: whose answers can be taken over, and which of these are to be asked for
again all the same.

Both are in the order of keys, so a range of keys is read once, from front to back, in step with the listing. A row is
known again by its key, version, ETag, size and LastModified; that is all that a wrong or damaged memory can do harm
with, and what cannot be read is not remembered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.formats.ages import Ages
from stocktake.formats.ordered import OrderedFile, RowGroup
from stocktake.inventory.hashing import key_hashes
from stocktake.model.errors import DataFileError
from stocktake.model.fields import BY_COLUMN, Field, report_schema
from stocktake.model.remembering import (
    AGES_SCHEMA,
    CIRCLE,
    ENRICHED_AT,
    IDENTITY,
    KEY_HASH,
    NEVER_SILENT,
    POSTPONED,
    Memory,
    MemoryFile,
    Turn,
    remembered_fields,
    turn_of,
)
from stocktake.model.runs import Counters, InventoryRun

# As many as are listed together: more would only wait.
READ_ROWS = 8_192
# So many batches of them are held as they are.
HELD_WHOLE_MAX = 2


@dataclass(frozen=True, slots=True)
class Recalled:
    """One row for each listed one. `columns`: the remembered fields and AGES_SCHEMA, null where nothing is `known`.
    `due`: known, and to be asked for again. `tried`: asked about in vain, in the last run (true) or before it (false);
    else null.
    """

    columns: dict[str, pa.Array]
    known: pa.BooleanArray
    due: pa.BooleanArray
    tried: pa.BooleanArray


class Recollection:
    """What a memory has of the keys behind `after`, read as the listing goes on.

    Memory: for each lane a page of each column, about a MiB where its values do not repeat; a few times READ_ROWS rows,
    or as many as one key has; and a group of ages.
    """

    def __init__(self, run: InventoryRun, memory: Memory, after: str, counters: Counters) -> None:
        fields = remembered_fields(run.fields)
        versions = run.configuration.all_versions
        # Where both tell the class, one that differs is a sign that more may: a transition writes no version.
        self._also = ("storage_class",) if "storage_class" in memory.columns else ()
        self._keyed = ("key", "version_id") if versions else ("key",)
        self._names = tuple(field.column for field in fields)
        columns = dict.fromkeys((*self._keyed, *IDENTITY, *self._also, *self._names))
        self._schema = pa.schema(
            [*report_schema(BY_COLUMN[name] for name in columns), *AGES_SCHEMA]
        )
        self._rules = Rules(run, fields)
        self._batches = _Reader(memory, tuple(columns), counters).behind(after)
        self._held: deque[pa.RecordBatch] = deque()
        self._over = False

    def of(self, listed: pa.RecordBatch) -> Recalled:
        """What is remembered of `listed` (LISTED_SCHEMA, not empty), whose keys begin where the last ones ended or
        behind.
        """
        window = self._window(listed.column("key"))
        at = self._same(listed, window)
        names = (*self._names, *self._also, *AGES_SCHEMA.names)
        columns = {name: window.column(name).take(at) for name in names}
        # A row that was not answered is as good as unknown.
        known = pc.is_valid(columns[ENRICHED_AT])
        tried = pa.nulls(len(known), pa.bool_())
        if known.true_count < len(known) - at.null_count:
            tried = _tried(pc.and_not(pc.is_valid(at), known), columns[POSTPONED])
            columns = {
                name: pc.if_else(known, c, pa.scalar(None, c.type)) for name, c in columns.items()
            }
        due = self._rules.due(columns, listed)
        return Recalled(columns, known, pc.and_(known, due), tried)

    def _same(self, listed: pa.RecordBatch, window: pa.RecordBatch) -> pa.Int32Array:
        """For each listed row the place of the same object's row in `window`, null where there is none."""
        at = pc.index_in(_names_of(listed, self._keyed), value_set=_names_of(window, self._keyed))
        same = pc.is_valid(at)
        for name in IDENTITY:
            was = window.column(name).take(at)
            same = pc.and_(same, pc.fill_null(pc.equal(listed.column(name), was), False))  # noqa: FBT003
        return pc.if_else(same, at, pa.scalar(None, pa.int32()))

    def _window(self, keys: pa.StringArray) -> pa.RecordBatch:
        """The remembered rows of `keys`, which ascend, and perhaps of some keys between."""
        first, last = keys[0].as_py(), keys[-1].as_py()
        while not self._over and (not self._held or _last_key(self._held[-1]) <= last):
            batch = next(self._batches, None)
            if batch is None:
                self._over = True
            elif _last_key(batch) >= first:
                if len(self._held) >= HELD_WHOLE_MAX:
                    self._thin_out(keys)
                self._held.append(batch)
        while self._held and _last_key(self._held[0]) < first:
            self._held.popleft()
        parts = [
            batch.slice(low := _position(batch, first), _position(batch, last, behind=True) - low)
            for batch in self._held
        ]
        return pa.concat_batches(parts or [pa.RecordBatch.from_pylist([], self._schema)])

    def _thin_out(self, keys: pa.StringArray) -> None:
        """Let go of what the last batch held has of other keys than these; none of it is behind them. However many
        objects are gone between two that are there, their rows take no room.
        """
        batch = self._held.pop()
        kept = batch.filter(pc.is_in(batch.column("key"), keys))
        if kept.num_rows:
            self._held.append(kept)

    def close(self) -> None:
        """Close the files."""
        self._batches.close()


class Rules:
    """When an answer that could be taken over is asked for again."""

    def __init__(self, run: InventoryRun, fields: Sequence[Field]) -> None:
        remembering = run.remembering
        self._mutable = any(field.mutable for field in fields)
        self._passing = [field for field in fields if field.passing]
        self._turn = turn_of(remembering)
        self._oldest = (
            None
            if remembering.days_max is None
            else pa.scalar(run.moment.date() - timedelta(days=remembering.days_max), pa.date32())
        )
        # The clocks of two machines may be on both sides of midnight; a day further on, one of them was wrong.
        self._latest = pa.scalar(run.moment.date() + timedelta(days=1), pa.date32())

    def due(self, columns: dict[str, pa.Array], listed: pa.RecordBatch) -> pa.BooleanArray:
        """Whether each answer is due; never where all that is remembered is fixed for good."""
        if not self._mutable:
            return pa.repeat(pa.scalar(False), listed.num_rows)  # noqa: FBT003
        due = pc.or_(in_turn(columns[KEY_HASH], self._turn), columns[POSTPONED])
        due = pc.or_(due, pc.greater(columns[ENRICHED_AT], self._latest))
        if self._oldest is not None:
            due = pc.or_(due, pc.less_equal(columns[ENRICHED_AT], self._oldest))
        for field in self._passing:
            passing = pc.match_substring_regex(columns[field.column], field.passing)
            due = pc.or_(due, pc.fill_null(passing, False))  # noqa: FBT003
        if (was := columns.get("storage_class")) is not None:
            moved = pc.not_equal(was, listed.column("storage_class"))
            due = pc.or_(due, pc.fill_null(moved, False))  # noqa: FBT003
        return pc.fill_null(due, False)  # noqa: FBT003


def in_turn(hashes: pa.UInt32Array, turn: Turn) -> pa.BooleanArray:
    """Whether each hash is one whose turn it is."""
    if turn.width >= CIRCLE:
        return pc.is_valid(hashes)
    # Unsigned numbers go round the circle by themselves.
    behind = pc.subtract(hashes, pa.scalar(turn.first, pa.uint32()))
    return pc.less(behind, pa.scalar(turn.width, pa.uint32()))


def _tried(silent: pa.BooleanArray, postponed: pa.BooleanArray) -> pa.BooleanArray:
    """Of rows without an answer, when they were asked about in vain; null for those that never were."""
    lately = pc.fill_null(pc.invert(postponed), False)  # noqa: FBT003
    never = pc.fill_null(postponed, False)  # noqa: FBT003
    return pc.if_else(pc.and_not(silent, never), lately, pa.scalar(None, pa.bool_()))


def _names_of(rows: pa.RecordBatch, keyed: Sequence[str]) -> pa.Array:
    if len(keyed) == 1:
        return rows.column(keyed[0])
    # No key and no version id holds this character alone; what they are is compared besides.
    versions = pc.fill_null(rows.column("version_id"), "")
    return pc.binary_join_element_wise(rows.column("key"), versions, "\0")


def _last_key(batch: pa.RecordBatch) -> str:
    return str(batch.column("key")[-1].as_py())


def _position(batch: pa.RecordBatch, key: str, *, behind: bool = False) -> int:
    """Where the rows of `key` begin, or end, among those of a batch in the order of keys."""
    keys = batch.column("key")
    low, high = 0, len(keys)
    while low < high:
        middle = (low + high) // 2
        found = keys[middle].as_py()
        if found < key or (behind and found == key):
            low = middle + 1
        else:
            high = middle
    return low


# -- reading -----------------------------------------------------------------------------------------


class _Reader:
    """Reads the rows of a memory, with their ages. What cannot be read is left out, a group of rows or a file at a time
    and counted as `remembered.unreadable`.
    """

    def __init__(self, memory: Memory, columns: Sequence[str], counters: Counters) -> None:
        self._memory = memory
        self._columns = columns
        self._counters = counters

    def behind(self, after: str) -> Generator[pa.RecordBatch]:
        """The rows behind `after`, and perhaps some before."""
        for file in self._memory.files:
            if file.last_key <= after:
                continue
            with ExitStack() as doors:
                try:
                    opened = self._opened(file, doors)
                    ages = self._opened_ages(doors)
                except DataFileError:
                    self._counters["remembered.unreadable"] += file.rows
                    continue
                for group in opened.groups_behind(after):
                    yield from self._group(opened, group, ages, file.row + group.row)

    def _opened(self, file: MemoryFile, doors: ExitStack) -> OrderedFile:
        opened = doors.enter_context(closing(OrderedFile(file.path, self._columns)))
        if opened.rows != file.rows:  # then no row's age is known
            raise DataFileError(f"{file.path} has {opened.rows} rows, expected {file.rows}")
        return opened

    def _opened_ages(self, doors: ExitStack) -> Ages | None:
        path = self._memory.ages
        return None if path is None else doors.enter_context(closing(Ages(path)))

    def _group(
        self, file: OrderedFile, group: RowGroup, ages: Ages | None, row: int
    ) -> Iterator[pa.RecordBatch]:
        left = group.rows
        try:
            for batch in file.batches(group, READ_ROWS):
                columns = self._ages(batch, ages, row + group.rows - left)
                left -= batch.num_rows
                yield pa.RecordBatch.from_arrays(
                    [*batch.columns, *columns], schema=pa.schema([*batch.schema, *AGES_SCHEMA])
                )
        except DataFileError:
            self._counters["remembered.unreadable"] += left

    def _ages(self, batch: pa.RecordBatch, ages: Ages | None, row: int) -> list[pa.Array]:
        """The ages of a batch whose first row has this number in the report."""
        rows = batch.num_rows
        if ages is not None:
            found = ages.slice(row, rows)
            return [found.column(name).combine_chunks() for name in AGES_SCHEMA.names]
        day = pa.scalar(self._memory.day, pa.int32()).cast(pa.date32())
        days = pc.if_else(_answered(batch), day, pa.scalar(None, day.type))
        never = pa.repeat(pa.scalar(False), rows)  # noqa: FBT003
        return [key_hashes(batch.column("key")), days, never]


def _answered(rows: pa.RecordBatch) -> pa.BooleanArray:
    """Whether the objects of rows without ages were answered, as far as it shows."""
    answered = pa.repeat(pa.scalar(True), rows.num_rows)  # noqa: FBT003
    for name, none in NEVER_SILENT.items():
        if name in rows.schema.names:
            column = rows.column(name)
            answered = pc.and_(answered, pc.is_valid(column))
            if none:
                answered = pc.and_not(answered, pc.starts_with(column, none))
    return pc.fill_null(answered, False)  # noqa: FBT003


def nothing_recalled(listed: pa.RecordBatch) -> Recalled:
    """What a run without a memory knows of the rows."""
    no = pa.repeat(pa.scalar(False), listed.num_rows)  # noqa: FBT003
    return Recalled({}, no, no, pa.nulls(listed.num_rows, pa.bool_()))


def recollect(
    run: InventoryRun, memory: Memory | None, after: str, counters: Counters
) -> Recollection | None:
    """What `memory`, if there is one, has of the keys behind `after`."""
    return None if memory is None else Recollection(run, memory, after, counters)
