"""Query, audits, usage and differences give one answer on the same data, whether it lies as CSV, ORC or Parquet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stocktake.model.configuration import Format
from tests.acceptance.command_line import stocktake
from tests.analysis.audits.planted import ALL_FIELDS, PLANTED, Planted, planted_report

COMPLIANCE = (
    "SELECT encryption_status, bucket_key_status, object_lock_mode, count(*) AS n, sum(size) AS bytes,"
    " min(last_modified_date) AS oldest, count(grants(object_access_control_list)) AS acls"
    " FROM inventory_report WHERE is_latest AND NOT is_delete_marker GROUP BY ALL ORDER BY ALL"
)


def query(_before: Path, after: Path) -> Any:
    everything = "SELECT * FROM inventory_report ORDER BY ALL"
    told = [stocktake("query", after, sql, "--format", "jsonl") for sql in (COMPLIANCE, everything)]
    assert all(each.code == 0 and each.out for each in told), told
    return told


def audit(_before: Path, after: Path) -> Any:
    found = stocktake("audit", after, "--json", "--fail-on", "never").document
    told = ("name", "status", "rows", "bytes", "money", "unknown", "prefixes")
    # Which ten of more, and in which order, hangs on how the rows come.
    findings = [
        {name: each[name] for name in told} | {"examples": len(each["examples"])}
        for each in found["findings"]
    ]
    assert sum(each["rows"] for each in findings) > len(findings)
    return [found["rows"], found["bytes"], findings]


def usage(_before: Path, after: Path) -> Any:
    return [
        stocktake("usage", after, "--by", by, "--depth", "2", "--json").document["usage"]
        for by in ("prefix", "class", "version-state")
    ]


def diff(before: Path, after: Path) -> Any:
    rows = after.parent / "changes.jsonl"
    found = stocktake("diff", before, after, "--json", "--output", rows, "--format", "jsonl")
    return [{**found.document, "a": "", "b": ""}, rows.read_text()]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[Format, tuple[Path, Path]]:
    """All that the audits know of, in each format; before, and after some of it was deleted and some changed."""
    found = {}
    for each in Format:
        root = tmp_path_factory.mktemp(each)
        changed = [replace(PLANTED[0], changes={"size": 1}), *PLANTED[3:], Planted("z", ())]
        paths = [
            Path(planted_report(root / name, each, planted=planted, fields=ALL_FIELDS).address)
            for name, planted in (("before", changed), ("after", PLANTED))
        ]
        found[each] = (paths[0], paths[1])
    return found


@pytest.mark.parametrize("command", [query, audit, usage, diff])
def test_three_formats_give_one_answer(
    reports: dict[Format, tuple[Path, Path]], command: Callable[[Path, Path], Any]
) -> None:
    answers = [command(*reports[each]) for each in Format]
    assert answers[0]
    assert answers[1] == answers[0]
    assert answers[2] == answers[0]
