"""SQL over a report: DuckDB over a view named `inventory_report`."""

from __future__ import annotations

from threading import Event

from stocktake.analysis.report import Report
from stocktake.analysis.session import DEFAULT_QUERY_LIMITS, Answer, QueryLimits, open_session
from stocktake.analysis.tables import one_table

__all__ = ["DEFAULT_QUERY_LIMITS", "Answer", "QueryLimits", "run_query"]


def run_query(
    report: Report,
    sql: str,
    *,
    limits: QueryLimits = DEFAULT_QUERY_LIMITS,
    stop: Event | None = None,
) -> Answer:
    """Start one SELECT over the report's view `inventory_report`. Setting `stop` ends it.

    Raises:
        QueryError: not one SELECT, SQL that cannot run, or a column the report lacks.
        DataFileError, StoreError: as `Answer.batches`, where it shows at once.
    """
    return open_session([one_table(report)], limits=limits, stop=stop).run(sql, once=True)
