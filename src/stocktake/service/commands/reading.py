"""Opening reports in Python: what `stocktake.open_report` and `stocktake.query` do."""

from __future__ import annotations

import weakref
from contextlib import ExitStack
from pathlib import Path
from typing import Unpack

from stocktake.analysis import opened
from stocktake.analysis.opened import OpenReport
from stocktake.analysis.relation import VIEW
from stocktake.analysis.session import Answer
from stocktake.model.partitions import parse_partition_range
from stocktake.service import house
from stocktake.service.commands.report import open_table
from stocktake.service.limits import query_limits
from stocktake.service.options import StoreKeywords, make_store


def open_report(
    address: str | Path, *, dt: str | None = None, **store: Unpack[StoreKeywords]
) -> OpenReport:
    """Open the report at `address`: a manifest.json, a report folder or a configuration folder, then its newest report.

    With `dt`, a range of dates such as `2026-11-01..2026-11-22`, all reports of the configuration folder whose runs
    started then, in UTC, are opened as one, with a column `dt` as Athena's partition has it. `store` describes where an
    `s3://` address lies, in the words of `stocktake show`.

    Raises:
        UsageError: it is no address, no range of dates, or the store is described in a way that makes no sense.
        NoReportError: there is no published report.
        ManifestError: a manifest is damaged.
        StoreError: the store was asked and did not answer.
    """
    partitions = None if dt is None else parse_partition_range(dt)
    limits = query_limits()
    with ExitStack() as doors:
        files, key = doors.enter_context(house.opened_files(str(address), make_store(**store)))
        table = open_table(files, key, partitions, name=VIEW)
        # The reports are all that refers to their files, and whoever reads them refers to the reports.
        close = weakref.finalize(files, doors.pop_all().close)
    return OpenReport(table, limits, close)


def query(sql: str, /, **reports: OpenReport) -> Answer:
    """Start one SELECT over several open reports, each a table of its name, from whatever stores: such as
    `query("SELECT key FROM a ANTI JOIN b USING (key)", a=source, b=replica)`. Close the answer when done.

    Raises:
        UsageError: no reports, or a name that cannot be a table's.
        QueryError: not one SELECT, SQL that cannot run, or a column that no report has.
        DataFileError, StoreError: a data file is missing, short or damaged, or cannot be had.
    """
    return opened.query(sql, reports)
