"""The worked example of docs/use-cases.md: files in a bucket that a Delta table does not know."""

from __future__ import annotations

import json
import re
from ast import literal_eval
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from stocktake.model.configuration import Format
from tests.analysis.reports import OUR_MOMENT, our_report

DOCUMENT = Path(__file__).parents[2] / "docs" / "use-cases.md"
[EXAMPLE] = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.M | re.S)
LONG_AGO, JUST_NOW = OUR_MOMENT - timedelta(days=30), OUR_MOMENT - timedelta(hours=1)
LIVE, REMOVED = "day=2026-10-01/part-0 é,1.parquet", "day=2026-10-02/part-1.parquet"
STORED = {
    "orders/_delta_log/00000000000000000000.json": LONG_AGO,
    "orders/_delta_log/00000000000000000001.json": LONG_AGO,
    f"orders/{LIVE}": LONG_AGO,
    f"orders/{REMOVED}": LONG_AGO,
    "orders/day=2026-10-02/part-1-failed.parquet": LONG_AGO,
    "orders/day=2026-11-22/part-9-being-written.parquet": JUST_NOW,
    "orders/stray.tmp": LONG_AGO,
    "orders-of-another-table/part-0.parquet": LONG_AGO,
}
COMMITS = (
    [{"metaData": {"format": {"provider": "parquet"}}}, {"add": {"path": LIVE, "size": 1}}],
    [{"add": {"path": REMOVED, "size": 1}}],
    [{"remove": {"path": REMOVED, "dataChange": False}}, {"commitInfo": {"operation": "OPTIMIZE"}}],
)


@pytest.fixture(params=Format)
def lake(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report and the table's log, where the document looks for them."""
    rows = [
        {"bucket": "lake", "key": key, "size": number, "last_modified_date": written}
        for number, (key, written) in enumerate(sorted(STORED.items()))
    ]
    made = our_report(tmp_path / "made", request.param, [rows])
    place = tmp_path / "reports/lake/stocktake"
    place.parent.mkdir(parents=True)
    made.manifest_path.parents[1].rename(place)
    log = tmp_path / "orders/_delta_log"
    log.mkdir(parents=True)
    for number, commit in enumerate(COMMITS):
        (log / f"{number:020}.json").write_text("".join(map(_line, commit)))
    monkeypatch.chdir(tmp_path)


def _line(action: dict[str, dict[str, object]]) -> str:
    """An action as Delta writes it: paths are parts of URIs."""
    told = {
        kind: {**said, "path": quote(str(said["path"]), safe="/=,")} if "path" in said else said
        for kind, said in action.items()
    }
    return json.dumps(told) + "\n"


@pytest.mark.usefixtures("lake")
def test_the_documented_search_finds_the_orphans_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    exec(EXAMPLE, {})
    assert [key for key, _ in literal_eval(capsys.readouterr().out)] == [
        "orders/day=2026-10-02/part-1-failed.parquet", "orders/stray.tmp",
    ]  # fmt: skip
