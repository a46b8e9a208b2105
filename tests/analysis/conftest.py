"""What most tests of reports start from: AWS's own rows, in each format."""

from __future__ import annotations

from pathlib import Path

import pytest

from stocktake.analysis.report import Report
from stocktake.model.configuration import Format
from tests.analysis.questions import opened
from tests.analysis.reports import aws_report


@pytest.fixture(params=Format)
def genuine(request: pytest.FixtureRequest, tmp_path: Path) -> Report:
    """A genuine report, where AWS delivered it."""
    return opened(aws_report(tmp_path, request.param))
