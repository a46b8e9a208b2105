"""Counting the usage of a report, in one pass over its rows, by DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event

import pyarrow as pa

from stocktake.analysis.query import QueryLimits, run_query
from stocktake.analysis.report import Report
from stocktake.analysis.usage.cube import Cube, known_fields, manifest_md5, tellable
from stocktake.analysis.usage.questions import Bounds, usage_sql
from stocktake.model.errors import DataFileError
from stocktake.model.usage import SCHEMA, Dimension, UsageFacts

# So that the process, with Python and Arrow beside DuckDB, stays below 2 GB.
USAGE_LIMITS = QueryLimits(memory_bytes_max=3 * 2**29)
DEFAULT_BOUNDS = Bounds()
_PREFIX = Dimension.PREFIX
_BYTES_MAX = 2**63 - 1


def count_usage(
    report: Report,
    *,
    dimensions: Sequence[Dimension] | None = None,
    bounds: Bounds = DEFAULT_BOUNDS,
    limits: QueryLimits = USAGE_LIMITS,
    stop: Event | None = None,
) -> Cube:
    """Read the whole report once, and count it by `dimensions`: by all that it can be told by, unless they are named.

    Memory is `limits`' whatever the number of rows; DuckDB spills what does not fit, which grows with the number of
    different folders.

    Raises:
        DataFileError: a data file is missing, short or damaged.
        QueryError: it takes more room than `limits` allow.
        StoreError: the store was asked for a data file and did not give it.
        StoppedError: `stop` was set.
    """
    known = known_fields(report)
    asked = tellable(known) if dimensions is None else (_PREFIX, *dimensions)
    sql = usage_sql(known, tuple(dict.fromkeys(asked)), report.manifest.created, bounds)
    with run_query(report, sql, limits=limits, stop=stop) as answer:
        found = answer.arrow()
    try:
        table = found.cast(SCHEMA)
    except pa.ArrowInvalid as error:
        raise DataFileError(
            f"the sizes in {report.address} add up to more than usage can count: found more than {_BYTES_MAX}"
            " bytes below one folder",
            hint="no store holds as much; `stocktake query` finds the objects that are too large to be",
        ) from error
    return Cube(_facts(report, known, table, bounds), table)


def _facts(report: Report, known: tuple[str, ...], table: pa.Table, bounds: Bounds) -> UsageFacts:
    folded = {
        row["prefix"]: row["folded"]
        for row in table.select(["prefix", "dimension", "folded"]).to_pylist()
        if row["dimension"] == _PREFIX
    }
    return UsageFacts(
        manifest_md5=manifest_md5(report),
        source_bucket=report.manifest.source_bucket,
        created=report.manifest.created,
        known=known,
        prefix_depth=bounds.prefix_depth,
        value_depth=bounds.value_depth,
        folded=sum(folded.values()),
    )
