"""A store that does not know start-after, from the command line: a whole report, and a word on how it came about."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.command_line import stocktake
from tests.servers.fault import FaultServer, ignore_start_after, synthetic


def test_a_run_that_had_to_walk_serially_says_so(fault_server: FaultServer, tmp_path: Path) -> None:
    fault_server.bucket("old", generated=synthetic(5_500, "data/{:05d}".format))
    fault_server.rule(ignore_start_after(), operation="List")
    environment = {
        **fault_server.environment(),
        "STOCKTAKE_STATE_FOLDER": str(tmp_path / "state"),
    }
    done = stocktake("run", "s3://old", tmp_path / "out", "--json", environment=environment)
    assert done.code == 0, done.err
    assert (done.document["rows"], done.document["walk"]) == (5_500, "serial")
    [warning] = done.document["warnings"]
    assert f"warning: {warning}" in done.err
    assert "the bucket was listed serially" in warning
    shown = stocktake("show", done.document["manifest"])
    assert f"warning: {warning}" in shown.out
    assert stocktake("verify", done.document["manifest"]).code == 0
    assert stocktake("probe", "s3://old", "--json", environment=environment).document["walk"] == (
        "serial"
    )
