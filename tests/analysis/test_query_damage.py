"""Damaged reports: one clear error that names the file, and never an answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stocktake.analysis.session import open_session
from stocktake.analysis.tables import one_table
from stocktake.model.configuration import Format
from stocktake.model.errors import DataFileError, InventoryError, QueryError
from tests.analysis.questions import answer, opened
from tests.analysis.reports import (
    objects,
    our_report,
    republish,
)


def damaged(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def zeroed(body: bytes) -> bytes:
    """The same size, without its second half."""
    return body[: len(body) // 2] + bytes(len(body) - len(body) // 2)


@pytest.mark.parametrize("report_format", Format)
@pytest.mark.parametrize(
    ("change", "says"),
    [(lambda body: body[:-10], "expected"), (zeroed, ""), (lambda body: bytes(len(body)), "")],
)
def test_a_damaged_data_file_is_named(
    tmp_path: Path, report_format: Format, change: Callable[[bytes], bytes], says: str
) -> None:
    keys = [f"{number * 2654435761 % 2**32:08x}" for number in range(3000)]
    ours = our_report(
        tmp_path, report_format, [objects(sorted(keys)[:9]), objects(sorted(keys)[9:])]
    )
    damaged(ours.data_path(tmp_path, 1), change)
    with pytest.raises(InventoryError) as error:
        answer(opened(ours.manifest_path), "SELECT * FROM inventory_report")
    assert type(error.value).__name__ == "DataFileError", error.value.message
    assert str(ours.data_path(tmp_path, 1)) in error.value.message
    assert says in error.value.message
    assert "stocktake://" not in error.value.message


@pytest.mark.parametrize("report_format", Format)
@pytest.mark.parametrize("number", [0, 1])
def test_a_missing_data_file_is_named(tmp_path: Path, report_format: Format, number: int) -> None:
    ours = our_report(tmp_path, report_format, [objects(["a"]), objects(["b"])])
    ours.data_path(tmp_path, number).unlink()
    with pytest.raises(InventoryError, match=f"{ours.manifest.files[number].key} is missing"):
        answer(opened(ours.manifest_path), "SELECT * FROM inventory_report")


@pytest.mark.parametrize("report_format", Format)
def test_a_data_file_without_a_column_of_the_manifest_is_no_empty_answer(
    tmp_path: Path, report_format: Format
) -> None:
    ours = our_report(tmp_path, report_format, [objects(["a"])])
    other = our_report(tmp_path / "x", report_format, [objects(["a"])], fields=("Size",))
    file = replace(other.manifest.files[0], key=ours.manifest.files[0].key)
    ours.data_path(tmp_path).write_bytes(other.data_path(tmp_path / "x").read_bytes())
    republish(tmp_path, ours.paths, ours.manifest, files=(file,))
    with pytest.raises(InventoryError) as error:
        answer(opened(ours.manifest_path), "SELECT storage_class FROM inventory_report")
    assert type(error.value).__name__ == "DataFileError", error.value.message
    if report_format is not Format.CSV:  # where columns have no names
        assert re.search("column.*last_modified_date|columns", error.value.message)


def test_damage_that_breaks_a_parquet_file_is_not_the_questions_fault(tmp_path: Path) -> None:
    """A moment that is out of bounds looks as if the question had made it; all else is told apart."""
    keys = [f"{number * 2654435761 % 2**32:08x}" for number in range(3000)]
    ours = our_report(tmp_path, Format.PARQUET, [objects(sorted(keys))])
    path = ours.data_path(tmp_path)
    body = path.read_bytes()
    for at in range(8, len(body), len(body) // 150):
        path.write_bytes(body[:at] + bytes([body[at] ^ 0x55]) + body[at + 1 :])
        try:
            answer(opened(ours.manifest_path), "SELECT * FROM inventory_report")
        except InventoryError as error:
            told_apart = error.exit_code == 1 or error.message.startswith("Conversion Error")
            assert told_apart, (at, error.message)  # noqa: PT017 - some damage is not noticed


@pytest.mark.parametrize("report_format", Format)
def test_what_went_wrong_before_is_not_what_goes_wrong_now(
    tmp_path: Path, report_format: Format
) -> None:
    ours = our_report(tmp_path, report_format, [objects(["a"]), objects(["b"])])
    data, away = ours.data_path(tmp_path, 1), tmp_path / "away"
    with open_session([one_table(opened(ours.manifest_path))]) as session:
        data.rename(away)
        with pytest.raises(DataFileError), session.run("FROM inventory_report") as found:
            found.arrow()
        away.rename(data)
        with pytest.raises(QueryError, match="syntax error"):
            session.run("SELEC 1")
        with session.run("FROM inventory_report") as found:
            assert found.arrow().num_rows == 2
