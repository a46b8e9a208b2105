"""What tests of reports share: one that is opened, asked, and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocktake.analysis.query import run_query
from stocktake.analysis.report import Report, open_report
from stocktake.model.errors import QueryError
from stocktake.store.files import FolderFiles

SEED = "SELECT * FROM inventory_report WHERE encryption_status = 'NOT-SSE'"


def opened(path: Path | str) -> Report:
    """The report at a path."""
    return open_report(*FolderFiles.at(Path(path)))


def answer(report: Report, sql: str) -> list[dict[str, object]]:
    """All rows of the answer."""
    with run_query(report, sql) as found:
        return [row for batch in found.batches() for row in batch.to_pylist()]


def refusal(report: Report, sql: str) -> QueryError:
    """Why it is not answered."""
    with pytest.raises(QueryError) as error:
        answer(report, sql)
    return error.value
