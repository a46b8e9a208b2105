"""What a run has, as rows: keys it named, uploads it began, segments it spooled, files it delivered."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, delete, insert, select, update

from stocktake.model.documents import decode, encode
from stocktake.model.figures import Comparison
from stocktake.model.ledger import RunState, Upload
from stocktake.model.pieces import Delivery, Segment
from stocktake.state.tables import comparisons, files, runs, segments, uploads


def insert_key(connection: Connection, run: str, key: str) -> None:
    """Note a key that the run will write to."""
    connection.execute(insert(files).values(run=run, key=key))


def insert_upload(connection: Connection, run: str, upload: Upload) -> None:
    """Note a multipart upload."""
    connection.execute(insert(uploads).values(run=run, key=upload.key, upload_id=upload.id))


def insert_segment(connection: Connection, run: str, segment: Segment) -> None:
    """Note a finished segment, in place of one that began where it does."""
    delete_segments(connection, run, [segment])
    connection.execute(
        insert(segments).values(
            run=run,
            after=json.dumps(segment.range.after),
            rows=segment.rows,
            segment=encode(segment),
        )
    )


def update_delivered(connection: Connection, run: str, delivery: Delivery) -> None:
    """Note that a named file is delivered; its uploads are over."""
    key = delivery.file.file.key
    connection.execute(
        update(files)
        .where(files.c.run == run, files.c.key == key)
        .values(rows=delivery.file.rows, delivery=encode(delivery))
    )
    connection.execute(delete(uploads).where(uploads.c.run == run, uploads.c.key == key))


def insert_comparisons(connection: Connection, run: str, compared: Sequence[Comparison]) -> None:
    """Note what was expected of the run beside what it came to."""
    for number, comparison in enumerate(compared):
        row = {"run": run, "number": number, "comparison": encode(comparison)}
        connection.execute(insert(comparisons).values(row))


def delete_segments(connection: Connection, run: str, group: Iterable[Segment]) -> None:
    """Take these segments out."""
    for segment in group:
        after = json.dumps(segment.range.after)
        connection.execute(delete(segments).where(segments.c.run == run, segments.c.after == after))


def delete_all_segments(connection: Connection, run: str) -> None:
    """Take all segments out."""
    connection.execute(delete(segments).where(segments.c.run == run))


def forget_deliveries(connection: Connection, run: str) -> None:
    """Take the files that were delivered for mere names: nothing of them is wanted any more."""
    connection.execute(update(files).where(files.c.run == run).values(rows=None, delivery=None))


def drop_deliveries(connection: Connection, run: str, keys: Iterable[str]) -> None:
    """Take the files that were delivered to these keys for mere names."""
    for key in keys:
        named = (files.c.run == run, files.c.key == key)
        connection.execute(update(files).where(*named).values(rows=None, delivery=None))


def delete_keys(connection: Connection, run: str, keys: Iterable[str]) -> None:
    """Take these keys out, with their uploads."""
    for key in keys:
        for table in (uploads, files):
            connection.execute(delete(table).where(table.c.run == run, table.c.key == key))


def delete_all(connection: Connection, run: str) -> None:
    """Take out all that the run has."""
    for table in (uploads, files, segments):
        connection.execute(delete(table).where(table.c.run == run))


def select_deliveries(connection: Connection, run: str) -> tuple[Delivery, ...]:
    """The delivered files, in key order."""
    found = connection.scalars(
        select(files.c.delivery).where(files.c.run == run, files.c.delivery.is_not(None))
    )
    deliveries = [decode(Delivery, text) for text in found if text is not None]
    return tuple(sorted(deliveries, key=lambda each: each.file.range.after))


def select_segments(connection: Connection, run: str) -> tuple[Segment, ...]:
    """The segments, in key order."""
    found = connection.scalars(select(segments.c.segment).where(segments.c.run == run))
    pieces = [decode(Segment, text) for text in found]
    return tuple(sorted(pieces, key=lambda each: each.range.after))


def select_keys(connection: Connection, run: str) -> Sequence[str]:
    """The keys that a run named, ascending."""
    return tuple(
        connection.scalars(select(files.c.key).where(files.c.run == run).order_by(files.c.key))
    )


def select_keys_of(connection: Connection, states: Iterable[RunState]) -> Sequence[str]:
    """The keys that runs in any of these states named, ascending."""
    within = select(runs.c.id).where(runs.c.state.in_(states))
    return tuple(
        connection.scalars(select(files.c.key).where(files.c.run.in_(within)).order_by(files.c.key))
    )


def select_uploads(connection: Connection, run: str) -> Sequence[Upload]:
    """The multipart uploads that may be open."""
    found = connection.execute(
        select(uploads.c.key, uploads.c.upload_id).where(uploads.c.run == run)
    )
    return tuple(Upload(key, upload_id) for key, upload_id in found)


def select_comparisons(connection: Connection, run: str) -> Sequence[Comparison]:
    """What was expected of the run beside what it came to."""
    found = connection.scalars(
        select(comparisons.c.comparison)
        .where(comparisons.c.run == run)
        .order_by(comparisons.c.number)
    )
    return tuple(decode(Comparison, text) for text in found)
