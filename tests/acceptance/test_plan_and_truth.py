"""A run beside what the last report let expect of it: on the screen, for programs, and in the ledger."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.command_line import stocktake
from tests.servers.fault import FaultServer, synthetic


def test_the_second_run_is_compared_with_what_the_first_let_expect(
    fault_server: FaultServer, tmp_path: Path
) -> None:
    environment = {
        **fault_server.environment(),
        "STOCKTAKE_STATE_FOLDER": str(tmp_path / "state"),
    }

    def run(objects: int, *options: str) -> str:
        fault_server.bucket("b", generated=synthetic(objects))
        done = stocktake("run", "s3://b", tmp_path / "out", *options, environment=environment)
        assert done.code == 0, done.err
        return done.out

    assert "let expect" not in run(1500)
    said = run(1800).partition("as the last report let expect:\n")[2].splitlines()
    assert said[0] == "  rows: planned about 1,500, came to 1,800 (120%)"
    assert [line.split(":")[0].strip() for line in said] == [
        "rows", "list requests", "seconds", "report bytes",
    ]  # fmt: skip
    newest, oldest = stocktake("runs", "--json", environment=environment).document["runs"]
    shown = stocktake("runs", "show", newest["run"], environment=environment).out
    assert shown.endswith("\n".join(["as the last report let expect:", *said, ""]))
    document = stocktake("runs", "show", newest["run"], "--json", environment=environment).document
    assert document["compared"]["rows"]["actual"] == 1800
    assert document["compared"]["rows"]["planned"]["value"] == 1500
    document = stocktake("runs", "show", oldest["run"], "--json", environment=environment).document
    assert document["compared"] == {}
    # Other fields take other calls: nothing is expected of them.
    assert "let expect" not in run(1800, "--fields", "Size")
