"""Where a run may ask about so many objects only, which of them is decided once all are listed: new and changed ones
first, then the oldest answers. So rows wait in their segments, and are asked about here.

What is decided is a function of the rows alone (model/remembering.py), however they were cut into segments and however
often the run was interrupted.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.inventory.enrichment import Enricher
from stocktake.inventory.journal import Journal
from stocktake.inventory.messages import AskAbout, AskedAbout, AskNoMore
from stocktake.inventory.processes import WorkerProcess
from stocktake.inventory.shares import LANES_PER_PROCESS_ASKING
from stocktake.inventory.spool import drop_segment, read_segment, spool_error
from stocktake.inventory.taking_over import LISTED, WAITS_AS
from stocktake.model.pieces import Segment
from stocktake.model.remembering import allot, in_bands
from stocktake.model.runs import Counters, Remembering
from stocktake.store.pages import LISTED_SCHEMA

# Rows that are asked about together: enough to keep connections busy, few enough to end soon when time is up.
ROWS_TOGETHER = 250
# After so many, a segment is kept as far as it is, so that little is lost with a killed run.
ROWS_AT_A_TIME = 20_000
# Once time is up, nothing is asked any more; what was asked by then may be answered for so long.
ANSWERED_WITHIN_S = 10.0
# Where time may run out, the oldest answers are asked for again in so many rounds.
ROUNDS = 8


class AskingLater:
    """What the parent knows of it: the `segments`, in key order, and what is still to be asked of each."""

    def __init__(
        self, remembering: Remembering, delivered: Sequence[Counters], segments: Sequence[Segment]
    ) -> None:
        self.segments = list(segments)
        pieces = [*delivered, *(segment.counters for segment in segments)]
        todo = allot(pieces, remembering.budget)[len(delivered) :]
        rounds = ROUNDS if remembering.deadline_s is not None else 1
        self._deadline_s = remembering.deadline_s
        self._rounds = deque(in_bands(todo, rounds))
        self._over = False
        self._waiting: deque[tuple[int, Counters]] = deque()
        self._under_way = 0

    def work(
        self,
        workers: Sequence[WorkerProcess],
        listen: Callable[[], None],
        now: Callable[[], datetime],
    ) -> Sequence[Segment]:
        """Have the workers ask, and `listen` to what they say, until all is asked or time is up; the segments."""
        begun = now()
        while self._waiting or self._rounds or self._under_way:
            self._give(workers)
            listen()
            if self._deadline_s is not None and (now() - begun).total_seconds() >= self._deadline_s:
                self._end(workers)
        return self.segments

    def _give(self, workers: Iterable[WorkerProcess]) -> None:
        """Give segments to the workers that have room for more."""
        for worker in workers:
            while worker.ready and worker.asking < LANES_PER_PROCESS_ASKING:
                if (task := self._next()) is None:
                    return
                worker.asking += 1
                worker.send(task)

    def _next(self) -> AskAbout | None:
        """A segment to ask about; None for now."""
        if not self._waiting and not self._under_way and self._rounds:
            self._waiting.extend(
                (number, each) for number, each in enumerate(self._rounds.popleft()) if each
            )
        if not self._waiting:
            return None
        number, todo = self._waiting.popleft()
        self._under_way += 1
        return AskAbout(number, self.segments[number], todo)

    def heard(self, told: AskedAbout, journal: Journal, counters: Counters) -> None:
        """Take in what a segment has become, in place of what it was."""
        before = self.segments[told.number]
        self.segments[told.number] = told.segment
        self._under_way -= 1
        if told.left and told.segment.counters != before.counters and not self._over:
            self._waiting.append((told.number, told.left))
        journal.spooled(told.segment)
        drop_segment(before)
        counters.update(told.spent)
        counters.update(told.segment.counters)
        counters.subtract(before.counters)

    def _end(self, workers: Iterable[WorkerProcess]) -> None:
        """Let go of all that is not asked yet; what is under way ends soon."""
        if self._over:
            return
        self._over = True
        self._waiting.clear()
        self._rounds.clear()
        for worker in workers:
            if worker.ready:
                worker.send(AskNoMore())


@dataclass(frozen=True, slots=True)
class Waiting:
    """Some rows of a segment that wait to be asked about: a mask, and what listing said of them."""

    wanted: pa.BooleanArray
    subjects: pa.RecordBatch


async def ask_about(
    segment: Segment,
    todo: Counters,
    enricher: Enricher,
    *,
    folder: Path,
    over: Callable[[], bool],
) -> tuple[Segment, Counters]:
    """The segment with the first rows of each day asked about, as many as `todo` says; and what of that is left, once
    ROWS_AT_A_TIME were, or as soon as it is `over`. The new segment has a file of its own in `folder`.

    Raises:
        SpoolError: no room.
    """
    left, found = Counter(todo), Counter(segment.counters)
    room = ROWS_AT_A_TIME
    path = folder / f"{uuid4()}.arrow"
    try:
        with pa.ipc.new_stream(str(path), enricher.schema) as writer:
            for batch in read_segment(segment):
                for part in _parts(batch):
                    rows = part
                    if room > 0 and left and not over():
                        waiting = _take(part, left)
                        room -= waiting.subjects.num_rows
                        rows = await enricher.fill(
                            part, waiting.wanted, waiting.subjects, found, since_s=segment.since_s
                        )
                    writer.write_batch(rows)
    except OSError as error:
        raise spool_error(error, folder) from error
    asked = replace(segment, path=path, counters=+found, silent=segment.silent or enricher.silent)
    return asked, +left


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The rows of a batch in parts, of whose rows ROWS_TOGETHER wait at most."""
    waiting = pc.indices_nonzero(pc.is_valid(batch.column(WAITS_AS)))
    starts = [0, *waiting[ROWS_TOGETHER::ROWS_TOGETHER].to_pylist(), batch.num_rows]
    for start, end in pairwise(starts):
        yield batch.slice(start, end - start)


def _take(rows: pa.RecordBatch, left: Counters) -> Waiting:
    """The first of `rows` that wait, as many of each day as are `left`, which become fewer."""
    waits_as = rows.column(WAITS_AS)
    wanted = pa.repeat(pa.scalar(False), rows.num_rows)  # noqa: FBT003
    for name in [name for name in left if left[name]]:
        mask = pc.fill_null(pc.equal(waits_as, name), False)  # noqa: FBT003
        if not mask.true_count:
            continue
        first = pc.less_equal(pc.cumulative_sum(pc.cast(mask, pa.int64())), left[name])
        mask = pc.and_(mask, first)
        left[name] -= mask.true_count
        wanted = pc.or_(wanted, mask)
    chosen = rows.filter(wanted)
    columns = [chosen.column(f"{LISTED}{each.name}") for each in LISTED_SCHEMA]
    return Waiting(wanted, pa.RecordBatch.from_arrays(columns, schema=LISTED_SCHEMA))
