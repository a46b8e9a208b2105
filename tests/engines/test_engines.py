"""That what `stocktake ddl` prints makes tables of a report's rows, in Spark and in ClickHouse themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest

from stocktake.analysis.ddl import Engine, table_statement
from stocktake.analysis.tables import Table, one_table
from stocktake.model.configuration import Format
from stocktake.model.fields import EXTENSION_FIELDS, FLAG, MOMENT, NUMBER, OPTIONAL_FIELDS, Field
from stocktake.model.manifest import render_symlink
from tests.analysis.questions import opened
from tests.analysis.reports import OUR_MOMENT, OurReport, our_report, write
from tests.engines.asking import Asked, ask, statements_of
from tests.engines.documented import gone, held_by_class, ordered, questions
from tests.formats.rows import EVERY_FIELD, Row, hostile_rows

FIRST, SECOND = "2026-11-22-10-17", "2026-11-23-10-17"
_ALL = OPTIONAL_FIELDS + EXTENSION_FIELDS


def first_run(root: Path, report_format: Format, rows: Sequence[Row]) -> OurReport:
    """Every field, in two files."""
    halves = [rows[:20], rows[20:]]
    return our_report(root, report_format, halves, fields=_ALL, all_versions=True)


def second_run(
    root: Path, report_format: Format, rows: Sequence[Row], fields: Sequence[str]
) -> OurReport:
    """The day after, with the first five rows only."""
    return our_report(
        root,
        report_format,
        [rows[:5]],
        fields=fields,
        all_versions=True,
        moment=OUR_MOMENT + timedelta(days=1),
        first_name=7,
    )


def two_runs(root: Path, report_format: Format, rows: Sequence[Row]) -> Table:
    """Both; the second lacks our own fields."""
    made = [
        first_run(root, report_format, rows),
        second_run(root, report_format, rows, OPTIONAL_FIELDS),
    ]
    reports = tuple(opened(each.manifest_path) for each in made)
    return Table("inventory_report", reports, dated=True)


def asked(table: Table, engine: Engine, milliseconds: str) -> Asked:
    """All columns of all rows, moments as milliseconds since 1970."""
    shown = [
        f"{milliseconds}({field.column}) AS {field.column}"
        if field.type == MOMENT
        else field.column
        for field in table.fields
    ]
    statements = statements_of(table_statement(table, engine))
    return Asked(statements, f"SELECT {', '.join(shown)} FROM inventory_report")


def expected(
    rows: Sequence[Row], dt: str | None, fields: Sequence[Field]
) -> list[dict[str, object]]:
    """What is to be found of `rows`: moments as milliseconds, NULL where the run has no such field."""
    have = {field.column for field in fields}
    found = [
        {name: _plain(value) if name in have else None for name, value in row.items()}
        for row in rows
    ]
    return found if dt is None else [{**row, "dt": dt} for row in found]


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return value


def both_runs(rows: Sequence[Row], second: Sequence[Field]) -> list[dict[str, object]]:
    return expected(rows, FIRST, EVERY_FIELD) + expected(rows[:5], SECOND, second)


def in_order(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (str(row.get("dt")), str(row["key"])))


_AWSS = [field for field in EVERY_FIELD if field.name not in EXTENSION_FIELDS]


def test_clickhouse_finds_every_row_of_two_runs_in_every_format(tmp_path: Path) -> None:
    rows = hostile_rows()
    tables = [two_runs(tmp_path / each, each, rows) for each in Format]
    every = [asked(table, Engine.CLICKHOUSE, "toUnixTimestamp64Milli") for table in tables]
    found = ask("run_clickhouse.py", [*every, *documented("ClickHouse")], tmp_path)
    for report_format, answer in zip(Format, found[:3], strict=True):
        assert in_order(answer) == in_order(both_runs(rows, _AWSS)), report_format
    assert list(map(ordered, found[3:])) == documented_answers(rows)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_spark_finds_every_row_of_two_runs_in_every_format_and_of_hives_table(
    tmp_path: Path,
) -> None:
    # One session for all of it: a start costs more than what is asked. Its reader of CSV drops the character NUL,
    # which no value of a report holds.
    rows = [row for row in hostile_rows() if "\x00" not in str(row["key"])]
    tables = [two_runs(tmp_path / each, each, rows) for each in Format]
    every = [
        *(asked(table, Engine.SPARK, "unix_millis") for table in tables),
        *documented("Spark"),
    ]
    text_rows = [row for row in rows if not set("\n\r") & set(str(row["key"]))]
    found = ask("run_spark.py", [*every, *hives(tmp_path / "hive", text_rows)], tmp_path, java=True)
    for report_format, answer in zip(Format, found[:3], strict=True):
        assert in_order(answer) == in_order(both_runs(rows, _AWSS)), report_format
    texts = [{name: _TEXTS[name](value) for name, value in row.items()} for row in text_rows]
    assert list(map(ordered, found[3:5])) == documented_answers(rows)
    first = [{**row, "dt": FIRST} for row in texts]
    for answer in found[5:7]:
        decoded = [{**row, "key": unquote(row["key"])} for row in answer]
        assert in_order(decoded) == in_order(
            [*first, *({**row, "dt": SECOND} for row in texts[:5])]
        )
    runs = {FIRST: text_rows, SECOND: text_rows[:5]}
    assert [ordered(answer) for answer in found[7:]] == [held_by_class(runs, none="")]


def documented(section: str) -> list[Asked]:
    """The questions of the document, to the table that was made last."""
    return [Asked((), question) for question in questions(section)]


def documented_answers(rows: Sequence[Row]) -> list[Sequence[Row]]:
    """What they are to find of both runs."""
    return [held_by_class({FIRST: rows, SECOND: rows[:5]}), gone(rows, rows[:5])]


def hives(root: Path, rows: Sequence[Row]) -> list[Asked]:
    """Hive's table, its partitions added by name and found by MSCK. A line's end ends a row for its reader."""
    made = [
        first_run(root, Format.CSV, rows),
        second_run(root, Format.CSV, rows, _ALL),
    ]
    for each in made:
        uris = [f"file://{root}/{file.key}" for file in each.manifest.files]
        write(root, each.paths.symlink, render_symlink(uris))
    reports = tuple(opened(each.manifest_path) for each in made)
    named = Table("named", reports, dated=True)
    found = one_table(reports[-1], "found")
    [example] = questions("Hive")
    every = [
        Asked(
            statements_of(table_statement(table, Engine.HIVE)),
            f"SELECT {', '.join(field.column for field in EVERY_FIELD)}, dt FROM {table.name}",
        )
        for table in (named, found)
    ]
    return [*every, Asked((), example.replace("inventory_report", named.name))]


def _moment(value: object) -> str:
    assert isinstance(value, datetime)
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_BY_TYPE: dict[object, Callable[[object], str]] = {
    FLAG: lambda value: str(value).lower(),
    NUMBER: str,
    MOMENT: _moment,
}


def _as_text(by: Callable[[object], str]) -> Callable[[object], str]:
    return lambda value: "" if value is None else by(value)


_TEXTS = {field.column: _as_text(_BY_TYPE.get(field.type, str)) for field in EVERY_FIELD}
