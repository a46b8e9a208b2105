"""Listed rows for tests, built from short tuples."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import pyarrow as pa

from stocktake.store.pages import LISTED_SCHEMA

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def listed(
    rows: Iterable[tuple[str, str | None, bool]], *, marker: bool = False, size: int | None = 1
) -> pa.RecordBatch:
    """A LISTED_SCHEMA batch of (key, version, is latest)."""
    return pa.RecordBatch.from_pylist(
        [
            {
                "key": key,
                "version_id": version,
                "is_latest": latest,
                "is_delete_marker": marker,
                "size": None if marker else size,
                "last_modified_date": MOMENT,
                "e_tag": None if marker else "d41d8cd98f00b204e9800998ecf8427e",
                "storage_class": None if marker else "STANDARD",
            }
            for key, version, latest in rows
        ],
        schema=LISTED_SCHEMA,
    )


def keys_only(*keys: str) -> pa.RecordBatch:
    """A LISTED_SCHEMA batch of current objects with these keys."""
    return listed((key, None, True) for key in keys)


def one(rows: Iterable[dict[str, object]], key: str) -> dict[str, object]:
    """The only row of that key."""
    [row] = [row for row in rows if row["key"] == key]
    return row
