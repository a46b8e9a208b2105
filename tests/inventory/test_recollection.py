"""What is remembered of a listing, beside a plain reading of the same rule; whatever the files, pages and versions."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stocktake.formats import open_writer
from stocktake.formats.ages import write_ages
from stocktake.inventory.hashing import key_hashes
from stocktake.inventory.recollection import Recollection, in_turn
from stocktake.model.configuration import Format
from stocktake.model.fields import report_schema
from stocktake.model.remembering import AGES_SCHEMA, CIRCLE, EPOCH, Memory, MemoryFile, Turn
from stocktake.model.runs import Counters, InventoryRun, Remembering
from stocktake.store.pages import LISTED_SCHEMA
from tests.inventory.lanes import make_run

DAY = date(2026, 1, 2)
KEYS = st.integers(0, 40).map("k{:03}".format)
# A version, or an object: what identifies it, what is remembered of it, the day of its answer in days before the run:
# below 0 where the clock was wrong.
OBJECT = st.tuples(
    st.sampled_from([None, "v1", "v2"]), st.integers(0, 2), st.integers(0, 2),
    st.sampled_from(["SSE-S3", "NOT-SSE", None]), st.none() | st.integers(-3, 40), st.booleans(),
)  # fmt: skip
ROWS = st.dictionaries(st.tuples(KEYS, st.sampled_from([None, "v1", "v2"])), OBJECT, max_size=60)


def moment(number: int) -> datetime:
    return datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=number)


def in_order(rows: dict[Any, Any], *, versions: bool) -> list[tuple[str, str | None, Any]]:
    """The rows as a report has them; without versions, the first of each key."""
    found = sorted(
        ((k, v, each) for (k, v), each in rows.items()), key=lambda r: (r[0], r[1] or "")
    )
    if versions:
        return found
    return list({key: (key, None, each) for key, _, each in reversed(found)}.values())[::-1]


def listed(rows: list[tuple[str, str | None, Any]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(
        [
            {
                "key": key, "version_id": version, "is_delete_marker": False, "e_tag": f"e{e[1]}",
                "size": e[2], "last_modified_date": moment(e[1]), "storage_class": "STANDARD",
            }
            for key, version, e in rows
        ],
        schema=LISTED_SCHEMA,
    )  # fmt: skip


def remembered(
    run: InventoryRun, rows: list[tuple[str, str | None, Any]], folder: Path, per_file: int
) -> Memory:
    """The rows as a report's files, so many in each, and their ages."""
    schema = report_schema(run.fields)
    files = []
    for start in range(0, len(rows), per_file):
        some = rows[start : start + per_file]
        path = folder / f"{start}.parquet"
        values = [
            {
                "bucket": "b", "key": key, "version_id": version, "e_tag": f"e{e[1]}", "size": e[2],
                "last_modified_date": moment(e[1]), "encryption_status": e[3],
            }
            for key, version, e in some
        ]  # fmt: skip
        with path.open("wb") as sink, open_writer(Format.PARQUET, sink, schema) as writer:
            writer.write(pa.RecordBatch.from_pylist(values, schema=schema))
        files.append(MemoryFile(path, some[0][0], some[-1][0], len(some), start))
    ages = [
        {
            "key_hash": hashed,
            "enriched_at": None if e[4] is None else DAY - timedelta(days=e[4]),
            "postponed": e[5],
        }
        for (_, _, e), hashed in zip(
            rows,
            key_hashes(pa.array([key for key, _, _ in rows], pa.string())).to_pylist(),
            strict=True,
        )
    ]
    write_ages([pa.RecordBatch.from_pylist(ages, schema=AGES_SCHEMA)], folder / "ages")
    names = frozenset(schema.names)
    return Memory("r", tuple(files), names, (DAY - EPOCH).days, folder / "ages")


@given(
    before=ROWS, now=ROWS, versions=st.booleans(), per_file=st.integers(1, 9),
    page=st.integers(1, 9), after=st.integers(-1, 40), revisit=st.sampled_from([0.0, 0.3, 1.0]),
)  # fmt: skip
@settings(max_examples=120)
def test_a_row_is_known_again_by_all_that_identifies_it_and_by_nothing_less(
    *,
    before: dict[Any, Any],
    now: dict[Any, Any],
    versions: bool,
    per_file: int,
    page: int,
    after: int,
    revisit: float,
) -> None:
    fields = "Size,ETag,LastModifiedDate,EncryptionStatus"
    run = replace(
        make_run("http://x", "b", fields=fields, versions="All" if versions else "Current"),
        remembering=Remembering(report="r", revisit=revisit, days_max=30, hand=CIRCLE // 2),
    )
    start = f"k{after:03}" if after >= 0 else ""
    rows = [row for row in in_order(now, versions=versions) if row[0] > start]
    counters: Counters = Counter()
    with tempfile.TemporaryDirectory() as folder:
        report = in_order(before, versions=versions)
        memory = remembered(run, report, Path(folder), per_file)
        recollection = Recollection(run, memory, start, counters)
        found = []
        for at in range(0, len(rows), page):
            recalled = recollection.of(listed(rows[at : at + page]))
            found += zip(
                recalled.known.to_pylist(), recalled.due.to_pylist(),
                recalled.columns["encryption_status"].to_pylist(), strict=True,
            )  # fmt: skip
        recollection.close()
    known = {(key, version): each for key, version, each in report}
    expected = []
    for key, version, each in rows:
        old = known.get((key, version))
        if old is None or old[1:3] != each[1:3] or old[4] is None:
            expected.append((False, False, None))
            continue
        [hashed] = key_hashes(pa.array([key])).to_pylist()
        turn = (hashed - CIRCLE // 2) % CIRCLE < revisit * CIRCLE
        expected.append((True, not -1 <= old[4] < 30 or old[5] or turn, old[3]))
    assert found == expected
    assert counters == {}


def test_a_key_with_more_versions_than_are_read_at_once_is_known_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocktake.inventory.recollection.READ_ROWS", 7)
    run = make_run(
        "http://x", "b", fields="Size,ETag,LastModifiedDate,EncryptionStatus", versions="All"
    )
    each = (None, 1, 1, "SSE-S3", 0, False)
    rows = [("k", f"v{number:03}", each) for number in range(100)]
    memory = remembered(run, rows, tmp_path, 33)
    recollection = Recollection(run, memory, "", Counter())
    for at in range(0, 100, 9):
        assert all(recollection.of(listed(rows[at : at + 9])).known.to_pylist())


def test_however_many_objects_are_gone_between_two_their_rows_take_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocktake.inventory.recollection.READ_ROWS", 7)
    held: list[int] = []

    def noted(rows: pa.RecordBatch, keyed: Sequence[str]) -> pa.Array:
        held.append(rows.num_rows)
        return rows.column(keyed[0])

    monkeypatch.setattr("stocktake.inventory.recollection._names_of", noted)
    run = make_run("http://x", "b", fields="Size,ETag,LastModifiedDate,EncryptionStatus")
    each = (None, 1, 1, "SSE-S3", 0, False)
    rows = [(f"k{number:04}", None, each) for number in range(2_000)]
    recollection = Recollection(run, remembered(run, rows, tmp_path, 900), "", Counter())
    there = [rows[number] for number in (0, 3, 1_000, 1_990, 1_999)]
    for page in (there[:3], there[3:]):
        assert all(recollection.of(listed(page)).known.to_pylist())
    assert max(held) < 30


@given(st.lists(st.integers(0, CIRCLE - 1)), st.integers(0, CIRCLE - 1), st.integers(0, CIRCLE))
def test_a_turn_goes_round_the_circle(hashes: list[int], first: int, width: int) -> None:
    found = in_turn(pa.array(hashes, pa.uint32()), Turn(first, width)).to_pylist()
    assert found == [(value - first) % CIRCLE < width for value in hashes]
