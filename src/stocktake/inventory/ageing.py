"""The ages of a whole report's answers, of those that wait beside its data files."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.formats.ages import Ages, write_ages
from stocktake.inventory.calls import call_plan
from stocktake.inventory.spool import spool_error
from stocktake.model.errors import DataFileError
from stocktake.model.remembering import AGES_SCHEMA, ENRICHED_AT
from stocktake.model.runs import DataFile, InventoryRun
from stocktake.model.sidecar import SidecarAges

_NULLS_ROWS = 131_072


@dataclass(frozen=True, slots=True)
class GatheredAges:
    """The file of ages on this machine, what stocktake.json says of it, and how many answers in it are of each day."""

    path: Path
    described: SidecarAges
    days: Mapping[date, int]


def gather_ages(
    run: InventoryRun, files: Sequence[DataFile], path: Path, key: str
) -> GatheredAges | None:
    """Write the ages of all `files`, which are in the report's order, to `path`; it will be delivered to `key`. None
    where the run asks about no object. Ages that were lost are not known: the next run asks again.

    Raises:
        SpoolError: no room.
    """
    if not call_plan(run.fields).asks:
        return None
    days: Counter[date] = Counter()

    def noted() -> Iterator[pa.RecordBatch]:
        for batch in _all_ages(files):
            counted = pc.value_counts(pc.drop_null(batch.column(ENRICHED_AT))).to_pylist()
            days.update({each["values"]: each["counts"] for each in counted})
            yield batch

    try:
        write_ages(noted(), path)
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        size = path.stat().st_size
    except OSError as error:
        raise spool_error(error, path.parent) from error
    rows = sum(each.rows for each in files)
    described = SidecarAges(key=key, size=size, md5=md5, rows=rows)
    return GatheredAges(path, described, dict(sorted(days.items())))


def _all_ages(files: Sequence[DataFile]) -> Iterator[pa.RecordBatch]:
    for file in files:
        left = file.rows
        for batch in _ages_of(file):
            yield batch
            left -= batch.num_rows
        while left > 0:
            rows = min(left, _NULLS_ROWS)
            yield pa.RecordBatch.from_arrays(
                [pa.nulls(rows, each.type) for each in AGES_SCHEMA], schema=AGES_SCHEMA
            )
            left -= rows


def _ages_of(file: DataFile) -> Iterator[pa.RecordBatch]:
    """What is left of a data file's ages; all of them, or none."""
    if file.ages is None:
        return
    try:
        ages = Ages(file.ages)
        if ages.rows == file.rows:
            for group in ages.groups():
                yield from group.to_batches()
        ages.close()
    except DataFileError:
        return
