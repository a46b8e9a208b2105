"""That the examples of docs/engines.md for DuckDB, pandas and polars run, and find what they say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from stocktake.analysis.ddl import Engine, table_statement
from stocktake.analysis.tables import Table
from stocktake.model.configuration import Format
from tests.analysis.questions import opened
from tests.analysis.reports import OUR_MOMENT, objects, our_report
from tests.engines.asking import statements_of
from tests.engines.documented import examples, gone, held_by_class, ordered, questions

FIRST, SECOND = "2026-11-22-10-17", "2026-11-23-10-17"
DAYS: dict[str, list[dict[str, object]]] = {
    FIRST: objects(["2026/a b.jpg", "2026/b.jpg", "2026/é%20.jpg"]),
    SECOND: objects(["2026/b.jpg"], storage_class="GLACIER"),
}


@pytest.fixture
def manifests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, report_format: Format
) -> Sequence[Path]:
    """Two runs, where the document looks for them: the manifest of each."""
    for number, rows in enumerate(DAYS.values()):
        moment = OUR_MOMENT + timedelta(days=number)
        halves = [rows[:1], rows[1:]]
        made = our_report(
            tmp_path / "made", report_format, halves, moment=moment, first_name=2 * number
        )
    place = tmp_path / "reports/photos/stocktake"
    place.parent.mkdir(parents=True)
    made.manifest_path.parents[1].rename(place)
    monkeypatch.chdir(tmp_path)
    return sorted(place.glob("*/manifest.json"))


def run(blocks: Sequence[str]) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)
    return names


@pytest.mark.parametrize("report_format", [Format.CSV, Format.PARQUET])
def test_duckdb_answers_the_documented_questions(manifests: Sequence[Path]) -> None:
    table = Table("inventory_report", tuple(map(opened, manifests)), dated=True)
    with duckdb.connect() as connection:
        for statement in statements_of(table_statement(table, Engine.DUCKDB)):
            connection.execute(statement)
        held, missing = (
            ordered(connection.sql(question).pl().to_dicts()) for question in questions("DuckDB")
        )
    assert held == held_by_class(DAYS)
    assert missing == gone(DAYS[FIRST], DAYS[SECOND])


@pytest.mark.parametrize("report_format", list(Format))
@pytest.mark.usefixtures("manifests")
def test_pandas_and_polars_are_handed_what_reports_of_every_format_hold() -> None:
    names = run(examples("pandas and polars", "python")[:1])
    assert names["by_pandas"].to_dict("records") == names["by_polars"].to_dicts()
    assert names["held"]["count"].to_dict() == {FIRST: 3, SECOND: 1}
    assert names["gone"]["key"].to_list() == ["2026/a b.jpg", "2026/é%20.jpg"]


@pytest.mark.parametrize("report_format", [Format.PARQUET])
@pytest.mark.usefixtures("manifests")
def test_pandas_and_polars_read_the_files_of_one_run_themselves() -> None:
    names = run(examples("pandas and polars", "python")[1:2])
    keys = [row["key"] for row in DAYS[FIRST]]
    assert names["frame"]["key"].to_list() == keys
    assert names["largest"]["key"].to_list() == keys[::-1]


@pytest.mark.parametrize("report_format", [Format.CSV])
@pytest.mark.usefixtures("manifests")
def test_pandas_reads_csv_itself() -> None:
    _, opening, texts = examples("pandas and polars", "python")
    names = run([opening.partition("\nlargest")[0], texts])
    assert names["table"]["Key"].to_list() == [row["key"] for row in DAYS[FIRST]]
    assert names["table"]["Size"].to_list() == ["0", "1", "2"]
