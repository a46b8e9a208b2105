"""Over a hundred thousand rows of hostile values, the commands give one answer whatever the format."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stocktake.model.configuration import Format
from tests.acceptance.command_line import stocktake
from tests.acceptance.hostile import as_table, changed_rows, hostile_report, hostile_rows

pytestmark = pytest.mark.timeout(1200)  # a loaded machine takes minutes for six such reports

KEYS = 67_000
# Which rows come first among equals hangs on how the files are read, so every question orders by what tells rows apart.
QUESTIONS = {
    "every value": "SELECT * FROM inventory_report ORDER BY key, version_id NULLS FIRST",
    "what is empty": "SELECT * FROM (SELECT count(COLUMNS(*)) FROM inventory_report)",
    "groups": "SELECT content_type, object_tags, count(*), sum(size)::HUGEINT, min(last_modified_date)"
    " FROM inventory_report GROUP BY ALL ORDER BY ALL",
    "patterns": "SELECT key, version_id FROM inventory_report WHERE user_metadata LIKE '%\"%' OR content_type = ' '"
    " OR key LIKE '%\\n%' ESCAPE '!' ORDER BY ALL",
    "decoded": "SELECT key, version_id, TRY(grants(object_access_control_list)) AS granted FROM inventory_report"
    " WHERE length(granted) > 1 ORDER BY key, version_id",
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[Format, tuple[Path, Path]]:
    """Two days of them, in each format."""
    before = hostile_rows(KEYS)
    assert len(before) > 100_000
    days = {"a": as_table(before), "b": as_table(changed_rows(before))}
    found = {}
    for each in Format:
        root = tmp_path_factory.mktemp(each)
        paths = [hostile_report(root / name, each, table) for name, table in days.items()]
        found[each] = (paths[0], paths[1])
    return found


def query(_before: Path, after: Path) -> Any:
    told = {
        name: stocktake("query", after, sql, "--format", "csv") for name, sql in QUESTIONS.items()
    }
    assert all(each.code == 0 and each.out for each in told.values()), told
    # What a hundred megabytes differ in would take long to say.
    return {name: hashlib.sha256(each.out.encode()).hexdigest() for name, each in told.items()}


def audit(_before: Path, after: Path) -> Any:
    found = stocktake("audit", after, "--json", "--fail-on", "never").document
    told = ("name", "status", "rows", "bytes", "money", "unknown", "prefixes")
    findings = [
        {name: each[name] for name in told} | {"examples": len(each["examples"])}
        for each in found["findings"]
    ]
    assert sum(each["rows"] for each in findings) > 100_000
    return [found["rows"], found["bytes"], findings]


def usage(_before: Path, after: Path) -> Any:
    return {
        by: stocktake("usage", after, "--by", by, "--depth", "2", "--json").document["usage"]
        for by in ("prefix", "class", "owner")
    }


def diff(before: Path, after: Path) -> Any:
    rows = after.parent / "changes.jsonl"
    found = stocktake("diff", before, after, "--json", "--output", rows, "--format", "jsonl")
    assert found.code == 1, found.err
    counts = [found.document[kind]["objects"] for kind in ("created", "deleted", "changed")]
    assert all(each >= 500 for each in counts), counts
    # They come window by window, which are not the same in every format.
    lines = b"".join(sorted(rows.read_bytes().splitlines(keepends=True)))
    return [{**found.document, "a": "", "b": ""}, hashlib.sha256(lines).hexdigest()]


@pytest.mark.slow
@pytest.mark.parametrize("command", [query, audit, usage, diff])
def test_three_formats_give_one_answer(
    reports: dict[Format, tuple[Path, Path]], command: Callable[[Path, Path], Any]
) -> None:
    answers = {each: command(*reports[each]) for each in Format}
    assert answers[Format.ORC] == answers[Format.CSV]
    assert answers[Format.PARQUET] == answers[Format.CSV]


@pytest.mark.slow
@pytest.mark.parametrize("other", [Format.ORC, Format.PARQUET])
def test_the_same_rows_in_two_formats_do_not_differ(
    reports: dict[Format, tuple[Path, Path]], other: Format
) -> None:
    done = stocktake("diff", reports[Format.CSV][0], reports[other][0], "--json")
    assert done.code == 0, done
    assert done.document["same"] > 100_000
